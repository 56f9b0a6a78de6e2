//! The manifest of a backup by snapshot.
//!
//! Whoever reads manifests of all engines finds the same fields under the same names as in
//! [`crate::manifest`]. There is no job, and RDS gives no checksums: what was written is counted
//! in `data`, and by table.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::options::Origin;
use crate::hash::TagHash;
use crate::manifest::{Consistency, Engine, Target, seconds};
use crate::tags::Format;

/// The name of the engine, in the layout and in the manifest.
pub const ENGINE: &str = "rds";

/// The version of [`SnapshotManifest`].
pub const VERSION: u32 = 1;

/// Version 1 of the manifest, `contract/snapshot-manifest.json`. Readers reject a version they do
/// not know, and ignore fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotManifest {
    /// Always [`VERSION`].
    pub version: u32,
    /// The instance or cluster.
    pub target: Target,
    /// [`ENGINE`], the version of the database's engine, and who exported.
    pub engine: Engine,
    /// What the objects hold.
    pub format: Format,
    /// All of it is as it was at one moment, that of the snapshot.
    pub consistency: Consistency,
    /// When the run was to start, by the schedule.
    #[serde(with = "seconds")]
    pub scheduled_for: DateTime<Utc>,
    /// The moment whose content the backup has: the snapshot's.
    #[serde(with = "seconds")]
    pub started_at: DateTime<Utc>,
    /// When the export ended.
    #[serde(with = "seconds")]
    pub finished_at: DateTime<Utc>,
    /// The hash of the tags that the plan was made from.
    pub tag_hash: TagHash,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// AutoDump's own version.
    pub autodump_version: String,
    /// The snapshot.
    pub snapshot: SnapshotFacts,
    /// The export.
    pub export: ExportFacts,
    /// Where its objects are, and how many.
    pub data: Data,
    /// What was exported, by name.
    pub tables: Vec<Table>,
    /// What RDS left out, by name.
    pub skipped: Vec<Skipped>,
    /// What else went wrong, in words.
    pub warnings: Vec<String>,
    /// Commands that restore it without AutoDump.
    pub restore: Vec<String>,
}

/// The snapshot that was exported. It may be deleted later: the export does not need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotFacts {
    /// Its ARN.
    pub arn: String,
    /// Whether it was made for the run.
    pub origin: Origin,
    /// The moment whose content it has.
    #[serde(with = "seconds")]
    pub created_at: DateTime<Utc>,
    /// Such as `postgres`.
    pub engine: String,
    /// Such as `15.4`.
    pub engine_version: String,
    /// The storage of its database in GiB. Missing where the snapshot was gone when the export
    /// ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u64>,
}

/// The export task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportFacts {
    /// Its identifier.
    pub task: String,
    /// What it was restricted to; all where it is empty.
    pub only: Vec<String>,
    /// The KMS key that the data are encrypted with.
    pub kms_key: String,
}

/// All data objects together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The bucket.
    pub bucket: String,
    /// What their keys begin with, with a closing slash.
    pub prefix: String,
    /// How many there are.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A table that was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// As RDS names it, `<database>.<schema>.<table>`.
    pub name: String,
    /// What the keys of its objects begin with, below the data's prefix, with a closing slash.
    pub directory: String,
    /// How many data objects it has: none where it is empty.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What RDS says of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What RDS left out: a table, or more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// As RDS names it.
    pub name: String,
    /// As RDS has it; empty where it has none.
    pub status: String,
    /// Why, in RDS's words.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../../contract/snapshot-manifest.json")).unwrap()
    }

    #[test]
    fn the_golden_manifest_is_read_and_written_unchanged() {
        let manifest: SnapshotManifest = serde_json::from_value(golden()).unwrap();
        assert_eq!(serde_json::to_value(&manifest).unwrap(), golden());
        assert_eq!((manifest.version, manifest.engine.name.as_str()), (VERSION, ENGINE));
        assert!(!manifest.tables.is_empty() && !manifest.skipped.is_empty());
    }

    /// Whoever looks for what all manifests have finds it here.
    #[test]
    fn the_common_fields_are_those_of_databases() {
        let database: Value =
            serde_json::from_str(include_str!("../../../../contract/manifest.json")).unwrap();
        let golden = golden();
        // An export has many databases or none, and neither job nor checksums.
        let only_dumps = ["database", "method", "job", "verify", "objects"];
        for (key, _) in database.as_object().unwrap() {
            assert!(golden.get(key).is_some() || only_dumps.contains(&key.as_str()), "{key}");
        }
    }
}
