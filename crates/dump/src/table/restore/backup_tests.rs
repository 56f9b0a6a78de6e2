use autodump_core::ErrorClass;
use autodump_core::compression::Algorithm;
use autodump_core::testing::MemoryStore;
use serde_json::{Value, json};

use super::*;

const RUN: &str = "dynamodb/orders-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d/";

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../../contract/table-manifest.json")).unwrap()
}

fn location(bucket: &str, key: impl Into<String>) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: key.into() }
}

/// Opens the backup of this manifest from `at`, with its definition beside it.
async fn opened(at: &ObjectLocation, manifest: Value) -> Result<Backup> {
    let store = MemoryStore::default();
    let definition = at.key.replace("manifest.json", "table.json");
    let text = include_str!("../../../../../contract/table-definition.json");
    store.put(&location(&at.bucket, definition), text);
    let manifest: TableManifest = serde_json::from_value(manifest).unwrap();
    let target = "arn:aws:dynamodb:eu-west-1:444455556666:table/copy".parse().unwrap();
    Backup::open(&store, at, &manifest, &target).await
}

#[tokio::test]
async fn a_scan_is_opened_where_it_was_made() {
    let at = location("example-backups", format!("{RUN}manifest.json"));
    let backup = opened(&at, golden()).await.unwrap();
    assert_eq!(backup.directory, format!("s3://example-backups/{RUN}"));
    assert_eq!(backup.data, location("example-backups", format!("{RUN}data/")));
    assert_eq!(backup.bucket_owner.as_deref(), Some("111122223333"));
    assert_eq!((backup.compression, backup.objects.len()), (Algorithm::Zstd, 2));
    let expected = DataObject {
        location: location("example-backups", format!("{RUN}data/00000-000001.json.zst")),
        bytes: 1_234_567,
        sha256: golden()["objects"][1]["sha256"].as_str().map(str::to_owned),
        crc64nvme: Some(0x0809_0a0b_0c0d_0e0f),
        items: 34567,
    };
    assert_eq!(backup.objects[1], expected);
    assert_eq!(backup.definition.keys().unwrap()[0].0, "customer");
}

#[tokio::test]
async fn a_copy_is_opened_where_it_is() {
    for (key, run) in [("copies/one/manifest.json", "copies/one/"), ("manifest.json", "")] {
        let backup = opened(&location("other", key), golden()).await.unwrap();
        assert_eq!(backup.directory, format!("s3://other/{run}"));
        assert_eq!(backup.data, location("other", format!("{run}data/")));
        let first = location("other", format!("{run}data/00000-000000.json.zst"));
        assert_eq!(backup.objects[0].location, first);
        assert_eq!(backup.bucket_owner, None);
    }
}

#[tokio::test]
async fn an_export_has_its_data_further_below() {
    let mut manifest = golden();
    let data = "export/AWSDynamoDB/01234-abcd/data/";
    manifest["method"]["compression"] = json!("gzip");
    manifest["objects"] = json!([{"bucket": "example-backups", "key": format!("{RUN}{data}a.json.gz"),
        "bytes": 1, "items": 1_034_567, "md5": "x"}]);
    let backup = opened(&location("other", "x/manifest.json"), manifest).await.unwrap();
    assert_eq!(backup.data, location("other", format!("x/{data}")));
    assert_eq!(backup.compression, Algorithm::Gzip);
    assert_eq!((backup.objects[0].crc64nvme, &backup.objects[0].sha256), (None, &None));
}

#[tokio::test]
async fn an_empty_table_has_a_backup_too() {
    let mut manifest = golden();
    manifest["objects"] = json!([]);
    manifest["items"] = json!(0);
    let backup = opened(&location("b", "x/manifest.json"), manifest).await.unwrap();
    assert_eq!(backup.data, location("b", "x/data/"));
}

#[tokio::test]
async fn a_manifest_that_contradicts_itself_is_damaged() {
    let at = location("example-backups", format!("{RUN}manifest.json"));
    let mut crc = golden();
    crc["objects"][0]["crc64nvme"] = json!("AAE=");
    let mut compression = golden();
    compression["method"]["compression"] = json!("bz2");
    for (manifest, says) in [
        (json!({"items": 1}), "items, not 1"),
        (json!({"definition": "x/y.json"}), "and no table.json"),
        (json!({"definition": "xtable.json"}), "and no table.json"),
        (json!({"objects": crc["objects"]}), "in the manifest is \"AAE=\""),
        (json!({"method": compression["method"]}), "the compression \"bz2\""),
    ] {
        let mut whole = golden();
        whole.as_object_mut().unwrap().extend(manifest.as_object().unwrap().clone());
        let error = opened(&at, whole).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_definition_that_is_missing_or_no_json_is_named() {
    let store = MemoryStore::default();
    let at = location("example-backups", "x/manifest.json");
    let manifest: TableManifest = serde_json::from_value(golden()).unwrap();
    let target = "arn:aws:dynamodb:eu-west-1:444455556666:table/copy".parse().unwrap();
    let open = || Backup::open(&store, &at, &manifest, &target);
    assert_eq!(open().await.unwrap_err().class(), ErrorClass::Verification);
    store.put(&location("example-backups", "x/table.json"), "{");
    let error = open().await.unwrap_err();
    assert!(error.what().starts_with("s3://example-backups/x/table.json: "), "{error}");
}
