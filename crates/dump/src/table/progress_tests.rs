use std::future::pending;

use autodump_core::ErrorClass;
use autodump_core::hash::TagHash;
use autodump_core::ports::ObjectLocation;
use autodump_core::table::plan::{Export, Plan};
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::Level;
use serde_json::{Value, json};

use super::super::fake::FakeTable;
use super::super::range::run;
use super::super::trial::{BUCKET, DIRECTORY, job, scan};
use super::*;

fn at(name: &str) -> ObjectLocation {
    ObjectLocation { bucket: BUCKET.to_owned(), key: format!("{DIRECTORY}{name}") }
}

fn put_plan(store: &MemoryStore, method: Method) {
    let plan = Plan {
        version: 1,
        resource_arn: "arn:aws:dynamodb:eu-central-1:111122223333:table/t".to_owned(),
        tag_hash: TagHash::from("v1:00".to_owned()),
        scheduled_for: "2026-11-21T00:00:00Z".parse().unwrap(),
        execution_arn: "arn:x".to_owned(),
        planned_at: "2026-11-21T00:00:10Z".parse().unwrap(),
        verify: Level::None,
        table_id: None,
        replica: None,
        method,
        definition: Value::Null,
    };
    store.put(&at(layout::PLAN), serde_json::to_string(&plan).unwrap());
}

async fn seen(store: &MemoryStore, segments: bool) -> Result<Option<Progress>> {
    let now = "2026-11-21T00:00:20Z".parse().unwrap();
    progress(store, BUCKET, DIRECTORY, now, segments).await
}

async fn scanned(store: &MemoryStore) -> ScanProgress {
    match seen(store, true).await.unwrap() {
        Some(Progress::Scan(progress)) => progress,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_that_was_not_planned_has_no_progress() {
    assert_eq!(seen(&MemoryStore::default(), false).await.unwrap(), None);
}

#[tokio::test]
async fn a_scan_is_as_far_as_its_ranges_are() {
    let store = MemoryStore::default();
    let scan = Scan { items: 200, ..scan(5, 2) };
    put_plan(&store, Method::Scan(scan.clone()));
    let begun = scanned(&store).await;
    assert_eq!((begun.segments, begun.segments_done, begun.items), (5, 0, 0));
    assert_eq!((begun.percent_estimate, begun.items_estimate), (Some(0.0), 200));

    let table = FakeTable { fails: Some(15), ..FakeTable::new(400) };
    run(&table, &store, &job(&scan, 1), pending()).await.unwrap_err();
    let half = scanned(&store).await;
    let each = half.each.as_deref().unwrap();
    assert!(half.items > 0 && half.items < 300, "{half:?}");
    assert_eq!(half.items, each.iter().map(|segment| segment.items).sum::<u64>());
    assert_eq!(half.bytes, each.iter().map(|segment| segment.bytes).sum::<u64>());
    assert!(each[..2].iter().all(|segment| segment.items == 0 && !segment.done), "{each:?}");
    assert!(half.percent_estimate.unwrap() > 0.0, "{half:?}");
    let items = u32::try_from(half.items).unwrap();
    assert!((half.items_per_second - f64::from(items) / 10.0).abs() < 0.01, "{half:?}");

    let table = FakeTable::new(400);
    for range in 0..2 {
        run(&table, &store, &job(&scan, range), pending()).await.unwrap();
    }
    let done = scanned(&store).await;
    assert_eq!((done.segments_done, done.items), (5, 400));
    assert_eq!(done.percent_estimate, Some(100.0));
    let Some(Progress::Scan(short)) = seen(&store, false).await.unwrap() else { panic!() };
    assert_eq!(short, ScanProgress { each: None, ..done });
}

#[test]
fn the_share_is_an_estimate_and_never_more_than_all() {
    let segment = |items, done| SegmentProgress { segment: 0, items, bytes: 2_000_000, done };
    let seen = |counted, each: &[SegmentProgress]| {
        let scan = Scan { items: counted, ..scan(2, 1) };
        summed(&scan, each, DateTime::default(), Duration::from_secs(4))
    };
    let half = seen(300, &[segment(100, true), segment(50, false)]);
    assert_eq!((half.percent_estimate, half.segments_done), (Some(50.0), 1));
    assert!((half.items_per_second - 37.5).abs() < 0.01, "{half:?}");
    assert!((half.mb_per_second - 1.0).abs() < 0.01, "{half:?}");
    let grown = seen(100, &[segment(100, true), segment(50, false)]);
    assert_eq!(grown.percent_estimate, Some(100.0));
    let shrunk = seen(1000, &[segment(100, true), segment(50, true)]);
    assert_eq!(shrunk.percent_estimate, Some(100.0));
    let unknown = seen(0, &[segment(0, false), segment(0, false)]);
    assert_eq!(unknown.percent_estimate, None);
    assert!(per_second(1, Duration::ZERO) > 0.0);
}

#[tokio::test]
async fn an_export_is_as_far_as_its_files_show() {
    let store = MemoryStore::default();
    put_plan(&store, Method::Export(Export { client_token: "t".to_owned() }));
    let status = async || match seen(&store, false).await.unwrap() {
        Some(Progress::Export(export)) => (export.status, export.files, export.bytes),
        other => panic!("{other:?}"),
    };
    assert_eq!(status().await, (ExportStatus::Requested, 0, 0));
    store.put(&at("export/AWSDynamoDB/01-a/_started"), "");
    assert_eq!(status().await, (ExportStatus::InProgress, 0, 0));
    store.put(&at("export/AWSDynamoDB/01-a/data/x.json.gz"), "12345");
    assert_eq!(status().await, (ExportStatus::InProgress, 1, 5));
    store.put(&at("export/AWSDynamoDB/01-a/manifest-summary.json"), "{}");
    assert_eq!(status().await, (ExportStatus::Completed, 1, 5));
    let shown = serde_json::to_value(seen(&store, false).await.unwrap().unwrap()).unwrap();
    assert_eq!(
        shown,
        json!({"method": "export", "plannedAt": "2026-11-21T00:00:10Z", "status": "completed",
            "files": 1, "bytes": 5})
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let store = MemoryStore::default();
    put_plan(&store, Method::Scan(scan(2, 2)));
    for fault in [Fault::nth(Call::List, 1), Fault::nth(Call::List, 3), Fault::nth(Call::Get, 1)] {
        let faulty = FaultyStore::new(store.clone(), vec![fault]);
        let now = DateTime::default();
        let error = progress(&faulty, BUCKET, DIRECTORY, now, false).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}");
    }
    store.put(&at(layout::PLAN), "{");
    let error = seen(&store, false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
}
