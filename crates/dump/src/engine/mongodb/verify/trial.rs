//! The backup in a new database of a server that is given.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::options::ReadPreference;
use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::engine::mongodb::connection::{Connection, Gate, command};
use crate::engine::mongodb::inventory::{definitions, documents};
use crate::engine::mongodb::names::names;
use crate::engine::mongodb::restore::definition::Definition;
use crate::engine::mongodb::restore::work::{Found, Target, Work};
use crate::output::interrupted;
use crate::random::random;
use crate::restore::state::State;
use crate::restore::{Event, RestoreWork, SharedReader, Watcher};
use crate::rows::RowDigest;
use crate::stop::StopFlag;
use crate::verify::compare::difference_of;
use crate::verify::watch::{Event as Progress, Phase};
use crate::verify::{Tried, UNVERIFIED, VerifyWork, unverified};

const ACCOUNTS: &str = "restoring users and roles, which only mongorestore does: try the commands in \
                        the manifest";
/// How often the database is dropped that inserts may still bring back.
const DROPS: u32 = 20;
/// The pause between two of them.
const BETWEEN_DROPS: Duration = Duration::from_millis(250);
/// So often it has to stay away.
const EMPTY: u32 = 2;

/// The server through another database of it.
struct Within<A> {
    server: Arc<A>,
    database: String,
}

impl<A: DatabaseAccess> DatabaseAccess for Within<A> {
    async fn secret(&self) -> Result<SecretValue> {
        Ok(SecretValue { database: self.database.clone(), ..self.server.secret().await? })
    }
}

/// Tells nobody: a verification has events of its own.
struct Quiet;

impl Watcher for Quiet {
    fn note(&self, _: &Event<'_>) {}
}

/// A backup that is restored to see whether it can be.
pub(super) struct Trial<'a, R, A> {
    ca_bundle: &'a Path,
    work: &'a VerifyWork<'a, R, A>,
    access: Arc<Within<A>>,
    /// What the documents of each collection of the archive are.
    digests: &'a [RowDigest],
}

impl<'a, R: SharedReader, A: DatabaseAccess + 'static> Trial<'a, R, A> {
    pub(super) fn new(
        ca_bundle: &'a Path,
        work: &'a VerifyWork<'a, R, A>,
        server: &Arc<A>,
        digests: &'a [RowDigest],
    ) -> Result<Self> {
        let database = format!("autodump_verify_{}", random(4)?);
        let access = Arc::new(Within { server: Arc::clone(server), database });
        Ok(Self { ca_bundle, work, access, digests })
    }

    /// Restores, compares, and drops the database whatever happened.
    pub(super) async fn run(&self, mut stop: StopFlag) -> Result<Tried> {
        let state = State::default();
        let outcome = tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            outcome = self.tried(&state) => outcome,
        };
        let dropped = if state.has_begun() { self.drop_database().await } else { Ok(()) };
        match (outcome, dropped) {
            (Ok(tried), Ok(())) => Ok(tried),
            (Err(error), Ok(())) => Err(error),
            (Ok(_), Err(left)) => Err(left),
            (Err(error), Err(left)) => {
                let hint = format!("{}. {}", error.hint(), left.hint());
                Err(Error::new(error.class(), error.what(), hint))
            }
        }
    }

    async fn tried(&self, state: &State) -> Result<Tried> {
        let found = self.work.files.found;
        found.tell(Progress::Phase(Phase::Restore));
        let watcher = Arc::new(Quiet) as Arc<dyn Watcher>;
        let options = RestoreOptions { jobs: Some(self.work.jobs), ..RestoreOptions::default() };
        let restore = RestoreWork {
            backup: self.work.files.backup,
            reader: self.work.files.reader,
            access: &self.access,
            options: &options,
            watcher: &watcher,
            state,
        };
        let work = Work::new(self.ca_bundle, &restore);
        let plan = match work.find().await {
            Err(error) if error.class() == ErrorClass::Verification => {
                found.problem(error.what());
                return Ok(Tried::default());
            }
            plan => plan?,
        };
        let mut unchecked: Vec<_> =
            plan.has_accounts().then(|| ACCOUNTS.to_owned()).into_iter().collect();
        if plan.definitions().next().is_none() {
            return Ok(Tried { unchecked, ..Tried::default() });
        }
        let version = plan.plan.server_version.clone();
        match self.compared(&work, &plan).await {
            Ok(fewer) => unchecked.extend(fewer),
            // What a server refuses of a backup keeps it from being restored there.
            Err(error)
                if matches!(error.class(), ErrorClass::Verification | ErrorClass::Engine) =>
            {
                let what = error.what();
                found.problem(format!("it cannot be restored into version {version}: {what}"));
            }
            Err(error) => return Err(error),
        }
        Ok(Tried { restored_into: Some(version), unchecked })
    }

    /// Restores, and compares what is there. Returns what could not be: sentences without their full
    /// stops.
    async fn compared(
        &self,
        work: &Work<'_, R, Within<A>>,
        found: &Found<'_>,
    ) -> Result<Vec<String>> {
        work.documents(found).await?;
        self.work.files.found.tell(Progress::Phase(Phase::Compare));
        // Indexes that let documents expire come later.
        let connection = self.connection().await?;
        let unchecked = self.documents(&connection, found).await?;
        work.definitions(found).await?;
        self.definitions(&connection, found).await?;
        Ok(unchecked)
    }

    async fn connection(&self) -> Result<Arc<Connection>> {
        let preference = Some(ReadPreference::Primary);
        Gate::new(&self.access, self.ca_bundle, preference, self.work.jobs).enter(None).await
    }

    /// Reads the documents of every collection, several at once.
    async fn documents(&self, connection: &Connection, found: &Found<'_>) -> Result<Vec<String>> {
        let mut waiting = found.filled();
        let (mut reading, mut unchecked) = (FuturesUnordered::new(), Vec::new());
        loop {
            while reading.len() < usize::from(self.work.jobs.max(1))
                && let Some(target) = waiting.next()
            {
                reading.push(self.collection(connection, target));
            }
            let Some(read) = reading.next().await else { return Ok(unchecked) };
            unchecked.extend(read?);
        }
    }

    async fn collection(
        &self,
        connection: &Connection,
        target: Target<'_>,
    ) -> Result<Option<String>> {
        let Target { number, name, stored, loses } = target;
        let digest = read(connection, &self.access.database, stored).await?;
        let expected = self.digests[number];
        if let Some(why) = loses.filter(|_| digest.rows < expected.rows) {
            let rows = (digest.rows, expected.rows);
            return Ok(Some(format!(
                "the documents of {name}, of which {} were there and {} were inserted: {why}",
                rows.0, rows.1
            )));
        }
        if let Some(difference) = difference_of(&digest, expected.rows, &expected.hex()) {
            let what = format!("the restored collection {name} has {difference}");
            self.work.files.found.problem(what);
        }
        Ok(None)
    }

    /// Everything has to be there, and to mean what it meant.
    async fn definitions(&self, connection: &Connection, found: &Found<'_>) -> Result<()> {
        let there = definitions(connection, &self.access.database, |_| true).await?;
        for (name, wanted) in found.definitions() {
            let Some(one) = there.iter().find(|there| there.namespace.collection == name) else {
                self.work.files.found.problem(format!("{name} is not there after the restore"));
                continue;
            };
            for difference in wanted.differences(&Definition::of(one)?) {
                let what = format!("{name} {difference} after the restore");
                self.work.files.found.problem(what);
            }
        }
        Ok(())
    }

    /// Drops the database until it stays away: inserts that were given up may still be under way.
    async fn drop_database(&self) -> Result<()> {
        let database = &self.access.database;
        let left = |error: Error| {
            let hint = format!("Drop the database {database}, which was made for the trial");
            Error::new(error.class(), error.what(), hint)
        };
        let connection = self.connection().await.map_err(left)?;
        let doing = format!("the database {database} cannot be dropped");
        let mut empty = 0;
        for _ in 0..DROPS {
            let command = command(|writer| writer.int32("dropDatabase", 1))?;
            let dropped = connection.run(database, command).await;
            dropped.map_err(|error| left(connection.explain(&error, &doing)))?;
            tokio::time::sleep(BETWEEN_DROPS).await;
            let is_empty = names(&connection, database).await.map_err(left)?.is_empty();
            empty = if is_empty { empty + 1 } else { 0 };
            if empty >= EMPTY {
                return Ok(());
            }
            tracing::debug!(database, is_empty, "it is dropped again");
        }
        let what = format!("{doing}: somebody writes to it");
        Err(left(Error::new(ErrorClass::Engine, what, "")))
    }
}

/// What the documents of a collection are.
async fn read(connection: &Connection, database: &str, name: &str) -> Result<RowDigest> {
    let doing = format!("the documents of {database}.{name} cannot be read");
    let explain = |error| connection.explain(&error, &doing);
    let command = command(|writer| writer.text("find", name))?;
    let mut cursor = connection.cursor(database, command, None).await.map_err(explain)?;
    let mut digest = RowDigest::default();
    while let Some(batch) = cursor.next().await {
        for document in documents(&batch.map_err(explain)?).map_err(explain)? {
            let document = document.map_err(|error| {
                unverified(format!(
                    "the server gives a document of {name} that is malformed: {error}"
                ))
            })?;
            digest.add(document);
        }
    }
    Ok(digest)
}
