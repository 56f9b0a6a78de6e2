//! MongoDB, dumped by `mongodump`: what the writer of our own does not cover, or where it is
//! asked for.
//!
//! It ends with exit code 0 where what it was to dump is not there. So the driver looks first,
//! and what is in the archive is compared with what the driver saw.

mod follow;
mod plan;
mod recut;
mod settings;
mod stderr;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodump_core::manifest::{Consistency, Method, MethodKind, Table};
use autodump_core::options::{DumpOptions, ReadPreference};
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Result, layout};

pub(super) use self::tools::directories;

use self::follow::{Dumped, Place, follow};
use self::plan::{ADMIN, Plan, check_oplog, check_users, set_name};
use self::settings::{arguments, given, parallel, reached};
use self::stderr::explain;
use self::tools::Mongodump;
use super::archive::Namespace;
use super::connection::Connection;
use super::inventory;
use super::restore_commands::{Archive, commands};
use super::{compression, file};
use crate::engine::{Content, Order, described};
use crate::open_uploads::SharedStore;
use crate::rows::RowDigest;
use crate::stop::StopFlag;
use crate::uploader::Uploader;

/// What stands for all databases together, as the manifest's database: with the oplog there is
/// one archive for all. No database has this name.
const EVERYTHING: &str = "*";
/// The archive's name then, as a database's is otherwise.
const ALL: &str = "all";

/// Why `mongodump` is used for this database, whatever is in it; a sentence fragment.
pub(super) fn asked(options: &DumpOptions, database: &str) -> Option<&'static str> {
    if is_everything(options) {
        Some("the option oplog is yes")
    } else if options.method == Some(MethodKind::Client) {
        Some("the option method is client")
    } else if options.globals == Some(true) && options.all_databases != Some(true) {
        Some("the option globals is yes")
    } else if database == ADMIN {
        Some("users and roles are in the database admin")
    } else {
        None
    }
}

/// Why `mongodump` has to be used for this database by what is in it, if it is there to be used; a
/// sentence fragment. Where the writer of our own is asked for, or alone is there, it says what it
/// cannot read.
pub(super) async fn needed(
    connection: &Connection,
    directories: &[PathBuf],
    database: &str,
    options: &DumpOptions,
) -> Result<Option<String>> {
    if options.method == Some(MethodKind::Ranges) {
        return Ok(None);
    }
    let hidden = inventory::hidden_series(connection, database, &options.selection).await?;
    if hidden.is_none() || Mongodump::find(directories).await.is_none() {
        return Ok(None);
    }
    Ok(hidden.map(|name| format!("the server shows no buckets of the time series {name}")))
}

/// What is dumped of a server where all databases are wanted, each by itself. With the oplog that is
/// one thing; with users and roles the database admin comes first, which holds those of all. What
/// the options ask for and the server does not have is an error of class configuration.
pub(super) async fn units(connection: &Connection, options: &DumpOptions) -> Result<Vec<String>> {
    let with_globals = options.globals == Some(true);
    if with_globals {
        check_users(connection).await?;
    }
    if is_everything(options) {
        check_oplog(connection).await?;
        return Ok(vec![EVERYTHING.to_owned()]);
    }
    let mut databases = inventory::databases(connection).await?;
    if with_globals {
        databases.insert(0, ADMIN.to_owned());
    }
    Ok(databases)
}

/// Which members are read; `None` where it is as the connection string says. With the oplog it is
/// that which is written to, whatever that says: another one may be behind, and its oplog end
/// before the dump does.
pub(super) fn preference(options: &DumpOptions) -> Option<ReadPreference> {
    match options.oplog {
        Some(true) => Some(ReadPreference::Primary),
        _ => options.read_preference,
    }
}

/// One dump by `mongodump`.
pub(super) struct Client<'a, A, S: SharedStore> {
    /// Where programs are looked for.
    pub(super) directories: &'a [PathBuf],
    pub(super) ca_bundle: &'a Path,
    pub(super) order: &'a Order<A>,
    pub(super) uploader: &'a Arc<Uploader<S>>,
    /// For the manifest; a sentence fragment.
    pub(super) reason: &'a str,
}

impl<A: DatabaseAccess, S: SharedStore> Client<'_, A, S> {
    /// Dumps the order's database, or everything; the driver looks over `connection`. That no
    /// `mongodump` is there is an error of class configuration.
    pub(super) async fn dump(
        &self,
        connection: &Connection,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let mongodump = Mongodump::find(self.directories).await;
        let mongodump = mongodump.ok_or_else(|| tools::missing(self.directories, self.reason))?;
        let server_version = connection.server_version().await?;
        let (database, options) = (&self.order.database, &self.order.options);
        let plan = Plan::of(connection, database, options).await?;
        tracing::info!(
            server_version,
            client = mongodump.client(),
            reason = self.reason,
            "mongodump reads the documents"
        );
        let secret = self.order.access.secret().await?;
        let jobs = parallel(options.jobs.unwrap_or(1));
        // What it writes may be secret, or says how far it is.
        let command =
            mongodump.command().arguments(arguments(plan.what(database), jobs)).discreet();
        let uri = reached(&secret, preference(options), set_name(connection).await?)?;
        let command = given(command, &secret, self.ca_bundle, &uri)?;
        let password = secret.password.expose();
        let encoded = settings::encoded(&secret);
        let explain = |exit: &_| explain(exit, &uri.shown(), &[password, encoded.expose()]);
        let place = Place {
            location: self.order.location(&self.file()),
            compression: compression(&self.order.options),
            scope: plan.scope.clone(),
        };
        let dumped = follow(self.uploader, &command, place, explain, stop).await?;
        plan.check(connection, &dumped.collections).await?;
        Ok(self.content(dumped, server_version, mongodump.client(), jobs))
    }

    fn content(
        &self,
        dumped: Dumped<S::Upload>,
        server_version: String,
        client: String,
        jobs: u16,
    ) -> Content<S::Upload> {
        let Dumped { objects, collections } = dumped;
        let all: Vec<_> = objects.iter().map(described).collect();
        let keys: Vec<_> = all.iter().map(|object| object.key.clone()).collect();
        let table = |(name, digest): (Namespace, RowDigest)| Table {
            schema: name.database,
            name: name.collection,
            rows: digest.rows,
            hash: digest.hex(),
            keys: if digest.rows == 0 { Vec::new() } else { keys.clone() },
        };
        let (options, database) = (&self.order.options, &self.order.database);
        let compression = compression(options);
        Content {
            server_version,
            client,
            consistency: consistency(options),
            snapshot: None,
            method: Method {
                kind: MethodKind::Client,
                jobs,
                compression: compression.to_string(),
                reason: Some(self.reason.to_owned()),
            },
            tables: collections.into_iter().map(table).collect(),
            restore: commands(archive(options, database), compression.algorithm(), &all),
            objects,
        }
    }

    fn file(&self) -> String {
        let Order { database, options, .. } = self.order;
        if is_everything(options) {
            return file(ALL, options);
        }
        file(&layout::archive_directory(database), options)
    }
}

/// Whether there is one archive for all databases: the oplog is of them together.
fn is_everything(options: &DumpOptions) -> bool {
    options.oplog == Some(true)
}

/// What its documents are as of.
fn consistency(options: &DumpOptions) -> Consistency {
    if is_everything(options) { Consistency::PointInTime } else { Consistency::Range }
}

/// Whether users and roles of one database are in its archive, under names of their own. Those of
/// all databases are in that of the database admin, whose collections they are.
fn with_users(options: &DumpOptions, database: &str) -> bool {
    options.globals == Some(true) && options.all_databases != Some(true) && database != ADMIN
}

/// What the archive is of.
fn archive<'a>(options: &DumpOptions, database: &'a str) -> Archive<'a> {
    if is_everything(options) {
        Archive::Everything
    } else if with_users(options, database) {
        Archive::WithUsers(database)
    } else {
        Archive::Database(database)
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
