//! Restores that DynamoDB does itself.

use std::sync::Arc;

use autodump_core::ErrorClass;
use autodump_core::compression::Algorithm;
use autodump_core::ports::ObjectLocation;
use autodump_core::table::read::read;
use autodump_core::testing::MemoryTables;
use autodump_dump::table::restore::Method;

use crate::support::{BUCKET, Case, DATA, decoded, golden, item, items, small};

/// A case whose tables import out of its store, and take their time.
fn importing(count: u64) -> Case {
    let mut case = Case::new(small(), &items(count), 3, Algorithm::Zstd);
    case.tables = MemoryTables::new("eu-central-1", "111122223333");
    case.options.method = Method::Import;
    case.backup.bucket_owner = Some("999900001111".to_owned());
    let store = case.store.clone();
    case.tables.import_by(Arc::new(move |input| {
        assert_eq!(input["InputCompressionType"], "ZSTD");
        assert_eq!(input["InputFormat"], "DYNAMODB_JSON");
        let source = &input["S3BucketSource"];
        assert_eq!(source["S3BucketOwner"], "999900001111");
        let prefix = source["S3KeyPrefix"].as_str().unwrap();
        let keys = store.keys().into_iter().filter(|key| key.starts_with(prefix));
        let bucket = source["S3Bucket"].as_str().unwrap();
        let object = |key: String| store.object(bucket, &key).unwrap().content;
        Ok(keys.flat_map(|key| decoded(&object(key), Algorithm::Zstd)).collect())
    }));
    case
}

#[tokio::test(start_paused = true)]
async fn the_table_is_imported_and_then_completed() {
    let case = importing(500);
    let restored = case.run().await.unwrap();
    assert_eq!((restored.items, restored.bytes, restored.plan.method), (500, 0, "import"));
    case.assert_items(&items(500));
    let made = read(&case.tables, "copy").await.unwrap();
    assert_eq!(made.create, small().create);
    assert_eq!(made.tags, small().tags);
    assert_eq!(made.time_to_live, small().time_to_live);
    assert!(!case.tables.take_calls().contains(&"Write".to_owned()));
    assert_eq!(*case.heard.names.lock().unwrap(), ["planned", "import", "definition"]);
}

#[tokio::test(start_paused = true)]
async fn auto_imports_what_is_large_and_can_be_imported() {
    let mut case = importing(50);
    case.options.method = Method::Auto;
    let restored = case.run().await.unwrap();
    assert_eq!(restored.plan.method, "write");
    assert!(restored.plan.reason.contains("fewer than"), "{}", restored.plan.reason);

    let mut case = importing(50);
    (case.options.method, case.options.import_from) = (Method::Auto, 1);
    let restored = case.run().await.unwrap();
    assert_eq!(restored.plan.method, "import");
    case.assert_items(&items(50));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_imported_is_written_or_refused() {
    type Change = fn(&mut Case);
    let local: Change = |case| case.backup.definition = golden();
    let lz4: Change = |case| {
        let tables = case.tables.clone();
        *case = Case::new(small(), &items(9), 2, Algorithm::Lz4);
        case.tables = tables;
    };
    let stranger: Change = |case| {
        let key = format!("{DATA}00009-000000.json.zst");
        case.store.put(&ObjectLocation { bucket: BUCKET.to_owned(), key }, "x");
    };
    let empty: Change = |case| case.backup.objects.clear();
    let elsewhere: Change = |case| case.backup.data.key = format!("{DATA}00000-000001");
    for (change, why) in [
        (local, "local indexes"),
        (lz4, "lz4"),
        (stranger, "not in the manifest"),
        (empty, "no data objects"),
        (elsewhere, "not with the others"),
    ] {
        let mut case = importing(9);
        change(&mut case);
        case.options.method = Method::Import;
        let error = case.fails().await;
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(why), "{error}");
        assert!(!case.is_made());
        (case.options.method, case.options.import_from) = (Method::Auto, 0);
        let restored = case.run().await.unwrap();
        assert!(restored.plan.reason.contains(why), "{}", restored.plan.reason);
    }
    let mut case = importing(9);
    case.tables = case.tables.at_once();
    let case = case.with_table(&small(), &[]).await;
    assert!(case.fails().await.what().contains("an import makes a new one"));
}

#[tokio::test(start_paused = true)]
async fn a_service_without_imports_gets_the_items_written() {
    let mut case = importing(9);
    case.tables.forget(&["ImportTable"]);
    let error = case.fails().await;
    assert!(error.what().contains("ImportTable of copy was refused"), "{error}");
    assert!(!error.hint().contains("delete"), "{error}");
    (case.options.method, case.options.import_from) = (Method::Auto, 0);
    let restored = case.run().await.unwrap();
    assert!(restored.warnings[0].contains("knows no imports"), "{:?}", restored.warnings);
    case.assert_items(&items(9));
}

#[tokio::test(start_paused = true)]
async fn a_failed_import_is_told_with_its_counts() {
    let case = importing(9);
    case.tables.import_by(Arc::new(|_| Err("too many errors".to_owned())));
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Engine);
    for says in ["FAILED", "too many errors", "0 imported"] {
        assert!(error.what().contains(says), "{error}");
    }
    assert!(error.hint().contains("delete it before you try again"), "{error}");

    let case = importing(9);
    let mut odd = item(3);
    odd.as_object_mut().unwrap().remove("placed");
    case.tables.import_by(Arc::new(move |_| Ok(vec![item(1), odd.clone()])));
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains("2 items processed, 1 imported, 1 errors"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_backup_is_not_imported() {
    let case = importing(9);
    case.store.put(&case.backup.objects[1].location, "short");
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Verification);
    case.store.remove(&case.backup.objects[1].location);
    assert!(case.fails().await.what().contains("is not there"));
    assert!(!case.is_made());
}

#[tokio::test(start_paused = true)]
async fn faults_on_the_way_say_that_the_import_may_go_on() {
    let case = importing(9);
    case.tables.fail("DescribeImport", 2, ErrorClass::Credentials);
    let error = case.fails().await;
    assert!(error.hint().contains("may go on with the import import/0"), "{error}");
    let case = importing(9);
    case.tables.fail("ImportTable", 1, ErrorClass::Source);
    let error = case.fails().await;
    assert!(error.hint().contains("may be there by now"), "{error}");
    let case = importing(9);
    let stop = tokio::time::sleep(std::time::Duration::from_secs(20));
    let error = case.run_until(stop).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(error.hint().contains("may go on"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_import_that_nobody_can_be_asked_about_for_a_while_is_waited_for() {
    let case = importing(9);
    for nth in 1..=20 {
        case.tables.fail("DescribeImport", nth, ErrorClass::Source);
    }
    assert_eq!(case.run().await.unwrap().items, 9);
    case.assert_items(&items(9));

    let case = importing(9);
    for nth in 1..=200 {
        case.tables.fail("DescribeImport", nth, ErrorClass::Source);
    }
    let start = tokio::time::Instant::now();
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.hint().contains("may go on with the import import/0"), "{error}");
    assert!((15..17).contains(&(start.elapsed().as_secs() / 60)));
}

#[tokio::test(start_paused = true)]
async fn an_imported_table_gets_its_mark_first_and_its_schedule_in_the_end() {
    let mut case = importing(9);
    case.options.mark = true;
    // The mark is not seen at once by what comes after it.
    for nth in 1..=5 {
        case.tables.fail("UpdateTimeToLive", nth, ErrorClass::Credentials);
    }
    case.run().await.unwrap();
    let calls = case.tables.take_calls();
    let steps: Vec<_> = calls.iter().filter(|call| !call.starts_with("Describe")).collect();
    let tagged = ["TagResource", "UpdateTable", "UpdateTable"];
    assert_eq!(steps[1..4], tagged, "{steps:?}");
    assert_eq!(steps[steps.len() - 3..], ["TagResource", "PutResourcePolicy", "UpdateTable"]);
    let made = read(&case.tables, "copy").await.unwrap();
    let keys: Vec<_> = made.tags.iter().map(|tag| tag.key.as_str()).collect();
    assert_eq!(keys, ["autodump:restore-target", "autodump:start-schedule", "team"]);
}
