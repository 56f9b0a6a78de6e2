//! A backup becomes a database again, straight from the store: `pg_restore` makes what is no
//! row, and the rows are loaded by ranges over several connections, without touching a disk.
//!
//! 1. The manifest and the table of contents are read, and the database that is to be
//!    restored into is looked at. Up to here nothing is changed, and what is wrong is said.
//! 2. `pg_restore --section=pre-data`: schemas, types, tables.
//! 3. Rows, each segment of a data file in a transaction of its own. Rows are counted, and
//!    hashed where the manifest has a hash, and objects are compared with the manifest as they
//!    are read.
//! 4. `pg_restore --section=data` for all other data: sequences, large objects.
//! 5. `pg_restore --section=post-data`: indexes, constraints, triggers.

pub(crate) mod backup;
pub(crate) mod names;
pub(crate) mod state;
mod watch;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{DatabaseAccess, ObjectLocation, ObjectReader};
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use serde::Serialize;
use tokio::time::timeout;

pub use self::backup::{Backup, read_manifest};
use self::state::State;
pub use self::watch::{Event, Log, Watcher};

use crate::engine::Postgres;
use crate::engine::postgres::restore::Work;
use crate::stop::StopFlag;

/// How long programs may take to end when somebody asks to stop.
const GRACE: Duration = Duration::from_secs(3);

/// A store that can be read by many at once.
pub trait SharedReader: ObjectReader + Clone + Send + Sync + 'static {}

impl<R: ObjectReader + Clone + Send + Sync + 'static> SharedReader for R {}

/// What is to be restored, and into what.
pub struct Restore<'a, R, A> {
    /// The engine: clients, certificates, scratch directory.
    pub postgres: &'a Postgres,
    /// Where the backup is.
    pub reader: R,
    /// How to reach the database that is restored into.
    pub access: Arc<A>,
    /// The backup's manifest.
    pub manifest: ObjectLocation,
    /// How it is restored.
    pub options: RestoreOptions,
    /// Who is told how far it is.
    pub watcher: Arc<dyn Watcher>,
}

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What is there is dropped.
    Clean,
    /// The database, schemas, types and tables are made.
    PreData,
    /// Rows are loaded.
    Rows,
    /// Sequences and large objects.
    OtherData,
    /// Indexes, constraints, triggers, materialised views.
    PostData,
}

impl Phase {
    /// The name in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::PreData => "pre-data",
            Self::Rows => "rows",
            Self::OtherData => "other-data",
            Self::PostData => "post-data",
        }
    }
}

/// What is done, known before anything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The host of the database that is restored into.
    pub host: String,
    /// The database that is restored into.
    pub database: String,
    /// Its server's version.
    pub server_version: String,
    /// The program that makes what is no row, and its version, such as `pg_restore 17.10`.
    pub client: String,
    /// Connections that load rows at once.
    pub jobs: u16,
    /// What is done, in order.
    pub phases: Vec<Phase>,
    /// What is there and is dropped first, with what belongs to it: kind, schema and name.
    pub dropped: Vec<String>,
    /// Tables whose rows are loaded, the largest first.
    pub tables: Vec<PlannedTable>,
    /// Bytes of data files in the store that are read.
    pub bytes: u64,
    /// What of the backup is left out, or is done otherwise than one may think: sentences.
    pub remarks: Vec<String>,
}

/// A table whose rows are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Bytes of its data files in the store.
    pub bytes: u64,
    /// Its rows, where the manifest says how many.
    pub rows: Option<u64>,
}

/// What came of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was done, or with `dry_run` would be.
    pub plan: Plan,
    /// Nothing was done.
    pub dry_run: bool,
    /// Tables whose rows were loaded.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes that came from the store.
    pub bytes: u64,
    /// What the person should know: sentences.
    pub warnings: Vec<String>,
}

/// Restores a backup. When `stop` comes to its end, programs are ended and connections closed,
/// and the error says what state the database is in, as every error does that comes after the
/// first change.
///
/// Nothing is changed before the backup's table of contents was compared with its manifest, and
/// the database looked at. A database that is not empty is refused unless the options say
/// otherwise.
pub async fn run<R: SharedReader, A: DatabaseAccess + 'static>(
    restore: &Restore<'_, R, A>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Restored> {
    let state = State::default();
    let (raise, flag) = StopFlag::new();
    let outcome = {
        let work = Work::new(restore, &state, flag);
        let mut work = pin!(work.run());
        tokio::select! {
            biased;
            () = stop => {
                raise.send_replace(true);
                // What it comes to now does not matter, only that its programs end.
                drop(timeout(GRACE, work).await);
                Err(Error::new(
                    ErrorClass::Interrupted,
                    "somebody asked to stop (SIGTERM) before the restore was complete",
                    "Start it again if that was not meant",
                ))
            }
            outcome = &mut work => outcome,
        }
    };
    outcome.map_err(|error| state.told_with(error))
}
