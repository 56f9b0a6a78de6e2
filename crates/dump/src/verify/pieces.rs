//! The content of a file of the archive, decompressed to its end in pieces.
//!
//! A file is decompressed piece by piece, each by itself and several at the same time, while
//! its bytes come in one stream: so it is shown that each piece makes sense without the others,
//! and that it begins and ends between two rows.

use std::collections::VecDeque;
use std::sync::Arc;

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::codec::Decoder;
use crate::rows::{RowDigest, RowScanner};
use crate::uploader::broke_down;

/// What ends the rows of a file, for pieces that are not the last.
const END: &[u8] = b"\\.\n";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Rows as COPY writes them.
    Rows(Algorithm),
    /// Something else that is compressed: a large object.
    Bytes(Algorithm),
}

impl Holds {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Rows(algorithm) | Self::Bytes(algorithm) => algorithm,
        }
    }
}

/// How much the decoders of one verification may use.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Bytes that wait to be decompressed.
    memory: Arc<Semaphore>,
    bytes: u32,
    /// Pieces that are being decompressed.
    decoders: Arc<Semaphore>,
}

/// Bytes that may wait for each decoder: about one piece of a file.
const PER_DECODER: u32 = 12 * 1024 * 1024;

impl Room {
    /// For that many decoders at once.
    pub(crate) fn new(jobs: u16) -> Self {
        let bytes = PER_DECODER * u32::from(jobs.clamp(1, 64));
        Self {
            memory: Arc::new(Semaphore::new(bytes as usize)),
            bytes,
            decoders: Arc::new(Semaphore::new(usize::from(jobs.max(1)))),
        }
    }
}

/// Bytes on their way to a decoder, and the memory they take.
type Waiting = (Bytes, OwnedSemaphorePermit);

/// A file on its way through the decoders.
#[derive(Debug)]
pub(crate) struct Pieces {
    room: Room,
    holds: Holds,
    /// The lengths of the pieces that have not begun.
    lengths: VecDeque<u64>,
    /// What is missing of the piece that has begun.
    left: u64,
    /// Where the next piece begins.
    offset: u64,
    input: Option<mpsc::UnboundedSender<Waiting>>,
    tasks: JoinSet<Result<RowDigest>>,
}

impl Pieces {
    /// A file of pieces of these lengths; none of them is one piece of unknown length. The
    /// last one takes all that comes.
    pub(crate) fn new(room: Room, holds: Holds, lengths: impl IntoIterator<Item = u64>) -> Self {
        let lengths: VecDeque<_> = lengths.into_iter().filter(|length| *length > 0).collect();
        Self { room, holds, lengths, left: 0, offset: 0, input: None, tasks: JoinSet::new() }
    }

    /// Takes the next bytes of the file. Waits until there is room for them.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                self.begin().await?;
            }
            let most = u64::from(self.room.bytes).min(self.left);
            let length = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
            let now = bytes.split_to(length);
            let permits = u32::try_from(length).unwrap_or(self.room.bytes);
            let memory = Arc::clone(&self.room.memory);
            let permit = memory.acquire_many_owned(permits).await.map_err(broke_down)?;
            if let Some(input) = &self.input {
                // A decoder that failed listens no more; it says why in the end.
                let _ = input.send((now, permit));
            }
            if self.left != u64::MAX {
                self.left -= length as u64;
            }
        }
        Ok(())
    }

    /// What the rows were, when all pieces have been read to their ends. The inner error says
    /// what is wrong with the content.
    pub(crate) async fn finish(mut self) -> Result<Result<RowDigest, String>> {
        if self.offset == 0 {
            self.begin().await?;
        }
        self.input = None;
        let mut digest = RowDigest::default();
        let mut wrong = None;
        while let Some(done) = self.tasks.join_next().await {
            match done.map_err(broke_down)? {
                Ok(rows) => digest.merge(rows),
                Err(error) if error.class() == ErrorClass::Verification => {
                    wrong.get_or_insert(error.what().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(wrong.map_or(Ok(digest), Err))
    }

    async fn begin(&mut self) -> Result<()> {
        let length = self.lengths.pop_front();
        let is_last = self.lengths.is_empty();
        self.left = length.filter(|_| !is_last).unwrap_or(u64::MAX);
        // The piece before is whole; its decoder need not wait for more.
        self.input = None;
        let slot = Arc::clone(&self.room.decoders);
        let slot = slot.acquire_owned().await.map_err(broke_down)?;
        let (input, waiting) = mpsc::unbounded_channel();
        self.input = Some(input);
        let (holds, offset) = (self.holds, self.offset);
        self.tasks.spawn(async move {
            let outcome = read(waiting, holds, is_last).await;
            drop(slot);
            outcome.map_err(|error| within(error, offset))
        });
        self.offset = self.offset.saturating_add(self.left);
        Ok(())
    }
}

/// Reads one piece.
async fn read(
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    holds: Holds,
    is_last: bool,
) -> Result<RowDigest> {
    let mut decoder = Decoder::new(holds.algorithm())?;
    let mut rows = matches!(holds, Holds::Rows(_)).then(RowScanner::default);
    let mut ends_row = true;
    while let Some((bytes, permit)) = waiting.recv().await {
        decoder.write(&bytes, &mut |out| {
            ends_row = out.last().map_or(ends_row, |byte| *byte == b'\n');
            rows.as_mut().map_or(Ok(()), |rows| rows.write(out))
        })?;
        drop(permit);
    }
    decoder.finish()?;
    let Some(mut rows) = rows else { return Ok(RowDigest::default()) };
    if !is_last {
        if !ends_row {
            return Err(damaged("the piece ends within a row"));
        }
        // There must not have been another one.
        rows.write(END)?;
    }
    rows.finish()
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorClass::Verification, what, "Use another backup")
}

fn within(error: Error, offset: u64) -> Error {
    if offset == 0 || error.class() != ErrorClass::Verification {
        return error;
    }
    damaged(format!("in the piece from byte {offset}: {}", error.what()))
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
