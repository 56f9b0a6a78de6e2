//! An export as DynamoDB writes it.

use autodump_core::ports::{ObjectLocation, ObjectReader as _};
use autodump_core::testing::MemoryStore;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

pub(super) const BUCKET: &str = "backups";
pub(super) const RUN: &str = "dynamodb/orders-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d/";
pub(super) const ARN: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders/export/01-a";

/// An export of two files as DynamoDB writes it, with something changed.
pub(super) struct Export {
    pub(super) store: MemoryStore,
    pub(super) base: String,
}

pub(super) fn at(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: BUCKET.to_owned(), key: key.to_owned() }
}

pub(super) fn md5_of(content: &str) -> String {
    BASE64_STANDARD.encode(Md5::digest(content))
}

impl Export {
    pub(super) async fn new(change: impl FnOnce(&mut Value, &mut Vec<Value>)) -> Self {
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
            "tableId": "0f1e2d3c",
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
}
