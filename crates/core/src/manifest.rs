//! The manifest: written last, and the proof that a backup exists.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::hash::TagHash;
use crate::tags::Format;
use crate::verification::Level;

/// Version 1 of the manifest, `contract/manifest.json` and `contract/manifest-mongodb.json`.
/// Readers reject a version they do not
/// know, and ignore fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 1.
    pub version: u32,
    /// What was dumped.
    pub target: Target,
    /// The engine, its server and the program that dumped.
    pub engine: Engine,
    /// The database's name.
    pub database: String,
    /// What the objects hold.
    pub format: Format,
    /// In which sense the content is of one point in time.
    pub consistency: Consistency,
    /// The server's name for the snapshot that all was read in, where there is one to share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// How it was dumped.
    pub method: Method,
    /// When the run was to start, by the schedule.
    #[serde(with = "seconds")]
    pub scheduled_for: DateTime<Utc>,
    /// When the dump began.
    #[serde(with = "seconds")]
    pub started_at: DateTime<Utc>,
    /// When the last byte of data was in the bucket.
    #[serde(with = "seconds")]
    pub finished_at: DateTime<Utc>,
    /// The hash of the tags that were used.
    pub tag_hash: TagHash,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// The Batch job.
    pub job: Job,
    /// AutoDump's own version.
    pub autodump_version: String,
    /// How far the backup is to be verified after it was made, by its target's tags.
    #[serde(default)]
    pub verify: Level,
    /// Every data object of the backup.
    pub objects: Vec<Object>,
    /// What is known of each table's rows.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Commands that restore it without AutoDump.
    pub restore: Vec<String>,
}

/// What was dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The ARN of the tagged resource.
    pub arn: String,
    /// Its name.
    pub name: String,
}

/// The engine, its server and the program that dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Engine {
    /// As in the bucket's layout: `postgres`, `mongodb`.
    pub name: String,
    /// The server's version, such as `15.18`.
    pub server_version: String,
    /// The dump program and its version, such as `pg_dump 15.18`.
    /// AutoDump's own where it wrote the archive itself.
    pub client: String,
}

/// In which sense the content is of one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// All of it was read in one snapshot of the database.
    Snapshot,
    /// Each row or document as it was at some moment between `startedAt` and `finishedAt`.
    Range,
    /// All of it as it was at one moment, for which changes were recorded while it was read.
    PointInTime,
}

/// How a database was dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// Who read the rows.
    pub kind: MethodKind,
    /// Connections that read rows or documents at once.
    pub jobs: u16,
    /// How the data files are compressed, such as `gzip:1`.
    pub compression: String,
    /// Why it was not done in parallel within tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who read the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodKind {
    /// AutoDump, by ranges within tables or collections; all else the engine's own dump program.
    Ranges,
    /// The engine's own dump program.
    Client,
}

/// The Batch job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Batch's job id.
    pub id: String,
    /// From 1.
    pub attempt: u32,
}

/// One data object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The full key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// CRC64-NVME of the whole object as S3 shows it: big-endian, base64.
    pub crc64nvme: String,
    /// Lengths in bytes of the pieces that can be decompressed, and their rows or documents
    /// loaded, each without the others; together they are the object. Empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<u64>,
}

/// The rows of one table, or the documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its schema; of a collection its database.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// How many rows or documents were read; of a view none.
    pub rows: u64,
    /// The sum, modulo 2^128, of the XXH3-128 hashes of all rows as COPY writes them, without
    /// their line ends, or of all documents as they are in BSON: 32 hexadecimal digits. It does
    /// not depend on their order. The sum of none, as that of a view, is 0.
    pub hash: String,
    /// The keys of the objects that hold them, in order.
    pub keys: Vec<String>,
}

/// Times in the manifest are UTC in whole seconds with `Z`.
pub(crate) mod seconds {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::EngineName;

    #[test]
    fn the_golden_manifest_is_read_and_written_unchanged() {
        for (text, consistency) in [
            (include_str!("../../../contract/manifest.json"), Consistency::Snapshot),
            (include_str!("../../../contract/manifest-mongodb.json"), Consistency::Range),
        ] {
            let golden: serde_json::Value = serde_json::from_str(text).unwrap();
            let manifest: Manifest = serde_json::from_value(golden.clone()).unwrap();
            assert_eq!(manifest.consistency, consistency);
            assert_eq!(
                EngineName::of(&manifest.engine.name).unwrap().as_str(),
                golden["engine"]["name"]
            );
            assert_eq!(serde_json::to_value(&manifest).unwrap(), golden);
        }
    }

    #[test]
    fn the_consistencies_have_names_of_their_own() {
        let all = [Consistency::Snapshot, Consistency::Range, Consistency::PointInTime];
        let names = serde_json::to_value(all).unwrap();
        assert_eq!(names, serde_json::json!(["snapshot", "range", "point-in-time"]));
    }
}
