//! A backup, and where it goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::ports::ObjectLocation;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::ports::{Called, TableService, TableWriter};
use autodump_core::testing::{MemoryReader, MemoryStore, MemoryTables, MemoryWriter};
use autodump_core::{Error, Result};
use autodump_dump::codec::{Decoder, Encoder};
use autodump_dump::table::restore::{
    Backup, DataObject, Event, Options, Restore, Restored, Watcher, run,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const BUCKET: &str = "backups";
pub(crate) const DATA: &str = "dynamodb/orders-1/2026/11/22/20261122T080000Z-9a8b7c6d/data/";
const REGION: &str = "eu-central-1";
const ACCOUNT: &str = "111122223333";

/// The contract's definition: all parts, an index of each kind.
pub(crate) fn golden() -> Definition {
    Definition::parse(include_str!("../../../../contract/table-definition.json")).unwrap()
}

/// A small definition on demand, with the same key.
pub(crate) fn small() -> Definition {
    let mut small = golden();
    small.create.remove("LocalSecondaryIndexes");
    small.create.remove("GlobalSecondaryIndexes");
    small.create.remove("ProvisionedThroughput");
    small.create.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
    small.create["AttributeDefinitions"].as_array_mut().unwrap().pop();
    small.auto_scaling = autodump_core::table::definition::AutoScaling::default();
    small.contributor_insights.pop();
    small
}

/// An item with every type there is.
pub(crate) fn item(number: u64) -> Value {
    json!({
        "customer": {"S": format!("customer {} é \u{1F600}\n", number % 17)},
        "placed": {"N": number.to_string()},
        "state": {"S": "open"},
        "total": {"N": "12345678901234567890123456789012345678"},
        "small": {"N": "1E-130"},
        "empty": {"S": ""},
        "bytes": {"B": "AAECAwQF/w=="},
        "no bytes": {"B": ""},
        "flags": {"M": {"yes": {"BOOL": true}, "nothing": {"NULL": true}, "l": {"L": []}}},
        "words": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2.5"]},
        "blobs": {"BS": ["AA==", "AQ=="]},
        "list": {"L": [{"S": "x"}, {"N": "-0.5"}, {"M": {}}]},
    })
}

pub(crate) fn items(count: u64) -> Vec<Value> {
    (0..count).map(item).collect()
}

fn encoded(items: &[Value], algorithm: Algorithm) -> Vec<u8> {
    let mut encoder = Encoder::new(Compression::usual(algorithm)).unwrap();
    let mut out = Vec::new();
    // Frames end where lines end, and there are several.
    for frame in items.chunks(items.len().div_ceil(3).max(1)) {
        for item in frame {
            encoder.write(format!("{}\n", json!({"Item": item})).as_bytes(), &mut out);
        }
        encoder.end_frame(&mut out);
    }
    out
}

/// All items of an object.
pub(crate) fn decoded(bytes: &[u8], algorithm: Algorithm) -> Vec<Value> {
    let mut text = Vec::new();
    let mut decoder = Decoder::new(algorithm).unwrap();
    decoder
        .write(bytes, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    decoder.finish().unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["Item"].take()).collect()
}

/// What happened, by name.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) names: Mutex<Vec<String>>,
    pub(crate) read: AtomicU64,
    pub(crate) deleted: AtomicU64,
}

impl Watcher for Heard {
    fn note(&self, event: &Event<'_>) {
        let heard = match event {
            Event::Phase(phase) => phase.as_str().to_owned(),
            Event::Warning(what) => format!("warning: {what}"),
            Event::Planned(_) => "planned".to_owned(),
            Event::Read(bytes) => {
                self.read.fetch_add(*bytes, Ordering::Relaxed);
                return;
            }
            Event::Deleted(items) => {
                self.deleted.fetch_add(*items, Ordering::Relaxed);
                return;
            }
            _ => return,
        };
        self.names.lock().unwrap().push(heard);
    }
}

/// A backup in a store, and tables beside it.
pub(crate) struct Case {
    pub(crate) store: MemoryStore,
    pub(crate) tables: MemoryTables,
    pub(crate) backup: Backup,
    pub(crate) options: Options,
    pub(crate) heard: Arc<Heard>,
    pub(crate) target: TableArn,
}

impl Case {
    /// A backup of these items in so many objects, and no table.
    pub(crate) fn new(
        definition: Definition,
        items: &[Value],
        objects: usize,
        how: Algorithm,
    ) -> Self {
        let store = MemoryStore::default();
        let per_object = items.len().div_ceil(objects.max(1)).max(1);
        let mut made = Vec::new();
        for (number, items) in items.chunks(per_object).enumerate() {
            let key = format!("{DATA}00000-{number:06}.json");
            let location = ObjectLocation { bucket: BUCKET.to_owned(), key };
            let content = encoded(items, how);
            made.push(DataObject {
                bytes: content.len() as u64,
                sha256: Some(hex::encode(Sha256::digest(&content))),
                crc64nvme: None,
                items: items.len() as u64,
                location: location.clone(),
            });
            store.put(&location, content);
        }
        let backup = Backup {
            directory: format!("s3://{BUCKET}/{}", DATA.trim_end_matches("data/")),
            data: ObjectLocation { bucket: BUCKET.to_owned(), key: DATA.to_owned() },
            bucket_owner: None,
            objects: made,
            compression: how,
            definition,
        };
        Self {
            store,
            tables: MemoryTables::new(REGION, ACCOUNT).at_once(),
            backup,
            options: Options { workers: 4, ..Options::default() },
            heard: Arc::default(),
            target: format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/copy").parse().unwrap(),
        }
    }

    pub(crate) fn usual(count: u64) -> Self {
        Self::new(small(), &items(count), 3, Algorithm::Gzip)
    }

    /// A table that is there, made by hand, with these items.
    pub(crate) async fn with_table(self, definition: &Definition, items: &[Value]) -> Self {
        let mut create = Value::Object(definition.create.clone());
        create["TableName"] = json!(self.target.name);
        let called = self.tables.dynamodb("CreateTable", create).await.unwrap();
        assert!(matches!(called, Called::Answered(_)), "{called:?}");
        let writer = self.tables.writer(&self.target.name);
        for item in items {
            writer.write(&[item.to_string().into()]).await.unwrap();
        }
        let _ = self.tables.take_calls();
        self
    }

    fn restore(&self) -> Restore<MemoryStore, MemoryTables, MemoryWriter, MemoryReader> {
        Restore {
            reader: self.store.clone(),
            service: self.tables.clone(),
            writer: Arc::new(self.tables.writer(&self.target.name)),
            scanner: Arc::new(self.tables.reader(&self.target.name)),
            target: self.target.clone(),
            backup: self.backup.clone(),
            options: self.options.clone(),
            watcher: self.heard.clone(),
        }
    }

    pub(crate) async fn run(&self) -> Result<Restored> {
        run(&self.restore(), std::future::pending()).await
    }

    pub(crate) async fn run_until(
        &self,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Restored> {
        run(&self.restore(), stop).await
    }

    pub(crate) async fn fails(&self) -> Error {
        self.run().await.expect_err("it succeeded")
    }

    /// The restored table has these items, and no others.
    pub(crate) fn assert_items(&self, expected: &[Value]) {
        let sorted = |mut items: Vec<Value>| {
            items.sort_by_cached_key(|item| {
                let placed = item["placed"]["N"].as_str().and_then(|n| n.parse::<u64>().ok());
                (item["customer"]["S"].as_str().map(ToOwned::to_owned), placed)
            });
            items
        };
        let found = sorted(self.tables.items(&self.target.name).unwrap());
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&sorted(expected.to_vec())) {
            assert_eq!(found, expected);
        }
    }

    pub(crate) fn is_made(&self) -> bool {
        self.tables.items(&self.target.name).is_some()
    }
}
