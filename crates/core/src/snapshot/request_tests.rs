use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::snapshot::world::golden;

const STEPS: [(&str, Step); 7] = [
    ("make", Step::Make),
    ("look", Step::Look),
    ("export", Step::Export),
    ("follow", Step::Follow),
    ("finish", Step::Finish),
    ("prune", Step::Prune),
    ("undo", Step::Undo),
];

#[test]
fn every_event_of_the_contract_is_read() {
    let golden = golden();
    let Request::Plan { run, tag_hash } = Request::read(&golden["plan"]["event"]).unwrap() else {
        panic!("no plan")
    };
    assert_eq!(golden["plan"]["event"]["tagHash"], tag_hash.as_str());
    for (name, step) in STEPS {
        let read = Request::read(&golden[name]["event"]).unwrap();
        assert_eq!(read, Request::Step(step, run.clone()), "{name}");
    }
    for stopped in golden["stopped"].as_array().unwrap() {
        let read = Request::read(stopped).unwrap();
        assert_eq!(read, Request::Step(Step::Undo, run.clone()), "{stopped}");
    }
}

#[test]
fn an_execution_that_leaves_nothing_is_ignored() {
    let stopped = golden()["stopped"][0].clone();
    let mut running = stopped.clone();
    running["detail"]["status"] = "RUNNING".into();
    let mut secret = stopped.clone();
    let input = secret["detail"]["input"].as_str().unwrap().replace(
        "arn:aws:rds:eu-central-1:111122223333:db:orders",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf",
    );
    secret["detail"]["input"] = input.into();
    for (event, says) in [(running, "is RUNNING"), (secret, "is no database of RDS")] {
        let Request::Ignored { reason } = Request::read(&event).unwrap() else { panic!("{event}") };
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn anything_else_is_refused() {
    let golden = golden();
    let with = |name: &str, value: Value| {
        let mut event = golden["make"]["event"].clone();
        event[name] = value;
        event
    };
    let without = |action: &str, name: &str| {
        let mut event = golden[action]["event"].clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let mut odd = golden["stopped"][0].clone();
    odd["detail"]["input"] = "{}".into();
    for event in [
        with("action", "destroy".into()),
        with("tagHash", "v1:00".into()),
        with("start", "now".into()),
        without("make", "action"),
        without("make", "executionArn"),
        without("plan", "tagHash"),
        odd,
        json!({}),
        json!([]),
        json!(null),
    ] {
        let error = Request::read(&event).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{event}");
    }
}

proptest! {
    #[test]
    fn the_reader_never_panics(
        action in prop_oneof!["plan|make|undo", "\\PC{0,8}"], start in "\\PC{0,24}",
        input in prop_oneof!["\\{\\}", "\\PC{0,20}"], source in "aws.states|x",
    ) {
        let detail = json!({"status": action, "input": input, "executionArn": start});
        for event in [
            json!({"action": action, "resourceArn": input, "start": start, "executionArn": "x"}),
            json!({"source": source, "detail": detail}),
            json!({"source": source, "detail": start}),
        ] {
            if let Ok(Request::Step(_, run) | Request::Plan { run, .. }) = Request::read(&event) {
                prop_assert!(run.directory().ends_with('/'));
            }
        }
    }
}
