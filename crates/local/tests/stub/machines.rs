//! Step Functions over functions and jobs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{Toy, Trials, until};

const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn add(trials: &mut Trials) {
    trials.add("an execution waits, checks and dumps", good);
    trials.add("an execution whose check says no ends well", unchanged);
    trials.add("a failed function fails the task with its own error", failed_check);
    trials.add("a failed job is readable in the cause", failed_job);
    trials.add("a job that Batch refuses fails the task", refused);
    trials.add("an attempt that never started is tried again", never_started);
    trials.add("a stopped execution ends its job", stopped);
    trials.add("the same name and input start once", once);
}

fn input(plan: &str) -> Value {
    let when = Utc::now() + Duration::from_secs(1);
    json!({"when": when.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "tagHash": "new", "fail": "", "plan": plan,
        "job": {"vcpu": "1", "memory": "2048"}})
}

async fn start(toy: &Toy, name: &str, input: &Value) -> Result<String> {
    toy.cloud.api().start_execution(toy.stack.state_machine()?, name, input).await
}

async fn run(toy: &Toy, name: &str, input: &Value) -> Result<Execution> {
    let execution = start(toy, name, input).await?;
    toy.cloud.api().wait_for_end(&execution, LIMIT).await
}

async fn good(toy: Arc<Toy>) -> Result<()> {
    let mut wanted = input("exit-0");
    wanted["when"] =
        json!((Utc::now() + Duration::from_secs(3)).format("%Y-%m-%dT%H:%M:%SZ").to_string());
    let ended = run(&toy, "good", &wanted).await?;
    ensure!(ended.status == "SUCCEEDED", "{ended:?}");
    let job = ended.output["dump"]["jobId"].as_str().context("no job id in the output")?.to_owned();
    let job = toy.cloud.jobs().into_iter().find(|known| known.id == job).context("no such job")?;
    ensure!(job.variable("EXECUTION") == Some(ended.arn.as_str()), "{job:?}");
    ensure!(job.variable("MANAGED_BY_AWS") == Some("STARTED_BY_STEP_FUNCTIONS"), "{job:?}");
    let states = toy.cloud.api().states_entered(&ended.arn).await?;
    ensure!(states == ["Wait", "Check", "Unchanged?", "Dump", "Done"], "{states:?}");
    let history = toy.cloud.api().execution_history(&ended.arn).await?;
    let left =
        history.iter().find(|event| event.kind == "WaitStateExited").context("it never waited")?;
    let woke = left.event["timestamp"].as_f64().context("no timestamp")?;
    let when: DateTime<Utc> = wanted["when"].as_str().context("no time")?.parse()?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century fit")]
    let early = when.timestamp() as f64 - woke;
    ensure!(early <= 0.0, "it woke {early} s early");
    Ok(())
}

async fn unchanged(toy: Arc<Toy>) -> Result<()> {
    let mut input = input("exit-0");
    input["tagHash"] = json!("old");
    let ended = run(&toy, "unchanged", &input).await?;
    ensure!(ended.status == "SUCCEEDED" && ended.output["check"]["execute"] == false, "{ended:?}");
    Ok(())
}

async fn failed_check(toy: Arc<Toy>) -> Result<()> {
    let mut input = input("exit-0");
    input["fail"] = json!("because");
    let ended = run(&toy, "failed-check", &input).await?;
    ensure!(ended.status == "FAILED" && ended.error.as_deref() == Some("Toy.Failure"), "{ended:?}");
    let cause: Value = serde_json::from_str(&ended.cause.unwrap_or_default())?;
    ensure!(cause == json!({"errorType": "Toy.Failure", "errorMessage": "because"}), "{cause}");
    Ok(())
}

async fn failed_job(toy: Arc<Toy>) -> Result<()> {
    let ended = run(&toy, "failed-job", &input("exit-10")).await?;
    ensure!(ended.error.as_deref() == Some("Toy.Configuration"), "{ended:?}");
    let cause = ended.cause.unwrap_or_default();
    ensure!(
        cause.starts_with("exit 10, Essential container in task exited, log toy-job/default/"),
        "{cause}"
    );
    let log = cause.rsplit(' ').next().unwrap_or_default();
    ensure!(toy.cloud.logs().join("batch").join(log).exists(), "{log} is no file");

    let other = run(&toy, "failed-job-2", &input("exit-7")).await?;
    let cause: Value = serde_json::from_str(&other.cause.unwrap_or_default())?;
    ensure!(cause["Container"]["ExitCode"] == 7 && cause["Status"] == "FAILED", "{cause}");
    ensure!(cause["Attempts"][0]["Container"]["ExitCode"] == 7, "{cause}");
    ensure!(cause["JobDefinition"].is_string() && cause["JobId"].is_string(), "{cause}");
    Ok(())
}

async fn never_started(toy: Arc<Toy>) -> Result<()> {
    toy.cloud.refuse_attempts("never-started-twice", 2);
    let ended = run(&toy, "never-started-twice", &input("exit-0")).await?;
    ensure!(ended.status == "SUCCEEDED", "{ended:?}");
    toy.cloud.refuse_attempts("never-started-at-all", 9);
    let ended = run(&toy, "never-started-at-all", &input("exit-0")).await?;
    ensure!(ended.error.as_deref() == Some("Toy.Other"), "{ended:?}");
    let cause: Value = serde_json::from_str(&ended.cause.unwrap_or_default())?;
    ensure!(cause["StatusReason"] == "Task failed to start", "{cause}");
    ensure!(cause["Container"].get("ExitCode").is_none(), "{cause}");
    ensure!(cause["Attempts"].as_array().is_some_and(|attempts| attempts.len() == 3), "{cause}");
    Ok(())
}

async fn refused(toy: Arc<Toy>) -> Result<()> {
    let mut huge = input("exit-0");
    huge["job"]["memory"] = json!("1");
    let refused = run(&toy, "refused", &huge).await?;
    ensure!(refused.error.as_deref() == Some("Batch.ClientException"), "{refused:?}");
    Ok(())
}

async fn stopped(toy: Arc<Toy>) -> Result<()> {
    let execution = start(&toy, "stopped", &input("gentle")).await?;
    let mine = || {
        toy.cloud
            .jobs()
            .into_iter()
            .find(|job| job.variable("EXECUTION") == Some(execution.as_str()))
    };
    let began = || {
        let attempt =
            mine().and_then(|job| job.attempts.first().map(|attempt| attempt.log.clone()));
        attempt.is_some_and(|log| {
            std::fs::read_to_string(log).is_ok_and(|text| text.contains("ready"))
        })
    };
    until("the job", LIMIT, began).await?;
    toy.cloud.api().stop_execution(&execution).await?;
    let over = || mine().is_some_and(|job| job.status == "FAILED");
    until("the job's end", Duration::from_secs(10), over).await?;
    let ended = toy.cloud.api().wait_for_end(&execution, LIMIT).await?;
    ensure!(ended.status == "ABORTED", "{ended:?}");
    Ok(())
}

async fn once(toy: Arc<Toy>) -> Result<()> {
    let input = input("exit-0");
    let both = tokio::join!(start(&toy, "once", &input), start(&toy, "once", &input));
    let first = both.0.or(both.1)?;
    toy.cloud.api().wait_for_end(&first, LIMIT).await?;
    let all = toy.cloud.api().list_executions(toy.stack.state_machine()?).await?;
    ensure!(all.iter().filter(|execution| execution.name == "once").count() == 1, "{all:?}");
    let again =
        start(&toy, "once", &input).await.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(again.contains("ExecutionAlreadyExists"), "{again}");
    Ok(())
}
