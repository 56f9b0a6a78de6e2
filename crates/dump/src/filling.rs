//! The piece that one hand is filling, in memory that was reserved for it.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::compression::Compression;
use tokio::sync::OwnedSemaphorePermit;

use crate::assembly::Piece;
use crate::codec::{Encoder, HEADROOM};
use crate::open_uploads::SharedStore;
use crate::uploader::{Sending, Uploader};

/// Bytes that are compressed at once, and collected until they are taken as a piece.
pub(crate) struct Filling<S: SharedStore> {
    uploader: Arc<Uploader<S>>,
    compression: Compression,
    encoder: Encoder,
    out: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
    capacity: u64,
}

impl<S: SharedStore> Filling<S> {
    /// For pieces that have at most about `capacity` bytes, and usually `usual`.
    pub(crate) fn new(
        uploader: &Arc<Uploader<S>>,
        compression: Compression,
        capacity: u64,
        usual: u64,
    ) -> Result<Self> {
        Ok(Self {
            uploader: Arc::clone(uploader),
            compression,
            encoder: Encoder::new(compression)?,
            out: Vec::with_capacity(room(usual.min(capacity))),
            permit: None,
            capacity,
        })
    }

    /// How the bytes are compressed.
    pub(crate) const fn compression(&self) -> Compression {
        self.compression
    }

    /// The most that a piece may have.
    pub(crate) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How much there is, compressed and in whole frames after [`Filling::end_frame`].
    pub(crate) const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Waits for the memory of a piece, of `bytes` if that is more than usual. To be called
    /// before anything is written to it.
    pub(crate) async fn reserve(&mut self, bytes: u64, sending: &mut Sending) -> Result<()> {
        if self.permit.is_none() {
            let bytes = self.capacity.max(bytes);
            self.permit = Some(sending.during(self.uploader.reserve(bytes)).await??);
        }
        Ok(())
    }

    /// The same for a piece that is still empty and turns out to need so many bytes.
    pub(crate) async fn reserve_again(&mut self, bytes: u64, sending: &mut Sending) -> Result<()> {
        self.permit = None;
        self.reserve(bytes, sending).await
    }

    /// Compresses `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.encoder.write(bytes, &mut self.out);
    }

    /// Ends the frame: what follows makes sense without what was before.
    pub(crate) fn end_frame(&mut self) {
        self.encoder.end_frame(&mut self.out);
    }

    /// Forgets all but the first `length` bytes, with which a frame ended.
    pub(crate) fn take_back(&mut self, length: usize) -> Result<()> {
        self.out.truncate(length);
        self.encoder = Encoder::new(self.compression)?;
        Ok(())
    }

    /// The piece, with the memory that it takes; `None` where none was reserved. The next one
    /// usually has `usual` bytes.
    pub(crate) fn take(&mut self, usual: u64) -> Option<Piece> {
        let mut permit = self.permit.take()?;
        let next = Vec::with_capacity(room(usual.min(self.capacity)));
        let bytes = std::mem::replace(&mut self.out, next);
        // What is on its way needs no more than it has.
        let spare = permit.num_permits().saturating_sub(bytes.len());
        drop(permit.split(spare));
        Some(Piece { bytes, permit })
    }
}

/// What a piece takes, so that it is not moved while it grows.
fn room(usual: u64) -> usize {
    usize::try_from(usual).unwrap_or(HEADROOM) + HEADROOM
}
