//! A dump by our own writer: every collection of a database into one archive.

use std::sync::Arc;

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::manifest::{Consistency, Method, MethodKind, Table};
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Result, layout};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::archive::{Namespace, Prelude};
use super::batches::Memory;
use super::connection::{Connection, Gate};
use super::inventory::{Found, collections};
use super::plan::{Plan, plan};
use super::queue::Queue;
use super::reader::{Reader, Readers, Work};
use super::restore_commands::{Archive, commands};
use super::unchanged;
use super::writing::{Target, Writing};
use super::{compression, file};
use crate::assembly::Staged;
use crate::engine::{Content, Order, described};
use crate::open_uploads::SharedStore;
use crate::output::interrupted;
use crate::stop::StopFlag;
use crate::uploader::{Sending, Uploader, broke_down};

/// The most collections that are begun and not ended at any place of an archive: `mongorestore`
/// inserts into each over a connection of its own.
const OPEN: usize = 8;
/// Largest and smallest piece in bytes; S3 takes no part below 5 MiB.
const PIECES: (u64, u64) = (6 << 20, 16 << 20);
/// Bytes of documents for which another reader is worth its cost.
const PER_JOB: u64 = 2 << 20;
/// The most and the least that a batch may have in bytes, as far as that can be told. Each reader
/// has two: one that it works on, and one that comes.
const BATCHES: (u64, u64) = (4 << 20, 1 << 20);
/// What all batches together may have, where the least is not more.
const ALL_BATCHES: u64 = 64 << 20;
/// Documents of a batch where nobody knows how long they are.
const UNSIZED: u32 = 100;
/// How many collections that are read whole, though they are large, are named as a reason.
const NAMED: usize = 3;

/// One dump of one database.
pub(super) struct Dump<'a, A, S: SharedStore> {
    pub(super) order: &'a Order<A>,
    pub(super) uploader: &'a Arc<Uploader<S>>,
}

/// What is going to be read.
struct Planned {
    server_version: String,
    found: Vec<Found>,
    /// By the same numbers.
    plans: Vec<Plan>,
    jobs: u16,
    /// By way of a router, to shards.
    routed: bool,
}

impl<A: DatabaseAccess + 'static, S: SharedStore> Dump<'_, A, S> {
    /// Dumps; the server is looked at over `connection`, and read over those of `gate`.
    pub(super) async fn run(
        &self,
        gate: Gate<A>,
        connection: Arc<Connection>,
        mut stop: StopFlag,
    ) -> Result<Content<S::Upload>> {
        tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted("before the dump was complete")),
            content = self.content(gate, connection) => content,
        }
    }

    async fn content(
        &self,
        gate: Gate<A>,
        connection: Arc<Connection>,
    ) -> Result<Content<S::Upload>> {
        let planned = self.planned(&connection).await?;
        let writing = Arc::new(self.writing(&planned));
        // A bucket that cannot be written is found before the database has any work.
        writing.begin().await?;
        let mut sending = Sending::default();
        let prelude = prelude(&planned);
        let views = planned.found.iter().enumerate().filter(|(_, found)| found.is_view());
        writing.open(&prelude, views.map(|(number, _)| number), &mut sending).await?;
        let readers = Arc::new(self.readers(gate, &planned, &writing));
        sending.during(read(&readers, &connection, planned.jobs)).await??;
        unchanged::check(&readers.gate, &self.order.database, &planned.found).await?;
        let objects = writing.finish(&mut sending).await?;
        Ok(self.described(planned, &readers.work, objects))
    }

    async fn planned(&self, connection: &Connection) -> Result<Planned> {
        let server_version = connection.server_version().await?;
        let options = &self.order.options;
        let wanted = options.jobs.unwrap_or(1).max(1);
        let routed = connection.is_routed().await?;
        let found = collections(connection, &self.order.database, &options.selection).await?;
        let mut plans = Vec::new();
        for found in &found {
            plans.push(plan(connection, found, wanted));
        }
        let plans: Vec<_> = stream::iter(plans).buffered(OPEN).try_collect().await?;
        let bytes: u64 = found.iter().map(Found::bytes).sum();
        let needed = u16::try_from(bytes / PER_JOB + 1).unwrap_or(u16::MAX);
        let all_sized = found.iter().all(|found| found.size.is_some());
        let jobs = if all_sized { wanted.min(needed) } else { wanted };
        tracing::info!(
            server_version,
            collections = found.len(),
            bytes,
            jobs,
            routed,
            compression = %self.compression(),
            "server found"
        );
        Ok(Planned { server_version, found, plans, jobs, routed })
    }

    fn writing(&self, planned: &Planned) -> Writing<S> {
        let bytes: u64 = planned.found.iter().map(Found::bytes).sum();
        let compressed = self.compression().algorithm() != Algorithm::None;
        Writing::new(Target {
            uploader: self.uploader,
            location: self.order.location(&self.file()),
            expected: if compressed { bytes / 2 } else { bytes },
            largest: self.capacity(planned.jobs) * 2 / 3,
            compression: self.compression(),
        })
    }

    fn file(&self) -> String {
        file(&layout::archive_directory(&self.order.database), &self.order.options)
    }

    fn compression(&self) -> Compression {
        compression(&self.order.options)
    }

    fn capacity(&self, jobs: u16) -> u64 {
        let memory = u64::from(self.uploader.limits().memory);
        (memory / (2 * u64::from(jobs.max(1)))).clamp(PIECES.0, PIECES.1)
    }

    fn readers(
        &self,
        gate: Gate<A>,
        planned: &Planned,
        writing: &Arc<Writing<S>>,
    ) -> Readers<A, S> {
        let Planned { found, plans, jobs, routed, .. } = planned;
        let numbered = found.iter().zip(plans).enumerate();
        let with_documents = numbered.filter(|(_, (found, _))| !found.is_view());
        let queue = Queue::new(
            with_documents.map(|(number, (found, plan))| (number, found.bytes(), plan.clone())),
        );
        let work = |(found, plan): (&Found, &Plan)| {
            let sorting = plan.sorting(found, *routed);
            Work::new(found.definition.stored(), batch(found, *jobs), sorting)
        };
        Readers {
            gate,
            queue,
            work: found.iter().zip(plans).map(work).collect(),
            writing: Arc::clone(writing),
            uploader: Arc::clone(self.uploader),
            compression: self.compression(),
            capacity: self.capacity(*jobs),
            batches: Memory::new(*jobs),
            places: Semaphore::new(usize::from(*jobs).min(OPEN)),
        }
    }

    fn described(
        &self,
        planned: Planned,
        work: &[Work],
        objects: Vec<Staged<S::Upload>>,
    ) -> Content<S::Upload> {
        let keys: Vec<_> = objects.iter().map(|object| object.location.key.clone()).collect();
        let table = |(found, work): (&Found, &Work)| {
            let Namespace { database, collection } = found.definition.namespace.clone();
            Table {
                schema: database,
                name: collection,
                rows: work.digest().rows,
                hash: work.digest().hex(),
                keys: if found.is_view() { Vec::new() } else { keys.clone() },
            }
        };
        let described: Vec<_> = objects.iter().map(described).collect();
        Content {
            tables: planned.found.iter().zip(work).map(table).collect(),
            method: Method {
                kind: MethodKind::Ranges,
                jobs: planned.jobs,
                compression: self.compression().to_string(),
                reason: reason(&planned),
            },
            server_version: planned.server_version,
            client: tool(),
            consistency: Consistency::Range,
            snapshot: None,
            restore: commands(
                Archive::Database(&self.order.database),
                self.compression().algorithm(),
                &described,
            ),
            objects,
        }
    }
}

/// Reads everything, with so many readers.
async fn read<A: DatabaseAccess + 'static, S: SharedStore>(
    readers: &Arc<Readers<A, S>>,
    connection: &Arc<Connection>,
    jobs: u16,
) -> Result<()> {
    // Dropping it ends them.
    let mut tasks = JoinSet::new();
    for _ in 0..jobs {
        tasks.spawn(Reader::new(Arc::clone(readers), Arc::clone(connection)).run());
    }
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done.map_err(broke_down).flatten() {
            tasks.shutdown().await;
            return Err(error);
        }
    }
    Ok(())
}

fn prelude(planned: &Planned) -> Prelude {
    let concurrent = usize::from(planned.jobs).min(OPEN);
    Prelude {
        concurrent: i32::try_from(concurrent).unwrap_or(i32::MAX),
        server_version: planned.server_version.clone(),
        tool_version: tool(),
        collections: planned.found.iter().map(|found| found.definition.clone()).collect(),
    }
}

/// Who writes the archive.
fn tool() -> String {
    format!("autodump {}", env!("CARGO_PKG_VERSION"))
}

/// How many documents a batch of a collection has.
fn batch(found: &Found, jobs: u16) -> u32 {
    let bytes = (ALL_BATCHES / (2 * u64::from(jobs.max(1)))).clamp(BATCHES.1, BATCHES.0);
    let Some(size) = found.size else { return UNSIZED };
    let average = size.bytes.checked_div(size.documents).unwrap_or(0).max(1);
    u32::try_from(bytes / average).unwrap_or(u32::MAX).clamp(1, 100_000)
}

/// Why large collections were read by one cursor each.
fn reason(planned: &Planned) -> Option<String> {
    let numbered = planned.found.iter().zip(&planned.plans);
    let mut whole: Vec<_> = numbered
        .filter_map(|(found, plan)| match plan {
            Plan::Whole(Some(why)) => {
                Some(format!("{}: {why}", found.definition.namespace.collection))
            }
            _ => None,
        })
        .collect();
    let more = whole.len().saturating_sub(NAMED);
    whole.truncate(NAMED);
    if more > 0 {
        whole.push(format!("and {more} more"));
    }
    (!whole.is_empty()).then(|| format!("read by one cursor each: {}", whole.join("; ")))
}
