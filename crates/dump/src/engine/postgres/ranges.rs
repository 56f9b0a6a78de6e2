//! The rows by AutoDump, by ranges within tables; all else by `pg_dump`, in one snapshot.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::Error;
use autodump_core::manifest::{self, MethodKind};
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Result, layout};
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::archive::{WithFile, is_known, with_tables};
use super::catalog::{Table, lock_statements};
use super::leader::{Leader, Wanted};
use super::queue::Queue;
use super::reader::{Gate, Reader, Readers, TableWork, endpoint};
use super::spool::{Spool, Spooled, TOC};
use super::trouble::Trouble;
use super::wire::Session;
use super::{Dump, client, stderr};
use crate::assembly::{Assembly, Pieces, Staged};
use crate::child::Exit;
use crate::codec;
use crate::engine::Content;
use crate::open_uploads::SharedStore;
use crate::output::interrupted;
use crate::stop::StopFlag;
use crate::uploader::{Sending, broke_down};

/// How long `pg_dump` may wait for a lock. It can only wait behind somebody who waits for our
/// own locks, so everything is begun anew then.
const CLIENT_LOCK: Duration = Duration::from_secs(10);
/// Bytes on disk for which another connection is worth its cost.
const PER_JOB: u64 = 2 * 1024 * 1024;
/// Largest and smallest piece in bytes; S3 takes no part below 5 MiB.
const PIECES: (u64, u64) = (6 * 1024 * 1024, 16 * 1024 * 1024);

type Work<S> = (Arc<Table>, Arc<TableWork<S>>);

/// A dump by ranges.
pub(super) struct Ranges<'a, 'b, A, S: SharedStore>(pub(super) &'b Dump<'a, A, S>);

impl<A: DatabaseAccess + 'static, S: SharedStore> Ranges<'_, '_, A, S> {
    pub(super) async fn dump(&self, stop: StopFlag) -> Result<Content<S::Upload>, Trouble> {
        let dump = self.0;
        // A bucket that cannot be written is found before the database has any work.
        let largest = u64::from(dump.uploader.limits().memory) / 2;
        let toc = Assembly::new(dump.uploader, dump.location(TOC), 0, largest, Pieces::Whole);
        toc.begin().await?;
        let mut leader = self.leader().await?;
        leader.tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
        let jobs = self.jobs(&leader.tables);
        let work = self.work(&leader.tables, jobs);
        let leader_tables = leader.tables.len();
        let readers = Arc::new(self.readers(&leader, &work, jobs));
        let sessions = try_join_all((0..jobs).map(|_| readers.gate.enter())).await?;
        let spooled = self.read(&leader, &readers, sessions, stop).await?;

        let files: Vec<_> =
            work.iter().map(|(table, _)| WithFile { table, file: file(table) }).collect();
        let (bytes, present) = with_tables(&spooled.toc, files)?;
        let mut sending = Sending::default();
        toc.finish(&bytes, &mut sending).await?;
        sending.finish().await?;

        let mut objects = toc.staged().await?;
        objects.extend(spooled.objects);
        let mut tables = Vec::new();
        for (table, work) in &work {
            if !present.contains(&table.name.oid) {
                tracing::info!(table = table.name.qualified, "pg_dump does not dump this table");
                continue;
            }
            let staged = work.assembly.staged().await?;
            tables.push(described(table, work, &staged));
            objects.extend(staged);
        }
        let mut content = dump.content(MethodKind::Ranges, jobs, None, objects);
        content.snapshot = Some(leader.snapshot.clone());
        content.tables = tables;
        // Readers that hold all locks need nobody else to hold them.
        leader.close(readers.locked >= leader_tables).await?;
        Ok(content)
    }

    async fn leader(&self) -> Result<Leader, Trouble> {
        let dump = self.0;
        let access = dump.order.access.as_ref();
        let bundle = &dump.postgres.ca_bundle;
        let endpoint = endpoint(access, &dump.order.database, bundle).await?;
        let wanted = Wanted {
            selection: &dump.order.options.selection,
            major: dump.server.major,
            deadline: dump.deadline,
        };
        Leader::open(&endpoint, &wanted).await
    }

    /// As many as asked for, unless there is not that much to read.
    fn jobs(&self, tables: &[Table]) -> u16 {
        let bytes: u64 = tables.iter().map(|table| table.bytes).sum();
        u16::try_from(bytes / PER_JOB + 1).unwrap_or(u16::MAX).min(self.0.jobs())
    }

    fn capacity(&self, jobs: u16) -> u64 {
        let memory = u64::from(self.0.uploader.limits().memory);
        (memory / (2 * u64::from(jobs.max(1)))).clamp(PIECES.0, PIECES.1)
    }

    fn work(&self, tables: &[Table], jobs: u16) -> Vec<Work<S>> {
        let dump = self.0;
        let ending = codec::extension(dump.compression.algorithm());
        let work = |table: &Table| {
            let location = dump.location(&format!("{}{ending}", file(table)));
            // What is on disk without indexes is about what COPY writes; half of it compressed.
            let expected = table.bytes / 2;
            let largest = self.capacity(jobs) * 2 / 3;
            let assembly = Assembly::new(dump.uploader, location, expected, largest, Pieces::Whole);
            (Arc::new(table.clone()), Arc::new(TableWork::new(assembly)))
        };
        tables.iter().map(work).collect()
    }

    fn readers(&self, leader: &Leader, work: &[Work<S>], jobs: u16) -> Readers<A, S> {
        let dump = self.0;
        // The server has room for a number of locks, of which the dump takes at most half.
        let locked = leader.lock_room / 2 / (usize::from(jobs) + 1);
        let names = leader.tables.iter().take(locked).map(|table| &table.name);
        let gate = Gate {
            access: Arc::clone(&dump.order.access),
            database: dump.order.database.clone(),
            ca_bundle: dump.postgres.ca_bundle.clone(),
            snapshot: leader.snapshot.clone(),
            locks: lock_statements(names),
        };
        Readers {
            gate,
            locked,
            queue: Queue::new(work.iter().cloned(), jobs),
            uploader: Arc::clone(dump.uploader),
            compression: dump.compression,
            capacity: self.capacity(jobs),
            replica: dump.server.is_replica,
        }
    }

    /// Reads everything: the rows over the sessions, all else by `pg_dump` at the same time.
    async fn read(
        &self,
        leader: &Leader,
        readers: &Arc<Readers<A, S>>,
        sessions: Vec<Session>,
        mut stop: StopFlag,
    ) -> Result<Spooled<S::Upload>, Trouble> {
        let dump = self.0;
        let mut tasks = JoinSet::new();
        for session in sessions {
            tasks.spawn(Reader::new(Arc::clone(readers), session).run());
        }
        let spool = Spool::new(&dump.postgres.scratch)?;
        let command = dump
            .pg_dump(&spool, Instant::now() + CLIENT_LOCK)
            .await?
            .arguments([format!("--snapshot={}", leader.snapshot)])
            .arguments([format!("--encoding={}", leader.encoding)])
            .arguments(without_rows(&leader.tables)?);
        let (end_client, client_stop) = StopFlag::new();
        let place = |name: &str| dump.location(name);
        let mut client = pin!(spool.run(&command, dump.uploader, place, explain, client_stop));
        let mut spooled = None;
        let failed = loop {
            if tasks.is_empty()
                && let Some(spooled) = spooled.take()
            {
                return Ok(spooled);
            }
            tokio::select! {
                biased;
                () = stop.raised() => break interrupted("before the dump was complete").into(),
                outcome = &mut client, if spooled.is_none() => match outcome {
                    Ok(all) => spooled = Some(all),
                    Err(trouble) => {
                        tasks.shutdown().await;
                        return Err(trouble);
                    }
                },
                Some(done) = tasks.join_next(), if !tasks.is_empty() => match done {
                    Ok(Ok(())) => {}
                    Ok(Err(trouble)) => break trouble,
                    Err(error) => break broke_down(error).into(),
                },
            }
            if let Some(Err(trouble)) = spooled.as_ref().map(|all| is_known(&all.toc)) {
                break trouble;
            }
        };
        tasks.shutdown().await;
        if spooled.is_none() {
            end_client.send_replace(true);
            drop(client.await);
        }
        Err(failed)
    }
}

/// The most that all arguments may have; the kernel's limit is 2 MiB with the environment.
const ARGUMENTS: usize = 1_500_000;

fn without_rows(tables: &[Table]) -> Result<Vec<String>, Trouble> {
    let arguments = client::without_rows(tables);
    if arguments.iter().map(String::len).sum::<usize>() > ARGUMENTS {
        let what = format!("{} tables are more than pg_dump can be told of", tables.len());
        return Err(Trouble::Impossible(what));
    }
    Ok(arguments)
}

/// The data file of a table, without the ending of its compression.
fn file(table: &Table) -> String {
    layout::table_file(&table.name.schema, &table.name.table, table.name.oid, "")
}

/// A lock that `pg_dump` waited for in vain, or a relation without rows that was dropped
/// before it came to lock it, is no failure of the dump.
fn explain(exit: &Exit) -> Trouble {
    let error: Error = stderr::explain(exit);
    let says = |text| exit.stderr.contains(text);
    let passing = ["lock timeout", "statement timeout", "does not exist", "could not obtain lock"];
    if says("LOCK TABLE") && passing.into_iter().any(says) {
        return Trouble::Locked(error);
    }
    Trouble::Failed(error)
}

fn described<S: SharedStore>(
    table: &Table,
    work: &TableWork<S>,
    staged: &[Staged<S::Upload>],
) -> manifest::Table {
    let digest = work.digest();
    manifest::Table {
        schema: table.name.schema.clone(),
        name: table.name.table.clone(),
        rows: digest.rows,
        hash: digest.hex(),
        keys: staged.iter().map(|object| object.location.key.clone()).collect(),
    }
}
