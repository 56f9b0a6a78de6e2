use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;

/// Gives these answers one after the other, and the last one for ever.
struct Scripted {
    answers: Mutex<VecDeque<Called>>,
    inputs: Mutex<Vec<Value>>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Called>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), inputs: Mutex::default() }
    }

    fn asked(&self) -> usize {
        self.inputs.lock().unwrap().len()
    }
}

impl TableService for Scripted {
    async fn dynamodb(&self, _: &str, input: Value) -> Result<Called> {
        self.inputs.lock().unwrap().push(input);
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(next.unwrap())
    }

    async fn auto_scaling(&self, operation: &str, input: Value) -> Result<Called> {
        self.dynamodb(operation, input).await
    }
}

fn refused(code: &str) -> Called {
    Called::Refused { code: code.to_owned(), message: "no".to_owned() }
}

fn table(status: &str, index: Option<&str>) -> Called {
    let indexes: Vec<_> = index.map(|status| json!({"IndexStatus": status})).into_iter().collect();
    let table = json!({"TableStatus": status, "GlobalSecondaryIndexes": indexes});
    Called::Answered(json!({"Table": table}))
}

#[tokio::test(start_paused = true)]
async fn a_table_is_waited_for_until_it_and_its_indexes_are_active() {
    let service = Scripted::new([
        refused(NOT_FOUND),
        table("CREATING", Some("CREATING")),
        table("ACTIVE", Some("CREATING")),
        table("UPDATING", None),
        table("ACTIVE", Some("ACTIVE")),
    ]);
    active(&service, "orders").await.unwrap();
    assert_eq!(service.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end_and_a_table_that_goes_away_is_not_waited_for() {
    let start = Instant::now();
    let error = active(&Scripted::new([table("CREATING", None)]), "orders").await.unwrap_err();
    assert!(error.what().contains("still CREATING after 60 minutes"), "{error}");
    assert!(error.class().is_retried() && start.elapsed() >= PATIENCE);
    for status in ["DELETING", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVED"] {
        let error = active(&Scripted::new([table(status, None)]), "orders").await.unwrap_err();
        assert!(error.what().contains(status), "{error}");
    }
    let error = active(&Scripted::new([refused("ValidationException")]), "orders").await;
    assert!(error.unwrap_err().what().contains("DescribeTable of orders was refused"));
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_early_is_tried_again_for_a_while() {
    let step = Step::of_table("UpdateTimeToLive", "time to live", "orders", json!({}));
    let done = Called::Answered(json!({}));
    let service = Scripted::new([refused("ResourceInUseException"), done]);
    assert!(matches!(
        apply(&service, "orders", &step, Instant::now()).await.unwrap(),
        Outcome::Done
    ));
    let start = Instant::now();
    let service = Scripted::new([refused("LimitExceededException")]);
    let error = apply(&service, "orders", &step, Instant::now()).await.err().unwrap();
    assert!(error.class().is_retried() && start.elapsed() >= TOO_EARLY, "{error}");
    let service = Scripted::new([refused("UnknownOperationException")]);
    assert!(matches!(
        apply(&service, "orders", &step, Instant::now()).await.unwrap(),
        Outcome::Unknown
    ));
    let service = Scripted::new([refused("ValidationException")]);
    assert!(apply(&service, "orders", &step, Instant::now()).await.is_err());
    assert_eq!(service.asked(), 1);
}

/// Denies so many calls, and takes all others.
struct Denying(Mutex<(usize, Vec<Instant>)>);

impl Denying {
    fn first(calls: usize) -> Self {
        Self(Mutex::new((calls, Vec::new())))
    }

    fn called(&self) -> Vec<Instant> {
        self.0.lock().unwrap().1.clone()
    }
}

impl TableService for Denying {
    async fn dynamodb(&self, _: &str, _: Value) -> Result<Called> {
        let mut state = self.0.lock().unwrap();
        state.1.push(Instant::now());
        if state.1.len() <= state.0 {
            return Err(Error::new(ErrorClass::Credentials, "it is denied", "Allow it"));
        }
        Ok(Called::Answered(json!({})))
    }

    async fn auto_scaling(&self, operation: &str, input: Value) -> Result<Called> {
        self.dynamodb(operation, input).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_while_tags_settle_is_tried_again_and_a_lasting_denial_is_told() {
    let step = Step::of_table("UpdateTimeToLive", "time to live", "orders", json!({}));
    let service = Denying::first(7);
    let settled = Instant::now() + SETTLING;
    assert!(matches!(apply(&service, "orders", &step, settled).await.unwrap(), Outcome::Done));
    let called = service.called();
    assert_eq!(called.len(), 8);
    let pauses: Vec<_> = called.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.is_sorted() && pauses[0] < pauses[6], "{pauses:?}");

    let (service, start) = (Denying::first(usize::MAX), Instant::now());
    let error = apply(&service, "orders", &step, start + SETTLING).await.err().unwrap();
    assert_eq!((error.class(), error.what()), (ErrorClass::Credentials, "it is denied"));
    let waited = start.elapsed();
    assert!(waited >= SETTLING && waited <= SETTLING + PAUSES.1, "{waited:?}");
    assert!(service.called().len() < 30);

    // What was there before has its tags.
    let service = Denying::first(1);
    assert!(apply(&service, "orders", &step, Instant::now()).await.is_err());
    assert_eq!(service.called().len(), 1);
}

#[tokio::test]
async fn a_table_is_empty_when_its_last_page_is() {
    let page = |count: u32, next: Value| {
        Called::Answered(json!({"Count": count, "LastEvaluatedKey": next}))
    };
    let key = json!({"id": {"S": "a"}});
    let service = Scripted::new([page(0, key.clone()), page(0, Value::Null)]);
    assert!(!has_items(&service, "orders").await.unwrap());
    assert_eq!(service.inputs.lock().unwrap()[1]["ExclusiveStartKey"], key);
    let service = Scripted::new([page(0, key), page(1, Value::Null)]);
    assert!(has_items(&service, "orders").await.unwrap());
    assert_eq!(service.inputs.lock().unwrap()[0]["Limit"], 1);
}
