//! Lambda and EventBridge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{Toy, Trials, until};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("a function finds its event, its environment and its deadline", finds_what_it_needs);
    trials.add(
        "a warm process takes the next event, concurrent ones get their own",
        warm_and_concurrent,
    );
    trials.add("an error of a function is the caller's to see", errors);
    trials.add("a function that takes too long is ended", timeout);
    trials.add("a function that cannot begin says why", no_init);
    trials.add("an unknown function is an error", unknown);
    trials.add("the schedule fires by itself and on request", schedule);
    trials.add("changed tags and deleted secrets reach the rules", secrets);
}

async fn finds_what_it_needs(toy: Arc<Toy>) -> Result<()> {
    let name = toy.function("Toy")?;
    let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
    let answer = toy.cloud.invoke(&arn, &json!({"a": "ä"})).await?;
    let answer = answer.map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(answer["echo"] == json!({"a": "ä"}), "{answer}");
    ensure!(answer["mode"] == "toy" && answer["name"] == name, "{answer}");
    ensure!(answer["arn"] == arn && answer["endpoint"] == toy.cloud.endpoint(), "{answer}");
    let left = answer["left"].as_f64().unwrap_or_default();
    ensure!((1.0..=2.0).contains(&left), "{left} s are left of 2");
    Ok(())
}

async fn warm_and_concurrent(toy: Arc<Toy>) -> Result<()> {
    let name = toy.function("Events")?;
    let event = json!({"sleep": 0.5});
    let (first, second) =
        tokio::join!(toy.cloud.invoke(&name, &event), toy.cloud.invoke(&name, &event));
    let pid =
        |answer: Result<Value, Value>| answer.map(|value| value["pid"].clone()).unwrap_or_default();
    let (first, second) = (pid(first?), pid(second?));
    ensure!(first.is_number() && first != second, "both in {first}");
    let third = pid(toy.cloud.invoke(&name, &json!({})).await?);
    ensure!(third.is_number(), "no third answer");
    Ok(())
}

async fn errors(toy: Arc<Toy>) -> Result<()> {
    let name = toy.function("Toy")?;
    let failed = toy.cloud.invoke(&name, &json!({"fail": "because"})).await?;
    ensure!(
        failed == Err(json!({"errorType": "Toy.Failure", "errorMessage": "because"})),
        "{failed:?}"
    );
    let exited = toy.cloud.invoke(&name, &json!({"exit": 3})).await?;
    let error = exited.err().unwrap_or_default();
    ensure!(error["errorType"] == "Runtime.ExitError", "{error}");
    ensure!(
        error["errorMessage"].as_str().is_some_and(|text| text.contains("exit status: 3")),
        "{error}"
    );
    Ok(())
}

async fn timeout(toy: Arc<Toy>) -> Result<()> {
    let begun = Instant::now();
    let late = toy.cloud.invoke(&toy.function("Toy")?, &json!({"sleep": 60})).await?;
    let error = late.err().unwrap_or_default();
    ensure!(
        error["errorMessage"].as_str().is_some_and(|text| text.contains("timed out after 2.00")),
        "{error}"
    );
    ensure!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    Ok(())
}

async fn no_init(toy: Arc<Toy>) -> Result<()> {
    let failed = toy.cloud.invoke(&toy.function("NoInit")?, &json!({})).await?;
    ensure!(failed.err().unwrap_or_default()["errorType"] == "Toy.Init");
    Ok(())
}

async fn unknown(toy: Arc<Toy>) -> Result<()> {
    let path = "/2015-03-31/functions/nobody/invocations";
    let error = toy.cloud.api().rest("lambda", hyper::Method::POST, path, Some(&json!({}))).await;
    let error = error.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(error.contains("404") && error.contains("ResourceNotFoundException"), "{error}");
    Ok(())
}

async fn schedule(toy: Arc<Toy>) -> Result<()> {
    let name = toy.function("Events")?;
    let fired = || toy.cloud.function_log(&name).contains("\"Scheduled Event\"");
    until("the first firing", Duration::from_secs(15), fired).await?;
    let answers = toy.cloud.fire_scan().await?;
    ensure!(answers.len() == 1 && answers[0]["echo"]["source"] == "aws.events", "{answers:?}");
    Ok(())
}

async fn secrets(toy: Arc<Toy>) -> Result<()> {
    let name = toy.function("Events")?;
    let api = toy.cloud.api();
    let events = |kind: &str, text: &str| {
        let log = toy.cloud.function_log(&name);
        log.lines().filter(|line| line.contains(kind) && line.contains(text)).count()
    };
    let arn = api.create_secret("toy/events", "{}", &[("Owner", "x")]).await?;
    api.tag_secret("toy/events", &[("autodump:size", "small")]).await?;
    let limit = Duration::from_secs(10);
    until("the tag event", limit, || events("Tag Change", "autodump:size") == 1).await?;
    api.untag_secret(&arn, &["autodump:size"]).await?;
    until("the second tag event", limit, || events("Tag Change", &arn) == 2).await?;
    api.delete_secret(&arn, false).await?;
    until("the call's record", limit, || events("via CloudTrail", "DeleteSecret") == 1).await?;
    api.restore_secret(&arn).await?;
    ensure!(events("Tag Change", "Owner") == 2, "a tag that no rule asks for was passed on alone");
    ensure!(api.describe_secret(&arn).await?["DeletedDate"].is_null());
    Ok(())
}
