//! One of the connections that read rows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::compression::Compression;
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, ErrorClass, Result};

use super::catalog::{Table, lock_statements};
use super::lane::Lane;
use super::leader::{BEGIN, session};
use super::queue::{Chunk, Queue, Share};
use super::trouble::Trouble;
use super::wire::{Endpoint, Failure, Session};
use crate::assembly::Assembly;
use crate::codec::Encoder;
use crate::open_uploads::SharedStore;
use crate::rows::RowDigest;
use crate::uploader::{Sending, Uploader};

/// How often one range is read before its failure counts.
const ATTEMPTS: u32 = 4;
/// What stands in a data file after the last row.
pub(crate) const END: &[u8] = b"\\.\n\n\n";

/// A session that waits for us to take rows is ended without a word.
const SILENCED: &str = "A replica may so end a session that is in the way of what it replays \
                        (conflict with recovery): see its log, and raise \
                        max_standby_streaming_delay, set hot_standby_feedback, or dump the primary";

/// How to get into the snapshot.
#[derive(Debug)]
pub(super) struct Gate<A> {
    pub(super) access: Arc<A>,
    pub(super) database: String,
    pub(super) ca_bundle: PathBuf,
    pub(super) snapshot: String,
    /// Statements that lock tables from the start, so that none has to be waited for later,
    /// behind somebody who waits for us.
    pub(super) locks: Vec<String>,
}

impl<A: DatabaseAccess> Gate<A> {
    /// A new connection, with the credentials of now, in the snapshot and with the locks.
    pub(super) async fn enter(&self) -> Result<Session, Trouble> {
        let endpoint = endpoint(self.access.as_ref(), &self.database, &self.ca_bundle).await?;
        let mut session = session(&endpoint).await?;
        session.execute(BEGIN).await?;
        let import = format!("SET TRANSACTION SNAPSHOT '{}'", self.snapshot);
        session.execute(&import).await.map_err(|failure| match failure.code() {
            Some(code) if NO_SNAPSHOT.contains(&code) => Trouble::Failed(snapshot_gone(&failure)),
            _ => failure.into(),
        })?;
        for lock in &self.locks {
            session.execute(lock).await?;
        }
        session.execute("SAVEPOINT reading").await?;
        Ok(session)
    }
}

/// What the server says to the name of a snapshot that is gone: `invalid_parameter_value`, from
/// 17 on `undefined_object`.
const NO_SNAPSHOT: [&str; 2] = ["22023", "42704"];

fn snapshot_gone(failure: &Failure) -> Error {
    Error::new(
        ErrorClass::Source,
        format!(
            "the connection that held the dump's snapshot was lost, and others with it: {failure}"
        ),
        "See the server's log for why sessions ended; start the run again",
    )
}

/// Where the database is now, and with which credentials.
pub(super) async fn endpoint<A: DatabaseAccess>(
    access: &A,
    database: &str,
    ca_bundle: &std::path::Path,
) -> Result<Endpoint> {
    let mut secret = access.secret().await?;
    database.clone_into(&mut secret.database);
    Endpoint::new(&secret, ca_bundle)
}

/// A table's object, and what was read of the table.
pub(super) struct TableWork<S: SharedStore> {
    pub(super) assembly: Arc<Assembly<S>>,
    digest: Mutex<RowDigest>,
}

impl<S: SharedStore> TableWork<S> {
    pub(super) fn new(assembly: Assembly<S>) -> Self {
        Self { assembly: Arc::new(assembly), digest: Mutex::default() }
    }

    pub(super) fn digest(&self) -> RowDigest {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, digest: RowDigest) {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner).merge(digest);
    }
}

/// What all readers of a dump share.
pub(super) struct Readers<A, S: SharedStore> {
    pub(super) gate: Gate<A>,
    /// The tables with smaller numbers in the queue are locked from the start.
    pub(super) locked: usize,
    pub(super) queue: Queue<TableWork<S>>,
    pub(super) uploader: Arc<Uploader<S>>,
    pub(super) compression: Compression,
    /// The most that a piece may have in bytes.
    pub(super) capacity: u64,
    /// The server is a replica.
    pub(super) replica: bool,
}

/// The table that a reader works on.
struct At<S: SharedStore> {
    number: usize,
    work: Arc<TableWork<S>>,
    lane: Lane<S>,
}

/// A reader at work.
pub(super) struct Reader<A, S: SharedStore> {
    readers: Arc<Readers<A, S>>,
    session: Option<Session>,
    /// The table whose locks the session has taken since the savepoint.
    at: Option<usize>,
    sending: Sending,
}

impl<A: DatabaseAccess, S: SharedStore> Reader<A, S> {
    pub(super) fn new(readers: Arc<Readers<A, S>>, session: Session) -> Self {
        Self { readers, session: Some(session), at: None, sending: Sending::default() }
    }

    /// Reads until nothing is left, and returns when the store has accepted all of it.
    pub(super) async fn run(mut self) -> Result<(), Trouble> {
        let mut at: Option<At<S>> = None;
        while let Some(share) = self.readers.queue.next(at.as_ref().map(|at| at.number)) {
            if at.as_ref().is_none_or(|at| at.number != share.number) {
                if let Some(done) = at.take() {
                    self.leave(done).await?;
                }
                at = Some(self.come(&share)?);
            }
            if let Some(at) = &mut at {
                self.read(&share, &mut at.lane).await?;
            }
        }
        if let Some(done) = at.take() {
            self.leave(done).await?;
        }
        self.sending.finish().await?;
        if let Some(session) = self.session.take() {
            session.close().await;
        }
        Ok(())
    }

    fn come(&self, share: &Share<TableWork<S>>) -> Result<At<S>> {
        let Readers { uploader, compression, capacity, .. } = self.readers.as_ref();
        let lane = Lane::new(uploader, &share.work.assembly, *compression, *capacity)?;
        Ok(At { number: share.number, work: Arc::clone(&share.work), lane })
    }

    /// Hands over what was read of a table. The last one ends its object.
    async fn leave(&mut self, At { number, work, lane }: At<S>) -> Result<()> {
        work.add(lane.close(&mut self.sending).await?);
        if !self.readers.queue.leave(number) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(self.readers.compression)?;
        encoder.write(END, &mut bytes);
        encoder.end_frame(&mut bytes);
        work.assembly.finish(&bytes, &mut self.sending).await
    }

    /// Reads one share, again where a connection was lost and nothing of it was sent yet.
    async fn read(
        &mut self,
        share: &Share<TableWork<S>>,
        lane: &mut Lane<S>,
    ) -> Result<(), Trouble> {
        let table = share.table.as_ref();
        let statement = match share.chunk {
            Chunk::Nothing => return Ok(()),
            Chunk::All => table.copy_all(),
            Chunk::Pages(first, end) => table.copy_range(first, end),
        };
        lane.begin(&mut self.sending).await?;
        let mut cause = None;
        for attempt in 1.. {
            let error = match self.copy(share, &statement, lane).await {
                Ok(()) => return Ok(lane.end(&mut self.sending).await?),
                Err(Interruption::Here(error)) => return Err(error.into()),
                // What made it necessary to try again says more than why that was in vain.
                Err(Interruption::NoSession(trouble)) => {
                    return Err(cause.map_or(trouble, Trouble::Failed));
                }
                Err(Interruption::Server(failure)) => {
                    let again = is_passing(&failure);
                    let error = self.of_table(failure, table)?;
                    if !again || attempt >= ATTEMPTS || !lane.take_back()? {
                        return Err(Trouble::Failed(error));
                    }
                    error
                }
            };
            tracing::warn!(
                table = table.name.qualified,
                what = error.what(),
                "a range of this table is read again over a new connection"
            );
            cause = Some(error);
            self.session = None;
        }
        Ok(())
    }

    /// What is to be said of a table that could not be read.
    fn of_table(&self, failure: Failure, table: &Table) -> Result<Error, Trouble> {
        let silenced = self.readers.replica && failure.is_lost();
        let error = match failure.into() {
            Trouble::Failed(error) | Trouble::Locked(error) => error,
            impossible => return Err(impossible),
        };
        let what = format!("table {} could not be read: {}", table.name.qualified, error.what());
        let hint = if silenced { SILENCED } else { error.hint() };
        Ok(Error::new(error.class(), what, hint).caused_by(error))
    }

    async fn copy(
        &mut self,
        share: &Share<TableWork<S>>,
        statement: &str,
        lane: &mut Lane<S>,
    ) -> Result<(), Interruption> {
        if self.session.is_none() {
            let entered = self.sending.during(self.readers.gate.enter()).await?;
            self.session = Some(entered.map_err(Interruption::NoSession)?);
            self.at = None;
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        if self.at != Some(share.number) {
            // Reading by ranges locks all indexes of a table. Kept to the end, these locks would
            // be too many, and in the way of a REINDEX that another reader waits for.
            if self.at.is_some() {
                session.execute("ROLLBACK TO SAVEPOINT reading").await?;
            }
            self.at = Some(share.number);
            if share.number >= self.readers.locked {
                for lock in lock_statements([&share.table.name]) {
                    session.execute(&lock).await?;
                }
            }
        }
        let progress = self.readers.uploader.progress();
        let before = lane.rows();
        let mut copy = session.copy_out(statement).await?;
        loop {
            let mut bytes = 0;
            let mut take = |rows: super::wire::Piece<'_>| bytes += lane.take(&rows);
            let more = self.sending.during(copy.read(&mut take)).await??;
            progress.add_read(bytes);
            if !more {
                break;
            }
            lane.relieve(&mut self.sending).await?;
        }
        let (came, counted) = (lane.rows() - before, copy.rows());
        if counted.is_some_and(|counted| counted != came) {
            return Err(Interruption::Here(miscounted(&share.table, came, counted)));
        }
        Ok(())
    }
}

/// Why a range was not read to its end.
enum Interruption {
    /// The server or the connection to it.
    Server(Failure),
    /// No new connection could be had.
    NoSession(Trouble),
    /// Anything else: reading again would not help.
    Here(Error),
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// The server has sent another number of rows than it says: something between has changed them.
fn miscounted(table: &Table, came: u64, counted: Option<u64>) -> Error {
    Error::new(
        ErrorClass::Source,
        format!(
            "{came} rows of table {} came, and the server says that it sent {}",
            table.name.qualified,
            counted.unwrap_or_default()
        ),
        "Look at what stands between the dumper and the server; start the run again",
    )
}

/// `query_canceled`: somebody cancelled it, or a limit of time did.
const CANCELLED: &str = "57014";
/// `serialization_failure`: also what a replica says that has to go on.
const CONFLICT: &str = "40001";
/// `deadlock_detected`.
const DEADLOCK: &str = "40P01";

/// Whether the same rows can be read over another connection.
fn is_passing(failure: &Failure) -> bool {
    failure.is_lost() || matches!(failure.code(), Some(CANCELLED | CONFLICT | DEADLOCK))
}
