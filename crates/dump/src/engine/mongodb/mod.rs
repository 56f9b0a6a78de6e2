//! MongoDB, and what speaks its protocol, dumped into the archive of `mongodump` by a writer of
//! our own: over several connections, and by ranges within collections. ADR 8 says why.
//!
//! `mongorestore --archive` reads it, and so does everything here that does not know who wrote
//! it.

pub mod archive;
mod batches;
pub(crate) mod connection;
mod dumping;
mod extjson;
pub(crate) mod inventory;
mod lane;
mod order;
mod plan;
mod queue;
pub mod ranges;
pub mod raw;
mod reader;
mod restore;
mod restore_commands;
mod stored;
pub(crate) mod trouble;
mod verify;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::manifest::MethodKind;
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};

use self::dumping::Dump;
use self::stored::Stored;
use super::{Content, Engine, Order};
use crate::open_uploads::SharedStore;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

/// The engine.
#[derive(Debug, Clone)]
pub struct Mongodb {
    ca_bundle: PathBuf,
}

impl Mongodb {
    /// `ca_bundle` is the file of certificates that servers are checked against unless the secret
    /// brings its own, or has a `mongodb+srv` URI.
    #[must_use]
    pub fn new(ca_bundle: impl Into<PathBuf>) -> Self {
        Self { ca_bundle: ca_bundle.into() }
    }
}

impl Engine for Mongodb {
    fn name(&self) -> EngineName {
        EngineName::Mongodb
    }

    async fn databases<A: DatabaseAccess>(&self, access: &A) -> Result<Vec<String>> {
        let secret = access.secret().await?;
        let preference = secret.options.read_preference;
        let connection =
            connection::Connection::new(&secret, &self.ca_bundle, preference, 1).await?;
        inventory::databases(&connection).await
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        covered(&order.options)?;
        let usual = Compression::usual(Algorithm::Gzip);
        let compression = order.options.compression.unwrap_or(usual);
        Dump { mongodb: self, order, uploader, compression }.run(stop).await
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

/// Refuses what only `mongodump` can do.
fn covered(options: &DumpOptions) -> Result<()> {
    let asked = [
        (options.method == Some(MethodKind::Client), "method = client"),
        (options.oplog == Some(true), "oplog = yes"),
        (options.globals == Some(true), "globals = yes"),
    ];
    match asked.into_iter().find(|(asked, _)| *asked) {
        None => Ok(()),
        Some((_, option)) => Err(Error::new(
            ErrorClass::Configuration,
            format!("{option} is asked for, and needs mongodump, which this image has not"),
            "Remove the option, or use an image with MongoDB's tools",
        )),
    }
}
