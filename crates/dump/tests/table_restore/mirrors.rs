//! A table that mirrors a backup: what is not in the backup is deleted, and nothing else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::compression::Algorithm;
use autodump_core::table::definition::Definition;
use serde_json::{Value, json};

use crate::support::{Case, item, items, small};

/// A table of items in a case that is to mirror its backup.
async fn mirroring(case: Case, definition: &Definition, there: &[Value]) -> Case {
    let mut case = case.with_table(definition, there).await;
    (case.options.into_existing, case.options.mirror) = (true, true);
    case
}

/// 50 items in the backup, of which the table has 20, and so many others.
async fn usual(others: u64) -> Case {
    let there: Vec<_> = (30..50 + others).map(item).collect();
    mirroring(Case::usual(50), &small(), &there).await
}

/// A table with one key attribute.
fn keyed(kind: &str) -> Definition {
    let mut definition = small();
    let create = &mut definition.create;
    create["AttributeDefinitions"] = json!([{"AttributeName": "k", "AttributeType": kind}]);
    create["KeySchema"] = json!([{"AttributeName": "k", "KeyType": "HASH"}]);
    definition
}

fn keyed_item(kind: &str, value: &str, from: &str) -> Value {
    json!({"k": {kind: value}, "from": {"S": from}})
}

fn sorted(items: &[Value]) -> Vec<String> {
    let mut texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

fn calls(case: &Case, name: &str) -> usize {
    case.tables.take_calls().iter().filter(|call| *call == name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_others_are_deleted_whatever_the_key_is() {
    for kind in ["S", "N", "B"] {
        let value = |number: u32| match kind {
            // Four digits in base64 are three bytes.
            "B" => format!("{number:04}"),
            "N" => format!("{}", f64::from(number) - 50.5),
            _ => format!("\u{1F600} \"{number}\"\n"),
        };
        let of = |from, numbers: std::ops::Range<u32>| -> Vec<_> {
            numbers.map(|number| keyed_item(kind, &value(number), from)).collect()
        };
        let backup = of("backup", 0..60);
        let case = Case::new(keyed(kind), &backup, 3, Algorithm::Zstd);
        let case = mirroring(case, &keyed(kind), &of("table", 30..430)).await;
        let restored = case.run().await.unwrap();
        assert_eq!((restored.items, restored.deleted), (60, 370), "{kind}");
        assert_eq!(case.heard.deleted.load(Ordering::Relaxed), 370);
        assert!(restored.plan.mirrors);
        assert_eq!(sorted(&case.tables.items("copy").unwrap()), sorted(&backup), "{kind}");
        assert_eq!(*case.heard.names.lock().unwrap(), ["planned", "items", "mirror"]);
        // Again, there is nothing to delete.
        let restored = case.run().await.unwrap();
        assert_eq!(restored.deleted, 0);
        assert_eq!(sorted(&case.tables.items("copy").unwrap()), sorted(&backup), "{kind}");
    }
}

#[tokio::test]
async fn a_number_is_the_same_however_it_is_written() {
    let of = |from, numbers: &[&str]| -> Vec<_> {
        numbers.iter().map(|number| keyed_item("N", number, from)).collect()
    };
    let backup = of("backup", &["7.0", "1E2", "-0", "-1.50", "1e-5"]);
    let case = Case::new(keyed("N"), &backup, 1, Algorithm::Gzip);
    let there = of("table", &["7", "100", "0", "-1.5", "0.00001", "5", "-100"]);
    let case = mirroring(case, &keyed("N"), &there).await;
    assert_eq!(case.run().await.unwrap().deleted, 2);
    let expected = of("backup", &["7", "100", "0", "-1.5", "0.00001"]);
    assert_eq!(sorted(&case.tables.items("copy").unwrap()), sorted(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_others_stay() {
    let mut case = usual(10).await;
    case.options.mirror = false;
    let restored = case.run().await.unwrap();
    assert_eq!((restored.deleted, restored.plan.mirrors), (0, false));
    assert_eq!(calls(&case, "Page"), 0);
    case.assert_items(&items(60));
}

#[tokio::test]
async fn a_table_without_items_of_its_own_is_not_read() {
    let mut made = Case::usual(50);
    made.options.mirror = true;
    let mut empty = Case::usual(50).with_table(&small(), &[]).await;
    empty.options.mirror = true;
    for case in [made, empty] {
        let restored = case.run().await.unwrap();
        assert_eq!((restored.deleted, restored.plan.mirrors), (0, false));
        assert_eq!(calls(&case, "Page"), 0);
        case.assert_items(&items(50));
    }
}

#[tokio::test]
async fn what_must_not_be_mirrored_is_refused_before_anything_is_done() {
    type Change = fn(&mut Case);
    let cases: [(Change, &str, &str); 3] = [
        (|case| case.options.into_existing = false, "is not empty", "all others are deleted"),
        (|case| case.backup.objects.clear(), "would delete everything in copy", "delete it"),
        (|case| case.backup.objects[0].items = 100_000_001, "no more than 100000000", "stays"),
    ];
    for (change, what, hint) in cases {
        let mut case = usual(10).await;
        let before = case.tables.items("copy").unwrap();
        change(&mut case);
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(what) && error.hint().contains(hint), "{error}");
        let calls = case.tables.take_calls();
        let changes = |call: &String| matches!(call.as_str(), "Write" | "Delete" | "Page");
        assert!(!calls.iter().any(changes), "{calls:?}");
        assert_eq!(case.tables.items("copy").unwrap(), before);
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_deleted() {
    let mut case = usual(10).await;
    case.options.dry_run = true;
    let before = case.tables.items("copy").unwrap();
    let restored = case.run().await.unwrap();
    assert!(restored.dry_run && restored.plan.mirrors);
    assert_eq!(serde_json::to_value(&restored.plan).unwrap()["mirrors"], true);
    let says = |remark: &String| remark.contains("all others are deleted");
    assert!(restored.plan.remarks.iter().any(says), "{:?}", restored.plan.remarks);
    assert_eq!(case.tables.items("copy").unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_keys_left_over_lose_nothing() {
    let case = usual(1_000).await;
    case.tables.hinder(3, 2);
    case.tables.hinder_pages(4);
    let restored = case.run().await.unwrap();
    assert!(restored.throttled > 20, "{}", restored.throttled);
    assert_eq!(restored.deleted, 1_000);
    case.assert_items(&items(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_on_the_way_says_what_is_left_and_again_it_ends() {
    for (call, nth, class) in [
        ("Page", 1, ErrorClass::Engine),
        ("Page", 7, ErrorClass::Credentials),
        ("Delete", 1, ErrorClass::Destination),
        ("Delete", 5, ErrorClass::Credentials),
    ] {
        let case = usual(300).await;
        case.tables.fail(call, nth, class);
        let error = case.fails().await;
        assert_eq!(error.class(), class);
        assert!(error.what().contains(&format!("injected into {call}")), "{error}");
        assert!(error.hint().contains("has all 50 items of the backup"), "{error}");
        assert!(error.hint().contains("others were deleted, perhaps not yet all"), "{error}");
        let left = case.tables.items("copy").unwrap();
        assert!((51..=350).contains(&left.len()), "{call} {nth}: {}", left.len());
        assert!(items(50).iter().all(|item| left.contains(item)), "{call} {nth}");

        let restored = case.run().await.unwrap();
        assert_eq!(restored.deleted, left.len() as u64 - 50);
        case.assert_items(&items(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_items_are_missing_nothing_is_deleted() {
    type Change = fn(&mut Case);
    let changes: [Change; 3] = [
        |case| case.tables.fail("Write", 2, ErrorClass::Verification),
        |case| case.backup.objects[1].items -= 1,
        |case| case.backup.objects[2].crc64nvme = Some(7),
    ];
    for change in changes {
        let mut case = usual(100).await;
        change(&mut case);
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Verification, "{error}");
        let calls = case.tables.take_calls();
        assert!(!calls.iter().any(|call| call == "Page" || call == "Delete"), "{calls:?}");
        let left = case.tables.items("copy").unwrap();
        assert!((50..150).all(|number| left.contains(&item(number))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_deletes_no_more_and_again_it_ends() {
    let mut case = usual(2_000).await;
    case.options.units_per_second = Some(200.0);
    let left = || case.tables.items("copy").unwrap().len();
    let some_are_gone = async {
        // 50 of the backup, 2000 others.
        while case.heard.deleted.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let error = case.run_until(some_are_gone).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(error.hint().contains("perhaps not yet all"), "{error}");
    let then = left();
    assert!((51..2_050).contains(&then), "{then}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(left(), then, "somebody still deletes");

    case.options.units_per_second = None;
    assert_eq!(case.run().await.unwrap().deleted, then as u64 - 50);
    case.assert_items(&items(50));
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_table_that_cannot_be_read_ends() {
    let case = usual(10).await;
    case.tables.hinder_pages(1);
    let start = tokio::time::Instant::now();
    let error = case.fails().await;
    assert!(error.what().contains("has not let a page be read for 15 minutes"), "{error}");
    assert!(error.class().is_retried());
    assert!((15..17).contains(&(start.elapsed().as_secs() / 60)));
    case.assert_items(&items(60));
}
