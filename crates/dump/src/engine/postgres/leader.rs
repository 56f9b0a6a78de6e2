//! The connection that holds the snapshot and the locks while others read.
//!
//! Tables are locked before the snapshot is taken, so that no change of a table's definition,
//! and no `TRUNCATE`, can come between: what the snapshot shows is what can be read. No lock
//! is ever waited for while holding another one, so the dump can be part of no deadlock.

use std::collections::HashSet;

use autodump_core::options::Selection;
use autodump_core::{Error, ErrorClass, Result};
use tokio::time::{Duration, Instant};

use super::catalog::{self, Name, Table, lock_statements};
use super::trouble::Trouble;
use super::wire::{Endpoint, Failure, Session};

/// `undefined_table`: it was dropped between the listing and the lock.
const DROPPED: &str = "42P01";
/// `lock_not_available`.
const LOCKED: &str = "55P03";
/// How often tables may be dropped between the listing and the lock.
const LISTINGS: u32 = 100;

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A session with the settings under which `pg_dump` reads rows, and some under which rows
/// look the same whatever the settings of user and database.
pub(super) async fn session(endpoint: &Endpoint) -> Result<Session, Failure> {
    let mut session = Session::connect(endpoint).await?;
    // Names come and go as UTF-8; a database without encoding gives bytes as they are.
    let bytes = session.parameter("server_encoding") == Some("SQL_ASCII");
    let encoding = if bytes { "SQL_ASCII" } else { "UTF8" };
    session
        .execute(&format!(
            "SET client_encoding = '{encoding}'; SET standard_conforming_strings = on; \
             SET search_path = ''; SET datestyle = ISO; SET intervalstyle = postgres; \
             SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex; \
             SET synchronize_seqscans = off; SET quote_all_identifiers = off; \
             SET row_security = off; SET statement_timeout = 0; SET lock_timeout = 0; \
             SET max_parallel_workers_per_gather = 0; SET enable_seqscan = off"
        ))
        .await?;
    // What not every version has.
    session
        .query(
            "SELECT pg_catalog.set_config(s.name, w.value, false) FROM pg_catalog.pg_settings s \
             JOIN (VALUES ('idle_in_transaction_session_timeout', '0'), \
             ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('jit', 'off'), \
             ('enable_tidscan', 'on'), \
             ('restrict_nonsystem_relation_kind', 'view, foreign-table')) w (name, value) \
             ON w.name OPERATOR(pg_catalog.=) s.name",
        )
        .await?;
    Ok(session)
}

/// What the leader has to know.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) selection: &'a Selection,
    pub(super) major: u32,
    /// Until when locks are waited for.
    pub(super) deadline: Instant,
}

/// The connection, in its transaction.
#[derive(Debug)]
pub(super) struct Leader {
    session: Session,
    /// The server's name for the snapshot.
    pub(super) snapshot: String,
    /// The tables whose rows are to be read.
    pub(super) tables: Vec<Table>,
    /// The encoding of what is read.
    pub(super) encoding: String,
    /// How many locks the server has room for.
    pub(super) lock_room: usize,
}

impl Leader {
    /// Locks every table that is wanted, and takes the snapshot.
    pub(super) async fn open(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Result<Self, Trouble> {
        let mut session = session(endpoint).await?;
        let mut dropped = 0;
        while dropped < LISTINGS {
            let names = catalog::list(&mut session, wanted.selection, wanted.major).await?;
            session.execute(BEGIN).await?;
            let failure = match lock(&mut session, &names).await {
                Ok(()) => match take_snapshot(&mut session, &names, wanted).await? {
                    Ok((snapshot, tables)) => {
                        let encoding = session.parameter("client_encoding").unwrap_or("UTF8");
                        let encoding = encoding.to_owned();
                        let lock_room = lock_room(&mut session).await?;
                        return Ok(Self { session, snapshot, tables, encoding, lock_room });
                    }
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            match failure.code() {
                Some(LOCKED) => {
                    session.execute("ROLLBACK").await?;
                    wait_for_locks(&mut session, &names, wanted.deadline).await?;
                }
                Some(DROPPED) => {
                    dropped += 1;
                    session.execute("ROLLBACK").await?;
                }
                _ => return Err(failure.into()),
            }
        }
        Err(Trouble::Failed(Error::new(
            ErrorClass::Source,
            format!("tables were dropped while they were being locked, {LISTINGS} times"),
            "Choose a quieter start, or leave such tables out (exclude-tables)",
        )))
    }

    /// Ends the transaction. That it was lost meanwhile is an error unless it was `dispensable`:
    /// a table that nobody had locked may have been emptied, which no snapshot shows.
    pub(super) async fn close(mut self, dispensable: bool) -> Result<()> {
        match self.session.execute("COMMIT").await {
            Ok(()) => self.session.close().await,
            Err(failure) if dispensable => {
                tracing::warn!(what = %failure, "the connection that held the snapshot was gone");
            }
            Err(failure) => return Err(locks_lost(&failure)),
        }
        Ok(())
    }
}

fn locks_lost(failure: &Failure) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("the connection that held the locks of the tables was lost: {failure}"),
        "See the server's log for why; start the run again. With more room for locks \
         (max_locks_per_transaction) a dump survives that",
    )
}

/// The size of the server's table of locks, as its documentation tells it.
async fn lock_room(session: &mut Session) -> Result<usize, Failure> {
    let setting = |name| format!("pg_catalog.current_setting('{name}')::pg_catalog.int8");
    let sql = format!(
        "SELECT {} OPERATOR(pg_catalog.*) ({} OPERATOR(pg_catalog.+) {})",
        setting("max_locks_per_transaction"),
        setting("max_connections"),
        setting("max_prepared_transactions")
    );
    let room = session.query(&sql).await?.into_iter().flatten().flatten().next();
    Ok(room.and_then(|room| room.parse().ok()).unwrap_or(0))
}

async fn lock(session: &mut Session, names: &[Name]) -> Result<(), Failure> {
    for statement in lock_statements(names) {
        session.execute(&statement).await?;
    }
    Ok(())
}

type Opened = (String, Vec<Table>);

/// Takes the snapshot with what was locked before, and then locks what was made between the
/// listing and the snapshot. The inner error is one that may be met by another try.
async fn take_snapshot(
    session: &mut Session,
    locked: &[Name],
    wanted: &Wanted<'_>,
) -> Result<Result<Opened, Failure>, Trouble> {
    let snapshot = match session.query("SELECT pg_catalog.pg_export_snapshot()").await {
        Ok(rows) => rows.into_iter().flatten().flatten().next(),
        Err(failure) if failure.is_lost() => return Err(failure.into()),
        Err(failure) => {
            return Err(Trouble::NoSnapshot(format!("the server exports no snapshot: {failure}")));
        }
    };
    let snapshot =
        snapshot.ok_or_else(|| Trouble::NoSnapshot("the server exports no snapshot".to_owned()))?;
    let names = catalog::list(session, wanted.selection, wanted.major).await?;
    if let Some(name) = names.iter().find(|name| name.qualified.contains('\u{fffd}')) {
        let what = format!("the name of table {} is not UTF-8", name.qualified);
        return Err(Trouble::Impossible(what));
    }
    // A lock is taken by name: of a table that was renamed since, another one was locked.
    let locked: HashSet<_> = locked.iter().map(|name| (name.oid, &name.qualified)).collect();
    let is_new = |name: &&Name| !locked.contains(&(name.oid, &name.qualified));
    let new: Vec<_> = names.iter().filter(is_new).cloned().collect();
    if let Err(failure) = lock(session, &new).await {
        return Ok(Err(failure));
    }
    let with_rows: Vec<_> = names.into_iter().filter(|name| name.with_rows).collect();
    let tables = catalog::details(session, &with_rows, wanted.major).await?;
    Ok(Ok((snapshot, tables)))
}

/// Waits until each table can be locked, holding nothing meanwhile.
async fn wait_for_locks(
    session: &mut Session,
    names: &[Name],
    deadline: Instant,
) -> Result<(), Trouble> {
    for name in names {
        session.execute("BEGIN").await?;
        let free = lock(session, std::slice::from_ref(name)).await;
        if free.as_ref().is_err_and(Failure::is_lost) {
            return free.map_err(Into::into);
        }
        session.execute("ROLLBACK").await?;
        match free.as_ref().map_err(Failure::code) {
            Ok(()) | Err(Some(DROPPED)) => continue,
            Err(Some(LOCKED)) => {}
            Err(_) => return free.map_err(Into::into),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        tracing::info!(table = name.qualified, seconds = left.as_secs(), "waiting for a lock");
        if left.is_zero() {
            return Err(Trouble::Failed(still_locked(name)));
        }
        let waited = session
            .execute(&format!(
                "BEGIN; SET LOCAL lock_timeout = {}; LOCK TABLE ONLY {} IN ACCESS SHARE MODE",
                left.as_millis().max(1),
                name.qualified
            ))
            .await;
        if waited.as_ref().is_err_and(Failure::is_lost) {
            return waited.map_err(Into::into);
        }
        session.execute("ROLLBACK").await?;
        return match waited.as_ref().map_err(Failure::code) {
            Ok(()) | Err(Some(DROPPED)) => Ok(()),
            Err(Some(LOCKED)) => Err(Trouble::Failed(still_locked(name))),
            Err(_) => waited.map_err(Into::into),
        };
    }
    // Whoever held it has gone; somebody may come again at once.
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

fn still_locked(name: &Name) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("another session holds an exclusive lock on table {}", name.qualified),
        "End that session, choose a quieter start, or wait longer (lock-timeout)",
    )
}
