//! The proof that a table was converted whole.

use serde::{Deserialize, Serialize};

use crate::column::ColumnInfo;
use crate::csv::Format;
use crate::options::{OnBad, Options};
use crate::schema::TableSchema;
use crate::text::Binary;

/// The version that is written and read.
pub const VERSION: u32 = 1;

/// What was converted, and what became of it. It is written last: a CSV without one is no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultManifest {
    /// [`VERSION`].
    pub version: u32,
    /// The table's name, as [`Table::name`](crate::layout::Table).
    pub table: String,
    /// What was read, in that order.
    pub source: Source,
    /// The columns, in the order of the CSV.
    pub columns: Vec<ColumnInfo>,
    /// How the CSV is written.
    pub format: Format,
    /// How bytes are written.
    pub binary: Binary,
    /// How it is compressed: `none`, `gzip:1`, `zstd:3`.
    pub compression: String,
    /// SHA-256 of the table schema, in hexadecimal digits, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What became of bad rows.
    #[serde(default)]
    pub on_bad: OnBad,
    /// Rows of all files together: as many as `rows_out` and `rejects`.
    pub rows_in: u64,
    /// Rows of the CSV.
    pub rows_out: u64,
    /// Rows of the reject file.
    pub rejects: u64,
    /// The CSV: one object, unless it has more than S3's limit of parts.
    pub objects: Vec<ResultObject>,
    /// The reject file, where there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reject_objects: Vec<ResultObject>,
}

impl ResultManifest {
    /// Whether these options would make the same of the same files.
    pub(crate) fn is_made_with(&self, options: &Options) -> bool {
        self.format == options.format
            && self.binary == options.binary
            && self.compression == options.compression.to_string()
            && self.on_bad == options.on_bad
            && self.schema == options.schema.as_ref().map(TableSchema::sha256)
    }
}

/// Where a table came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The bucket.
    pub bucket: String,
    /// The table's directory, with a closing slash.
    pub directory: String,
    /// The files.
    pub files: Vec<SourceFile>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// The full key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// The store's name for its very content.
    pub etag: String,
    /// Its rows.
    pub rows: u64,
}

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultObject {
    /// The full key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the object, in hexadecimal digits.
    pub sha256: String,
}
