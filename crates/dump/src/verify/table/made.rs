//! Backups of a table, to be damaged.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::MemoryStore;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::codec::{Encoder, extension};

pub(super) const BUCKET: &str = "backups";
pub(super) const RUN: &str = "dynamodb/orders-1f2e3d4c/2026/11/22/20261122T080000Z-9a8b7c6d/";
pub(super) const ITEMS: u64 = 40;

pub(super) fn at(name: &str) -> ObjectLocation {
    ObjectLocation { bucket: BUCKET.to_owned(), key: format!("{RUN}{name}") }
}

/// A backup whose parts can be changed before it is put.
pub(super) struct Made {
    pub(super) algorithm: Algorithm,
    /// `data/` of a scan, or that of an export.
    pub(super) data: &'static str,
    /// The lines of each object.
    pub(super) objects: Vec<Vec<String>>,
}

pub(super) fn line(number: u64) -> String {
    let item = json!({"customer": {"S": format!("c {}", number % 7)},
        "placed": {"N": number.to_string()}, "empty": {"S": ""}, "l": {"L": [{"NULL": true}]}});
    json!({"Item": item}).to_string()
}

impl Made {
    /// Three objects.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let lines = |range: std::ops::Range<u64>| range.map(line).collect();
        let objects = vec![lines(0..15), lines(15..30), lines(30..ITEMS)];
        Self { algorithm, data: "data/", objects }
    }

    pub(super) fn export() -> Self {
        Self { data: "export/AWSDynamoDB/01-a/data/", ..Self::new(Algorithm::Gzip) }
    }

    pub(super) fn is_export(&self) -> bool {
        self.data.starts_with("export/")
    }

    pub(super) fn name(&self, number: usize) -> String {
        format!("{}00000-{number:06}.json{}", self.data, extension(self.algorithm))
    }

    pub(super) fn encoded(&self, lines: &[String]) -> Vec<u8> {
        let compression = Compression::usual(self.algorithm);
        let mut encoder = Encoder::new(compression).unwrap();
        let mut out = Vec::new();
        for frame in lines.chunks(6) {
            encoder.write((frame.join("\n") + "\n").as_bytes(), &mut out);
            encoder.end_frame(&mut out);
        }
        out
    }

    /// The manifest, of a backup that is put into `store`.
    pub(super) fn put(&self, store: &MemoryStore) -> Value {
        let golden = include_str!("../../../../../contract/table-definition.json");
        store.put(&at("table.json"), golden);
        let golden = include_str!("../../../../../contract/table-manifest.json");
        let mut manifest: Value = serde_json::from_str(golden).unwrap();
        let mut objects = Vec::new();
        let mut items = 0;
        for (number, lines) in self.objects.iter().enumerate() {
            let (name, content) = (self.name(number), self.encoded(lines));
            objects.push(self.described(&name, &content, lines.len()));
            items += lines.len();
            store.put(&at(&name), content);
        }
        manifest["definition"] = json!(at("table.json").key);
        manifest["target"]["arn"] = definition()["tableArn"].clone();
        manifest["method"]["compression"] = json!(self.algorithm.as_str());
        manifest["objects"] = json!(objects);
        manifest["items"] = json!(items);
        manifest["tables"][0]["rows"] = json!(items);
        manifest
    }

    pub(super) fn described(&self, name: &str, content: &[u8], items: usize) -> Value {
        let common = json!({"bucket": BUCKET, "key": at(name).key, "bytes": content.len(),
            "items": items});
        let Value::Object(mut object) = common else { unreachable!() };
        if self.is_export() {
            object.insert("md5".to_owned(), json!(BASE64_STANDARD.encode(Md5::digest(content))));
        } else {
            let crc = checksum(CrcAlgorithm::Crc64Nvme, content).to_be_bytes();
            object.insert("sha256".to_owned(), json!(hex::encode(Sha256::digest(content))));
            object.insert("crc64nvme".to_owned(), json!(BASE64_STANDARD.encode(crc)));
        }
        Value::Object(object)
    }
}

pub(super) fn definition() -> Value {
    serde_json::from_str(include_str!("../../../../../contract/table-definition.json")).unwrap()
}

pub(super) fn put_manifest(store: &MemoryStore, manifest: &Value) {
    store.put(&at("manifest.json"), manifest.to_string());
}

/// A store with this backup.
pub(super) fn store_of(made: &Made) -> MemoryStore {
    let store = MemoryStore::default();
    put_manifest(&store, &made.put(&store));
    store
}
