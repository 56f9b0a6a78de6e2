//! PostgreSQL, dumped into the directory format of `pg_dump`: the rows by AutoDump itself, by
//! ranges within tables and over several connections; all else by `pg_dump` in the same
//! snapshot.
//!
//! The archive keeps owners and grants; whoever restores decides about them (`pg_restore
//! --no-owner --no-privileges`).

mod archive;
mod catalog;
mod client;
mod clients;
mod connection;
mod directory;
mod lane;
mod leader;
pub(crate) mod locale;
mod probe;
mod queue;
mod ranges;
mod reader;
mod restore;
mod restore_commands;
mod spool;
pub(crate) mod sql;
mod stderr;
pub mod toc;
mod trouble;
mod verify;
pub(crate) mod version;
pub mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::manifest::{Consistency, Method, MethodKind};
use autodump_core::options::DumpOptions;
use autodump_core::ports::{DatabaseAccess, ObjectLocation};
use autodump_core::secret::{EngineName, SecretValue};
use autodump_core::{Error, ErrorClass, Result, layout};
use tokio::time::{Instant, sleep};

use self::clients::{Client, choose, find};
use self::connection::Connection;
use self::directory::Directory;
use self::probe::{Server, ask};
use self::ranges::Ranges;
use self::reader::endpoint;
use self::restore_commands::{Archive, GLOBALS};
use self::spool::{Spool, TOC};
use self::trouble::Trouble;
use super::{Content, Engine, Order, described};
use crate::assembly::Staged;
use crate::child::Command;
use crate::open_uploads::SharedStore;
use crate::output::upload_output;
use crate::restore::{Backup, RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;
use crate::transfer::{Source, transfer};
use crate::uploader::Uploader;
use crate::verify::{Tried, VerifyWork};

/// The first version whose `pg_restore` sets `transaction_timeout`, which older servers do not
/// know.
const TIMEOUTS: u32 = 17;

/// Databases of managed servers that nobody may enter.
const FORBIDDEN: &str = "'rdsadmin', 'cloudsqladmin', 'azure_maintenance'";

/// The engine.
#[derive(Debug, Clone)]
pub struct Postgres {
    directories: Vec<PathBuf>,
    ca_bundle: PathBuf,
    scratch: PathBuf,
}

impl Postgres {
    /// `directories` (colon separated) hold `pg_dump` and `psql` each; without it those of
    /// Debian's packages, `/usr/lib/postgresql/*/bin`, are used. `ca_bundle` is the file of
    /// certificates that servers are checked against unless the secret brings its own.
    /// `scratch` is a directory for small files.
    #[must_use]
    pub fn new(
        directories: Option<&str>,
        ca_bundle: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
    ) -> Self {
        Self {
            directories: clients::directories(directories),
            ca_bundle: ca_bundle.into(),
            scratch: scratch.into(),
        }
    }
}

impl Postgres {
    /// How programs reach the database now.
    async fn connection<A: DatabaseAccess>(&self, order: &Order<A>) -> Result<Connection> {
        let secret = order.access.secret().await?;
        let secret = SecretValue { database: order.database.clone(), ..secret };
        Connection::new(&secret, &self.ca_bundle)
    }
}

impl Engine for Postgres {
    fn name(&self) -> EngineName {
        EngineName::Postgres
    }

    async fn databases<A: DatabaseAccess>(
        &self,
        access: &Arc<A>,
        _: &DumpOptions,
    ) -> Result<Vec<String>> {
        let database = access.secret().await?.database;
        let endpoint = endpoint(access.as_ref(), &database, &self.ca_bundle).await?;
        let mut session = leader::session(&endpoint).await.map_err(Error::from)?;
        let rows = session
            .query(&format!(
                "SELECT datname FROM pg_catalog.pg_database \
                 WHERE datallowconn AND NOT datistemplate AND datname NOT IN ({FORBIDDEN}) \
                 ORDER BY datname"
            ))
            .await
            .map_err(Error::from)?;
        session.close().await;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    async fn dump<A: DatabaseAccess + 'static, S: SharedStore>(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let connection = self.connection(order).await?;
        let clients = find(&self.directories).await?;
        let server = ask(&clients[clients.len() - 1], &connection).await?;
        let client = choose(&clients, server.major, &server.version)?;
        let compression = compression(client, order.options.compression).await?;
        tracing::info!(
            server_version = server.version,
            client = client.version,
            %compression,
            "server found"
        );
        let dump = Dump {
            postgres: self,
            order,
            uploader,
            client,
            server: &server,
            compression,
            directory: layout::archive_directory(&order.database),
            deadline: Instant::now()
                + order.options.lock_timeout.unwrap_or(DumpOptions::LOCK_TIMEOUT),
        };
        dump.run(stop).await
    }

    fn check(&self, backup: &Backup) -> Result<()> {
        Directory::of(backup).map(drop)
    }

    async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &RestoreWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Restored> {
        restore::restore(self, work, stop).await
    }

    async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
        &self,
        work: &VerifyWork<'_, R, A>,
        stop: StopFlag,
    ) -> Result<Tried> {
        verify::verify(self, work, stop).await
    }
}

/// The compression that was asked for, or else the best that this client reads again.
async fn compression(client: &Client, wanted: Option<Compression>) -> Result<Compression> {
    let Some(wanted) = wanted else {
        let zstd = client::supports(client, Algorithm::Zstd).await;
        return Ok(Compression::usual(if zstd { Algorithm::Zstd } else { Algorithm::Gzip }));
    };
    if client::supports(client, wanted.algorithm()).await {
        return Ok(wanted);
    }
    Err(Error::new(
        ErrorClass::Configuration,
        format!(
            "compression {wanted} is asked for, and pg_restore {} cannot read it",
            client.version
        ),
        "Use gzip, or an image with clients of PostgreSQL 16 or newer that were built with it",
    ))
}

/// One dump of one database.
struct Dump<'a, A, S: SharedStore> {
    postgres: &'a Postgres,
    order: &'a Order<A>,
    uploader: &'a Arc<Uploader<S>>,
    client: &'a Client,
    server: &'a Server,
    compression: Compression,
    /// The archive's directory in the run's.
    directory: String,
    deadline: Instant,
}

/// How long what an attempt has sent may take to be thrown away.
const DISCARD: Duration = Duration::from_mins(1);

impl<A: DatabaseAccess + 'static, S: SharedStore> Dump<'_, A, S> {
    async fn run(&self, stop: StopFlag) -> Result<Content<S::Upload>> {
        let mut content = loop {
            let (reason, jobs) = match Ranges(self).dump(stop.clone()).await {
                Ok(content) => break content,
                Err(Trouble::Failed(error)) => return Err(error),
                Err(Trouble::Impossible(reason)) => (reason, self.jobs()),
                Err(Trouble::NoSnapshot(reason)) => (reason, 1),
                Err(Trouble::Locked(error)) => {
                    self.uploader.abort_open(sleep(DISCARD)).await;
                    if Instant::now() >= self.deadline {
                        return Err(error);
                    }
                    tracing::info!(what = error.what(), "a lock came in the way; trying again");
                    continue;
                }
            };
            tracing::warn!(reason, "pg_dump reads the rows by itself, each table in one go");
            self.uploader.abort_open(sleep(DISCARD)).await;
            break self.by_client(reason, jobs, stop.clone()).await?;
        };
        if self.order.options.globals == Some(true) {
            let globals = self.globals(stop).await?;
            content.objects.extend(globals);
        }
        let objects: Vec<_> = content.objects.iter().map(described).collect();
        let archive = Archive {
            bucket: &self.order.bucket,
            run: &self.order.directory,
            directory: &self.directory,
            database: &self.order.database,
            jobs: content.method.jobs,
            goes_on: self.client.major >= TIMEOUTS && self.server.major < TIMEOUTS,
        };
        content.restore = archive.commands(&objects);
        Ok(content)
    }

    /// `pg_dump` alone, in parallel over tables.
    async fn by_client(
        &self,
        reason: String,
        jobs: u16,
        stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        let spool = Spool::new(&self.postgres.scratch)?;
        let command =
            self.pg_dump(&spool, self.deadline).await?.arguments([format!("--jobs={jobs}")]);
        let place = |name: &str| self.location(name);
        let spooled = spool.run(&command, self.uploader, place, stderr::explain, stop).await?;
        let mut objects = self.toc(&spooled.toc).await?;
        objects.extend(spooled.objects);
        Ok(self.content(MethodKind::Client, jobs, Some(reason), objects))
    }

    async fn toc(&self, toc: &[u8]) -> Result<Vec<Staged<S::Upload>>> {
        let mut rest = Rest(toc);
        transfer(self.uploader, self.location(TOC), toc.len() as u64, &mut rest).await
    }

    fn content(
        &self,
        kind: MethodKind,
        jobs: u16,
        reason: Option<String>,
        objects: Vec<Staged<S::Upload>>,
    ) -> Content<S::Upload> {
        Content {
            server_version: self.server.version.clone(),
            client: format!("pg_dump {}", self.client.version),
            consistency: Consistency::Snapshot,
            snapshot: None,
            method: Method { kind, jobs, compression: self.compression.to_string(), reason },
            objects,
            tables: Vec::new(),
            restore: Vec::new(),
        }
    }

    /// Roles and tablespaces. Password hashes only where the user may read them, which on
    /// managed servers nobody may.
    async fn globals(&self, stop: StopFlag) -> Result<Vec<Staged<S::Upload>>> {
        let access = self.order.access.as_ref();
        let endpoint = endpoint(access, &self.order.database, &self.postgres.ca_bundle).await?;
        let mut session = leader::session(&endpoint).await.map_err(Error::from)?;
        let may = session
            .query("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
            .await
            .map_err(Error::from)?;
        session.close().await;
        let may = may.into_iter().flatten().flatten().next().as_deref() == Some("t");
        let without = (!may).then_some("--no-role-passwords");
        let command = self
            .client
            .command("pg_dumpall")
            .arguments(["--globals-only", "--no-password"])
            .arguments([format!("--database={}", conninfo(&self.order.database))])
            .arguments(without);
        let command = self.postgres.connection(self.order).await?.given_to(command);
        let location = self.order.location(GLOBALS);
        upload_output(self.uploader, location, 0, &command, stderr::explain, stop).await
    }

    /// `pg_dump` into the spool, with the credentials of now.
    async fn pg_dump(&self, spool: &Spool, locked_until: Instant) -> Result<Command> {
        let selection = &self.order.options.selection;
        let command = client::pg_dump(self.client, spool.path(), selection, self.compression);
        let wait = locked_until.saturating_duration_since(Instant::now()).as_millis().max(1);
        let command = command.arguments([format!("--lock-wait-timeout={wait}")]);
        Ok(self.postgres.connection(self.order).await?.given_to(command))
    }

    fn location(&self, file: &str) -> ObjectLocation {
        self.order.location(&format!("{}/{file}", self.directory))
    }

    fn jobs(&self) -> u16 {
        self.order.options.jobs.unwrap_or(1)
    }
}

/// A database's name for a program that would take one with `=` in it for a whole connection
/// string, and so perhaps connect to another host.
pub(super) fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The rest of something in memory.
struct Rest<'a>(&'a [u8]);

impl Source for Rest<'_> {
    async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let (now, later) = self.0.split_at(limit.min(self.0.len()));
        buffer.extend_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}
