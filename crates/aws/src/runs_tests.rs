use autodump_core::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::replay::{Answer, Sent, replay};

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:AutoDump";
const RUN: &str = "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:orders-1";

async fn functions(answers: Vec<Answer>) -> (StepFunctions, Sent) {
    let (config, sent) = replay(answers).await;
    (StepFunctions::new(&config), sent)
}

fn input() -> Value {
    let golden = include_str!("../../../contract/execution-input.json");
    serde_json::from_str::<Value>(golden).unwrap()["input"].clone()
}

/// An execution as it is listed: without its input.
fn listed(number: u32, status: &str) -> Value {
    json!({"executionArn": format!("{RUN}{number}"), "stateMachineArn": MACHINE,
        "name": format!("orders-1{number}"), "status": status, "startDate": 1_795_334_400.25})
}

#[tokio::test]
async fn an_execution_is_described_whole() {
    let answer = json!({"executionArn": RUN, "stateMachineArn": MACHINE, "name": "orders-1",
        "status": "FAILED", "startDate": 1_795_334_400.25, "stopDate": 1_795_335_000.0,
        "input": input().to_string(), "cause": "it failed"});
    let (functions, sent) = functions(vec![Answer::ok(&answer)]).await;
    let run = functions.run(RUN).await.unwrap();
    assert_eq!((run.arn.as_str(), run.name.as_str()), (RUN, "orders-1"));
    assert_eq!((run.status, run.cause.as_deref()), (RunStatus::Failed, Some("it failed")));
    assert_eq!(run.started, "2026-11-22T08:00:00.25Z".parse::<chrono::DateTime<Utc>>().unwrap());
    assert_eq!(run.ended, Some("2026-11-22T08:10:00Z".parse().unwrap()));
    assert_eq!(serde_json::to_value(run.input.unwrap()).unwrap(), input());
    let asked = sent.bodies("AWSStepFunctions.DescribeExecution");
    assert_eq!(asked, [json!({"executionArn": RUN})]);
}

#[tokio::test]
async fn an_input_that_is_none_of_ours_is_none() {
    for text in ["{}", "", r#"{"resourceArn": "x"}"#] {
        let answer = json!({"executionArn": RUN, "stateMachineArn": MACHINE,
            "status": "RUNNING", "startDate": 0, "input": text});
        let (functions, _) = functions(vec![Answer::ok(&answer)]).await;
        let run = functions.run(RUN).await.unwrap();
        assert_eq!((run.input, run.ended, run.name.as_str()), (None, None, ""), "{text}");
    }
}

#[tokio::test]
async fn every_status_is_understood_and_asked_for() {
    for (name, status) in [
        ("RUNNING", RunStatus::Running),
        ("SUCCEEDED", RunStatus::Succeeded),
        ("FAILED", RunStatus::Failed),
        ("TIMED_OUT", RunStatus::TimedOut),
        ("ABORTED", RunStatus::Aborted),
    ] {
        let answer = Answer::ok(&json!({"executions": [listed(1, name)]}));
        let (functions, sent) = functions(vec![answer]).await;
        let page = functions.page(MACHINE, status, None).await.unwrap();
        assert_eq!((page.runs.len(), page.runs[0].status, page.next), (1, status, None));
        let asked = sent.bodies("AWSStepFunctions.ListExecutions");
        let expected =
            json!({"stateMachineArn": MACHINE, "statusFilter": name, "maxResults": 1000});
        assert_eq!(asked, [expected]);
    }
    let answer = Answer::ok(&json!({"executions": [listed(1, "PENDING_REDRIVE")]}));
    let (functions, _) = functions(vec![answer]).await;
    let page = functions.page(MACHINE, RunStatus::Running, None).await.unwrap();
    assert_eq!(page.runs[0].status, RunStatus::Running, "it has not ended");
}

#[tokio::test]
async fn executions_are_listed_page_by_page() {
    let page = |numbers: [u32; 2], next: Option<&str>| {
        let executions = numbers.map(|number| listed(number, "RUNNING"));
        Answer::ok(&json!({"executions": executions, "nextToken": next}))
    };
    let pages = vec![page([1, 2], Some("more")), page([3, 4], None)];
    let (functions, sent) = functions(pages).await;
    let first = functions.page(MACHINE, RunStatus::Running, None).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("more"));
    let second = functions.page(MACHINE, RunStatus::Running, first.next).await.unwrap();
    assert_eq!(second.next, None);
    let runs: Vec<_> = first.runs.iter().chain(&second.runs).collect();
    let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["orders-11", "orders-12", "orders-13", "orders-14"]);
    assert!(runs.iter().all(|run| run.input.is_none() && run.cause.is_none()));
    let asked = sent.bodies("AWSStepFunctions.ListExecutions");
    let first = json!({"stateMachineArn": MACHINE, "statusFilter": "RUNNING", "maxResults": 1000});
    let mut second = first.clone();
    second["nextToken"] = "more".into();
    assert_eq!(asked, [first, second]);
}

#[tokio::test]
async fn the_definition_is_that_of_the_execution() {
    let answer = json!({"stateMachineArn": MACHINE, "name": "AutoDump", "definition": "{}",
        "roleArn": "arn:role", "updateDate": 0});
    let (functions, sent) = functions(vec![Answer::ok(&answer)]).await;
    assert_eq!(functions.definition(RUN).await.unwrap(), "{}");
    let asked = sent.bodies("AWSStepFunctions.DescribeStateMachineForExecution");
    assert_eq!(asked, [json!({"executionArn": RUN})]);
}

#[tokio::test]
async fn a_stop_says_why() {
    let (functions, sent) = functions(vec![Answer::ok(&json!({"stopDate": 0}))]).await;
    functions.stop(RUN, "cancelled").await.unwrap();
    let expected =
        json!({"executionArn": RUN, "error": "AutoDump.Cancelled", "cause": "cancelled"});
    assert_eq!(sent.bodies("AWSStepFunctions.StopExecution"), [expected]);
}

#[tokio::test]
async fn throttling_is_waited_out_and_refusals_say_what_is_missing() {
    let throttled = Answer::error(400, "ThrottlingException", "Rate exceeded");
    let answer = Answer::ok(&json!({"executions": []}));
    let (patient, sent) = functions(vec![throttled, answer]).await;
    assert!(patient.page(MACHINE, RunStatus::Failed, None).await.unwrap().runs.is_empty());
    assert_eq!(sent.requests().count(), 2);
    for (code, class) in [
        ("AccessDeniedException", ErrorClass::Credentials),
        ("ExecutionDoesNotExist", ErrorClass::Configuration),
        ("InvalidArn", ErrorClass::Configuration),
    ] {
        let refusal = || vec![Answer::error(400, code, "No.")];
        let errors = [
            functions(refusal()).await.0.run(RUN).await.map(drop),
            functions(refusal()).await.0.page(RUN, RunStatus::Running, None).await.map(drop),
            functions(refusal()).await.0.definition(RUN).await.map(drop),
            functions(refusal()).await.0.stop(RUN, "x").await,
        ];
        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.class(), class, "{error}");
            assert!(error.what().contains(RUN) && error.what().contains(code), "{error}");
        }
    }
    let denied = vec![Answer::error(400, "AccessDeniedException", "No.")];
    let error = functions(denied).await.0.run(RUN).await.unwrap_err();
    assert!(error.hint().contains("states:DescribeExecution"), "{error}");
}
