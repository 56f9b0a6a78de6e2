use autodump_core::testing::MemoryStore;
use serde_json::{Value, json};

use super::*;

const BUCKET: &str = "backups";
const RUN: &str = "dynamodb/orders-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d/";
const ARN: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/export/01-a";

/// An export of two files as DynamoDB writes it, with something changed.
struct Export {
    store: MemoryStore,
    base: String,
}

fn at(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: BUCKET.to_owned(), key: key.to_owned() }
}

fn md5_of(content: &str) -> String {
    BASE64_STANDARD.encode(Md5::digest(content))
}

impl Export {
    async fn new(change: impl FnOnce(&mut Value, &mut Vec<Value>)) -> Self {
        let store = MemoryStore::default();
        let base = format!("{RUN}export/AWSDynamoDB/01-a/");
        let mut files = Vec::new();
        for (name, items) in [("one", 3), ("two", 2)] {
            let key = format!("{base}data/{name}.json.gz");
            store.put(&at(&key), format!("content of {name}"));
            let listed = store.list(BUCKET, &key).await.unwrap().remove(0);
            files.push(json!({"itemCount": items, "md5Checksum": md5_of(name),
                "etag": listed.etag, "dataFileS3Key": key}));
        }
        let mut summary = json!({"version": "2020-06-30", "exportArn": ARN,
            "startTime": "2026-11-22T08:00:10.000Z", "endTime": "2026-11-22T08:05:00.000Z",
            "tableArn": "arn:aws:dynamodb:eu-central-1:111122223333:table/orders",
            "exportTime": "2026-11-22T08:00:00.123Z", "s3Bucket": BUCKET,
            "manifestFilesS3Key": format!("{base}manifest-files.json"),
            "billedSizeBytes": 0, "itemCount": 5, "outputFormat": "DYNAMODB_JSON"});
        change(&mut summary, &mut files);
        let lines = files.iter().map(|file| file.to_string() + "\n").collect::<String>();
        let export = Self { store, base };
        export.manifest("manifest-summary", &summary.to_string());
        export.manifest("manifest-files", &lines);
        export.store.put(&at(&format!("{}_started", export.base)), "");
        export
    }

    fn manifest(&self, name: &str, content: &str) {
        self.store.put(&at(&format!("{}{name}.json", self.base)), content.to_owned());
        self.store.put(&at(&format!("{}{name}.md5", self.base)), md5_of(content));
    }

    async fn read(&self) -> Result<Exported> {
        exported(&self.store, BUCKET, RUN).await
    }

    async fn fails_with(&self, words: &str) {
        let error = self.read().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn an_export_is_what_its_manifests_say() {
    let export = Export::new(|_, _| {}).await;
    let found = export.read().await.unwrap();
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
    let found = empty.await.read().await.unwrap();
    assert_eq!((found.items, found.objects), (0, Vec::new()));
}

#[tokio::test]
async fn what_is_not_as_it_was_written_is_found() {
    Export::new(|summary, _| summary["itemCount"] = json!(6))
        .await
        .fails_with("5 items, not 6")
        .await;
    Export::new(|_, files| files[1]["etag"] = json!("00")).await.fails_with("not 00").await;
    Export::new(|summary, _| summary["version"] = json!("2030-01-01"))
        .await
        .fails_with("2030")
        .await;
    Export::new(|summary, _| summary["exportType"] = json!("INCREMENTAL_EXPORT"))
        .await
        .fails_with("INCREMENTAL")
        .await;
    Export::new(|_, files| files[0]["itemCount"] = json!("many"))
        .await
        .fails_with("understood")
        .await;

    let export = Export::new(|_, _| {}).await;
    export.store.remove(&at(&format!("{}data/one.json.gz", export.base)));
    export.fails_with("data/one.json.gz of the export is missing").await;

    for name in ["manifest-summary", "manifest-files"] {
        let export = Export::new(|_, _| {}).await;
        export.store.put(&at(&format!("{}{name}.md5", export.base)), md5_of("another"));
        export.fails_with("has MD5").await;
    }

    let export = Export::new(|_, _| {}).await;
    export.store.remove(&at(&format!("{}manifest-summary.json", export.base)));
    export.fails_with("there is no manifest-summary.json").await;
    let other = format!("{RUN}export/AWSDynamoDB/02-b/manifest-summary.json");
    let export = Export::new(|_, _| {}).await;
    export.store.put(&at(&other), "{}");
    export.fails_with("several exports").await;
}
