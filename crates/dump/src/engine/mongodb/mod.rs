//! MongoDB, and what speaks its protocol, dumped into the archive of `mongodump` by a writer of
//! our own: over several connections, and by ranges within collections. ADR 8 says why, and
//! `client` what is left to `mongodump` itself.
//!
//! `mongorestore --archive` reads it, and so does everything here that does not know who wrote
//! it.

pub mod archive;
mod batches;
mod chosen;
mod client;
pub(crate) mod connection;
mod dumping;
mod extjson;
pub(crate) mod inventory;
mod lane;
mod names;
mod order;
mod plan;
mod queue;
pub mod ranges;
pub mod raw;
mod reader;
mod restore;
mod restore_commands;
mod size;
mod stored;
pub(crate) mod trouble;
mod unchanged;
mod verify;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;

use autodump_core::Result;
use autodump_core::compression::{Algorithm, Compression};
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;

use self::client::Client;
use self::connection::Gate;
use self::dumping::Dump;
use self::stored::Stored;
use super::{Content, Engine, Order};
use crate::codec::extension;
use crate::open_uploads::SharedStore;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

/// MongoDB, and what speaks its protocol.
#[derive(Debug, Clone)]
pub struct Mongodb {
    directories: Vec<PathBuf>,
    ca_bundle: PathBuf,
}

impl Mongodb {
    /// `directories` (colon separated) may hold `mongodump`; without it those of `PATH` are looked
    /// through. `ca_bundle` is the file of certificates that servers are checked against unless
    /// the secret brings its own, or has a `mongodb+srv` URI.
    #[must_use]
    pub fn new(directories: Option<&str>, ca_bundle: impl Into<PathBuf>) -> Self {
        let path = std::env::var_os("PATH");
        Self {
            directories: client::directories(directories, path.as_deref()),
            ca_bundle: ca_bundle.into(),
        }
    }

    fn gate<A: DatabaseAccess>(&self, access: &Arc<A>, options: &DumpOptions) -> Gate<A> {
        let preference = client::preference(options);
        Gate::new(access, &self.ca_bundle, preference, options.jobs.unwrap_or(1))
    }
}

impl Engine for Mongodb {
    fn name(&self) -> EngineName {
        EngineName::Mongodb
    }

    async fn databases<A: DatabaseAccess>(
        &self,
        access: &Arc<A>,
        options: &DumpOptions,
    ) -> Result<Vec<String>> {
        let connection = self.gate(access, options).enter(None).await?;
        client::units(&connection, options).await
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let gate = self.gate(&order.access, &order.options);
        let connection = gate.enter(None).await?;
        let (directories, ca_bundle) = (&self.directories, &self.ca_bundle);
        let (database, options) = (&order.database, &order.options);
        let reason = match client::asked(options, database) {
            Some(reason) => Some(reason.to_owned()),
            None => client::needed(&connection, directories, database, options).await?,
        };
        match reason.as_deref() {
            Some(reason) => {
                let client = Client { directories, ca_bundle, order, uploader, reason };
                client.dump(&connection, stop).await
            }
            None => Dump { order, uploader }.run(gate, connection, stop).await,
        }
    }

    fn check(&self, backup: &Backup) -> Result<()> {
        Stored::of(backup).map(drop)
    }

    async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &RestoreWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Restored> {
        restore::restore(&self.ca_bundle, work, stop).await
    }

    async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &VerifyWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Tried> {
        verify::verify(&self.ca_bundle, work, stop).await
    }
}

/// How archives are compressed: as asked for, or as `mongorestore` always reads it.
fn compression(options: &DumpOptions) -> Compression {
    options.compression.unwrap_or_else(|| Compression::usual(Algorithm::Gzip))
}

/// The archive's file in the run's directory.
fn file(name: &str, options: &DumpOptions) -> String {
    format!("{name}.archive{}", extension(compression(options).algorithm()))
}
