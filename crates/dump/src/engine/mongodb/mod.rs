//! MongoDB, and what speaks its protocol, dumped into the archive of `mongodump`.
//!
//! ADR 8 says why.

pub mod archive;
mod client;
mod connection;
mod extjson;
mod inventory;
pub mod ranges;
pub mod raw;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use autodump_core::Result;
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;

use self::client::Client;
use self::connection::Gate;
use super::{Content, Engine, Order};
use crate::open_uploads::SharedStore;
use crate::stop::StopFlag;
use crate::uploader::Uploader;

/// The engine.
#[derive(Debug, Clone)]
pub struct Mongodb {
    directories: Vec<PathBuf>,
    ca_bundle: PathBuf,
}

impl Mongodb {
    /// `directories` (colon separated) may hold `mongodump`; without it those of `PATH` are looked
    /// through. `ca_bundle` is the file of certificates that servers are checked against unless
    /// the secret brings its own.
    #[must_use]
    pub fn new(directories: Option<&str>, ca_bundle: impl Into<PathBuf>) -> Self {
        let path = std::env::var_os("PATH");
        Self {
            directories: client::directories(directories, path.as_deref()),
            ca_bundle: ca_bundle.into(),
        }
    }

    fn gate<A: DatabaseAccess>(&self, access: &Arc<A>, options: &DumpOptions) -> Gate<A> {
        let preference = Some(client::preference(options));
        Gate::new(access, &self.ca_bundle, preference, options.jobs.unwrap_or(1))
    }
}

impl Engine for Mongodb {
    fn name(&self) -> &'static str {
        "mongodb"
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
        let connection = self.gate(&order.access, &order.options).enter(None).await?;
        let (directories, ca_bundle) = (&self.directories, &self.ca_bundle);
        let (database, options) = (&order.database, &order.options);
        let reason = match client::asked(options, database) {
            Some(reason) => Some(reason.to_owned()),
            None => client::needed(&connection, directories, database, options).await?,
        };
        let reason = reason.as_deref().unwrap_or("nothing else reads documents yet");
        Client { directories, ca_bundle, order, uploader, reason }.dump(&connection, stop).await
    }
}
