//! The backup in a new database of a server that is given.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use autodump_core::options::{ReadPreference, Selection};
use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::engine::mongodb::connection::{Connection, Gate, command};
use crate::engine::mongodb::inventory::{collections, documents};
use crate::engine::mongodb::restore::work::{Found, Work, indexes_of};
use crate::output::interrupted;
use crate::random::random;
use crate::restore::state::State;
use crate::restore::{Event, RestoreWork, SharedReader, Watcher};
use crate::rows::RowDigest;
use crate::stop::StopFlag;
use crate::verify::compare::difference_of;
use crate::verify::watch::{Event as Progress, Phase};
use crate::verify::{UNVERIFIED, VerifyWork, unverified};

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

    /// Restores, compares, and drops the database whatever happened. Returns the server's version.
    pub(super) async fn run(&self, mut stop: StopFlag) -> Result<String> {
        let outcome = tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            outcome = self.tried() => outcome,
        };
        let dropped = self.drop_database().await;
        match (outcome, dropped) {
            (Ok(version), Ok(())) => Ok(version),
            (Err(error), Ok(())) => Err(error),
            (Ok(_), Err(left)) => Err(left),
            (Err(error), Err(left)) => {
                let hint = format!("{}. {}", error.hint(), left.hint());
                Err(Error::new(error.class(), error.what(), hint))
            }
        }
    }

    async fn tried(&self) -> Result<String> {
        let found = self.work.files.found;
        found.tell(Progress::Phase(Phase::Restore));
        let (state, watcher) = (State::default(), Arc::new(Quiet) as Arc<dyn Watcher>);
        let options = RestoreOptions { jobs: Some(self.work.jobs), ..RestoreOptions::default() };
        let restore = RestoreWork {
            backup: self.work.files.backup,
            reader: self.work.files.reader,
            access: &self.access,
            options: &options,
            watcher: &watcher,
            state: &state,
        };
        let work = Work::new(self.ca_bundle, &restore);
        let plan = work.find().await?;
        let version = plan.plan.server_version.clone();
        match self.compared(&work, &plan).await {
            Ok(()) => Ok(version),
            // What a server refuses of a backup keeps it from being restored there.
            Err(error)
                if matches!(error.class(), ErrorClass::Verification | ErrorClass::Engine) =>
            {
                let what = error.what();
                found.problem(format!("it cannot be restored into version {version}: {what}"));
                Ok(version)
            }
            Err(error) => Err(error),
        }
    }

    async fn compared(&self, work: &Work<'_, R, Within<A>>, found: &Found<'_>) -> Result<()> {
        work.documents(found).await?;
        self.work.files.found.tell(Progress::Phase(Phase::Compare));
        // Indexes that let documents expire come later.
        let connection = self.connection().await?;
        self.documents(&connection, found).await?;
        work.definitions(found).await?;
        self.definitions(&connection, found).await
    }

    async fn connection(&self) -> Result<Arc<Connection>> {
        let preference = Some(ReadPreference::Primary);
        Gate::new(&self.access, self.ca_bundle, preference, self.work.jobs).enter(None).await
    }

    /// Reads the documents of every collection, several at once.
    async fn documents(&self, connection: &Connection, found: &Found<'_>) -> Result<()> {
        let mut waiting = found.stored_names().into_iter();
        let mut reading = FuturesUnordered::new();
        loop {
            while reading.len() < usize::from(self.work.jobs.max(1))
                && let Some((number, name)) = waiting.next()
            {
                reading.push(self.collection(connection, number, name));
            }
            let Some(read) = reading.next().await else { return Ok(()) };
            read?;
        }
    }

    async fn collection(&self, connection: &Connection, number: usize, name: String) -> Result<()> {
        let digest = read(connection, &self.access.database, &name).await?;
        let expected = self.digests[number];
        if let Some(difference) = difference_of(&digest, expected.rows, &expected.hex()) {
            let what = format!("the restored collection {name} has {difference}");
            self.work.files.found.problem(what);
        }
        Ok(())
    }

    /// Everything has to be there, with every index.
    async fn definitions(&self, connection: &Connection, found: &Found<'_>) -> Result<()> {
        let expected = found.index_names();
        if expected.is_empty() {
            return Ok(());
        }
        let there = collections(connection, &self.access.database, &Selection::default()).await?;
        for (name, indexes) in expected {
            let Some(one) = there.iter().find(|t| t.definition.namespace.collection == name) else {
                self.work.files.found.problem(format!("{name} is not there after the restore"));
                continue;
            };
            let made: BTreeSet<_> = indexes_of(&one.definition)?.into_iter().collect();
            for index in indexes.iter().filter(|index| !made.contains(*index)) {
                let what = format!("the index {index} of {name} is not there after the restore");
                self.work.files.found.problem(what);
            }
        }
        Ok(())
    }

    async fn drop_database(&self) -> Result<()> {
        let database = &self.access.database;
        let left = |error: Error| {
            let hint = format!("Drop the database {database}, which was made for the trial");
            Error::new(error.class(), error.what(), hint)
        };
        let connection = self.connection().await.map_err(left)?;
        let command = command(|writer| writer.int32("dropDatabase", 1))?;
        let dropped = connection.run(database, command).await;
        let doing = format!("the database {database} cannot be dropped");
        dropped.map(drop).map_err(|error| left(connection.explain(&error, &doing)))
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
