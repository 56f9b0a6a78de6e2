//! What one reader has read of a table, on its way into the table's object.
//!
//! Rows are digested, compressed into frames, and collected into pieces that end where a row
//! ends. What was read of a range can be taken back until a piece of it was sent.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::compression::{Algorithm, Compression};

use super::wire::Piece as Rows;
use crate::assembly::{Assembly, Hand};
use crate::filling::Filling;
use crate::open_uploads::SharedStore;
use crate::part_size::SMALLEST;
use crate::rows::{RowDigest, SplitRow};
use crate::uploader::{Sending, Uploader};

/// The lane of one reader into one table's object.
pub(super) struct Lane<S: SharedStore> {
    hand: Hand<S>,
    filling: Filling<S>,
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
            hand: Hand::new(Arc::clone(assembly)),
            filling: Filling::new(uploader, compression, capacity, assembly.next_size())?,
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
        self.filling.reserve(0, sending).await?;
        self.mark = Mark { length: self.filling.len(), digest: self.digest, passed: false };
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
        self.filling.write(bytes);
        bytes.len() as u64
    }

    /// Sends a piece if there is more than one may have. After that nothing of the range can
    /// be taken back.
    pub(super) async fn relieve(&mut self, sending: &mut Sending) -> Result<()> {
        if (self.filling.len() as u64) < self.filling.capacity() {
            return Ok(());
        }
        self.filling.end_frame();
        self.mark.passed = true;
        self.send(!self.within_row, sending).await?;
        self.filling.reserve(0, sending).await
    }

    /// Ends a range. Sends a piece if there is enough for a part.
    pub(super) async fn end(&mut self, sending: &mut Sending) -> Result<()> {
        self.filling.end_frame();
        if (self.filling.len() as u64) < self.enough() && !self.hand.holds() {
            return Ok(());
        }
        self.send(true, sending).await
    }

    /// What is enough for a part. What is not compressed leaves room for the next range, so
    /// that it need not be sent before it ends.
    fn enough(&self) -> u64 {
        match self.filling.compression().algorithm() {
            Algorithm::None => SMALLEST,
            _ => self.hand.assembly().next_size().min(self.filling.capacity()),
        }
    }

    /// Forgets what was read since [`Lane::begin`]. False when that cannot be done any more.
    pub(super) fn take_back(&mut self) -> Result<bool> {
        if self.mark.passed {
            return Ok(false);
        }
        self.filling.take_back(self.mark.length)?;
        self.digest = self.mark.digest;
        self.split = SplitRow::default();
        self.within_row = false;
        Ok(true)
    }

    /// Hands over what is left, and returns the digest of all rows that went this way.
    pub(super) async fn close(mut self, sending: &mut Sending) -> Result<RowDigest> {
        if !self.filling.is_empty() {
            self.filling.reserve(0, sending).await?;
            self.send(true, sending).await?;
        }
        Ok(self.digest)
    }

    async fn send(&mut self, ends: bool, sending: &mut Sending) -> Result<()> {
        match self.filling.take(self.hand.assembly().next_size()) {
            Some(piece) => self.hand.append(piece, ends, sending).await,
            None => Ok(()),
        }
    }
}

fn without_end(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\n").unwrap_or(row)
}
