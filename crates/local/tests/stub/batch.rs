//! Batch, by its own interface.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use autodump_local::{JobView, Signal};
use hyper::Method;
use serde_json::{Value, json};

use crate::{Toy, Trials, until};

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn add(trials: &mut Trials) {
    trials.add("a job finds its environment and its log", good);
    trials.add("only what the strategy names is tried again", retries);
    trials.add("each attempt has an empty disk, which goes with it", scratch);
    trials.add("a killed process has exit code 137", killed);
    trials.add("a terminated job gets SIGTERM and is not tried again", terminated);
    trials.add("a test can signal a running attempt", signalled);
    trials.add("submissions that Batch refuses are refused", refused);
}

fn submission(plan: &str) -> Value {
    json!({"jobName": "toy", "jobQueue": "toy-queue", "jobDefinition": "toy-job",
        "containerOverrides": {"environment": [{"name": "PLAN", "value": plan}]}})
}

async fn submit(toy: &Toy, plan: &str) -> Result<String> {
    let answer = toy
        .cloud
        .api()
        .rest("batch", Method::POST, "/v1/submitjob", Some(&submission(plan)))
        .await?;
    Ok(answer["jobId"].as_str().context("no job id")?.to_owned())
}

fn job(toy: &Toy, id: &str) -> Option<JobView> {
    toy.cloud.jobs().into_iter().find(|job| job.id == id)
}

async fn ended(toy: &Toy, id: &str) -> Result<JobView> {
    let over =
        || job(toy, id).is_some_and(|job| job.status == "SUCCEEDED" || job.status == "FAILED");
    until("the job's end", LIMIT, over).await?;
    job(toy, id).context("the job is gone")
}

async fn describe(toy: &Toy, id: &str) -> Result<Value> {
    let input = json!({"jobs": [id]});
    let all = toy.cloud.api().rest("batch", Method::POST, "/v1/describejobs", Some(&input)).await?;
    Ok(all["jobs"][0].clone())
}

async fn good(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "exit-0").await?;
    let job = ended(&toy, &id).await?;
    ensure!(job.status == "SUCCEEDED" && job.attempts.len() == 1, "{job:?}");
    let log = std::fs::read_to_string(&job.attempts[0].log)?;
    let endpoint = toy.cloud.endpoint();
    ensure!(log.contains(&format!("attempt 1 of {id}: exit-0 at {endpoint} with more")), "{log}");
    let told = describe(&toy, &id).await?;
    ensure!(told["container"]["logStreamName"] == job.attempts[0].log_stream.as_str(), "{told}");
    ensure!(told["timeout"]["attemptDurationSeconds"] == 120, "{told}");
    Ok(())
}

async fn retries(toy: Arc<Toy>) -> Result<()> {
    for (plan, status, codes) in [
        ("exit-10", "FAILED", vec![10]),
        ("exit-12", "FAILED", vec![12, 12, 12]),
        ("second-time", "SUCCEEDED", vec![12, 0]),
    ] {
        let job = ended(&toy, &submit(&toy, plan).await?).await?;
        let found: Vec<i32> = job.attempts.iter().filter_map(|attempt| attempt.exit_code).collect();
        ensure!(job.status == status && found == codes, "{plan}: {job:?}");
    }
    Ok(())
}

async fn scratch(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "scratch").await?;
    let job = ended(&toy, &id).await?;
    let mut found = std::collections::BTreeSet::new();
    for attempt in &job.attempts {
        ensure!(attempt.exit_code == Some(12), "{job:?}");
        let log = std::fs::read_to_string(&attempt.log)?;
        let line = log.lines().find_map(|line| line.strip_prefix("scratch "));
        let (path, mode) = line.and_then(|line| line.split_once(' ')).context("no directory")?;
        ensure!(mode == "755", "{log}");
        ensure!(!std::path::Path::new(path).exists(), "{path} is still there");
        found.insert(path.to_owned());
    }
    ensure!(found.len() == 3, "{found:?}");
    let told = describe(&toy, &id).await?;
    ensure!(told["container"]["mountPoints"][0]["containerPath"] == "/scratch", "{told}");
    Ok(())
}

async fn killed(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "killed").await?;
    ended(&toy, &id).await?;
    let told = describe(&toy, &id).await?;
    ensure!(told["container"]["exitCode"] == 137, "{told}");
    ensure!(told["statusReason"] == "Essential container in task exited", "{told}");
    Ok(())
}

async fn running(toy: &Toy, id: &str) -> Result<u32> {
    until("the start", LIMIT, || job(toy, id).is_some_and(|job| job.pid.is_some())).await?;
    let job = job(toy, id).context("the job is gone")?;
    let log = job.attempts.last().context("no attempt")?.log.clone();
    let wrote = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"));
    until("the trap", LIMIT, wrote).await?;
    job.pid.context("no process")
}

async fn terminated(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "gentle").await?;
    let pid = running(&toy, &id).await?;
    let begun = Instant::now();
    let input = json!({"jobId": id, "reason": "enough"});
    toy.cloud.api().rest("batch", Method::POST, "/v1/terminatejob", Some(&input)).await?;
    let job = ended(&toy, &id).await?;
    ensure!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    ensure!(job.status == "FAILED" && job.status_reason.as_deref() == Some("enough"), "{job:?}");
    ensure!(job.attempts.len() == 1 && job.attempts[0].exit_code == Some(143), "{job:?}");
    ensure!(no_process_in_group(pid)?, "the job's own child still runs");
    Ok(())
}

/// Whether the process group that a job led is empty.
fn no_process_in_group(group: u32) -> Result<bool> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split(' ').collect();
        if fields.get(2) == Some(&group.to_string().as_str()) && fields.first() != Some(&"Z") {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn signalled(toy: Arc<Toy>) -> Result<()> {
    let id = submit(&toy, "gentle").await?;
    running(&toy, &id).await?;
    toy.cloud.signal_job(&id, Signal::Kill)?;
    let job = ended(&toy, &id).await?;
    ensure!(job.attempts[0].exit_code == Some(137), "{job:?}");
    ensure!(toy.cloud.signal_job(&id, Signal::Kill).is_err(), "a job that has ended took a signal");
    Ok(())
}

async fn refused(toy: Arc<Toy>) -> Result<()> {
    for (key, value, complaint) in [
        ("jobName", json!("not a name"), "Job name"),
        ("jobQueue", json!("nowhere"), "Job queue nowhere does not exist"),
        ("jobDefinition", json!("nothing"), "Job definition nothing does not exist"),
        ("arrayProperties", json!({"size": 1}), "arrayProperties.size is 1"),
        (
            "containerOverrides",
            json!({"resourceRequirements": [{"type": "VCPU", "value": "3"}]}),
            "Fargate has no size",
        ),
        (
            "containerOverrides",
            json!({"environment": [{"name": "AWS_BATCH_X", "value": "3"}]}),
            "reserved",
        ),
    ] {
        let mut bad = submission("exit-0");
        bad[key] = value;
        match toy.cloud.api().rest("batch", Method::POST, "/v1/submitjob", Some(&bad)).await {
            Err(error) if error.to_string().contains(complaint) => {}
            other => bail!("{bad}: {other:?}"),
        }
    }
    Ok(())
}
