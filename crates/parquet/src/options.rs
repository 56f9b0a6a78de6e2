//! How and whereto a table is converted.

use std::time::Duration;

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::ports::ObjectLocation;
use autodump_dump::publish::Patience;
use serde::{Deserialize, Serialize};

use crate::csv::Format;
use crate::layout::Table;
use crate::schema::TableSchema;
use crate::text::Binary;

/// What becomes of rows that break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBad {
    /// They end the conversion.
    #[default]
    Stop,
    /// They go to a file of their own, with the reason.
    Reject,
}

/// How a table is converted.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the CSV is written.
    pub format: Format,
    /// How bytes are written.
    pub binary: Binary,
    /// How it is compressed: not at all, with gzip or with Zstandard.
    pub compression: Compression,
    /// What the rows have to be.
    pub schema: Option<TableSchema>,
    /// What becomes of those that are not.
    pub on_bad: OnBad,
    /// Memory.
    pub memory: Memory,
    /// How often and long the last steps are tried again.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::default(),
            binary: Binary::default(),
            compression: Compression::usual(Algorithm::None),
            schema: None,
            on_bad: OnBad::default(),
            memory: Memory::default(),
            patience: Patience { total: Duration::from_secs(30), ..Patience::default() },
        }
    }
}

/// What a conversion may use, in bytes. All of it together stays within 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Pages of a row group, and 16 MiB for what is read ahead of them. A file that needs more is
    /// refused.
    pub pages: u64,
    /// The longest row of CSV.
    pub row: usize,
    /// Parts on their way. Half of it is the largest part, by 10,000 of which a CSV is limited:
    /// a longer one goes on in a further object.
    pub parts: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { pages: 160 << 20, row: 16 << 20, parts: 48 << 20 }
    }
}

/// Where a result is put.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with, with a closing slash if it is a directory. The table's name
    /// follows, and one of `.csv`, `.rejects.csv` and `.manifest.json`.
    pub prefix: String,
}

impl Destination {
    /// Where something of a table's result is.
    pub(crate) fn location(&self, table: &Table, extension: &str) -> ObjectLocation {
        let key = format!("{}{}{extension}", self.prefix, table.name);
        ObjectLocation { bucket: self.bucket.clone(), key }
    }

    /// Where the manifest of a table's result is.
    #[must_use]
    pub fn manifest(&self, table: &Table) -> ObjectLocation {
        self.location(table, ".manifest.json")
    }
}
