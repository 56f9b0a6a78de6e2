//! What is there and is in the backup too is dropped.

use std::collections::BTreeSet;

use autodump_core::{Error, ErrorClass, Result};

use super::contents::{Contents, Item};
use super::missing::missing;
use super::select::BELONGINGS;
use crate::engine::postgres::sql::identifier;
use crate::engine::postgres::sql::literal;
use crate::engine::postgres::wire::{Failure, Session};

const OUT_OF_LOCKS: &str = "53200";

/// Whether it is dropped by a statement of its own. Keys and indexes go with their tables, but for
/// those that tie two tables together; and one that a partition has from its parent cannot be
/// dropped by itself.
pub(super) fn is_dropped(item: &Item) -> bool {
    item.file.is_none() && !matches!(item.kind.as_str(), "CONSTRAINT" | "INDEX")
}

/// What of the entries `dropped` is there, without what goes with something else.
pub(super) async fn dropped_by_name(
    session: &mut Session,
    contents: &Contents,
    dropped: &BTreeSet<i32>,
) -> Result<Vec<String>> {
    let is_named = |item: &&Item| {
        let kind = item.kind.as_str();
        is_dropped(item) && item.drops && (kind == "SEQUENCE" || !BELONGINGS.contains(&kind))
    };
    let items: Vec<_> = contents.chosen(Some(dropped)).filter(is_named).collect();
    let missing = missing(session, &items).await?;
    let there = items.iter().filter(|item| !missing.contains(&item.id));
    Ok(there.map(|item| item.shown()).collect())
}

/// How the subscriptions among `dropped` that are there are parted from their replication slots,
/// which stay: they are on another server, and somebody may go on by them. Returns statements,
/// and a sentence for each slot.
pub(super) async fn detach(
    session: &mut Session,
    contents: &Contents,
    dropped: &BTreeSet<i32>,
) -> Result<(Vec<String>, Vec<String>)> {
    let (mut statements, mut sentences) = (Vec::new(), Vec::new());
    let items = contents.chosen(Some(dropped)).filter(|item| item.kind == "SUBSCRIPTION");
    let names: Vec<_> = items.map(|item| literal(&item.name)).collect();
    if names.is_empty() {
        return Ok((statements, sentences));
    }
    let sql = format!(
        "SELECT s.subname, s.subslotname FROM pg_subscription s \
         JOIN pg_database d ON d.oid = s.subdbid \
         WHERE d.datname = current_database() AND s.subname IN ({}) ORDER BY 1",
        names.join(", ")
    );
    for row in session.query(&sql).await? {
        let mut row = row.into_iter();
        let (Some(Some(name)), slot) = (row.next(), row.next().flatten()) else { continue };
        let quoted = identifier(&name);
        statements.push(format!("ALTER SUBSCRIPTION {quoted} DISABLE"));
        if let Some(slot) = slot {
            statements.push(format!("ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE)"));
            sentences.push(format!(
                "the subscription {name} is dropped without its replication slot {slot}, which \
                 stays at the publisher and keeps its log: drop it there if nobody needs it"
            ));
        }
    }
    Ok((statements, sentences))
}

/// Drops by the statements `drops`, after those of `before`: all or none, unless the server has
/// no room for that many locks.
pub(super) async fn drop_all(
    session: &mut Session,
    before: &[String],
    drops: &[String],
) -> Result<()> {
    if drops.is_empty() {
        return Ok(());
    }
    session.execute("BEGIN").await?;
    for statement in before.iter().chain(drops) {
        let Err(failure) = session.execute(statement).await else { continue };
        if failure.code() != Some(OUT_OF_LOCKS) {
            return Err(nothing_dropped(failure));
        }
        session.execute("ROLLBACK").await?;
        return drop_one_by_one(session, before, drops).await;
    }
    session.execute("COMMIT").await.map_err(|failure| {
        if failure.is_lost() { perhaps_dropped(failure) } else { nothing_dropped(failure) }
    })
}

fn perhaps_dropped(failure: Failure) -> Error {
    let what = format!(
        "the connection was lost while what is there was being dropped, and it is not known \
         whether it was: {failure}"
    );
    let hint = "Look at the database: either everything that the backup has too is gone, or \
                nothing; restore again with clean if it may be";
    Error::new(ErrorClass::Source, what, hint).caused_by(failure)
}

fn nothing_dropped(failure: Failure) -> Error {
    let what = format!("what is there cannot be dropped: {failure}");
    let error = Error::from(failure);
    let hint = "Drop what depends on it first, or restore into an empty database; nothing was \
                dropped";
    Error::new(error.class(), what, hint).caused_by(error)
}

async fn drop_one_by_one(session: &mut Session, before: &[String], drops: &[String]) -> Result<()> {
    for (statement, done) in before.iter().chain(drops).zip(0_usize..) {
        let Err(failure) = session.execute(statement).await else { continue };
        let done = done.saturating_sub(before.len());
        let unknown = if failure.is_lost() { ", and perhaps one more," } else { "" };
        let what = format!(
            "the server has no room for the locks to drop everything at once, and dropping one \
             by one failed after {done} of {} statements{unknown} were done: {failure}",
            drops.len()
        );
        let error = Error::from(failure);
        let hint = "What these statements drop is gone. Drop what is in the way, and restore again \
                    with clean, which goes on from there";
        return Err(Error::new(error.class(), what, hint).caused_by(error));
    }
    Ok(())
}
