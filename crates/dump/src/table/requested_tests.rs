use std::future::pending;

use autodump_core::manifest::Job;
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::{MemoryStore, MemoryTables};
use serde_json::Value;

use super::super::backup::{self, Part};
use super::super::fake::FakeTable;
use super::super::finish::Finish;
use super::*;

const GOLDEN: &str = include_str!("../../../../contract/table-request.json");
const BUCKET: &str = "example-backups";
const PLAN: &str = "orders/2026-11-22/state/plan.json";

fn request() -> Request {
    Request::parse(GOLDEN).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-22T08:00:41Z".parse().unwrap()
}

fn put(store: &MemoryStore, key: &str) {
    store.put(&ObjectLocation { bucket: BUCKET.to_owned(), key: key.to_owned() }, "x");
}

/// Tables of these names.
async fn tables(names: &[&str]) -> MemoryTables {
    let tables = MemoryTables::new("eu-central-1", "111122223333").at_once();
    for name in names {
        let create = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        let called = tables.dynamodb("CreateTable", create).await.unwrap();
        calls::answer("CreateTable", name, called).unwrap();
    }
    tables
}

async fn planned(store: &MemoryStore, request: &Request) -> Result<Requested> {
    plan(&tables(&["orders", "others"]).await, store, request, 2, now()).await
}

/// Of class configuration, naming the object, with nothing written.
async fn assert_used(store: &MemoryStore, request: &Request, object: &str) {
    let before = store.keys();
    let error = planned(store, request).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains(&format!("s3://{BUCKET}/{object}, ")), "{error}");
    assert_eq!(store.keys(), before);
}

#[tokio::test]
async fn a_request_is_one_scan_by_one_job() {
    let store = MemoryStore::default();
    let Requested { plan, goes_on } = planned(&store, &request()).await.unwrap();
    assert!(!goes_on);
    assert_eq!(plan.resource_arn, "arn:aws:dynamodb:eu-central-1:111122223333:table/orders");
    let Method::Scan(scan) = &plan.method else { panic!("{plan:?}") };
    assert_eq!((scan.segments, scan.ranges, scan.at_once), (16, 1, 32));
    assert_eq!(store.keys(), [PLAN]);
}

#[tokio::test]
async fn an_unfinished_run_goes_on_and_a_finished_one_is_left_alone() {
    let store = MemoryStore::default();
    let first = planned(&store, &request()).await.unwrap().plan;
    put(&store, "orders/2026-11-22/data/00000-000000.json.zst");
    let second = planned(&store, &request()).await.unwrap();
    assert!(second.goes_on);
    assert_eq!(second.plan, first);

    let store = MemoryStore::default();
    planned(&store, &request()).await.unwrap();
    let directory = request().directory();
    let finish = Finish {
        bucket: BUCKET,
        directory: &directory,
        plan: &first,
        job: Job { id: "by-hand".to_owned(), attempt: 1 },
        autodump_version: "0.1.0".to_owned(),
    };
    let table = FakeTable::new(100);
    let done = backup::run(&table, &store, &finish, Part::Rest, now, pending()).await;
    assert_eq!(done.unwrap().unwrap().items, 100);
    assert_used(&store, &request(), "orders/2026-11-22/manifest.json").await;
}

#[tokio::test]
async fn a_prefix_that_is_used_is_refused() {
    for object in ["readme.txt", "data/00000-000000.json.zst", "state/00000/journal-0000000000"] {
        let store = MemoryStore::default();
        let key = format!("orders/2026-11-22/{object}");
        put(&store, &key);
        assert_used(&store, &request(), &key).await;
    }
    for foreign in ["data/00001-000000.json.zst", "state/00001/checkpoint-0000000000.json", "a/b"] {
        let store = MemoryStore::default();
        planned(&store, &request()).await.unwrap();
        let key = format!("orders/2026-11-22/{foreign}");
        put(&store, &key);
        assert_used(&store, &request(), &key).await;
    }
    // However much an unfinished run has written before it.
    let store = MemoryStore::default();
    planned(&store, &request()).await.unwrap();
    for number in 0..1500 {
        put(&store, &format!("orders/2026-11-22/{}", below::journal(0, number)));
    }
    assert!(planned(&store, &request()).await.unwrap().goes_on);
    put(&store, "orders/2026-11-22/zzz");
    assert_used(&store, &request(), "orders/2026-11-22/zzz").await;
    // What merely begins alike is beside it.
    let store = MemoryStore::default();
    put(&store, "orders/2026-11-22-b/readme.txt");
    assert!(!planned(&store, &request()).await.unwrap().goes_on);
}

#[tokio::test]
async fn another_requests_run_does_not_go_on() {
    let store = MemoryStore::default();
    planned(&store, &request()).await.unwrap();
    let segments = Request { total_segments: 8, ..request() };
    assert_used(&store, &segments, PLAN).await;
    let table = Request { table_name: "others".to_owned(), ..request() };
    assert_used(&store, &table, PLAN).await;

    // Of the state machine, for an array of jobs.
    let store = MemoryStore::default();
    let mut plan: Value =
        serde_json::to_value(planned(&store, &request()).await.unwrap().plan).unwrap();
    plan["method"]["ranges"] = json!(2);
    let location = ObjectLocation { bucket: BUCKET.to_owned(), key: PLAN.to_owned() };
    store.put(&location, plan.to_string());
    assert_used(&store, &request(), PLAN).await;
}

#[tokio::test]
async fn a_run_of_a_table_that_was_made_again_does_not_go_on() {
    let store = MemoryStore::default();
    planned(&store, &request()).await.unwrap();
    let before = store.keys();
    // Of the same name and ARN, and another table.
    let tables = tables(&["others", "orders"]).await;
    let error = plan(&tables, &store, &request(), 2, now()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("table/orders was deleted and made again while"), "{error}");
    assert_eq!(store.keys(), before);
}

#[tokio::test]
async fn without_its_table_nothing_is_written() {
    let store = MemoryStore::default();
    let error = plan(&tables(&[]).await, &store, &request(), 2, now()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("orders"), "{error}");
    assert!(store.keys().is_empty());
}
