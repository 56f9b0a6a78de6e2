//! What is left when something fails.

use std::sync::atomic::Ordering;
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::compression::Algorithm;
use autodump_core::testing::{Call, Cut, Fault, FaultyStore};
use autodump_dump::table::restore::{DataObject, Restore, run};
use serde_json::json;

use crate::support::{Case, golden, items, small};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_call_of_any_kind_ends_the_restore_and_says_what_is_left() {
    // The call that fails, and what the error says of the table; nothing where nothing was done.
    for (call, nth, says) in [
        ("DescribeTable", 1, None),
        ("CreateTable", 1, Some("may be there by now")),
        ("DescribeTable", 2, Some("delete it before")),
        ("Write", 1, Some("delete it before")),
        ("Write", 20, Some("delete it before")),
        ("DescribeTable", 3, Some("not all of its definition")),
    ] {
        let case = Case::usual(1_000);
        case.tables.fail(call, nth, ErrorClass::Engine);
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Engine);
        assert!(error.what().contains(&format!("injected into {call}")), "{error}");
        match says {
            Some(says) => assert!(error.hint().contains(says), "{call} {nth}: {error}"),
            None => assert!(!case.is_made() && !error.hint().contains("delete"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_refused_table_leaves_nothing_to_say() {
    let case = Case::usual(10);
    case.tables.refuse("CreateTable", 1, "LimitExceededException");
    let error = case.fails().await;
    assert!(error.what().contains("LimitExceededException"), "{error}");
    assert!(!error.hint().contains("delete") && !case.is_made(), "{error}");
}

#[tokio::test]
async fn a_step_that_fails_does_not_keep_the_others_from_being_taken() {
    let steps = [
        ("UpdateTimeToLive", "time to live"),
        ("UpdateContinuousBackups", "point-in-time recovery"),
        ("RegisterScalableTarget", "range of capacity"),
        ("TagResource", "AutoDump's tags"),
        ("PutResourcePolicy", "resource policy"),
        ("EnableKinesisStreamingDestination", "stream to"),
        ("UpdateContributorInsights", "contributor insights"),
        ("UpdateTable", "protection against deletion"),
    ];
    for (operation, what) in steps {
        for refused in [true, false] {
            let case = Case::new(golden(), &items(5), 1, Algorithm::Gzip);
            if refused {
                case.tables.refuse(operation, 1, "ValidationException");
            } else {
                case.tables.fail(operation, 1, ErrorClass::Source);
            }
            let error = case.fails().await;
            assert!(error.what().contains(what), "{error}");
            assert!(error.hint().contains("has all 5 items"), "{error}");
            let calls = case.tables.take_calls();
            for (other, _) in steps {
                assert!(calls.iter().any(|call| call == other), "{operation}: no {other}");
            }
            case.assert_items(&items(5));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_comes_too_early_is_taken_again() {
    let case = Case::usual(5);
    for nth in 1..=5 {
        let code = "ContinuousBackupsUnavailableException";
        case.tables.refuse("UpdateContinuousBackups", nth, code);
    }
    case.run().await.unwrap();
    let calls = case.tables.take_calls();
    let tried = calls.iter().filter(|call| *call == "UpdateContinuousBackups").count();
    assert_eq!(tried, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_noticed_before_the_end() {
    type Change = fn(&mut Case, usize);
    let change: [(Change, &str); 7] = [
        (|case, index| edit(case, index, |bytes| flip(bytes)), ""),
        (|case, index| edit(case, index, |bytes| bytes.truncate(bytes.len() / 2)), "bytes, not"),
        (|case, index| edit(case, index, |bytes| bytes.extend(b"\n")), "more than"),
        (|case, index| case.backup.objects[index].items -= 1, "more than"),
        (|case, index| case.backup.objects[index].items += 1, "items, not"),
        (|case, index| wrong_sha256(&mut case.backup.objects[index]), "SHA-256"),
        (|case, index| case.backup.objects[index].crc64nvme = Some(7), "has CRC"),
    ];
    for how in [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd] {
        for (number, (change, says)) in change.iter().enumerate() {
            let mut case = Case::new(small(), &items(300), 3, how);
            change(&mut case, 1);
            let error = case.fails().await;
            assert_eq!(error.class(), ErrorClass::Verification, "{how:?} {number}: {error}");
            assert!(error.what().contains("00000-000001.json"), "{how:?} {number}: {error}");
            assert!(error.what().contains(says), "{how:?} {number}: {error}");
            assert!(error.hint().contains("delete it before"), "{error}");
        }
    }
}

fn edit(case: &Case, index: usize, change: fn(&mut Vec<u8>)) {
    let location = &case.backup.objects[index].location;
    let mut bytes = case.store.object(&location.bucket, &location.key).unwrap().content.to_vec();
    change(&mut bytes);
    case.store.put(location, bytes);
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn wrong_sha256(object: &mut DataObject) {
    object.sha256 = Some("0".repeat(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_item_is_told_without_its_values() {
    for (from, to, says) in [
        (r#""placed":{"N":"#, r#""placed":{"S":"#, "no key attribute placed of type N"),
        (r#"{"Item":{"#, r#"{"Keys":{"#, "line 1 is no item"),
    ] {
        let mut case = Case::new(small(), &items(3), 1, Algorithm::None);
        let object = &mut case.backup.objects[0];
        object.sha256 = None;
        let stored = case.store.object(&object.location.bucket, &object.location.key).unwrap();
        let text = String::from_utf8(stored.content.to_vec()).unwrap().replace(from, to);
        case.store.put(&object.location, text);
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains(says), "{error}");
        assert!(!error.to_string().contains("customer 0"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_ends_the_restore() {
    let get = |nth| Fault::nth(Call::Get, nth);
    let cut = |nth_get, after| Cut { nth_get, after, class: ErrorClass::Destination };
    for (faults, cuts) in
        [(vec![get(1)], vec![]), (vec![get(3)], vec![]), (vec![], vec![cut(2, 100)])]
    {
        let case = Case::usual(500);
        let reader = FaultyStore::new(case.store.clone(), faults).with_cuts(cuts);
        let restore = Restore {
            reader,
            service: case.tables.clone(),
            writer: case.tables.writer(&case.target.name).into(),
            scanner: case.tables.reader(&case.target.name).into(),
            target: case.target.clone(),
            backup: case.backup.clone(),
            options: case.options.clone(),
            watcher: case.heard.clone(),
        };
        let error = run(&restore, std::future::pending()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination);
        assert!(error.what().contains("fault injected"), "{error}");
        assert!(error.hint().contains("delete it before"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_writes_no_more() {
    let mut case = Case::usual(5_000);
    case.options.units_per_second = Some(200.0);
    let some_are_there = async {
        while case.tables.items("copy").is_none_or(|items| items.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let error = case.run_until(some_are_there).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(error.hint().contains("items of the backup"), "{error}");
    let written = case.tables.items("copy").unwrap().len();
    assert!(written > 0 && written < 5_000, "{written}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(case.tables.items("copy").unwrap().len(), written, "somebody still writes");

    // Again, into what is there by now: nothing is left out.
    (case.options.units_per_second, case.options.into_existing) = (None, true);
    case.run().await.unwrap();
    case.assert_items(&items(5_000));
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_table_that_takes_nothing_ends() {
    let case = Case::usual(20);
    case.tables.hinder(1, 0);
    let start = tokio::time::Instant::now();
    let error = case.fails().await;
    assert!(error.what().contains("has not taken an item for 15 minutes"), "{error}");
    assert!(error.class().is_retried());
    let minutes = start.elapsed().as_secs() / 60;
    assert!((15..17).contains(&minutes), "{minutes}");
    case.assert_items(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_nothing_bounds_what_is_read() {
    let mut all = items(500);
    for item in &mut all {
        item["large"] = json!({"S": "x".repeat(300_000)});
    }
    let case = Case::new(small(), &all, 5, Algorithm::None);
    case.tables.hinder(1, 0);
    let read = || case.heard.read.load(Ordering::Relaxed);
    let stands_still = async {
        let mut before = 0;
        while before == 0 || before != read() {
            before = read();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let error = case.run_until(stands_still).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    // 64 MiB of items, and what is on its way to them.
    assert!(read() < 85 << 20, "{} of {} bytes were read", read(), 500 * 300_000);
}

#[tokio::test]
async fn a_fault_while_adding_tells_what_was_there_before() {
    let mut case = Case::usual(500).with_table(&small(), &items(1)).await;
    case.options.into_existing = true;
    case.tables.fail("Write", 5, ErrorClass::Engine);
    let error = case.fails().await;
    assert!(error.hint().contains("was there before and had items"), "{error}");
    assert!(!error.hint().contains("delete"), "{error}");
}
