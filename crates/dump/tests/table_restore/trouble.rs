//! What passes by itself is waited out, and what does not is told in the end.

use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::compression::Algorithm;
use autodump_core::testing::MemoryTables;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Case, golden, item, items, small};

/// The calls of an operation from this one on, as many as are made.
fn fail_from(tables: &MemoryTables, operation: &str, first: u32, class: ErrorClass) {
    for nth in first..first + 2_000 {
        tables.fail(operation, nth, class);
    }
}

fn minutes(start: Instant) -> u64 {
    start.elapsed().as_secs() / 60
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_writes_are_sent_again() {
    let case = Case::usual(500);
    for nth in [1, 2, 3, 10] {
        case.tables.fail("Write", nth, ErrorClass::Source);
    }
    let restored = case.run().await.unwrap();
    assert_eq!((restored.items, restored.throttled), (500, 4));
    case.assert_items(&items(500));
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_any_more_the_restore_ends_and_says_why() {
    let case = Case::usual(20);
    fail_from(&case.tables, "Write", 1, ErrorClass::Source);
    let start = Instant::now();
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Source);
    for says in ["has not taken an item for 15 minutes", "injected into Write"] {
        assert!(error.what().contains(says), "{error}");
    }
    assert!((15..17).contains(&minutes(start)), "{}", minutes(start));
}

/// 20 items in the backup and a table with 10 others, which is to mirror it.
async fn mirroring() -> Case {
    let there: Vec<_> = (15..30).map(item).collect();
    let mut case = Case::usual(20).with_table(&small(), &there).await;
    (case.options.into_existing, case.options.mirror) = (true, true);
    case
}

#[tokio::test(start_paused = true)]
async fn pages_and_deletes_are_asked_for_again() {
    let case = mirroring().await;
    for nth in [1, 2] {
        case.tables.fail("Page", nth, ErrorClass::Source);
        case.tables.fail("Delete", nth, ErrorClass::Source);
    }
    assert_eq!(case.run().await.unwrap().deleted, 10);
    case.assert_items(&items(20));

    let case = mirroring().await;
    fail_from(&case.tables, "Page", 1, ErrorClass::Source);
    let start = Instant::now();
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Source);
    for says in ["has not let a page be read for 15 minutes", "injected into Page"] {
        assert!(error.what().contains(says), "{error}");
    }
    assert!((15..17).contains(&minutes(start)), "{}", minutes(start));
}

#[tokio::test(start_paused = true)]
async fn a_new_table_whose_tags_are_not_seen_yet_is_written_a_little_later() {
    let case = Case::usual(100);
    for nth in 1..=6 {
        case.tables.fail("Write", nth, ErrorClass::Credentials);
        case.tables.fail("UpdateTimeToLive", nth, ErrorClass::Credentials);
    }
    let restored = case.run().await.unwrap();
    assert_eq!(restored.items, 100);
    case.assert_items(&items(100));
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_lasts_is_told() {
    let case = Case::usual(100);
    fail_from(&case.tables, "Write", 1, ErrorClass::Credentials);
    let start = Instant::now();
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert!(error.hint().contains("delete it before"), "{error}");
    let waited = start.elapsed();
    assert!((Duration::from_mins(2)..Duration::from_mins(3)).contains(&waited), "{waited:?}");

    let case = Case::usual(5);
    fail_from(&case.tables, "UpdateTimeToLive", 1, ErrorClass::Credentials);
    fail_from(&case.tables, "PutResourcePolicy", 1, ErrorClass::Credentials);
    let start = Instant::now();
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Credentials);
    for says in ["time to live (", "resource policy ("] {
        assert!(error.what().contains(says), "{error}");
    }
    // All steps together, and once more after the tags of AutoDump.
    let waited = start.elapsed();
    assert!((Duration::from_mins(2)..Duration::from_mins(5)).contains(&waited), "{waited:?}");
    assert!(case.tables.take_calls().contains(&"UpdateTable".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_there_is_not_waited_for_where_it_is_denied() {
    let mut case = Case::usual(100).with_table(&small(), &items(1)).await;
    case.options.into_existing = true;
    case.tables.fail("Write", 1, ErrorClass::Credentials);
    let start = Instant::now();
    assert_eq!(case.fails().await.class(), ErrorClass::Credentials);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_looked_at_for_a_moment_still_gets_the_rest() {
    let case = Case::usual(5);
    // Two before the items; then one before each step.
    for nth in [3, 5] {
        case.tables.fail("DescribeTable", nth, ErrorClass::Source);
    }
    let error = case.fails().await;
    for says in ["time to live (", "stream to "] {
        assert!(error.what().contains(says), "{error}");
    }
    assert!(!error.what().contains("resource policy"), "{error}");
    let calls = case.tables.take_calls();
    for taken in ["UpdateContinuousBackups", "TagResource", "PutResourcePolicy", "UpdateTable"] {
        assert!(calls.contains(&taken.to_owned()), "no {taken}");
    }
    assert!(!calls.contains(&"UpdateTimeToLive".to_owned()));
}

/// Items of which one has an attribute that the index `by-state` does not take.
fn with_odd(state: &Value) -> Vec<Value> {
    let mut all = items(60);
    all[41]["state"] = state.clone();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_does_not_fit_an_index_is_told_with_its_object_and_without_its_value() {
    for (state, says) in [
        (json!({"N": "4711"}), "is of type N, and the index takes S"),
        (json!({"S": ""}), "is empty"),
    ] {
        let case = Case::new(golden(), &with_odd(&state), 3, Algorithm::Gzip);
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Configuration);
        let object = &case.backup.objects[2].location;
        let name = format!("an item of s3://{}/{} does not fit", object.bucket, object.key);
        for says in [name.as_str(), "its attribute state, a key of the index by-state", says] {
            assert!(error.what().contains(says), "{error}");
        }
        assert!(error.hint().contains("without the index by-state"), "{error}");
        assert!(!error.to_string().contains("4711"), "{error}");

        // As the hint says: into a table without the index.
        let case = Case::new(golden(), &with_odd(&state), 3, Algorithm::Gzip);
        let case = case.with_table(&small(), &[]).await;
        case.run().await.unwrap();
        case.assert_items(&with_odd(&state));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_refused_for_another_reason_is_told_with_its_object() {
    let mut all = items(60);
    all[25]["large"] = json!({"S": "x".repeat(420_000)});
    let case = Case::new(small(), &all, 3, Algorithm::Gzip);
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Configuration);
    let object = &case.backup.objects[1].location;
    let name = format!("an item of s3://{}/{} was not written", object.bucket, object.key);
    assert!(error.what().contains(&name), "{error}");
    assert!(error.what().contains("more than 400 KB"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_rate_that_was_asked_for_is_not_the_tables_fault() {
    let mut all = items(30);
    for item in &mut all {
        item["large"] = json!({"S": "x".repeat(390_000)});
    }
    let mut case = Case::new(small(), &all, 1, Algorithm::None);
    // The first batch is taken, and paid for by hours of waiting; the next is throttled once.
    (case.options.units_per_second, case.options.workers) = (Some(1.0), 1);
    case.tables.hinder(2, 0);
    let start = Instant::now();
    let restored = case.run().await.unwrap();
    assert!(minutes(start) > 60 && restored.throttled > 0, "{}", minutes(start));
    case.assert_items(&all);
}
