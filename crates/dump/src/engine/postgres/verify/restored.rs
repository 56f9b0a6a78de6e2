//! A restored database, compared with what was dumped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::manifest::{Manifest, Table};
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, Result};
use tokio::task::JoinSet;

use super::readable::{Readable, session, tables, tables_with_floats, tables_with_money};
use crate::engine::Postgres;
use crate::engine::postgres::toc::{Entry, Toc};
use crate::engine::postgres::version::major;
use crate::engine::postgres::wire::{Failure, Piece, Session};
use crate::rows::{RowDigest, SplitRow};
use crate::uploader::broke_down;
use crate::verify::compare::{difference, shown};
use crate::verify::found::Found;

/// Bytes on disk of a part of a table that is read by itself.
const PART: u64 = 64 * 1024 * 1024;
/// The first version that writes floating-point numbers as the shortest text that is exact.
const SHORTEST_FLOATS: u32 = 12;

/// What is compared.
#[derive(Debug)]
pub(super) struct Restored<'a, A> {
    pub(super) postgres: &'a Postgres,
    /// The restored database.
    pub(super) access: &'a A,
    pub(super) manifest: &'a Manifest,
    pub(super) toc: &'a Toc,
    pub(super) jobs: u16,
    pub(super) found: &'a Found,
}

impl<A: DatabaseAccess> Restored<'_, A> {
    /// Compares: whether every relation of the table of contents is there, and whether the
    /// rows are those of the manifest.
    pub(super) async fn compare(&self) -> Result<()> {
        let mut session = self.session().await?;
        self.look_for_relations(&relations(&mut session).await?);
        let version = session.parameter("server_version").unwrap_or_default();
        let restored = major(version).unwrap_or_default();
        let readable = tables(&mut session, restored).await?;
        let counted = self.only_counted(&mut session, restored).await?;
        session.close().await;
        let work = self.work(&readable);
        for (number, rows) in self.read(work).await? {
            let table = &self.manifest.tables[number];
            match counted.get(&(table.schema.clone(), table.name.clone())) {
                Some(why) => self.compare_counts(table, &rows, why),
                None => self.compare_rows(table, &rows),
            }
        }
        Ok(())
    }

    fn look_for_relations(&self, there: &BTreeSet<Relation>) {
        for (relation, entry) in wanted(self.toc) {
            if !there.contains(&relation) {
                let kind = entry.desc.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let name = shown(&relation.1, &relation.2);
                let what = format!("{} {name} is not there after a restore", kind.to_lowercase());
                self.found.problem(what);
            }
        }
    }

    /// Tables whose rows a server may write differently from the one that was dumped, and why.
    async fn only_counted(
        &self,
        session: &mut Session,
        restored: u32,
    ) -> Result<BTreeMap<(String, String), &'static str>> {
        let money = tables_with_money(session).await?;
        let mut counted: BTreeMap<_, _> =
            money.into_iter().map(|table| (table, "lc_monetary may be another one")).collect();
        let dumped = major(&self.manifest.engine.server_version).unwrap_or_default();
        if differ_in_floats(dumped, restored) {
            let floats = tables_with_floats(session).await?.into_iter();
            counted.extend(
                floats.map(|table| {
                    (table, "these versions write floating-point numbers differently")
                }),
            );
        }
        Ok(counted)
    }

    fn compare_counts(&self, table: &Table, rows: &RowDigest, why: &str) {
        let name = shown(&table.schema, &table.name);
        tracing::info!(table = name, why, "rows are counted, and not compared");
        if rows.rows != table.rows {
            self.found.problem(format!(
                "table {name} has {} rows, not {}, after a restore",
                rows.rows, table.rows
            ));
        }
    }

    fn compare_rows(&self, table: &Table, rows: &RowDigest) {
        if let Some(difference) = difference(rows, table) {
            let name = shown(&table.schema, &table.name);
            self.found.problem(format!("table {name} has {difference}, after a restore"));
        }
    }

    async fn session(&self) -> Result<Session> {
        session(&self.postgres.endpoint(&self.access.secret().await?)?).await
    }

    /// The parts of all tables of the manifest, the largest tables first.
    fn work(&self, readable: &[Readable]) -> VecDeque<Part> {
        let there: BTreeMap<_, _> =
            readable.iter().map(|table| ((table.schema(), table.name()), table)).collect();
        let copies: BTreeMap<_, _> = self
            .toc
            .table_data()
            .map(|entry| ((entry.schema().into_owned(), entry.name().into_owned()), entry))
            .collect();
        let mut work = Vec::new();
        for (number, table) in self.manifest.tables.iter().enumerate() {
            let there = there.get(&(table.schema.as_str(), table.name.as_str()));
            let copy = copies.get(&(table.schema.clone(), table.name.clone()));
            let columns = copy.and_then(|entry| columns(entry));
            let (Some(there), Some(columns)) = (there, columns) else {
                let name = shown(&table.schema, &table.name);
                self.found
                    .problem(format!("the rows of table {name} cannot be read after a restore"));
                continue;
            };
            let parts = there.statements(&columns, PART);
            work.extend(
                parts.into_iter().map(|statement| (there.bytes(), Part { number, statement })),
            );
        }
        work.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        work.into_iter().map(|(_, part)| part).collect()
    }

    /// Reads all parts over several connections; returns the rows of each table.
    async fn read(&self, work: VecDeque<Part>) -> Result<BTreeMap<usize, RowDigest>> {
        let parts = work.len();
        let work = Arc::new(Mutex::new(work));
        let mut readers = JoinSet::new();
        for _ in 0..usize::from(self.jobs.max(1)).min(parts) {
            let session = self.session().await?;
            readers.spawn(read_parts(session, Arc::clone(&work)));
        }
        let mut all: BTreeMap<_, RowDigest> = BTreeMap::new();
        while let Some(done) = readers.join_next().await {
            for (number, rows) in done.map_err(broke_down)?? {
                all.entry(number).or_default().merge(rows);
            }
        }
        Ok(all)
    }
}

/// Whether servers of these versions write the same floating-point number differently, whatever
/// `extra_float_digits` is: from 12 on it is the shortest text that is exact.
const fn differ_in_floats(one: u32, other: u32) -> bool {
    (one < SHORTEST_FLOATS) != (other < SHORTEST_FLOATS)
}

/// A part of the table with this number in the manifest, and what reads its rows.
#[derive(Debug)]
struct Part {
    number: usize,
    statement: String,
}

async fn read_parts(
    mut session: Session,
    work: Arc<Mutex<VecDeque<Part>>>,
) -> Result<Vec<(usize, RowDigest)>> {
    let mut digests = Vec::new();
    loop {
        let part = work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(Part { number, statement }) = part else { break };
        let rows = read_part(&mut session, &statement).await.map_err(|failure| {
            let error = Error::from(failure);
            let what = format!("the restored rows cannot be read: {}", error.what());
            Error::new(error.class(), what, error.hint()).caused_by(error)
        })?;
        digests.push((number, rows));
    }
    session.close().await;
    Ok(digests)
}

async fn read_part(session: &mut Session, statement: &str) -> Result<RowDigest, Failure> {
    let (mut digest, mut split) = (RowDigest::default(), SplitRow::default());
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Row(row) => digest.add(without_end(row)),
        Piece::Part(part) => split.part(part),
        Piece::Last(part) => {
            split.part(without_end(part));
            split.end(&mut digest);
        }
    };
    let mut copy = session.copy_out(statement).await?;
    while copy.read(&mut take).await? {}
    Ok(digest)
}

fn without_end(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\n").unwrap_or(row)
}

/// The columns of a `COPY schema.table (columns) FROM stdin`, in the order in which they were
/// dumped, which need not be that of the restored table. Empty where there are none.
fn columns(entry: &Entry) -> Option<String> {
    let statement = std::str::from_utf8(entry.copy_stmt.as_deref()?).ok()?;
    let head = statement.trim_end().strip_suffix("FROM stdin;")?.trim_end();
    let Some(list) = head.strip_suffix(')') else { return Some(String::new()) };
    let mut in_quotes = false;
    let start = list.char_indices().find(|(_, character)| {
        in_quotes ^= *character == '"';
        !in_quotes && *character == '('
    });
    start.map(|(start, _)| list[start + 1..].to_owned())
}

/// A relation: its kind's letter, its schema, its name.
type Relation = (&'static str, String, String);

/// The relations that a restore makes.
fn wanted(toc: &Toc) -> impl Iterator<Item = (Relation, &Entry)> {
    toc.entries.iter().filter_map(|entry| {
        let kind = match entry.desc.as_deref()? {
            b"TABLE" => "r",
            b"FOREIGN TABLE" => "f",
            b"VIEW" => "v",
            b"MATERIALIZED VIEW" => "m",
            b"SEQUENCE" => "S",
            b"INDEX" => "i",
            _ => return None,
        };
        Some(((kind, entry.schema().into_owned(), entry.name().into_owned()), entry))
    })
}

/// The relations of a database.
async fn relations(session: &mut Session) -> Result<BTreeSet<Relation>> {
    let rows = session
        .query(
            "SELECT c.relkind, n.nspname, c.relname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace",
        )
        .await
        .map_err(Error::from)?;
    let read = |row: Vec<Option<String>>| {
        let [kind, schema, name] = <[_; 3]>::try_from(row).ok()?;
        let kind = match kind?.as_str() {
            "r" | "p" => "r",
            "i" | "I" => "i",
            "f" => "f",
            "v" => "v",
            "m" => "m",
            "S" => "S",
            _ => return None,
        };
        Some((kind, schema?, name?))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

#[cfg(test)]
#[path = "restored_tests.rs"]
mod tests;
