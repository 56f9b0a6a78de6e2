//! Exports in RDS's layout, of our own writing.

use serde_json::{Value, json};

use crate::ports::ObjectLocation;
use crate::snapshot::ports::{ExportTask, Stage};
use crate::testing::MemoryStore;

/// How many tables a list has at most: RDS makes several lists of many tables.
const IN_A_LIST: usize = 2;

/// A task that has just begun.
pub(super) fn begun(name: &str, source_arn: &str, kms_key: &str) -> ExportTask {
    ExportTask {
        name: name.to_owned(),
        source_arn: source_arn.to_owned(),
        stage: Stage::Starting,
        progress: 0,
        failure: None,
        warning: None,
        kms_key: kms_key.to_owned(),
        snapshot_time: None,
        started: None,
        ended: None,
    }
}

/// A table of an export.
#[derive(Debug, Clone)]
pub struct ExportedTable {
    /// Its entry in the lists.
    pub entry: Value,
    /// Its directory, such as `shop/public.orders`; empty where nothing was written.
    pub directory: String,
    /// How many data objects each of its batches has.
    pub batches: Vec<usize>,
}

impl ExportedTable {
    /// One that was written whole, named `<database>.<schema>.<table>`.
    #[must_use]
    pub fn whole(name: &str, batches: &[usize]) -> Self {
        Self {
            entry: json!({
                "tableStatistics": {
                    "extractionStartTime": "Nov 22, 2026 8:20:00 AM",
                    "partitioningInfo": {"numberOfPartitions": 1},
                },
                "schemaMetadata": {"originalTypeMappings": [{"columnName": "id"}]},
                "status": "COMPLETE",
                "sizeGB": 0.25,
                "target": name,
            }),
            directory: name.replacen('.', "/", 1),
            batches: batches.to_vec(),
        }
    }

    /// One that was left out, for this reason.
    #[must_use]
    pub fn skipped(name: &str, why: &str) -> Self {
        let entry = json!({"target": name, "status": "SKIPPED", "warningMessage": why});
        Self { entry, directory: String::new(), batches: Vec::new() }
    }
}

/// Writes what RDS writes of an export that has ended well, each data object with ten bytes.
pub fn write_export(
    store: &MemoryStore,
    bucket: &str,
    prefix: &str,
    task: &str,
    tables: &[ExportedTable],
) {
    let put = |name: &str, content: String| {
        let key = format!("{prefix}/{task}/{name}");
        store.put(&ObjectLocation { bucket: bucket.to_owned(), key }, content);
    };
    let info = json!({
        "exportTaskIdentifier": task, "status": "COMPLETE", "percentProgress": 100,
        "exportOnly": [], "s3Bucket": bucket, "s3Prefix": prefix, "exportedFilesPath": task,
    });
    put(&format!("export_info_{task}.json"), info.to_string());
    for (number, list) in tables.chunks(IN_A_LIST).enumerate() {
        let from = number * IN_A_LIST + 1;
        let name =
            format!("export_tables_info_{task}_from_{from}_to_{}.json", from + list.len() - 1);
        let entries: Vec<_> = list.iter().map(|table| &table.entry).collect();
        put(&name, json!({"perTableStatus": entries}).to_string());
    }
    for table in tables {
        for (batch, objects) in (1..).zip(&table.batches) {
            for number in 0..*objects {
                let part = format!("part-{number:05}-5f1b6f5e-0c5e-4a52-9c3b-0d6c1f1f6a51");
                put(&format!("{}/{batch}/{part}.gz.parquet", table.directory), "0123456789".into());
            }
            put(&format!("{}/{batch}/_SUCCESS", table.directory), String::new());
        }
    }
}
