//! A backup becomes a table again: made whole where it is missing, and filled by DynamoDB itself
//! or item by item.
//!
//! 1. What is there is looked at, and planned what is to be made. Up to here nothing is changed,
//!    and what is wrong is said.
//! 2. The table is made, where it is missing: keys, indexes, capacity, stream, encryption.
//! 3. Items, by any number of workers whatever the backup's segments; or all of it together with
//!    the table by `ImportTable`, which uses no write capacity.
//! 4. Where the table had items and is to mirror the backup: those that are not in the backup are
//!    deleted.
//! 5. Where the table was made: all else of its definition, AutoDump's tags and protection against
//!    deletion last.
//!    A table that was there keeps its definition.

mod adapt;
mod backup;
mod choose;
mod control;
mod fit;
mod import;
pub(crate) mod item;
mod known;
pub(crate) mod lines;
mod load;
mod mirror;
mod object;
mod pace;
mod plan;
mod state;
mod steps;
mod there;
mod watch;
mod work;
mod write;

use std::pin::pin;
use std::sync::Arc;

use autodump_core::compression::Algorithm;
use autodump_core::ports::ObjectLocation;
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::ports::{TableReader, TableService, TableWriter};
use autodump_core::table::restore::{AWS_MANAGED, AWS_OWNED, TableRestoreOptions};
use autodump_core::tags::TagPrefix;
use autodump_core::{Error, ErrorClass, Result};
use serde::Serialize;

pub use autodump_core::table::restore::{MOST_WORKERS, Method};

pub use self::plan::Plan;
use self::state::State;
pub use self::watch::{Event, Log, Phase, Watcher};
use self::work::Work;
use crate::restore::SharedReader;

/// From how many bytes in the store `auto` lets DynamoDB import.
pub const USUAL_IMPORT_FROM: u64 = 10 << 30;

/// What is to be restored, and into what.
pub struct Restore<R, S, W, T> {
    /// Where the backup is.
    pub reader: R,
    /// The services of the target's region and account.
    pub service: S,
    /// Writes the target.
    pub writer: Arc<W>,
    /// Reads the target, where it is to mirror the backup.
    pub scanner: Arc<T>,
    /// The table that is restored into, whether it is there or not.
    pub target: TableArn,
    /// What is restored.
    pub backup: Backup,
    /// How it is restored.
    pub options: Options,
    /// Who is told how far it is.
    pub watcher: Arc<dyn Watcher>,
}

/// A backup of a table: what its manifest says.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// The run's directory, as people know it: `s3://bucket/dynamodb/…`.
    pub directory: String,
    /// Below which the data objects are, and nothing else: what `ImportTable` is given.
    pub data: ObjectLocation,
    /// The account of the bucket, where it is not the target's.
    pub bucket_owner: Option<String>,
    /// Items, one a line, `{"Item":{…}}`.
    pub objects: Vec<DataObject>,
    /// How each of them is compressed, in any number of frames.
    pub compression: Algorithm,
    /// The table's definition.
    pub definition: Definition,
}

/// An object with items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataObject {
    /// Where it is.
    pub location: ObjectLocation,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal, where it is known.
    pub sha256: Option<String>,
    /// CRC64-NVME, where it is known.
    pub crc64nvme: Option<u64>,
    /// How many items it has.
    pub items: u64,
}

/// What encrypts a table that is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Key {
    /// The key of the backup's table.
    #[default]
    AsInBackup,
    /// A key that AWS owns.
    AwsOwned,
    /// The key that AWS manages for DynamoDB in the target's region and account.
    AwsManaged,
    /// This key of KMS: its ARN, id or alias.
    Named(String),
}

/// How a table is restored.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// Who writes the items.
    pub method: Method,
    /// From how many bytes in the store [`Method::Auto`] lets DynamoDB import.
    pub import_from: u64,
    /// How many write at once, 1 to [`MOST_WORKERS`].
    pub workers: u16,
    /// The most write units a second of all workers together.
    pub units_per_second: Option<f64>,
    /// Write into a table that has items.
    pub into_existing: bool,
    /// Delete the items of such a table that are not in the backup.
    pub mirror: bool,
    /// What encrypts a table that is made.
    pub key: Key,
    /// What AutoDump's tags begin with.
    pub prefix: TagPrefix,
    /// Tag a table that is made as one that a restore may write into.
    pub mark: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            import_from: USUAL_IMPORT_FROM,
            workers: 16,
            units_per_second: None,
            into_existing: false,
            mirror: false,
            key: Key::default(),
            prefix: TagPrefix::default(),
            mark: false,
            dry_run: false,
        }
    }
}

impl From<TableRestoreOptions> for Options {
    fn from(asked: TableRestoreOptions) -> Self {
        let usual = Self::default();
        let key = asked.kms_key.map_or(Key::AsInBackup, |key| match key.as_str() {
            AWS_OWNED => Key::AwsOwned,
            AWS_MANAGED => Key::AwsManaged,
            _ => Key::Named(key),
        });
        Self {
            method: asked.method,
            workers: asked.workers.unwrap_or(usual.workers),
            units_per_second: asked.max_write_rate.map(f64::from),
            into_existing: asked.into_existing,
            mirror: asked.mirror,
            key,
            dry_run: asked.dry_run,
            ..usual
        }
    }
}

impl Options {
    /// An error of class [`ErrorClass::Configuration`] where a value is not allowed.
    fn check(&self) -> Result<()> {
        if self.workers == 0 || self.workers > MOST_WORKERS {
            let what = format!("{} workers were asked for", self.workers);
            return Err(wrong(what, format!("Use 1 to {MOST_WORKERS}")));
        }
        if let Some(rate) = self.units_per_second.filter(|rate| !rate.is_finite() || *rate < 1.0) {
            let what = format!("a rate of {rate} write units a second was asked for");
            return Err(wrong(what, "Use 1 or more, or leave it out"));
        }
        if matches!(&self.key, Key::Named(key) if key.trim().is_empty()) {
            return Err(wrong("the name of the KMS key is empty", "Name a key"));
        }
        Ok(())
    }
}

/// What came of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was done, or with `dry_run` would be.
    pub plan: Plan,
    /// Nothing was done.
    pub dry_run: bool,
    /// Items that were written or imported: as many as the manifest says.
    pub items: u64,
    /// Items that the table had, that are not in the backup, and that were deleted.
    pub deleted: u64,
    /// Bytes that came from the store; 0 where DynamoDB read them.
    pub bytes: u64,
    /// How often a write, delete or page was throttled, or left items that were taken later.
    pub throttled: u64,
    /// What the person should know: sentences.
    pub warnings: Vec<String>,
}

/// Restores a backup. When `stop` comes to its end, nothing more is written, and the error says
/// what state the table is in, as every error does that comes after the first change.
pub async fn run<R, S, W, T>(
    restore: &Restore<R, S, W, T>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Restored>
where
    R: SharedReader,
    S: TableService,
    W: TableWriter + 'static,
    T: TableReader + 'static,
{
    let state = Arc::new(State::default());
    let outcome = {
        let mut work = pin!(Work::new(restore, &state).run());
        tokio::select! {
            biased;
            () = stop => Err(Error::new(
                ErrorClass::Interrupted,
                "somebody asked to stop (SIGTERM) before the restore was complete",
                "Start it again if that was not meant",
            )),
            outcome = &mut work => outcome,
        }
    };
    outcome.map_err(|error| state.told_with(error))
}

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

/// An error about a backup that is not what its manifest says.
fn damaged(what: impl Into<String>) -> Error {
    Error::new(
        ErrorClass::Verification,
        what,
        "Use another backup, and find out what changed or cut off this one",
    )
}
