//! What one reader has read of a collection, on its way into the archive.
//!
//! Documents are collected into blocks, digested and compressed. A piece holds whole blocks, and
//! a document is never cut. What was read of a range can be taken back until a piece of it was
//! sent.

use std::sync::Arc;

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::{Error, ErrorClass, Result};

use super::archive::{Namespace, Sum, begin_block, end_block};
use super::writing::Writing;
use crate::filling::Filling;
use crate::open_uploads::SharedStore;
use crate::part_size::SMALLEST;
use crate::rows::RowDigest;
use crate::uploader::{Sending, Uploader};

/// Documents are collected up to so many bytes before they are compressed together: as many as
/// a frame of gzip has, so that it is made without another copy.
const TOGETHER: usize = 256 << 10;
/// What headers of blocks, and compression of what cannot be compressed, add to a document.
const OVERHEAD: usize = 64 << 10;

/// The lane of one reader out of one collection.
pub(super) struct Lane<S: SharedStore> {
    writing: Arc<Writing<S>>,
    number: usize,
    stored: Namespace,
    filling: Filling<S>,
    /// Of the piece: what is not yet compressed.
    together: Vec<u8>,
    /// Where documents begin in that: behind a block's header, or at once.
    documents_from: usize,
    at: Place,
    mark: Mark,
}

/// How far a lane is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// All documents that went this way.
    digest: RowDigest,
    /// Of the documents in the piece.
    sum: Sum,
    /// A block has begun in the piece.
    within_block: bool,
}

/// To where documents can be taken back.
#[derive(Debug, Default)]
struct Mark {
    length: usize,
    at: Place,
    /// Something that was read since was sent.
    passed: bool,
}

impl<S: SharedStore> Lane<S> {
    /// A lane whose pieces have at most about `capacity` bytes, or one document.
    pub(super) fn new(
        uploader: &Arc<Uploader<S>>,
        writing: &Arc<Writing<S>>,
        (number, stored): (usize, Namespace),
        compression: Compression,
        capacity: u64,
    ) -> Result<Self> {
        Ok(Self {
            filling: Filling::new(uploader, compression, capacity, writing.next_size())?,
            writing: Arc::clone(writing),
            number,
            stored,
            together: Vec::with_capacity(TOGETHER),
            documents_from: 0,
            at: Place::default(),
            mark: Mark::default(),
        })
    }

    /// Documents that were taken in.
    pub(super) const fn documents(&self) -> u64 {
        self.at.digest.rows
    }

    /// Begins a range: to here [`Lane::take_back`] goes.
    pub(super) async fn begin(&mut self, sending: &mut Sending) -> Result<()> {
        self.filling.reserve(0, sending).await?;
        self.compress();
        self.filling.end_frame();
        self.mark = Mark { length: self.filling.len(), at: self.at, passed: false };
        Ok(())
    }

    /// Takes in a document, and sends a piece before or after that if there is more than one may
    /// have: then nothing of the range can be taken back any more.
    pub(super) async fn take(&mut self, document: &[u8], sending: &mut Sending) -> Result<()> {
        let waiting = (self.filling.len() + self.together.len()) as u64;
        if waiting + document.len() as u64 > self.filling.capacity() {
            self.relieve(waiting > 0, document.len(), sending).await?;
        }
        if !self.at.within_block {
            begin_block(&self.stored, &mut self.together);
            self.documents_from = self.together.len();
            self.at.within_block = true;
        }
        self.at.digest.add(document);
        if document.len() >= TOGETHER {
            // It is long enough by itself, and too long to be kept twice.
            self.compress();
            self.at.sum = self.at.sum.and(Sum::of(document));
            self.filling.write(document);
            return Ok(());
        }
        self.together.extend_from_slice(document);
        if self.together.len() >= TOGETHER {
            self.compress();
        }
        Ok(())
    }

    /// Ends a range. Sends a piece if there is enough for a part.
    pub(super) async fn end(&mut self, sending: &mut Sending) -> Result<()> {
        self.compress();
        if (self.filling.len() as u64) < self.enough() { Ok(()) } else { self.send(sending).await }
    }

    /// Forgets what was read since [`Lane::begin`]. False when that cannot be done any more.
    pub(super) fn take_back(&mut self) -> Result<bool> {
        if self.mark.passed {
            return Ok(false);
        }
        self.filling.take_back(self.mark.length)?;
        self.clear();
        self.at = self.mark.at;
        Ok(true)
    }

    /// Hands over what is left, and returns the digest of all documents that went this way.
    pub(super) async fn close(mut self, sending: &mut Sending) -> Result<RowDigest> {
        if self.at.within_block {
            self.filling.reserve(0, sending).await?;
            self.send(sending).await?;
        }
        Ok(self.at.digest)
    }

    /// What is enough for a part. What is not compressed leaves room for the next range, so
    /// that it need not be sent before it ends.
    fn enough(&self) -> u64 {
        match self.filling.compression().algorithm() {
            Algorithm::None => SMALLEST,
            _ => self.writing.next_size().min(self.filling.capacity()),
        }
    }

    /// Sends what there is, if there `is_some`, and makes room for a document of that length.
    async fn relieve(&mut self, is_some: bool, length: usize, sending: &mut Sending) -> Result<()> {
        if is_some {
            self.mark.passed = true;
            self.send(sending).await?;
        }
        self.filling.reserve_again((length + OVERHEAD) as u64, sending).await
    }

    /// Compresses what was collected.
    fn compress(&mut self) {
        self.at.sum = self.at.sum.and(Sum::of(&self.together[self.documents_from..]));
        self.filling.write(&self.together);
        self.clear();
    }

    fn clear(&mut self) {
        self.together.clear();
        self.documents_from = 0;
    }

    async fn send(&mut self, sending: &mut Sending) -> Result<()> {
        self.compress();
        let mut end = Vec::new();
        end_block(&mut end);
        self.filling.write(&end);
        self.filling.end_frame();
        self.at.within_block = false;
        let sum = std::mem::take(&mut self.at.sum);
        match self.filling.take(self.writing.next_size()) {
            Some(piece) => self.writing.append(self.number, piece, sum, sending).await,
            None => Err(Error::new(
                ErrorClass::Internal,
                format!("a piece of {} was made without memory for it", self.stored),
                "Report this: it is a fault of AutoDump",
            )),
        }
    }
}
