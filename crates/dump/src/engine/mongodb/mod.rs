//! MongoDB, and what speaks its protocol. ADR 8 says how it is dumped.

pub mod archive;
mod connection;
mod extjson;
mod inventory;
pub mod ranges;
pub mod raw;
mod restore;
mod stored;
mod trouble;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};

use self::stored::Stored;
use super::{Content, Engine, Order};
use crate::open_uploads::SharedStore;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

/// MongoDB, and what speaks its protocol.
#[derive(Debug, Clone)]
pub struct Mongodb {
    ca_bundle: PathBuf,
}

impl Mongodb {
    /// Servers are checked against the certificates in the file `ca_bundle`, in PEM.
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
        let connection = connection::Connection::new(&secret, &self.ca_bundle, None, 1).await?;
        inventory::databases(&connection).await
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        _: &Arc<Uploader<S>>,
        _: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let what = format!(
            "the database {} is of mongodb, which this version restores and \
                            verifies alone",
            order.database
        );
        Err(Error::new(ErrorClass::Configuration, what, "Use another version"))
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
