//! The restore that proves a backup, and what its failure means.

use std::collections::BTreeSet;
use std::sync::Arc;

use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};

use super::altered::Altered;
use super::database::{Database, Reach, furnish};
use super::extensions::check_extensions;
use super::found::Found;
use super::needs::Needs;
use super::programs::Programs;
use super::restored::Restored;
use super::server::Server;
use super::watch::{Event, Phase};
use super::{UNVERIFIED, Verify, unverified};
use crate::engine::postgres::toc::Toc;
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::Session;
use crate::output::interrupted;
use crate::restore::{self, Backup, Log, Restore, SharedReader};
use crate::stop::StopFlag;

/// A backup that is to be restored, and what is known of it.
pub(super) struct Trial<'a, 'b, R, A> {
    pub(super) verify: &'b Verify<'a, R, A>,
    pub(super) backup: &'b Backup,
    pub(super) toc: &'b Toc,
    pub(super) found: &'b Found,
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Trial<'_, '_, R, A> {
    /// Restores into a database of our own and compares. Returns the server's version.
    pub(super) async fn run(&self, stop: StopFlag) -> Result<String> {
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
            let mut without = subscriptions(self.toc);
            if own.is_some() {
                let made = database.prepare(postgres, &mut session, self.toc, &needs);
                without.extend(made.await?);
            }
            session.close().await;
            if self.restore(&database, &without, substitute.as_deref()).await? {
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
        substitute: Option<&str>,
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
        match meaning(error, substitute) {
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

/// The entries of subscriptions. They are of no use for rows, name a server that is not ours, and
/// a database that has one cannot be dropped.
fn subscriptions(toc: &Toc) -> BTreeSet<i32> {
    let is_subscription =
        |desc: Option<&[u8]>| desc.is_some_and(|d| d.starts_with(b"SUBSCRIPTION"));
    let all = toc.entries.iter().filter(|entry| is_subscription(entry.desc.as_deref()));
    let mut without: BTreeSet<_> = all.map(|entry| entry.dump_id).collect();
    if without.is_empty() {
        return without;
    }
    tracing::info!(count = without.len(), "subscriptions are not restored");
    // What is said about them.
    let about = |entry: &&_| about_one_of(entry, &without);
    let more: Vec<_> = toc.entries.iter().filter(about).map(|entry| entry.dump_id).collect();
    without.extend(more);
    without
}

fn about_one_of(entry: &crate::engine::postgres::toc::Entry, ids: &BTreeSet<i32>) -> bool {
    entry.dependencies.iter().any(|id| ids.contains(id))
}

/// What the failure of a restore says about the backup.
#[derive(Debug)]
enum Meaning {
    /// It is not what it should be.
    OfTheBackup(String),
    /// Nothing.
    Unknown(Error),
}

/// `substitute` is the locale that the database has instead of its own: order and equality of
/// texts are others then, and so are keys, constraints and bounds of partitions.
fn meaning(error: Error, substitute: Option<&str>) -> Meaning {
    let of_restore = matches!(error.class(), ErrorClass::Verification | ErrorClass::Engine);
    if let Some(locale) = substitute
        && of_restore
    {
        return Meaning::Unknown(unverified(format!(
            "it cannot be restored into a database with the locale {locale}, since this server \
             lacks that of the backup: {}",
            error.what()
        )));
    }
    match error.class() {
        ErrorClass::Engine if is_of_the_server(error.what()) => {
            Meaning::Unknown(unverified(error.what()))
        }
        _ if of_restore => Meaning::OfTheBackup(format!("it cannot be restored: {}", error.what())),
        _ => Meaning::Unknown(error),
    }
}

/// What servers and clients say about themselves rather than about what is restored.
const OF_THE_SERVER: [&str; 18] = [
    "is not available",
    "could not open extension control file",
    "could not access file",
    "could not load library",
    "no space left on device",
    "out of memory",
    "shared memory",
    "permission denied",
    "superuser",
    "must be owner",
    "must have",
    "must be able to",
    "unrecognized configuration parameter",
    "security label provider",
    "could not create locale",
    "collator",
    "icu is not supported",
    "shared_preload_libraries",
];

/// Whether a restore failed because of the server that was restored into.
fn is_of_the_server(what: &str) -> bool {
    let what = what.to_lowercase();
    let lacks = |kind: &str| what.contains(kind) && what.contains("does not exist");
    OF_THE_SERVER.iter().any(|says| what.contains(says))
        || ["role \"", "tablespace \"", "collation \"", "access method \""].into_iter().any(lacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_lacks_is_told_from_what_is_wrong_with_the_backup() {
        for says in [
            "ERROR:  extension \"postgis\" is not available",
            "could not extend file \"base/5/1\": No space left on device",
            "role \"alice\" does not exist",
            "collation \"de_DE.utf8\" for encoding \"UTF8\" does not exist",
            "could not create locale \"xx_XX.utf8\": No such file or directory",
            "could not open collator for locale \"xx\": U_ILLEGAL_ARGUMENT_ERROR",
            "ICU is not supported in this build",
            "pg_cron must be loaded via shared_preload_libraries",
            "only superuser can define a leakproof function",
        ] {
            assert!(is_of_the_server(says), "{says}");
        }
        for says in [
            "could not create unique index \"t_pkey\"",
            "relation \"app.t\" does not exist",
            "invalid input syntax for type integer: \"x\"",
        ] {
            assert!(!is_of_the_server(says), "{says}");
        }
    }

    #[test]
    fn in_another_locale_no_failure_says_anything_about_the_backup() {
        let what = "could not create unique index \"t_pkey\"";
        for class in [ErrorClass::Engine, ErrorClass::Verification] {
            let error = || Error::new(class, what, "");
            let Meaning::Unknown(unknown) = meaning(error(), Some("C")) else { panic!("{class}") };
            assert_eq!(unknown.class(), ErrorClass::Engine);
            assert!(unknown.what().contains("locale C,"), "{unknown}");
            assert!(matches!(meaning(error(), None), Meaning::OfTheBackup(_)), "{class}");
        }
        let lost = Error::new(ErrorClass::Source, "it went away", "");
        let Meaning::Unknown(same) = meaning(lost, Some("C")) else { panic!() };
        assert_eq!(same.class(), ErrorClass::Source);
    }
}
