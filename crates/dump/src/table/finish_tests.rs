use autodump_core::manifest::Object;
use autodump_core::table::plan::Export;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use serde_json::Value;

use super::super::checkpoint::{DataObject, Segment};
use super::super::trial::{ARN, BUCKET, DIRECTORY, finish, now, plan, scan};
use super::*;

fn summary() -> Summary {
    let segment = |segment| Segment {
        segment,
        next: None,
        done: true,
        pages: 1,
        items: 5,
        bytes: 50,
        crc64nvme: 0,
    };
    let object = Object {
        bucket: BUCKET.to_owned(),
        key: format!("{DIRECTORY}data/00000-000000.json.zst"),
        bytes: 77,
        sha256: "00".repeat(32),
        crc64nvme: "AAECAwQFBgc=".to_owned(),
        segments: vec![77],
    };
    Summary {
        pages: 2,
        items: 10,
        bytes: 100,
        objects: vec![DataObject { object, items: 10 }],
        segments: vec![segment(0), segment(1)],
    }
}

fn content(store: &MemoryStore, name: &str) -> Value {
    let object = store.object(BUCKET, &format!("{DIRECTORY}{name}")).unwrap();
    assert_eq!(object.content_type, "application/json");
    serde_json::from_slice(&object.content).unwrap()
}

#[tokio::test]
async fn the_manifest_says_what_was_scanned() {
    let plan = plan(plan::Method::Scan(Scan { consistent: true, ..scan(2, 1) }));
    let (store, summary) = (MemoryStore::default(), summary());
    let found = Found::Scanned(&summary);
    let manifest = finish(&plan).run(&store, found, now()).await.unwrap();
    assert_eq!(content(&store, "manifest.json"), serde_json::to_value(&manifest).unwrap());
    assert_eq!(content(&store, "table.json"), plan.definition);
    let import = content(&store, "import-table.json");
    assert_eq!(import["S3BucketSource"]["S3KeyPrefix"], format!("{DIRECTORY}data/"));
    assert_eq!(import["InputCompressionType"], "ZSTD");
    assert!(store.object(BUCKET, &format!("{DIRECTORY}create-table.json")).is_none());

    assert_eq!((manifest.items, manifest.consistency), (10, Consistency::Strong));
    assert_eq!((manifest.started_at, manifest.finished_at), (plan.planned_at, now()));
    assert_eq!((manifest.method.segments, manifest.method.jobs), (Some(2), Some(1)));
    assert_eq!(manifest.objects[0].items, 10);
    assert_eq!(manifest.objects[0].sha256, Some("00".repeat(32)));
    assert_eq!(manifest.definition, format!("{DIRECTORY}table.json"));
    assert_eq!((manifest.job.attempt, manifest.verify), (2, Level::Checksum));
}

#[tokio::test]
async fn the_first_manifest_stays() {
    let plan = plan(plan::Method::Scan(scan(2, 1)));
    let (store, summary) = (MemoryStore::default(), summary());
    let found = Found::Scanned(&summary);
    finish(&plan).run(&store, found, now()).await.unwrap();
    let first = content(&store, "manifest.json");
    finish(&plan).run(&store, found, now() + chrono::Duration::hours(1)).await.unwrap();
    assert_eq!(content(&store, "manifest.json"), first);
    assert_eq!(first["consistency"], "eventual");
}

#[tokio::test]
async fn a_table_without_items_is_made_by_hand() {
    let plan = plan(plan::Method::Scan(scan(1, 1)));
    let (store, summary) = (MemoryStore::default(), Summary::default());
    let manifest = finish(&plan).run(&store, Found::Scanned(&summary), now()).await.unwrap();
    assert_eq!((manifest.items, manifest.objects.len()), (0, 0));
    assert_eq!(content(&store, "create-table.json")["TableName"], "orders");
}

#[tokio::test]
async fn the_manifest_says_what_was_exported() {
    let plan = plan(plan::Method::Export(Export { client_token: "token".to_owned() }));
    let key = format!("{DIRECTORY}export/AWSDynamoDB/01-a/data/one.json.gz");
    let exported = Exported {
        table_id: None,
        arn: format!("{ARN}/export/01-a"),
        table_arn: ARN.to_owned(),
        time: "2026-11-22T08:00:00.123Z".parse().unwrap(),
        items: 3,
        objects: vec![TableObject {
            bucket: BUCKET.to_owned(),
            key,
            bytes: 9,
            items: 3,
            sha256: None,
            crc64nvme: None,
            md5: Some("md5".to_owned()),
        }],
    };
    let store = MemoryStore::default();
    let manifest = finish(&plan).run(&store, Found::Exported(&exported), now()).await.unwrap();
    assert_eq!((manifest.items, manifest.consistency), (3, Consistency::PointInTime));
    assert_eq!((manifest.started_at, manifest.finished_at), (exported.time, exported.time));
    assert_eq!(manifest.method.export_arn, Some(exported.arn.clone()));
    assert_eq!(manifest.objects, exported.objects);
    let import = content(&store, "import-table.json");
    let prefix = format!("{DIRECTORY}export/AWSDynamoDB/01-a/data/");
    assert_eq!(import["S3BucketSource"]["S3KeyPrefix"], prefix);
    assert_eq!(import["InputCompressionType"], "GZIP");

    let summary = summary();
    let error = finish(&plan).run(&store, Found::Scanned(&summary), now()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Internal);
}
