//! What an export writes into its bucket, in RDS's layout.

use anyhow::Result;
use serde_json::{Value, json};
use uuid::Uuid;

use super::state::{Place, Task};
use super::table::Table;
use super::{Rds, Script};

/// How many tables a list has at most.
const IN_A_LIST: usize = 100;

impl Rds {
    /// Writes tables, then the lists of them. Stops where the task is cancelled meanwhile.
    pub(super) async fn write(&self, place: &Place, task: &Task, script: &Script) -> Result<()> {
        let tables: Vec<_> =
            script.tables.iter().filter(|table| table.is_among(&task.only)).collect();
        for table in &tables {
            if !table.is_skipped() && !self.write_table(place, task, table).await? {
                return Ok(());
            }
        }
        for (number, list) in tables.chunks(IN_A_LIST).enumerate() {
            let from = number * IN_A_LIST + 1;
            let to = from + list.len() - 1;
            let name = format!("export_tables_info_{}_from_{from}_to_{to}.json", task.name);
            let entries = list.iter().map(|table| entry(table)).collect::<Result<Vec<_>>>()?;
            self.put(task, &name, json!({"perTableStatus": entries}).to_string()).await?;
        }
        let info = json!({
            "exportTaskIdentifier": task.name, "sourceArn": task.source_arn,
            "exportOnly": task.only, "s3Bucket": task.bucket, "s3Prefix": task.prefix,
            "exportedFilesPath": task.name, "iamRoleArn": task.role, "kmsKeyId": task.key,
            "status": "COMPLETE", "percentProgress": 100, "totalExtractedDataInGB": 0.0,
        });
        self.put(task, &format!("export_info_{}.json", task.name), info.to_string()).await
    }

    /// Writes the files of a table; whether the task still runs.
    async fn write_table(&self, place: &Place, task: &Task, table: &Table) -> Result<bool> {
        let directory = table.name.replacen('.', "/", 1);
        let mut number = 0;
        for (batch, files) in (1..).zip(table.batches()) {
            for part in 0..*files {
                if !self.still_runs(place, &task.name) {
                    return Ok(false);
                }
                // Packing takes time of a processor, which others wait for.
                let (packed, place_in_table) = (table.clone(), number);
                let packing = tokio::task::spawn_blocking(move || packed.file(place_in_table));
                let content = packing.await??;
                let name = format!("part-{part:05}-{}.gz.parquet", Uuid::new_v4());
                self.put(task, &format!("{directory}/{batch}/{name}"), content).await?;
                number += 1;
            }
            self.put(task, &format!("{directory}/{batch}/_SUCCESS"), "").await?;
        }
        Ok(true)
    }

    async fn put(&self, task: &Task, name: &str, content: impl Into<bytes::Bytes>) -> Result<()> {
        let path = if task.prefix.is_empty() {
            task.name.clone()
        } else {
            format!("{}/{}", task.prefix, task.name)
        };
        self.front.put_object(&task.bucket, &format!("{path}/{name}"), content).await
    }
}

/// A table, as the lists have it.
fn entry(table: &Table) -> Result<Value> {
    let mut entry = json!({
        "target": table.name,
        "status": if table.is_skipped() { "SKIPPED" } else { "COMPLETE" },
    });
    if let Some(warning) = table.warning() {
        entry["warningMessage"] = json!(warning);
    }
    if !table.is_skipped() {
        let columns = table.columns()?.into_iter().map(|(name, kind)| {
            json!({"columnName": name, "originalType": kind, "expectedExportedType": kind})
        });
        let columns: Vec<_> = columns.collect();
        entry["schemaMetadata"] = json!({"originalTypeMappings": columns});
        entry["tableStatistics"] = json!({"partitioningInfo": {"numberOfPartitions": 1}});
        let is_empty = table.batches().iter().all(|files| *files == 0);
        entry["sizeGB"] = json!(if is_empty { 0.0 } else { 0.25 });
    }
    Ok(entry)
}
