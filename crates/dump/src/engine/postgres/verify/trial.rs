//! The restore that proves a backup, and what its failure means.

use std::collections::BTreeSet;
use std::sync::Arc;

use autodump_core::Result;
use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;

use super::altered::Altered;
use super::database::{Database, Reach, furnish};
use super::extensions::check_extensions;
use super::meaning::{Circumstances, Meaning};
use super::needs::Needs;
use super::programs::Programs;
use super::restored::Restored;
use super::server::Server;
use crate::engine::Postgres;
use crate::engine::postgres::directory::Directory;
use crate::engine::postgres::restore::restore;
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::Session;
use crate::output::interrupted;
use crate::restore::state::State;
use crate::restore::{Backup, Log, RestoreWork, SharedReader, Watcher};
use crate::stop::StopFlag;
use crate::verify::watch::{Event, Phase};
use crate::verify::{UNVERIFIED, VerifyWork};

/// A backup that is to be restored, and what is known of it.
pub(super) struct Trial<'a, R, A> {
    pub(super) postgres: &'a Postgres,
    pub(super) work: &'a VerifyWork<'a, R, A>,
    pub(super) directory: Directory<'a>,
    pub(super) toc: &'a Toc,
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Trial<'_, R, A> {
    /// Restores into a database of our own and compares. Returns the server's version.
    pub(super) async fn run(&self, stop: StopFlag) -> Result<String> {
        let Some(given) = self.work.server else {
            return self.in_own_server(stop).await;
        };
        self.in_database(Reach::Given(Arc::clone(given)), None, stop).await
    }

    async fn in_own_server(&self, stop: StopFlag) -> Result<String> {
        self.work.files.found.tell(Event::Phase(Phase::Server));
        let postgres = self.postgres;
        let version = &self.directory.backup.manifest.engine.server_version;
        let programs =
            Programs::find(postgres.directories(), major(version).unwrap_or_default()).await?;
        tracing::info!(version = programs.version, "starting a server to restore into");
        let server = Server::start(&programs, postgres.scratch(), stop.clone()).await?;
        let reach = Reach::Own(Box::new(server.secret()));
        let outcome = self.in_database(reach, Some(&server), stop).await;
        server.stop().await;
        outcome
    }

    async fn in_database(
        &self,
        reach: Reach<A>,
        own: Option<&Server>,
        mut stop: StopFlag,
    ) -> Result<String> {
        let postgres = self.postgres;
        let database = Arc::new(Database::new(reach)?);
        let needs = Needs::of(self.toc);
        let mut session = tokio::select! {
            biased;
            () = stop.raised() => return Err(interrupted(UNVERIFIED)),
            ready = self.ready(&database, &needs, own) => ready?,
        };
        let version = session.parameter("server_version").unwrap_or_default();
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        self.note_version(&version);
        // Nobody may leave while the server is at it: what it makes then would stay.
        let made = database.make(&mut session, self.toc).await;
        let work = async {
            let substitute = made?;
            let mut without = left_out(self.toc);
            if own.is_some() {
                let made = database.prepare(postgres, &mut session, self.toc, &needs);
                without.extend(made.await?);
            }
            session.close().await;
            database.make_schemas(postgres, &needs).await?;
            let circumstances = Circumstances {
                toc: self.toc,
                substitute: substitute.as_deref(),
                dumped: major(&self.directory.backup.manifest.engine.server_version),
                restored: major(&version),
            };
            if self.restore(&database, &without, &circumstances).await? {
                self.compare(&database).await?;
            }
            Ok(())
        };
        let outcome = tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            outcome = work => outcome,
        };
        if own.is_none() {
            database.remove(postgres).await;
        }
        outcome.map(|()| version)
    }

    /// A session with a server that has what the archive needs.
    async fn ready(
        &self,
        database: &Database<A>,
        needs: &Needs,
        own: Option<&Server>,
    ) -> Result<Session> {
        let mut session = database.beside(self.postgres).await?;
        check_extensions(&mut session, needs).await?;
        if let Some(server) = own {
            furnish(server, &mut session, needs).await?;
        }
        Ok(session)
    }

    fn note_version(&self, restored: &str) {
        let dumped = &self.directory.backup.manifest.engine.server_version;
        if major(dumped) != major(restored) {
            tracing::warn!(
                dumped,
                restored,
                "the server that is restored into has another major version"
            );
        }
    }

    /// False when it turns out that the backup cannot be restored.
    async fn restore(
        &self,
        database: &Arc<Database<A>>,
        without: &BTreeSet<i32>,
        circumstances: &Circumstances<'_>,
    ) -> Result<bool> {
        self.work.files.found.tell(Event::Phase(Phase::Restore));
        let VerifyWork { files, manifest, jobs, .. } = self.work;
        let reader = files.reader.clone();
        let reader = Altered::new(reader, manifest, self.directory, self.toc, without)?;
        let options = RestoreOptions {
            jobs: Some((*jobs).clamp(1, 64)),
            no_owner: true,
            no_privileges: true,
            // What was prepared.
            allow_non_empty: true,
            ..RestoreOptions::default()
        };
        let state = State::default();
        let watcher: Arc<dyn Watcher> = Arc::new(Log);
        // Whoever asks to stop drops this.
        let (_raise, never) = StopFlag::new();
        let restored = async {
            let backup = Backup::open(&reader, manifest).await?;
            let work = RestoreWork {
                backup: &backup,
                reader: &reader,
                access: database,
                options: &options,
                watcher: &watcher,
                state: &state,
            };
            restore(self.postgres, &work, never).await
        };
        let Err(error) = restored.await.map_err(|error| state.told_with(error)) else {
            return Ok(true);
        };
        match circumstances.meaning(error) {
            Meaning::OfTheBackup(what) => {
                self.work.files.found.problem(what);
                Ok(false)
            }
            Meaning::Unknown(error) => Err(error),
        }
    }

    async fn compare(&self, database: &Arc<Database<A>>) -> Result<()> {
        self.work.files.found.tell(Event::Phase(Phase::Compare));
        tracing::info!("comparing what was restored");
        let restored = Restored {
            postgres: self.postgres,
            access: database.as_ref(),
            manifest: &self.directory.backup.manifest,
            toc: self.toc,
            jobs: self.work.jobs,
            found: self.work.files.found,
        };
        restored.compare().await
    }
}

/// Entries that are of no use for rows and do harm here, and what is said about them.
///
/// Subscriptions name a server that is not ours, and a database that has one cannot be dropped.
/// Event triggers fire while the rest is restored and when a session begins, and may change rows.
fn left_out(toc: &Toc) -> BTreeSet<i32> {
    let does_harm = |entry: &&Entry| {
        let desc = entry.desc.as_deref().unwrap_or_default();
        desc.starts_with(b"SUBSCRIPTION") || desc == b"EVENT TRIGGER"
    };
    let all = toc.entries.iter().filter(does_harm);
    let mut without: BTreeSet<_> = all.map(|entry| entry.dump_id).collect();
    if without.is_empty() {
        return without;
    }
    tracing::info!(count = without.len(), "subscriptions and event triggers are not restored");
    let about = |entry: &&Entry| entry.dependencies.iter().any(|id| without.contains(id));
    let more: Vec<_> = toc.entries.iter().filter(about).map(|entry| entry.dump_id).collect();
    without.extend(more);
    without
}
