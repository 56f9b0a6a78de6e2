//! EventBridge: objects that are made, executions that end, and state machines as targets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use autodump_local::api::{Api, Execution};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{Toy, Trials, until};

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn add(trials: &mut Trials) {
    trials.add("an object that is made starts a state machine", objects);
    trials.add("a wait of hours is as long as the local cloud is told", waits);
    trials.add("executions that fail or are stopped are told of", ends);
}

/// The execution that was started by the event of an object.
pub(crate) async fn told_of(api: &Api, machine: &str, key: &str) -> Result<Execution> {
    let begun = Instant::now();
    loop {
        for listed in api.list_executions(machine).await? {
            let execution = api.describe_execution(&listed.arn).await?;
            if execution.input["detail"]["object"]["key"] == key {
                return Ok(execution);
            }
        }
        ensure!(begun.elapsed() < LIMIT, "nobody was told of {key}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn objects(toy: Arc<Toy>) -> Result<()> {
    let (api, machine) = (toy.cloud.api(), toy.stack.undo_state_machine()?);
    let bucket = toy.stack.bucket()?;
    for key in ["toy/a b/_SUCCESS", "toy/other", "elsewhere/a/_SUCCESS"] {
        api.put_object(bucket, key, "seven b").await?;
    }
    let started = told_of(api, machine, "toy/a b/_SUCCESS").await?;
    let detail = &started.input["detail"];
    ensure!(started.input["source"] == "aws.s3", "{}", started.input);
    ensure!(detail["bucket"]["name"] == bucket && detail["object"]["size"] == 7, "{detail}");
    ensure!(detail["object"]["etag"].as_str().is_some_and(|etag| etag.len() == 32), "{detail}");
    let mut seen = 0;
    for listed in api.list_executions(machine).await? {
        let input = api.describe_execution(&listed.arn).await?.input;
        let key = input["detail"]["object"]["key"].as_str().unwrap_or_default().to_owned();
        ensure!(key.starts_with("toy/") && key.ends_with("/_SUCCESS"), "told of {key}");
        seen += usize::from(key == "toy/a b/_SUCCESS");
    }
    ensure!(seen == 1, "started {seen} times");
    Ok(())
}

async fn waits(toy: Arc<Toy>) -> Result<()> {
    let (api, begun) = (toy.cloud.api(), Instant::now());
    let started = api.start_execution(toy.stack.undo_state_machine()?, "waits", &json!({})).await?;
    let ended = api.wait_for_end(&started, LIMIT).await?;
    ensure!(ended.status == "SUCCEEDED", "{ended:?}");
    ensure!(begun.elapsed() >= Duration::from_millis(1500), "it did not wait: {begun:?}");
    Ok(())
}

async fn ends(toy: Arc<Toy>) -> Result<()> {
    let (api, function) = (toy.cloud.api(), toy.function("Events")?);
    let input = |when: &str, note: &str| {
        json!({"when": when, "note": note, "tagHash": "new", "fail": "because", "plan": "",
            "job": {"vcpu": "1", "memory": "2048"}})
    };
    let now = Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let start = async |name: &str, input: Value| {
        api.start_execution(toy.stack.state_machine()?, name, &input).await
    };
    let failed = start("told-failed", input(&now, "tell me")).await?;
    let quiet = start("told-not", input(&now, "be quiet")).await?;
    let stopped = start("told-stopped", input("2037-01-01T00:00:00Z", "tell me")).await?;
    api.wait_for_end(&quiet, LIMIT).await?;
    api.stop_execution(&stopped).await?;
    let told = |arn: &str| {
        let log = toy.cloud.function_log(&function);
        let line = log.lines().find(|line| line.contains(arn) && line.starts_with("EVENT "))?;
        serde_json::from_str::<Value>(line.strip_prefix("EVENT ")?).ok()
    };
    let both = || told(&failed).is_some() && told(&stopped).is_some();
    until("the ends of both", LIMIT, both).await?;
    let failed = told(&failed).context("it was there")?;
    let stopped = told(&stopped).context("it was there")?;
    ensure!(failed["detail"]["status"] == "FAILED", "{failed}");
    ensure!(stopped["detail"]["status"] == "ABORTED", "{stopped}");
    let text = stopped["detail"]["input"].as_str().context("the input is a text")?;
    let read: Value = serde_json::from_str(text)?;
    ensure!(read == input("2037-01-01T00:00:00Z", "tell me"), "{read}");
    ensure!(stopped["detail"]["inputDetails"] == json!({"included": true}), "{stopped}");
    ensure!(stopped["detail"]["stopDate"].as_i64() > stopped["detail"]["startDate"].as_i64());
    ensure!(told(&quiet).is_none(), "the rule does not ask for it");
    Ok(())
}
