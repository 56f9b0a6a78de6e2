use serde_json::json;

use super::super::exported_sample::{ARN, BUCKET, Export, RUN, at, md5_of};
use super::*;

async fn read(export: &Export) -> Result<Exported> {
    exported(&export.store, BUCKET, RUN).await
}

async fn fails_with(export: Export, words: &str) {
    let error = read(&export).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains(words), "{words}: {error}");
}

#[tokio::test]
async fn an_export_is_what_its_manifests_say() {
    let export = Export::new(|_, _| {}).await;
    let found = read(&export).await.unwrap();
    assert_eq!((found.arn.as_str(), found.items, found.objects.len()), (ARN, 5, 2));
    assert_eq!(found.time.to_rfc3339(), "2026-11-22T08:00:00.123+00:00");
    let two = &found.objects[1];
    assert!(two.key.ends_with("/data/two.json.gz"), "{two:?}");
    assert_eq!((two.items, two.bytes), (2, "content of two".len() as u64));
    assert_eq!(two.md5, Some(md5_of("two")));
}

#[tokio::test]
async fn an_export_of_an_empty_table_has_no_files() {
    let empty = Export::new(|summary, files| {
        files.clear();
        summary["itemCount"] = json!(0);
    });
    let found = read(&empty.await).await.unwrap();
    assert_eq!((found.items, found.objects), (0, Vec::new()));
}

#[tokio::test]
async fn what_is_not_as_it_was_written_is_found() {
    fails_with(Export::new(|summary, _| summary["itemCount"] = json!(6)).await, "5 items, not 6")
        .await;
    fails_with(Export::new(|_, files| files[1]["etag"] = json!("00")).await, "not 00").await;
    fails_with(Export::new(|summary, _| summary["version"] = json!("2030-01-01")).await, "2030")
        .await;
    fails_with(
        Export::new(|summary, _| summary["exportType"] = json!("INCREMENTAL_EXPORT")).await,
        "INCREMENTAL",
    )
    .await;
    fails_with(Export::new(|_, files| files[0]["itemCount"] = json!("many")).await, "understood")
        .await;

    let export = Export::new(|_, _| {}).await;
    export.store.remove(&at(&format!("{}data/one.json.gz", export.base)));
    fails_with(export, "data/one.json.gz of the export is missing").await;

    for name in ["manifest-summary", "manifest-files"] {
        let export = Export::new(|_, _| {}).await;
        export.store.put(&at(&format!("{}{name}.md5", export.base)), md5_of("another"));
        fails_with(export, "has MD5").await;
    }

    let export = Export::new(|_, _| {}).await;
    export.store.remove(&at(&format!("{}manifest-files.md5", export.base)));
    fails_with(export, "there is no checksum beside").await;
    let export = Export::new(|_, _| {}).await;
    export.store.remove(&at(&format!("{}manifest-summary.json", export.base)));
    fails_with(export, "there is no manifest-summary.json").await;
    let other = format!("{RUN}export/AWSDynamoDB/02-b/manifest-summary.json");
    let export = Export::new(|_, _| {}).await;
    export.store.put(&at(&other), "{}");
    fails_with(export, "several exports").await;
}

/// What else the checksum may be, the guide does not say.
#[tokio::test]
async fn the_checksum_of_a_manifest_may_be_written_otherwise() {
    let export = Export::new(|_, _| {}).await;
    for name in ["manifest-summary", "manifest-files"] {
        let key = |end: &str| at(&format!("{}{name}{end}", export.base));
        let content = export.store.object(BUCKET, &key(".json").key).unwrap().content;
        export.store.remove(&key(".md5"));
        export.store.put(&key(".checksum"), hex::encode(Md5::digest(&content)));
    }
    assert_eq!(read(&export).await.unwrap().items, 5);
    let key = format!("{}manifest-files.checksum", export.base);
    export.store.put(&at(&key), "sha256:00");
    assert_eq!(read(&export).await.unwrap().items, 5);
    export.store.put(&at(&key), "00".repeat(16));
    fails_with(export, "has MD5").await;
}
