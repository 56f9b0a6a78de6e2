//! One of those who read documents.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autodump_core::compression::Compression;
use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, ErrorClass, Result};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::sleep;

use super::archive::Namespace;
use super::batches::{Batches, Interruption, Memory};
use super::connection::{Connection, Gate};
use super::inventory::documents;
use super::lane::Lane;
use super::order::{Order, Sorting, Strange};
use super::queue::{Queue, Share};
use super::raw::Malformed;
use super::trouble::{is_absence, is_passing};
use super::writing::Writing;
use crate::open_uploads::SharedStore;
use crate::rows::RowDigest;
use crate::uploader::{Sending, Uploader};

/// How often in a row reading may be interrupted without a document coming.
const ATTEMPTS: u32 = 4;
/// The pause before documents are asked for again; longer each time.
const PAUSE: Duration = Duration::from_millis(250);

/// A collection, and what was read of it.
pub(super) struct Work {
    pub(super) stored: Namespace,
    /// Documents of a batch.
    pub(super) batch: u32,
    pub(super) sorting: Sorting,
    /// One of the places for collections that have begun was taken for it.
    begun: OnceCell<()>,
    digest: Mutex<RowDigest>,
}

impl Work {
    pub(super) fn new(stored: Namespace, batch: u32, sorting: Sorting) -> Self {
        Self { stored, batch, sorting, begun: OnceCell::new(), digest: Mutex::default() }
    }

    /// What was read.
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
    pub(super) queue: Queue,
    /// By their numbers in the archive.
    pub(super) work: Vec<Work>,
    pub(super) writing: Arc<Writing<S>>,
    pub(super) uploader: Arc<Uploader<S>>,
    pub(super) compression: Compression,
    /// The most that a piece may have in bytes.
    pub(super) capacity: u64,
    pub(super) batches: Memory,
    /// How many further collections may begin before one ends.
    pub(super) places: Semaphore,
}

/// A reader at work.
pub(super) struct Reader<A, S: SharedStore> {
    readers: Arc<Readers<A, S>>,
    connection: Arc<Connection>,
    sending: Sending,
}

/// The collection that a reader works on.
struct At<S: SharedStore> {
    place: usize,
    number: usize,
    lane: Lane<S>,
}

impl<A: DatabaseAccess, S: SharedStore> Reader<A, S> {
    pub(super) fn new(readers: Arc<Readers<A, S>>, connection: Arc<Connection>) -> Self {
        Self { readers, connection, sending: Sending::default() }
    }

    /// Reads until nothing is left, and returns when the store has accepted all of it.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut at: Option<At<S>> = None;
        while let Some(share) = self.readers.queue.next(at.as_ref().map(|at| at.place)) {
            if at.as_ref().is_none_or(|at| at.place != share.place) {
                if let Some(done) = at.take() {
                    self.leave(done).await?;
                }
                at = Some(self.come(&share).await?);
            }
            if let Some(at) = &mut at {
                self.read(&share, &mut at.lane).await?;
            }
        }
        if let Some(done) = at.take() {
            self.leave(done).await?;
        }
        self.sending.finish().await
    }

    /// Takes up a collection. Its first reader waits until there is a place for it, and holds
    /// nothing meanwhile that others need.
    async fn come(&mut self, share: &Share) -> Result<At<S>> {
        let Readers { uploader, writing, compression, capacity, work, places, .. } =
            self.readers.as_ref();
        let Share { place, number, .. } = *share;
        let begin = work[number].begun.get_or_try_init(|| async {
            places.acquire().await.map(tokio::sync::SemaphorePermit::forget)
        });
        self.sending.during(begin).await?.map_err(crate::uploader::broke_down)?;
        let stored = work[number].stored.clone();
        let lane = Lane::new(uploader, writing, (number, stored), *compression, *capacity)?;
        Ok(At { place, number, lane })
    }

    /// Hands over what was read of a collection. The last one ends it in the archive.
    async fn leave(&mut self, At { place, number, lane }: At<S>) -> Result<()> {
        let readers = Arc::clone(&self.readers);
        let work = &readers.work[number];
        work.add(lane.close(&mut self.sending).await?);
        if readers.queue.leave(place) {
            readers.writing.end(number, &work.stored, &mut self.sending).await?;
            readers.places.add_permits(1);
        }
        Ok(())
    }

    /// Reads one share. Where it is interrupted it goes on after the last `_id`, or begins again
    /// if nothing of it was sent.
    async fn read(&mut self, share: &Share, lane: &mut Lane<S>) -> Result<()> {
        let readers = Arc::clone(&self.readers);
        let work = &readers.work[share.number];
        lane.begin(&mut self.sending).await?;
        let mut order = Order::new(share.range.clone(), work.sorting);
        let mut failures = 0;
        loop {
            let before = lane.documents();
            let lost = match self.copy(work, &mut order, lane).await {
                Ok(()) => return lane.end(&mut self.sending).await,
                Err(Interruption::Here(error)) => return Err(error),
                Err(Interruption::Server(error)) => error,
            };
            let goes_on = order.resume();
            // A server that is gone was waited for already: once more is enough.
            let counts = if is_absence(&lost) { 2 } else { 1 };
            failures = if goes_on && lane.documents() > before { 1 } else { failures + counts };
            let doing = format!("{} cannot be read", work.stored);
            let error = self.connection.explain(&lost, &doing);
            if failures >= ATTEMPTS || !is_passing(&lost) {
                return Err(error);
            }
            if !goes_on {
                if !lane.take_back()? {
                    return Err(no_place(&error));
                }
                order = Order::new(share.range.clone(), work.sorting);
            }
            tracing::warn!(
                collection = %work.stored,
                what = error.what(),
                "documents of this collection are asked for again over a new connection"
            );
            self.sending.during(sleep(PAUSE * failures)).await?;
            self.connect_again(error).await?;
        }
    }

    /// Takes a new connection. `error` made it necessary.
    async fn connect_again(&mut self, error: Error) -> Result<()> {
        let entering = self.readers.gate.enter(Some(&self.connection));
        self.connection = self.sending.during(entering).await?.map_err(|why| {
            tracing::warn!(what = why.what(), "the credentials of now cannot be had");
            // What made it necessary says more.
            error
        })?;
        Ok(())
    }

    async fn copy(
        &mut self,
        work: &Work,
        order: &mut Order,
        lane: &mut Lane<S>,
    ) -> Result<(), Interruption> {
        let command = order.command(work)?;
        let memory = &self.readers.batches;
        let mut batches =
            Batches::begin(&self.connection, &work.stored, command, work.batch, memory);
        let progress = Arc::clone(self.readers.uploader.progress());
        while let Some(batch) = self.sending.during(batches.next()).await?? {
            let mut bytes = 0;
            for document in documents(&batch.reply)? {
                let document = document.map_err(|error| malformed(work, error))?;
                order.note(document).map_err(|why| strange(work, why))?;
                lane.take(document, &mut self.sending).await?;
                bytes += document.len() as u64;
            }
            progress.add_read(bytes);
        }
        Ok(())
    }
}

fn malformed(work: &Work, error: Malformed) -> Error {
    Error::new(
        ErrorClass::Engine,
        format!("a document of {} is malformed: {error}", work.stored),
        "Let the server check and repair the collection (validate)",
    )
}

/// The server gave what was not asked for: what it did not give, nobody knows.
fn strange(work: &Work, why: Strange) -> Error {
    let (class, hint) = match why {
        // Perhaps it was removed and made again in between.
        Strange::Twice => (ErrorClass::Source, "Start the run again"),
        Strange::NoId | Strange::Outside => {
            (ErrorClass::Engine, "Let mongodump read it: method = client")
        }
    };
    let what = format!("{} cannot be read in the order of _id: {why}", work.stored);
    Error::new(class, what, hint)
}

/// It was lost in the middle, and cannot be gone on with.
fn no_place(error: &Error) -> Error {
    let what = format!(
        "{}, and it has no order in which one could go on after what was sent",
        error.what()
    );
    Error::new(error.class(), what, error.hint())
}
