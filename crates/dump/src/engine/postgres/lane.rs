//! What one reader has read of a table, on its way into the table's object.
//!
//! Rows are digested, compressed into frames, and collected into pieces that end where a row
//! ends. What was read of a range can be taken back until a piece of it was sent.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::compression::{Algorithm, Compression};
use tokio::sync::OwnedSemaphorePermit;

use super::wire::Piece as Rows;
use crate::assembly::{Assembly, Hand, Piece};
use crate::codec::{Encoder, HEADROOM};
use crate::open_uploads::SharedStore;
use crate::part_size::SMALLEST;
use crate::rows::{RowDigest, SplitRow};
use crate::uploader::{Sending, Uploader};

/// The lane of one reader into one table's object.
pub(super) struct Lane<S: SharedStore> {
    uploader: Arc<Uploader<S>>,
    hand: Hand<S>,
    compression: Compression,
    encoder: Encoder,
    out: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
    /// The most that a piece may have.
    capacity: u64,
    digest: RowDigest,
    split: SplitRow,
    /// The last row that was taken in has not come to its end.
    within_row: bool,
    mark: Mark,
}

/// To where rows can be taken back.
#[derive(Debug, Default)]
struct Mark {
    length: usize,
    digest: RowDigest,
    /// Something that was read since was sent.
    passed: bool,
}

impl<S: SharedStore> Lane<S> {
    /// A lane whose pieces have at most about `capacity` bytes.
    pub(super) fn new(
        uploader: &Arc<Uploader<S>>,
        assembly: &Arc<Assembly<S>>,
        compression: Compression,
        capacity: u64,
    ) -> Result<Self> {
        Ok(Self {
            uploader: Arc::clone(uploader),
            hand: Hand::new(Arc::clone(assembly)),
            compression,
            encoder: Encoder::new(compression)?,
            out: Vec::with_capacity(Self::room(assembly, capacity)),
            permit: None,
            capacity,
            digest: RowDigest::default(),
            split: SplitRow::default(),
            within_row: false,
            mark: Mark::default(),
        })
    }

    /// Rows that were taken in.
    pub(super) const fn rows(&self) -> u64 {
        self.digest.rows
    }

    /// Begins a range: to here [`Lane::take_back`] goes.
    pub(super) async fn begin(&mut self, sending: &mut Sending) -> Result<()> {
        self.reserve(sending).await?;
        self.mark = Mark { length: self.out.len(), digest: self.digest, passed: false };
        Ok(())
    }

    /// Takes in rows; returns the bytes. Compresses at once.
    pub(super) fn take(&mut self, rows: &Rows<'_>) -> u64 {
        let (bytes, within_row) = match rows {
            Rows::Row(row) => {
                self.digest.add(without_end(row));
                (*row, false)
            }
            Rows::Part(part) => {
                self.split.part(part);
                (*part, true)
            }
            Rows::Last(part) => {
                self.split.part(without_end(part));
                self.split.end(&mut self.digest);
                (*part, false)
            }
        };
        self.within_row = within_row;
        self.encoder.write(bytes, &mut self.out);
        bytes.len() as u64
    }

    /// Sends a piece if there is more than one may have. After that nothing of the range can
    /// be taken back.
    pub(super) async fn relieve(&mut self, sending: &mut Sending) -> Result<()> {
        if (self.out.len() as u64) < self.capacity {
            return Ok(());
        }
        self.encoder.end_frame(&mut self.out);
        self.mark.passed = true;
        self.send(!self.within_row, sending).await?;
        self.reserve(sending).await
    }

    /// Ends a range. Sends a piece if there is enough for a part.
    pub(super) async fn end(&mut self, sending: &mut Sending) -> Result<()> {
        self.encoder.end_frame(&mut self.out);
        if (self.out.len() as u64) < self.enough() && !self.hand.holds() {
            return Ok(());
        }
        self.send(true, sending).await
    }

    /// What is enough for a part. What is not compressed leaves room for the next range, so
    /// that it need not be sent before it ends.
    fn enough(&self) -> u64 {
        match self.compression.algorithm() {
            Algorithm::None => SMALLEST,
            _ => self.hand.assembly().next_size().min(self.capacity),
        }
    }

    /// Forgets what was read since [`Lane::begin`]. False when that cannot be done any more.
    pub(super) fn take_back(&mut self) -> Result<bool> {
        if self.mark.passed {
            return Ok(false);
        }
        self.out.truncate(self.mark.length);
        self.digest = self.mark.digest;
        self.split = SplitRow::default();
        self.encoder = Encoder::new(self.compression)?;
        self.within_row = false;
        Ok(true)
    }

    /// Hands over what is left, and returns the digest of all rows that went this way.
    pub(super) async fn close(mut self, sending: &mut Sending) -> Result<RowDigest> {
        if !self.out.is_empty() {
            self.reserve(sending).await?;
            self.send(true, sending).await?;
        }
        Ok(self.digest)
    }

    /// What a piece usually takes, so that it is not moved while it grows.
    fn room(assembly: &Assembly<S>, capacity: u64) -> usize {
        let usual = assembly.next_size().min(capacity);
        usize::try_from(usual).unwrap_or(HEADROOM) + HEADROOM
    }

    async fn reserve(&mut self, sending: &mut Sending) -> Result<()> {
        if self.permit.is_none() {
            self.permit = Some(sending.during(self.uploader.reserve(self.capacity)).await??);
        }
        Ok(())
    }

    async fn send(&mut self, ends: bool, sending: &mut Sending) -> Result<()> {
        let Some(mut permit) = self.permit.take() else { return Ok(()) };
        let next = Vec::with_capacity(Self::room(self.hand.assembly(), self.capacity));
        let bytes = std::mem::replace(&mut self.out, next);
        // What is on its way needs no more than it has.
        let spare = permit.num_permits().saturating_sub(bytes.len());
        drop(permit.split(spare));
        self.hand.append(Piece { bytes, permit }, ends, sending).await
    }
}

fn without_end(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\n").unwrap_or(row)
}
