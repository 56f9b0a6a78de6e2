//! How far a backup is verified, and what came of it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How far a backup is verified. Each level includes those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not at all.
    #[default]
    None,
    /// Every object is read again and compared with the manifest: length, SHA-256, CRC.
    Checksum,
    /// Every data file is decompressed to its end, and its rows are counted and hashed.
    Archive,
    /// The backup is restored into a database, and each table's rows there are counted and
    /// hashed.
    Restore,
}

impl Level {
    /// All levels, from the least to the most.
    pub const ALL: [Self; 4] = [Self::None, Self::Checksum, Self::Archive, Self::Restore];

    /// The name in tags and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Checksum => "checksum",
            Self::Archive => "archive",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    /// Reads a level's name. The error is a sentence fragment that says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            "is no level of verification: allowed are none, checksum, archive and restore"
                .to_owned()
        })
    }
}

/// The name of a result within a run's directory, beside the manifest:
/// `verification-20261122T081500Z.json`.
#[must_use]
pub fn file_name(finished_at: DateTime<Utc>) -> String {
    format!("verification-{}.json", crate::layout::timestamp(finished_at))
}

/// What came of a verification, version 1: `contract/verification.json`. It is written beside
/// the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Always 1.
    pub version: u32,
    /// The manifest, as `s3://bucket/key`.
    pub manifest: String,
    /// How far.
    pub level: Level,
    /// Whether all was as the manifest says.
    pub passed: bool,
    /// When it began.
    #[serde(with = "crate::manifest::seconds")]
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(with = "crate::manifest::seconds")]
    pub finished_at: DateTime<Utc>,
    /// AutoDump's version.
    pub autodump_version: String,
    /// The version of the server it was restored into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_into: Option<String>,
    /// How many objects, bytes, tables and rows were looked at.
    pub seen: Seen,
    /// What was not as it should be, each in a sentence.
    pub problems: Vec<String>,
    /// What the level includes and was not looked at all the same, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Tables whose rows were counted.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_read_by_their_names() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
        assert!("full".parse::<Level>().is_err());
    }

    #[test]
    fn the_golden_verification_is_read_and_written_unchanged() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/verification.json")).unwrap();
        for (name, golden) in golden.as_object().unwrap() {
            let verification: Verification = serde_json::from_value(golden.clone()).unwrap();
            assert_eq!(serde_json::to_value(&verification).unwrap(), *golden, "{name}");
            assert_eq!(verification.passed, verification.problems.is_empty(), "{name}");
        }
        let at = "2026-11-22T08:15:00Z".parse().unwrap();
        assert_eq!(file_name(at), "verification-20261122T081500Z.json");
    }
}
