//! The batches of a cursor: while one is being worked on, the next one is on its way.

use std::sync::Arc;

use bson::RawDocumentBuf;
use futures_util::StreamExt as _;
use mongodb::error::Error as DriverError;
use mongodb::raw_batch_cursor::RawBatch;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::archive::Namespace;
use super::connection::Connection;

/// A cursor that is read ahead by one batch. Where it is dropped before its end, the batch that is
/// on its way still comes, and then the cursor is ended: a server cannot end one that is in use.
#[derive(Debug)]
pub(super) struct Batches(Receiver<Result<RawBatch, DriverError>>);

impl Batches {
    /// Runs a command that gives a cursor, whose further batches have `batch` documents.
    pub(super) fn begin(
        connection: &Arc<Connection>,
        namespace: &Namespace,
        command: RawDocumentBuf,
        batch: u32,
    ) -> Self {
        let (give, come) = channel(1);
        let (connection, database) = (Arc::clone(connection), namespace.database.clone());
        tokio::spawn(async move {
            if let Err(error) = read(&connection, &database, command, batch, &give).await {
                // Whoever asks no more has no use for it.
                drop(give.send(Err(error)).await);
            }
        });
        Self(come)
    }

    /// The next batch, or `None` behind the last one. After an error nothing comes.
    pub(super) async fn next(&mut self) -> Option<Result<RawBatch, DriverError>> {
        self.0.recv().await
    }
}

async fn read(
    connection: &Connection,
    database: &str,
    command: RawDocumentBuf,
    batch: u32,
    give: &Sender<Result<RawBatch, DriverError>>,
) -> Result<(), DriverError> {
    let mut cursor = connection.cursor(database, command, Some(batch)).await?;
    // No batch is asked for as long as another one waits.
    while let Ok(place) = give.reserve().await {
        let Some(batch) = cursor.next().await else { break };
        place.send(Ok(batch?));
    }
    Ok(())
}
