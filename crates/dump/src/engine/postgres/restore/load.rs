//! Rows into tables, over several connections.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autodump_core::ports::{Content, DatabaseAccess};
use autodump_core::{Error, ErrorClass, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::table::{Piece, Table};
use super::trouble::{told, without_rows};
use super::unpack::{Input, Seen, Unpacker, start};
use crate::engine::Postgres;
use crate::engine::postgres::wire::{CopyIn, Failure, Session};
use crate::restore::{Event, SharedReader, Watcher};
use crate::uploader::broke_down;

/// How often a piece is loaded before its failure counts.
const ATTEMPTS: u32 = 4;
/// The pause before a piece is loaded again; longer each time.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the witness is asked while rows are loaded, so that nothing on the way takes its
/// connection for dead, and nobody loads for hours after the server has broken down.
const WATCH: Duration = Duration::from_mins(1);
/// How often, a second apart, the server is asked what became of a commit.
const QUESTIONS: u32 = 30;

/// Under which settings rows are loaded: those of `pg_restore`, and commits that are not waited
/// for one by one: [`Loader::confirm`] does in the end.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; SET search_path = ''; \
     SET check_function_bodies = off; SET xmloption = content; \
     SET client_min_messages = warning; SET row_security = off; SET synchronous_commit = off";
/// What not every version has.
const MORE_SETTINGS: &str = "SELECT pg_catalog.set_config(s.name, '0', false) \
     FROM pg_catalog.pg_settings s WHERE s.name IN ('idle_session_timeout', 'transaction_timeout')";
/// No triggers and no foreign keys.
pub(super) const NO_TRIGGERS: &str = "SET session_replication_role = replica";

/// How sessions are opened.
pub(super) struct Door<A> {
    pub(super) postgres: Postgres,
    pub(super) access: Arc<A>,
    /// How texts of the archive are to be understood, and more.
    pub(super) settings: Vec<String>,
}

impl<A: DatabaseAccess> Door<A> {
    pub(super) async fn open(&self) -> Result<Session, Trouble> {
        let secret = self.access.secret().await.map_err(Trouble::Here)?;
        let endpoint = self.postgres.endpoint(&secret).map_err(Trouble::Here)?;
        let mut session = Session::connect(&endpoint).await?;
        session.execute(SETTINGS).await?;
        session.execute(MORE_SETTINGS).await?;
        for setting in &self.settings {
            session.execute(setting).await?;
        }
        Ok(session)
    }
}

/// Why a piece was not loaded.
pub(super) enum Trouble {
    /// The server or the connection to it.
    Server(Failure),
    /// Anything else: another try would not help.
    Here(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Server(failure) => without_rows(failure),
            Trouble::Here(error) => error,
        }
    }
}

/// What all connections share.
pub(super) struct Loader<R, A> {
    pub(super) door: Door<A>,
    pub(super) reader: R,
    pub(super) watcher: Arc<dyn Watcher>,
    pieces: Mutex<VecDeque<Piece>>,
    /// A connection that stands as long as the server does: a commit that was confirmed to us
    /// is there in the end if it does.
    witness: tokio::sync::Mutex<Session>,
    pub(super) read: AtomicU64,
    tables: AtomicU64,
    rows: AtomicU64,
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Loader<R, A> {
    pub(super) fn new(
        door: Door<A>,
        reader: R,
        watcher: Arc<dyn Watcher>,
        pieces: impl IntoIterator<Item = Piece>,
        witness: Session,
    ) -> Self {
        Self {
            door,
            reader,
            watcher,
            pieces: Mutex::new(pieces.into_iter().collect()),
            witness: tokio::sync::Mutex::new(witness),
            read: AtomicU64::default(),
            tables: AtomicU64::default(),
            rows: AtomicU64::default(),
        }
    }

    /// Loads everything over `jobs` connections. Returns tables, rows and bytes. On an error,
    /// and when it is dropped, what is under way is given up and the server rolls it back.
    pub(super) async fn run(self: &Arc<Self>, jobs: u16) -> Result<(u64, u64, u64)> {
        let mut tasks = JoinSet::new();
        let waiting = self.lock().len();
        for _ in 0..usize::from(jobs).min(waiting) {
            tasks.spawn(Arc::clone(self).work());
        }
        let mut watch = tokio::time::interval_at(Instant::now() + WATCH, WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                done = tasks.join_next() => done,
                _ = watch.tick() => {
                    self.ask_witness().await?;
                    continue;
                }
            };
            let Some(done) = done else { break };
            done.map_err(broke_down)??;
        }
        self.confirm().await?;
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Ok((count(&self.tables), count(&self.rows), count(&self.read)))
    }

    /// Whether the server still is the one that confirmed what was committed.
    async fn ask_witness(&self) -> Result<()> {
        let mut witness = self.witness.lock().await;
        witness.execute("SELECT 1").await.map_err(|failure| broken_down(&failure))
    }

    /// Makes sure that all that was committed stays: a transaction that is waited for, after
    /// which everything before it is on disk too, by a server that did not break down since.
    async fn confirm(&self) -> Result<()> {
        let mut witness = self.witness.lock().await;
        // Only a transaction that has written something is waited for.
        for write in [
            "SELECT pg_catalog.pg_logical_emit_message(true, 'autodump', 'restored')",
            "CREATE TEMPORARY TABLE autodump_restored () ON COMMIT DROP",
        ] {
            let sql = format!("BEGIN; SET LOCAL synchronous_commit = on; {write}; COMMIT");
            match witness.execute(&sql).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is_lost() => return Err(broken_down(&failure)),
                Err(failure) => {
                    tracing::debug!(what = %failure, "this way to confirm is not open");
                    witness.execute("ROLLBACK").await.map_err(|failure| broken_down(&failure))?;
                }
            }
        }
        Err(Error::new(
            ErrorClass::Engine,
            "it cannot be confirmed that all rows are stored for good",
            "Let the role make temporary tables in this database",
        ))
    }

    async fn work(self: Arc<Self>) -> Result<()> {
        let mut session = None;
        loop {
            let Some(piece) = self.lock().pop_front() else { break };
            self.load(&mut session, &piece).await?;
        }
        if let Some(session) = session {
            session.close().await;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a piece, again where the connection was lost before it was committed.
    async fn load(&self, session: &mut Option<Session>, piece: &Piece) -> Result<()> {
        let table = piece.table.as_ref();
        for attempt in 1.. {
            let mut read = 0;
            let trouble = match self.once(session, piece, &mut read).await {
                Ok(seen) => return self.loaded(piece, &seen),
                Err(trouble) => trouble,
            };
            *session = None;
            let again = matches!(&trouble, Trouble::Server(failure) if is_passing(failure));
            let error = of_table(trouble.into(), table);
            if !again || attempt >= ATTEMPTS {
                return Err(error);
            }
            self.watcher.note(&Event::TakenBack(read));
            self.read.fetch_sub(read, Ordering::Relaxed);
            tracing::warn!(
                table = table.name,
                schema = table.schema,
                what = error.what(),
                "some rows of this table are loaded again over a new connection"
            );
            tokio::time::sleep(PAUSE * (attempt - 1)).await;
            self.ask_witness().await?;
        }
        Ok(())
    }

    fn loaded(&self, piece: &Piece, seen: &Seen) -> Result<()> {
        let table = piece.table.as_ref();
        self.rows.fetch_add(seen.digest.rows, Ordering::Relaxed);
        if let Some(rows) = table.add(piece, seen)? {
            self.tables.fetch_add(1, Ordering::Relaxed);
            let (schema, name) = (table.schema.as_str(), table.name.as_str());
            self.watcher.note(&Event::Table { schema, name, rows });
        }
        Ok(())
    }

    async fn once(
        &self,
        session: &mut Option<Session>,
        piece: &Piece,
        read: &mut u64,
    ) -> Result<Seen, Trouble> {
        let session = match session {
            Some(session) => session,
            none => none.insert(self.door.open().await?),
        };
        session.execute("BEGIN").await?;
        let copy = session.copy_in(&piece.table.copy).await?;
        let (seen, rows) = self.copy(copy, piece, read).await?;
        if rows != seen.digest.rows {
            let what = format!(
                "the server took {rows} of {} rows, and they were rolled back",
                seen.digest.rows
            );
            let hint = "Use another backup, and find out what changed this one";
            return Err(Trouble::Here(Error::new(ErrorClass::Verification, what, hint)));
        }
        let id = session.query("SELECT pg_catalog.txid_current()").await?;
        let id = id.into_iter().flatten().flatten().next();
        match session.execute("COMMIT").await {
            Ok(()) => Ok(seen),
            Err(failure) if failure.is_lost() => {
                if self.is_committed(id.as_deref(), &failure).await? {
                    return Ok(seen);
                }
                Err(failure.into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Moves the bytes from the store to the server.
    async fn copy(
        &self,
        mut copy: CopyIn<'_>,
        piece: &Piece,
        read: &mut u64,
    ) -> Result<(Seen, u64), Trouble> {
        let Unpacker { input, mut output, seen } = start(piece.table.algorithm, piece.is_end);
        let feed = async {
            for part in &piece.parts {
                let mut content = self.reader.get(&part.location, part.range.clone()).await?;
                while let Some(bytes) = content.next().await? {
                    let length = bytes.len() as u64;
                    *read += length;
                    self.read.fetch_add(length, Ordering::Relaxed);
                    self.watcher.note(&Event::Read(length));
                    // Whoever does not take it any more says why.
                    if input.send(Input::Bytes(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                let _ = input.send(Input::EndOfPart).await;
            }
            drop(input);
            Ok::<_, Error>(())
        };
        let drain = async {
            while let Some(rows) = output.recv().await {
                copy.write(&rows).await?;
            }
            Ok::<_, Failure>(())
        };
        let feed = async { feed.await.map_err(Trouble::Here) };
        let drain = async { drain.await.map_err(Trouble::Server) };
        tokio::try_join!(feed, drain)?;
        let seen = match seen.await.map_err(broke_down) {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) | Err(error) => {
                let _ = copy.fail("the backup is damaged").await;
                return Err(Trouble::Here(in_object(error, piece)));
            }
        };
        let rows = copy.finish().await?;
        Ok((seen, rows))
    }

    /// What became of a commit whose answer was lost.
    async fn is_committed(&self, id: Option<&str>, failure: &Failure) -> Result<bool, Trouble> {
        let unknown = || {
            Trouble::Here(Error::new(
                ErrorClass::Source,
                format!("it is not known whether some rows were stored: {}", told(failure)),
                "Restore again",
            ))
        };
        let id = id.and_then(|id| id.parse::<u64>().ok()).ok_or_else(unknown)?;
        for _ in 0..QUESTIONS {
            let sql = format!("SELECT pg_catalog.txid_status({id})");
            let answer = match self.witness.lock().await.query(&sql).await {
                Ok(rows) => rows.into_iter().flatten().flatten().next(),
                Err(failure) => return Err(Trouble::Here(broken_down(&failure))),
            };
            match answer.as_deref() {
                Some("committed") => return Ok(true),
                Some("aborted") => return Ok(false),
                Some("in progress") => tokio::time::sleep(PAUSE).await,
                _ => return Err(unknown()),
            }
        }
        Err(unknown())
    }
}

/// `query_canceled`, `serialization_failure`, `deadlock_detected`.
const PASSING: [&str; 3] = ["57014", "40001", "40P01"];

fn is_passing(failure: &Failure) -> bool {
    failure.is_lost() || failure.code().is_some_and(|code| PASSING.contains(&code))
}

fn of_table(error: Error, table: &Table) -> Error {
    let what = format!("table {}.{}: {}", table.schema, table.name, error.what());
    Error::new(error.class(), what, error.hint()).caused_by(error)
}

fn in_object(error: Error, piece: &Piece) -> Error {
    let Some(part) = piece.parts.first() else { return error };
    let uri = crate::object::uri(&part.location);
    let place = match &part.range {
        Some(range) => format!("bytes {} to {} of {uri}", range.start, range.end),
        None => uri,
    };
    Error::new(error.class(), format!("{place}: {}", error.what()), error.hint()).caused_by(error)
}

fn broken_down(failure: &Failure) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("the server broke down while rows were loaded, so some may be lost: {failure}"),
        "See the server's log",
    )
}
