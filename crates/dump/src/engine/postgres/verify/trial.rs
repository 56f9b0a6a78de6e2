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
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::Session;
use crate::output::interrupted;
use crate::restore::{self, Backup, Log, Restore, SharedReader};
use crate::stop::StopFlag;
use crate::verify::found::Found;
use crate::verify::watch::{Event, Phase};
use crate::verify::{UNVERIFIED, Verify};

/// A backup that is to be restored, and what is known of it.
pub(crate) struct Trial<'a, 'b, R, A> {
    pub(crate) verify: &'b Verify<'a, R, A>,
    pub(crate) backup: &'b Backup,
    pub(crate) toc: &'b Toc,
    pub(crate) found: &'b Found,
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Trial<'_, '_, R, A> {
    /// Restores into a database of our own and compares. Returns the server's version.
    pub(crate) async fn run(&self, stop: StopFlag) -> Result<String> {
        let Some(given) = &self.verify.server else {
            return self.in_own_server(stop).await;
        };
        self.in_database(Reach::Given(Arc::clone(given)), None, stop).await
    }

    async fn in_own_server(&self, stop: StopFlag) -> Result<String> {
        self.found.tell(Event::Phase(Phase::Server));
        let postgres = self.verify.postgres;
        let version = &self.backup.manifest.engine.server_version;
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
        let postgres = self.verify.postgres;
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
                dumped: major(&self.backup.manifest.engine.server_version),
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
        let mut session = database.beside(self.verify.postgres).await?;
        check_extensions(&mut session, needs).await?;
        if let Some(server) = own {
            furnish(server, &mut session, needs).await?;
        }
        Ok(session)
    }

    fn note_version(&self, restored: &str) {
        let dumped = &self.backup.manifest.engine.server_version;
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
        self.found.tell(Event::Phase(Phase::Restore));
        let Verify { postgres, reader, manifest, jobs, .. } = self.verify;
        let reader = Altered::new(reader.clone(), manifest, self.backup, self.toc, without)?;
        let options = RestoreOptions {
            jobs: Some((*jobs).clamp(1, 64)),
            no_owner: true,
            no_privileges: true,
            // What was prepared.
            allow_non_empty: true,
            ..RestoreOptions::default()
        };
        let restore = Restore {
            postgres,
            reader,
            access: Arc::clone(database),
            manifest: manifest.clone(),
            options,
            watcher: Arc::new(Log),
        };
        let Err(error) = restore::run(&restore, std::future::pending()).await else {
            return Ok(true);
        };
        match circumstances.meaning(error) {
            Meaning::OfTheBackup(what) => {
                self.found.problem(what);
                Ok(false)
            }
            Meaning::Unknown(error) => Err(error),
        }
    }

    async fn compare(&self, database: &Arc<Database<A>>) -> Result<()> {
        self.found.tell(Event::Phase(Phase::Compare));
        tracing::info!("comparing what was restored");
        let restored = Restored {
            postgres: self.verify.postgres,
            access: database.as_ref(),
            manifest: &self.backup.manifest,
            toc: self.toc,
            jobs: self.verify.jobs,
            found: self.found,
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
