//! All items of a backup into a table: objects are read side by side, and each item goes to the
//! worker that its key belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autodump_core::table::ports::TableWriter;
use autodump_core::{Error, ErrorClass, Result};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::item::{Item, Reader};
use super::known::Taker;
use super::watch::Event;
use super::write::{self, Shared, Waiting};
use super::{Backup, DataObject, object};
use crate::restore::SharedReader;

/// Objects that are read at once.
const OBJECTS: usize = 4;
/// Groups of items that may wait behind an object.
const GROUPS: usize = 2;
/// Items that may wait for a worker.
const WAITING: usize = 64;
/// How much items may use, from when they were read until the table has them, in KiB.
const MEMORY: usize = 64 << 10;

/// Writes all items; their keys are taken note of where somebody wants them. The first error ends
/// all readers and workers; an item's write that has been sent may still happen.
pub(super) async fn all<R: SharedReader, W: TableWriter + 'static>(
    reader: &R,
    backup: &Backup,
    workers: u16,
    shared: Arc<Shared<W>>,
    taker: Option<&Arc<Taker>>,
) -> Result<()> {
    let items = Reader::new(backup.definition.keys()?);
    let mut tasks = JoinSet::new();
    let mut to = Vec::new();
    for _ in 0..workers {
        let (sender, receiver) = channel(WAITING);
        to.push(sender);
        let shared = Arc::clone(&shared);
        tasks.spawn(async move { write::run(&shared, receiver).await.map_err(Some) });
    }
    let source = Arc::new(Source {
        objects: backup.objects.clone(),
        next: AtomicUsize::new(0),
        memory: Arc::new(Semaphore::new(MEMORY)),
    });
    for _ in 0..OBJECTS.min(backup.objects.len()) {
        let (source, to, shared) = (Arc::clone(&source), to.clone(), Arc::clone(&shared));
        let (reader, items, algorithm) = (reader.clone(), items.clone(), backup.compression);
        let taker = taker.cloned();
        tasks.spawn(async move {
            while let Some(object) = source.take() {
                let (give, groups) = channel(GROUPS);
                let count = |bytes| {
                    shared.state.bytes.fetch_add(bytes, Ordering::Relaxed);
                    shared.watcher.note(&Event::Read(bytes));
                };
                let read = object::read(&reader, object, algorithm, items.clone(), give, count);
                let from = object::name(object).into();
                let routed = route(groups, &from, &to, &source.memory, taker.as_deref());
                let (read, routed) = tokio::join!(read, routed);
                // A worker that is gone has its own error, which is the reason for both.
                routed.map_err(|Gone| None)?;
                read.map_err(Some)?;
            }
            Ok(())
        });
    }
    drop(to);
    joined(&mut tasks).await
}

struct Source {
    objects: Vec<DataObject>,
    next: AtomicUsize,
    memory: Arc<Semaphore>,
}

impl Source {
    fn take(&self) -> Option<&DataObject> {
        self.objects.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Gives each item of the object `from` to its worker, as soon as there is memory for it.
async fn route(
    mut groups: Receiver<Vec<Item>>,
    from: &Arc<str>,
    to: &[Sender<Waiting>],
    memory: &Arc<Semaphore>,
    taker: Option<&Taker>,
) -> Result<(), Gone> {
    while let Some(group) = groups.recv().await {
        if let Some(taker) = taker {
            taker.take(&group);
        }
        for item in group {
            let kib = u32::try_from(item.text.len().div_ceil(1024).max(1)).unwrap_or(u32::MAX);
            let memory = Arc::clone(memory).acquire_many_owned(kib).await.map_err(|_| Gone)?;
            let worker = &to[item.worker(to.len())];
            let waiting = Waiting { item, from: Arc::clone(from), _memory: memory };
            worker.send(waiting).await.map_err(|_| Gone)?;
        }
    }
    Ok(())
}

/// A worker ended before the items did: it says why.
struct Gone;

/// Waits for all. The first error ends the others; nothing is the error of one that ended because
/// another did.
pub(super) async fn joined(tasks: &mut JoinSet<Result<(), Option<Error>>>) -> Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(None)) => outcome = Err(None),
            Ok(Err(Some(error))) => {
                outcome = Err(Some(error));
                break;
            }
            Err(error) => {
                outcome = Err(Some(fault(&format!("a task ended with a panic: {error}"))));
                break;
            }
        }
    }
    tasks.shutdown().await;
    outcome.map_err(|error| error.unwrap_or_else(|| fault("a worker ended before the items did")))
}

fn fault(what: &str) -> Error {
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
}
