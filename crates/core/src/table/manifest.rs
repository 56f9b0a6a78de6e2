//! The manifest of a table's backup.
//!
//! Whoever reads manifests of all engines finds the same fields under the same names as in
//! [`crate::manifest`]; what only databases have is not there, and a table has some of its own.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::hash::TagHash;
use crate::manifest::{Engine, Job, Target, seconds};
use crate::tags::Format;
use crate::verification::Level;

/// The name of the engine, in the layout and in the manifest.
pub const ENGINE: &str = "dynamodb";
/// The version of DynamoDB's interface, which is the only version that it has.
pub const SERVER_VERSION: &str = "2012-08-10";

/// Version 1 of the manifest, `contract/table-manifest.json`. Readers reject a version they do not
/// know, and ignore fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableManifest {
    /// Always 1.
    pub version: u32,
    /// The table.
    pub target: Target,
    /// [`ENGINE`], [`SERVER_VERSION`], and who read the items.
    pub engine: Engine,
    /// The table's name.
    pub database: String,
    /// What the objects hold.
    pub format: Format,
    /// In which sense the content is of one point in time.
    pub consistency: Consistency,
    /// How the table was read.
    pub method: Method,
    /// When the run was to start, by the schedule.
    #[serde(with = "seconds")]
    pub scheduled_for: DateTime<Utc>,
    /// When the backup began. Of an export: the moment whose content it has.
    #[serde(with = "seconds")]
    pub started_at: DateTime<Utc>,
    /// When the last byte of data was in the bucket. Of an export, as `started_at`.
    #[serde(with = "seconds")]
    pub finished_at: DateTime<Utc>,
    /// The hash of the tags that the plan was made from.
    pub tag_hash: TagHash,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// The Batch job that wrote the manifest.
    pub job: Job,
    /// AutoDump's own version.
    pub autodump_version: String,
    /// How far the backup is to be verified after it was made, by its target's tags.
    #[serde(default)]
    pub verify: Level,
    /// How many items there are in all objects.
    pub items: u64,
    /// The key of the table's definition, in the bucket of the manifest.
    pub definition: String,
    /// Every data object of the backup.
    pub objects: Vec<TableObject>,
    /// One entry, as in manifests of databases.
    pub tables: Vec<Rows>,
    /// Commands that restore it without AutoDump.
    pub restore: Vec<String>,
}

/// In which sense the content is of one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// All of it is as it was at one moment.
    PointInTime,
    /// Each page was read as it may have been a moment before.
    Eventual,
    /// Each page was read as it was.
    Strong,
}

/// How a table was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// Who read it.
    pub kind: MethodKind,
    /// What can be relied on, in words.
    pub guarantee: String,
    /// Of a scan: how many segments it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// Of a scan: how many jobs read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    /// How the data objects are compressed, such as `zstd:1`.
    pub compression: String,
    /// Of an export: its ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_arn: Option<String>,
}

/// Who read a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodKind {
    /// AutoDump, by a parallel scan.
    Scan,
    /// DynamoDB, by `ExportTableToPointInTime`.
    Export,
}

/// One data object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableObject {
    /// The bucket.
    pub bucket: String,
    /// The full key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// How many items are in it.
    pub items: u64,
    /// SHA-256, hexadecimal; of an export's files it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// CRC64-NVME of the whole object as S3 shows it: big-endian, base64. As above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    /// Of an export's files: MD5, base64, as its own manifest has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
}

/// How many items a table has, where other manifests say it of their tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Empty: there are no schemas.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// As [`TableManifest::items`].
    pub rows: u64,
}

impl Method {
    /// What a method guarantees.
    #[must_use]
    pub const fn guarantee(kind: MethodKind) -> &'static str {
        match kind {
            MethodKind::Export => {
                "All items are as they were at one moment, startedAt. A second is the smallest \
                 unit of it."
            }
            MethodKind::Scan => {
                "Each item that was there from startedAt to finishedAt is there once, as it was \
                 at some moment in between. Later and earlier changes of other items may be \
                 there or not."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_manifest_is_read_and_written_unchanged() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../../contract/table-manifest.json")).unwrap();
        let manifest: TableManifest = serde_json::from_value(golden.clone()).unwrap();
        assert_eq!(serde_json::to_value(&manifest).unwrap(), golden);
        assert_eq!(manifest.method.guarantee, Method::guarantee(MethodKind::Scan));
    }

    /// Whoever looks for what all manifests have finds it here.
    #[test]
    fn the_common_fields_are_those_of_databases() {
        let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let database = read(include_str!("../../../../contract/manifest.json"));
        let table = read(include_str!("../../../../contract/table-manifest.json"));
        let only_databases = ["snapshot"];
        for (key, _) in database.as_object().unwrap() {
            assert!(table.get(key).is_some() || only_databases.contains(&key.as_str()), "{key}");
        }
    }
}
