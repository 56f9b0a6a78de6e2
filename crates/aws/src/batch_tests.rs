use autodump_core::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::replay::{Answer, Sent, replay};

async fn batch(answers: Vec<Answer>) -> (Batch, Sent) {
    let (config, sent) = replay(answers).await;
    (Batch::new(&config), sent)
}

/// What was posted where.
fn posted(sent: &Sent) -> Vec<(String, Value)> {
    let path = |uri: &str| uri.split_once(".com").map(|(_, path)| path.to_owned()).unwrap();
    sent.requests()
        .map(|request| {
            assert_eq!(request.method(), "POST");
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            (path(request.uri()), body)
        })
        .collect()
}

fn job(id: &str, status: &str) -> Value {
    json!({"jobId": id, "jobName": format!("orders-1{id}"), "status": status})
}

/// As the service refuses: the code is in a header.
fn refusal(status: u16, code: &str) -> Answer {
    Answer::error(status, code, "No.").with("x-amzn-errortype", code)
}

#[tokio::test]
async fn jobs_are_listed_by_name_whatever_their_status() {
    let (batch, sent) = batch(vec![
        Answer::ok(&json!({"jobSummaryList": [job("-read", "RUNNING")], "nextToken": "more"})),
        Answer::ok(&json!({"jobSummaryList": [job("", "SUCCEEDED"), job("-verify", "FAILED")]})),
    ])
    .await;
    let jobs = batch.named("queue", "orders-1").await.unwrap();
    let seen: Vec<_> = jobs.iter().map(|job| (job.name.as_str(), job.ended)).collect();
    assert_eq!(seen, [("orders-1-read", false), ("orders-1", true), ("orders-1-verify", true)]);
    let asked = json!({"jobQueue": "queue",
        "filters": [{"name": "JOB_NAME", "values": ["orders-1*"]}]});
    let mut more = asked.clone();
    more["nextToken"] = "more".into();
    let path = "/v1/listjobs".to_owned();
    assert_eq!(posted(&sent), [(path.clone(), asked), (path, more)]);
}

#[tokio::test]
async fn only_two_statuses_are_an_end() {
    let statuses =
        ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"];
    let jobs = statuses.map(|status| job("x", status));
    let (batch, _) = batch(vec![Answer::ok(&json!({"jobs": jobs}))]).await;
    let seen = batch.described(&["x".to_owned()]).await.unwrap();
    let ended: Vec<_> = seen.iter().map(|job| job.ended).collect();
    assert_eq!(ended, [false, false, false, false, false, true, true]);
}

#[tokio::test]
async fn at_most_a_hundred_jobs_are_described_at_once() {
    let ids: Vec<_> = (0..150).map(|number| format!("id-{number}")).collect();
    let answers = [&ids[..100], &ids[100..]].map(|ids| {
        let jobs: Vec<_> = ids.iter().map(|id| job(id, "RUNNING")).collect();
        Answer::ok(&json!({"jobs": jobs}))
    });
    let (asking, sent) = batch(answers.into()).await;
    let seen = asking.described(&ids).await.unwrap();
    assert!(seen.iter().map(|job| &job.id).eq(&ids));
    let path = "/v1/describejobs".to_owned();
    let asked = [&ids[..100], &ids[100..]].map(|ids| (path.clone(), json!({"jobs": ids})));
    assert_eq!(posted(&sent), asked);
    let (idle, sent) = batch(Vec::new()).await;
    assert!(idle.described(&[]).await.unwrap().is_empty());
    assert_eq!(sent.requests().count(), 0);
}

#[tokio::test]
async fn a_job_is_ended_with_a_reason() {
    let (batch, sent) = batch(vec![Answer::ok(&json!({}))]).await;
    batch.terminate("id", "cancelled").await.unwrap();
    let expected = json!({"jobId": "id", "reason": "cancelled"});
    assert_eq!(posted(&sent), [("/v1/terminatejob".to_owned(), expected)]);
}

fn definition(revision: i32, environment: &Value) -> Value {
    json!({"jobDefinitionName": "autodump", "jobDefinitionArn": format!("arn:x:{revision}"),
        "revision": revision, "type": "container",
        "containerProperties": {"environment": environment}})
}

#[tokio::test]
async fn the_environment_is_that_of_the_newest_active_revision() {
    let bucket = |name: &str| json!([{"name": "AUTODUMP_BUCKET", "value": name}, {"name": "x"}]);
    let arn = "arn:aws:batch:eu-central-1:111122223333:job-definition/autodump:7";
    for named in ["autodump", "autodump:7", arn] {
        let (batch, sent) = batch(vec![
            Answer::ok(&json!({"jobDefinitions": [definition(9, &bucket("ninth"))],
                "nextToken": "more"})),
            Answer::ok(&json!({"jobDefinitions": [definition(10, &bucket("tenth")),
                definition(8, &bucket("eighth"))]})),
        ])
        .await;
        let found = batch.environment(named).await.unwrap();
        assert_eq!(found, [("AUTODUMP_BUCKET".to_owned(), "tenth".to_owned())]);
        let path = "/v1/describejobdefinitions".to_owned();
        let asked = json!({"jobDefinitionName": "autodump", "status": "ACTIVE"});
        let mut more = asked.clone();
        more["nextToken"] = "more".into();
        assert_eq!(posted(&sent), [(path.clone(), asked), (path, more)]);
    }
}

#[tokio::test]
async fn a_definition_that_is_not_there_has_no_environment() {
    let none = [
        json!({"jobDefinitions": []}),
        json!({"jobDefinitions": [{"jobDefinitionName": "x",
        "jobDefinitionArn": "arn:x", "revision": 1, "type": "multinode"}]}),
    ];
    for answer in none {
        let (batch, _) = batch(vec![Answer::ok(&answer)]).await;
        assert!(batch.environment("autodump").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn refusals_say_whose_turn_it_is() {
    for (status, code, class, says) in [
        (403, "AccessDeniedException", ErrorClass::Credentials, "batch:ListJobs"),
        (400, "ClientException", ErrorClass::Configuration, "the names that are used"),
        (500, "ServerException", ErrorClass::Source, "after several attempts"),
    ] {
        let refusals = || (0..20).map(|_| refusal(status, code)).collect();
        let errors = [
            batch(refusals()).await.0.named("queue", "x").await.map(drop),
            batch(refusals()).await.0.described(&["x".to_owned()]).await.map(drop),
            batch(refusals()).await.0.terminate("x", "y").await,
            batch(refusals()).await.0.environment("x").await.map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.class(), class, "{error}");
            assert!(error.what().contains(code) && error.hint().contains(says), "{error}");
        }
    }
    let throttled = refusal(429, "TooManyRequestsException");
    let (batch, sent) = batch(vec![throttled, Answer::ok(&json!({}))]).await;
    batch.terminate("id", "x").await.unwrap();
    assert_eq!(sent.requests().count(), 2);
}
