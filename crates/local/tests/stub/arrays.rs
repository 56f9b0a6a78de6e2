//! Array jobs, by Batch's own interface.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_local::JobView;
use hyper::Method;
use serde_json::{Value, json};

use crate::{Toy, Trials, until};

const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn add(trials: &mut Trials) {
    trials.add("an array runs its children, two at once, each with its attempts", good);
    trials.add("an array fails when one of its children does", failed);
    trials.add("a terminated array ends all its children", terminated);
}

async fn batch(toy: &Toy, operation: &str, input: &Value) -> Result<Value> {
    let path = format!("/v1/{operation}");
    toy.cloud.api().rest("batch", Method::POST, &path, Some(input)).await
}

async fn submit(toy: &Toy, plan: &str, size: u32) -> Result<String> {
    let input = json!({"jobName": "toy-array", "jobQueue": "toy-queue", "jobDefinition": "toy-job",
        "arrayProperties": {"size": size},
        "containerOverrides": {"environment": [{"name": "PLAN", "value": plan}]}});
    let answer = batch(toy, "submitjob", &input).await?;
    Ok(answer["jobId"].as_str().context("no job id")?.to_owned())
}

async fn describe(toy: &Toy, id: &str) -> Result<Value> {
    Ok(batch(toy, "describejobs", &json!({"jobs": [id]})).await?["jobs"][0].clone())
}

fn children(toy: &Toy, id: &str) -> Vec<JobView> {
    let of = |job: &JobView| job.id.strip_prefix(id).is_some_and(|rest| rest.starts_with(':'));
    let mut found: Vec<JobView> = toy.cloud.jobs().into_iter().filter(of).collect();
    found.sort_by_key(|job| job.array_index);
    found
}

/// Waits for the end of an array; returns it, and the most children that ran at the same time.
async fn ended(toy: &Toy, id: &str) -> Result<(Value, usize)> {
    let mut most = 0;
    let over = || {
        let running = children(toy, id).iter().filter(|job| job.pid.is_some()).count();
        most = most.max(running);
        let parent = toy.cloud.jobs().into_iter().find(|job| job.id == id);
        parent.is_some_and(|job| job.status == "SUCCEEDED" || job.status == "FAILED")
    };
    until("the array's end", LIMIT, over).await?;
    Ok((describe(toy, id).await?, most))
}

async fn good(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "array", 5).await?;
    let begun = describe(&toy, &id).await?;
    ensure!(begun["status"] == "PENDING" && begun["arrayProperties"]["size"] == 5, "{begun}");
    let (told, most) = ended(&toy, &id).await?;
    ensure!(told["status"] == "SUCCEEDED", "{told}");
    ensure!(told["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5, "{told}");
    ensure!(most == 2, "{most} ran at once");
    let all = children(&toy, &id);
    ensure!(all.len() == 5, "{all:?}");
    for (index, child) in all.iter().enumerate() {
        ensure!(child.id == format!("{id}:{index}"), "{child:?}");
        ensure!(child.attempts.len() == if index == 1 { 2 } else { 1 }, "{child:?}");
        let log = std::fs::read_to_string(&child.attempts[0].log)?;
        ensure!(log.contains(&format!("child {index} of 5")), "{log}");
    }
    let child = describe(&toy, &format!("{id}:3")).await?;
    ensure!(child["arrayProperties"] == json!({"index": 3}), "{child}");
    ensure!(child["jobArn"].as_str().is_some_and(|arn| arn.ends_with(":3")), "{child}");
    let asked = json!({"arrayJobId": id, "jobStatus": "SUCCEEDED", "maxResults": 2});
    let page = batch(&toy, "listjobs", &asked).await?;
    let of_page = page["jobSummaryList"].as_array().context("no list")?;
    ensure!(of_page.len() == 2 && page["nextToken"].is_string(), "{page}");
    ensure!(of_page[1]["arrayProperties"]["index"] == 1, "{page}");
    let running = batch(&toy, "listjobs", &json!({"arrayJobId": id})).await?;
    ensure!(running["jobSummaryList"] == json!([]), "{running}");
    Ok(())
}

async fn failed(toy: Arc<Toy>) -> Result<()> {
    let (told, _) = ended(&toy, &submit(&toy, "array-fails", 3).await?).await?;
    ensure!(told["status"] == "FAILED", "{told}");
    ensure!(told["statusReason"] == "Array Child Job failed", "{told}");
    let summary = &told["arrayProperties"]["statusSummary"];
    ensure!(summary["SUCCEEDED"] == 2 && summary["FAILED"] == 1, "{told}");
    Ok(())
}

async fn terminated(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "gentle", 4).await?;
    let ready = || {
        let logs = children(&toy, &id).into_iter().flat_map(|child| child.attempts);
        let text = |log: &std::path::Path| std::fs::read_to_string(log).unwrap_or_default();
        logs.filter(|attempt| text(&attempt.log).contains("ready")).count() == 2
    };
    until("the first two", LIMIT, ready).await?;
    batch(&toy, "terminatejob", &json!({"jobId": id, "reason": "enough"})).await?;
    let (told, _) = ended(&toy, &id).await?;
    ensure!(told["status"] == "FAILED" && told["statusReason"] == "enough", "{told}");
    let codes: Vec<Vec<Option<i32>>> = children(&toy, &id)
        .iter()
        .map(|child| child.attempts.iter().map(|attempt| attempt.exit_code).collect())
        .collect();
    let begun = codes.iter().filter(|codes| **codes == [Some(143)]).count();
    ensure!(begun == 2 && codes.iter().filter(|codes| codes.is_empty()).count() == 2, "{codes:?}");
    Ok(())
}
