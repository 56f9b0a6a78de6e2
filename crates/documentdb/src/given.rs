//! What the scripts prepare for tests, by the variables in which `scripts/test` hands it on.

use std::path::PathBuf;

/// Names what `scripts/lib/documentdb` prints.
pub const DOCUMENTDB: &str = "AUTODUMP_TEST_DOCUMENTDB";
/// Names what `scripts/lib/mongodb-tools` prints.
pub const TOOLS: &str = "AUTODUMP_TEST_MONGODB_TOOLS";

/// The directory with `PostgreSQL` and `DocumentDB`, or `None`, said loudly on standard error.
#[must_use]
pub fn documentdb() -> Option<PathBuf> {
    directory(DOCUMENTDB, "no DocumentDB")
}

/// The directory with `mongodump` and `mongorestore`, or `None`, said loudly on standard error.
#[must_use]
pub fn tools() -> Option<PathBuf> {
    directory(TOOLS, "no mongodump and mongorestore")
}

fn directory(variable: &str, missing: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).filter(|value| !value.is_empty());
    if given.is_none() {
        eprintln!("SKIPPED: {missing} in {variable}");
    }
    given.map(PathBuf::from)
}
