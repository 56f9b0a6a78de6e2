//! Where things lie below a run's directory.

use crate::compression::Algorithm;

/// The plan.
pub const PLAN: &str = "state/plan.json";
/// The table's definition.
pub const DEFINITION: &str = "table.json";
/// The input of the call that makes the table without AutoDump: `ImportTable` with its items, or
/// `CreateTable` for a table without items.
pub const IMPORT: &str = "import-table.json";
/// See [`IMPORT`].
pub const CREATE: &str = "create-table.json";
/// What `ImportTable` is given, within a run's directory.
pub const DATA: &str = "data/";
/// What `ExportTableToPointInTime` is given, within a run's directory.
pub const EXPORT: &str = "export";

/// Where the state of a range lies.
#[must_use]
pub fn range(range: u32) -> String {
    format!("state/{range:05}/")
}

/// An object of a range's journal.
#[must_use]
pub fn journal(range: u32, number: u64) -> String {
    format!("state/{range:05}/journal-{number:010}")
}

/// A range's checkpoint after its data object `number`.
#[must_use]
pub fn checkpoint(range: u32, number: u64) -> String {
    format!("state/{range:05}/checkpoint-{number:010}.json")
}

/// A data object of a range.
#[must_use]
pub fn data(range: u32, number: u64, algorithm: Algorithm) -> String {
    format!("{DATA}{range:05}-{number:06}.json{}", extension(algorithm))
}

/// How the names of data objects end. `ImportTable` does not look at names.
const fn extension(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::None => "",
        Algorithm::Gzip => ".gz",
        Algorithm::Zstd => ".zst",
        Algorithm::Lz4 => ".lz4",
    }
}
