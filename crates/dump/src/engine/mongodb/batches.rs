//! The batches of a cursor: while one is being worked on, the next one is on its way.

use std::sync::Arc;

use autodump_core::{Error, Result};
use bson::RawDocumentBuf;
use futures_util::StreamExt as _;
use mongodb::error::Error as DriverError;
use mongodb::raw_batch_cursor::RawBatch;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::archive::{LONGEST, Namespace};
use super::connection::Connection;
use crate::uploader::broke_down;

/// The most batches of the greatest length that a server sends, for which there is memory.
const MOST: usize = 8;

/// Why a share was not read to its end.
#[derive(Debug)]
pub(super) enum Interruption {
    /// The server, or the connection to it.
    Server(DriverError),
    /// Anything else: reading again would not help.
    Here(Error),
}

impl From<DriverError> for Interruption {
    fn from(error: DriverError) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// The memory that the batches of all readers have. Whatever the documents are, together they
/// never have more than eight replies of the greatest length; with few readers, one more than
/// there are readers.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Semaphore>);

impl Memory {
    /// What so many readers need.
    pub(super) fn new(jobs: u16) -> Self {
        let replies = usize::from(jobs).saturating_add(1).clamp(2, MOST);
        Self(Arc::new(Semaphore::new(replies * LONGEST)))
    }

    /// Waits until there is enough for a reply, of which nobody knows before how long it is.
    async fn reserve(&self) -> Result<OwnedSemaphorePermit> {
        let longest = u32::try_from(LONGEST).unwrap_or(u32::MAX);
        Arc::clone(&self.0).acquire_many_owned(longest).await.map_err(broke_down)
    }
}

/// A batch, which has its memory until it is dropped.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) reply: RawBatch,
    _memory: OwnedSemaphorePermit,
}

impl Batch {
    fn new(reply: RawBatch, memory: OwnedSemaphorePermit) -> Result<Self, DriverError> {
        let length = reply.doc_slices()?.as_bytes().len();
        Ok(Self { reply, _memory: only(memory, length) })
    }
}

/// Of what was reserved, what so many bytes need: the others may have the rest.
fn only(mut memory: OwnedSemaphorePermit, length: usize) -> OwnedSemaphorePermit {
    drop(memory.split(memory.num_permits().saturating_sub(length)));
    memory
}

type Come = Result<Batch, Interruption>;

/// A cursor that is read ahead by one batch. Where it is dropped before its end, the batch that is
/// on its way still comes, and then the cursor is ended: a server cannot end one that is in use.
#[derive(Debug)]
pub(super) struct Batches {
    come: Receiver<Come>,
    reading: Option<JoinHandle<()>>,
}

impl Batches {
    /// Runs a command that gives a cursor, whose further batches have `batch` documents.
    pub(super) fn begin(
        connection: &Arc<Connection>,
        namespace: &Namespace,
        command: RawDocumentBuf,
        batch: u32,
        memory: &Memory,
    ) -> Self {
        let (connection, memory) = (Arc::clone(connection), memory.clone());
        let database = namespace.database.clone();
        Self::of(move |give| async move {
            read(&connection, &database, command, batch, (&memory, &give)).await
        })
    }

    fn of<F>(read: impl FnOnce(Sender<Come>) -> F) -> Self
    where
        F: Future<Output = Result<(), Interruption>> + Send + 'static,
    {
        let (give, come) = channel(1);
        let read = read(give.clone());
        let reading = tokio::spawn(async move {
            if let Err(error) = read.await {
                // Whoever asks no more has no use for it.
                drop(give.send(Err(error)).await);
            }
        });
        Self { come, reading: Some(reading) }
    }

    /// The next batch, or `None` behind the last one. After an error nothing comes.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, Interruption> {
        if let Some(come) = self.come.recv().await {
            return come.map(Some);
        }
        // One that broke down has sent no more either.
        if let Some(reading) = self.reading.take() {
            reading.await.map_err(broke_down)?;
        }
        Ok(None)
    }
}

async fn read(
    connection: &Connection,
    database: &str,
    command: RawDocumentBuf,
    batch: u32,
    (memory, give): (&Memory, &Sender<Come>),
) -> Result<(), Interruption> {
    let mut reserved = Some(memory.reserve().await?);
    let mut cursor = connection.cursor(database, command, Some(batch)).await?;
    // No batch is asked for as long as another one waits.
    while let Ok(place) = give.reserve().await {
        let memory = match reserved.take() {
            Some(memory) => memory,
            None => memory.reserve().await?,
        };
        let Some(reply) = cursor.next().await else { break };
        place.send(Ok(Batch::new(reply?, memory)?));
    }
    Ok(())
}

#[cfg(test)]
#[path = "batches_tests.rs"]
mod tests;
