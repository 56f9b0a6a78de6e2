//! The content of a file of the archive, decompressed to its end in pieces.
//!
//! A file is decompressed piece by piece, each by itself and several at the same time, while
//! its bytes come in one stream: so it is shown that each piece makes sense without the others,
//! and that it begins and ends between two rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::codec::Decoder;
use crate::engine::mongodb::archive::{Collection, Known, Part, Prelude, Scanner, Visitor};
use crate::rows::{RowDigest, RowScanner};
use crate::uploader::broke_down;

/// What ends the rows of a file, for pieces that are not the last.
const END: &[u8] = b"\\.\n";

/// What a file holds.
#[derive(Debug, Clone)]
pub(crate) enum Holds {
    /// Rows as COPY writes them.
    Rows(Algorithm),
    /// Something else that is compressed: a large object.
    Bytes(Algorithm),
    /// An archive of MongoDB, with this prelude.
    Archive(Algorithm, Known),
}

/// What was read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its rows.
    pub(crate) rows: RowDigest,
    /// What each piece of an archive holds, in order.
    pub(crate) archive: Vec<ArchivePiece>,
}

/// What a piece of an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchivePiece {
    /// What is compared with the other pieces.
    pub(crate) parts: Vec<Part>,
    /// What the documents of each collection are.
    pub(crate) digests: BTreeMap<usize, RowDigest>,
}

/// What was read of a piece.
enum Read {
    Rows(RowDigest),
    Archive(ArchivePiece),
}

impl Holds {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rows(algorithm) | Self::Bytes(algorithm) | Self::Archive(algorithm, _) => {
                *algorithm
            }
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
    /// How many have begun.
    begun: usize,
    tasks: JoinSet<Result<(usize, Read)>>,
}

impl Pieces {
    /// A file of pieces of these lengths; none of them is one piece of unknown length. The
    /// last one takes all that comes.
    pub(crate) fn new(room: Room, holds: Holds, lengths: impl IntoIterator<Item = u64>) -> Self {
        let lengths: VecDeque<_> = lengths.into_iter().filter(|length| *length > 0).collect();
        Self {
            room,
            holds,
            lengths,
            left: 0,
            offset: 0,
            input: None,
            begun: 0,
            tasks: JoinSet::new(),
        }
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

    /// What it holds, when all pieces have been read to their ends. The inner error says what is
    /// wrong with it.
    pub(crate) async fn finish(mut self) -> Result<Result<Content, String>> {
        if self.offset == 0 {
            self.begin().await?;
        }
        self.input = None;
        let (mut rows, mut archive) = (RowDigest::default(), BTreeMap::new());
        let mut wrong = None;
        while let Some(done) = self.tasks.join_next().await {
            match done.map_err(broke_down)? {
                Ok((_, Read::Rows(more))) => rows.merge(more),
                Ok((number, Read::Archive(piece))) => {
                    archive.insert(number, piece);
                }
                Err(error) if error.class() == ErrorClass::Verification => {
                    wrong.get_or_insert(error.what().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        let archive = archive.into_values().collect();
        Ok(wrong.map_or(Ok(Content { rows, archive }), Err))
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
        let (holds, offset, number) = (self.holds.clone(), self.offset, self.begun);
        self.begun += 1;
        self.tasks.spawn(async move {
            let outcome = read(waiting, &holds, number, is_last).await;
            drop(slot);
            outcome.map_err(|error| within(error, offset)).map(|read| (number, read))
        });
        self.offset = self.offset.saturating_add(self.left);
        Ok(())
    }
}

/// Reads one piece.
async fn read(
    waiting: mpsc::UnboundedReceiver<Waiting>,
    holds: &Holds,
    number: usize,
    is_last: bool,
) -> Result<Read> {
    match holds {
        Holds::Archive(algorithm, known) => {
            let known = (number > 0).then_some(known);
            archive(waiting, *algorithm, known).await.map(Read::Archive)
        }
        Holds::Rows(_) | Holds::Bytes(_) => rows(waiting, holds, is_last).await.map(Read::Rows),
    }
}

/// Reads a piece of an archive; the first without what is `known` by the prelude.
async fn archive(
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    algorithm: Algorithm,
    known: Option<&Known>,
) -> Result<ArchivePiece> {
    let mut decoder = Decoder::new(algorithm)?;
    let mut scanner = known.map_or_else(
        || Scanner::first_piece(Digests::default()),
        |known| Scanner::piece(known, Digests::default()),
    );
    while let Some((bytes, permit)) = waiting.recv().await {
        let written = decoder.write(&bytes, &mut |out| {
            scanner.write(out).map_err(|damage| damaged(damage.to_string()))
        });
        written.map_err(|error| match scanner.collection() {
            Some(Collection { namespace, .. }) => damaged(format!(
                "documents of {}.{}: {}",
                namespace.database,
                namespace.collection,
                error.what()
            )),
            None => error,
        })?;
        drop(permit);
    }
    decoder.finish()?;
    let (Digests(digests), parts) =
        scanner.finish_piece().map_err(|damage| damaged(damage.to_string()))?;
    Ok(ArchivePiece { parts, digests })
}

/// What the documents of each collection are.
#[derive(Default)]
struct Digests(BTreeMap<usize, RowDigest>);

impl Visitor for Digests {
    fn prelude(&mut self, _: &Prelude) {}

    fn document(&mut self, collection: usize, document: &[u8]) {
        self.0.entry(collection).or_default().add(document);
    }

    fn end(&mut self, _: usize) {}
}

/// Reads a piece of rows, or of bytes.
async fn rows(
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    holds: &Holds,
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
