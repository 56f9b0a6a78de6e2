//! A backup becomes a database again, straight from the store.
//!
//! Here is what all engines have in common: the manifest is read, the engine is found by it, and
//! has to be that of the database that is restored into. All else is [`Engine::restore`]: it
//! looks at backup and database before it changes anything, and then does what its [`Plan`]
//! says. Whatever fails after that, the error says what state the database is in.

pub(crate) mod backup;
pub(crate) mod names;
pub(crate) mod state;
mod watch;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{DatabaseAccess, ObjectLocation, ObjectReader};
use autodump_core::restore::RestoreOptions;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};
use serde::Serialize;
use tokio::time::timeout;

pub use self::backup::{Backup, read_manifest};
use self::state::State;
pub use self::watch::{Event, Log, Watcher};
use crate::engine::{Engine, Engines};
use crate::stop::StopFlag;

/// How long programs may take to end when somebody asks to stop.
const GRACE: Duration = Duration::from_secs(3);

/// A store that can be read by many at once.
pub trait SharedReader: ObjectReader + Clone + Send + Sync + 'static {}

impl<R: ObjectReader + Clone + Send + Sync + 'static> SharedReader for R {}

/// What is to be restored, and into what.
pub struct Restore<'a, R, A> {
    /// The engines that are installed.
    pub engines: &'a Engines,
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

/// What an engine restores. The manifest was read, and the database is one of this engine.
pub struct RestoreWork<'a, R, A> {
    /// The backup.
    pub(crate) backup: &'a Backup,
    /// Where it is.
    pub(crate) reader: &'a R,
    /// How to reach the database that is restored into, with the credentials of now each time.
    pub(crate) access: &'a Arc<A>,
    /// How it is restored: options that go together.
    pub(crate) options: &'a RestoreOptions,
    /// Who is told how far it is.
    pub(crate) watcher: &'a Arc<dyn Watcher>,
    /// Where it is noted what was changed, for the error.
    pub(crate) state: &'a State,
}

/// A part of the work. An engine leaves out what it has not.
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
    /// The engine, which the one who reads it knows by the backup.
    #[serde(skip)]
    pub engine: EngineName,
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
/// Nothing is changed before what the backup holds was compared with its manifest, and the
/// database looked at. A database that is not empty is refused unless the options say
/// otherwise.
pub async fn run<R: SharedReader, A: DatabaseAccess + 'static>(
    restore: &Restore<'_, R, A>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Restored> {
    let state = State::default();
    let (raise, flag) = StopFlag::new();
    let outcome = {
        let mut work = pin!(restore.carry_out(&state, flag));
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

impl<R: SharedReader, A: DatabaseAccess + 'static> Restore<'_, R, A> {
    async fn carry_out(&self, state: &State, stop: StopFlag) -> Result<Restored> {
        let options = self.options.clone().checked()?;
        let backup = Backup::open(&self.reader, &self.manifest).await?;
        let engine = self.engines.named(&backup.manifest.engine.name)?;
        engine.check(&backup)?;
        same_engine(engine.name(), self.access.secret().await?.engine)?;
        let work = RestoreWork {
            backup: &backup,
            reader: &self.reader,
            access: &self.access,
            options: &options,
            watcher: &self.watcher,
            state,
        };
        Box::pin(engine.restore(&work, stop)).await
    }
}

/// An error unless the server that is restored into is of the backup's engine.
pub(crate) fn same_engine(backup: EngineName, server: EngineName) -> Result<()> {
    if backup == server {
        return Ok(());
    }
    let (backup, server) = (backup.as_str(), server.as_str());
    Err(Error::new(
        ErrorClass::Configuration,
        format!(
            "the backup is of {backup}, and the server that is to be restored into of {server}"
        ),
        format!("Name a secret of {backup}, or another backup"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_fits_the_servers_of_its_engine_alone() {
        for backup in EngineName::ALL {
            for server in EngineName::ALL {
                let fits = same_engine(backup, server);
                assert_eq!(fits.is_ok(), backup == server);
                if let Err(error) = fits {
                    assert_eq!(error.class(), ErrorClass::Configuration);
                    assert!(error.what().contains(backup.as_str()), "{error}");
                    assert!(error.what().contains(server.as_str()), "{error}");
                }
            }
        }
    }
}
