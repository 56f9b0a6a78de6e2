//! What the scripts prepare for tests, by the variables in which `scripts/test` hands it on.

use std::path::PathBuf;
use std::process::Command;

use crate::postgres::unprivileged;

/// Names what `scripts/lib/documentdb` prints.
pub const DOCUMENTDB: &str = "AUTODUMP_TEST_DOCUMENTDB";
/// Names what `scripts/lib/mongodb-tools` prints.
pub const TOOLS: &str = "AUTODUMP_TEST_MONGODB_TOOLS";

/// The directory with `PostgreSQL` and `DocumentDB`, or `None`, said loudly on standard error.
#[must_use]
pub fn documentdb() -> Option<PathBuf> {
    directory(DOCUMENTDB, "no DocumentDB")
}

/// `mongodump` and `mongorestore`, or `None`, said loudly on standard error.
#[must_use]
pub fn tools() -> Option<Tools> {
    directory(TOOLS, "no mongodump and mongorestore").map(|directory| Tools { directory })
}

/// MongoDB's own tools.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Where the programs are.
    pub directory: PathBuf,
}

impl Tools {
    /// One of the programs, to be run as `nobody` where we are root, and without this process's environment.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        unprivileged(&self.directory.join(program))
    }
}

fn directory(variable: &str, missing: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).filter(|value| !value.is_empty());
    if given.is_none() {
        eprintln!("SKIPPED: {missing} in {variable}");
    }
    given.map(PathBuf::from)
}
