//! The archive in the making: who appends to it, and what was appended of each collection.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::compression::Compression;

use super::archive::{Namespace, Prelude, Sum, end_collection};
use crate::assembly::{Assembly, Hand, Piece, Pieces, Staged};
use crate::codec::Encoder;
use crate::open_uploads::SharedStore;
use crate::uploader::{Sending, Uploader};

/// The archive's object, or objects. Its collections have numbers.
pub(super) struct Writing<S: SharedStore> {
    uploader: Arc<Uploader<S>>,
    assembly: Arc<Assembly<S>>,
    compression: Compression,
    state: tokio::sync::Mutex<State<S>>,
}

struct State<S: SharedStore> {
    hand: Hand<S>,
    /// Of what was appended of each collection, in the order in which it was.
    sums: Vec<Sum>,
}

/// Where the archive goes, and how.
pub(super) struct Target<'a, S: SharedStore> {
    pub(super) uploader: &'a Arc<Uploader<S>>,
    pub(super) location: autodump_core::ports::ObjectLocation,
    /// Probable length in bytes.
    pub(super) expected: u64,
    /// Largest part in bytes.
    pub(super) largest: u64,
    pub(super) compression: Compression,
}

impl<S: SharedStore> Writing<S> {
    /// An archive of nothing.
    pub(super) fn new(target: Target<'_, S>) -> Self {
        let Target { uploader, location, expected, largest, compression } = target;
        let assembly = Assembly::new(uploader, location, expected, largest, Pieces::Whole);
        let assembly = Arc::new(assembly);
        let hand = Hand::new(Arc::clone(&assembly));
        let state = tokio::sync::Mutex::new(State { hand, sums: Vec::new() });
        Self { uploader: Arc::clone(uploader), assembly, compression, state }
    }

    /// Begins the upload, so that a bucket that cannot be written is found early.
    pub(super) async fn begin(&self) -> Result<()> {
        self.assembly.begin().await
    }

    /// How large the next piece should be.
    pub(super) fn next_size(&self) -> u64 {
        self.assembly.next_size()
    }

    /// Appends the prelude, and the ends of the collections with these numbers, which have no
    /// documents. To be called before anything else is appended.
    pub(super) async fn open(
        &self,
        prelude: &Prelude,
        ended: impl IntoIterator<Item = usize>,
        sending: &mut Sending,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        prelude.write(&mut bytes);
        for number in ended {
            end_collection(&prelude.collections[number].stored(), Sum::default(), &mut bytes);
        }
        let piece = self.piece(&bytes, sending).await?;
        let mut state = self.state.lock().await;
        state.sums = vec![Sum::default(); prelude.collections.len()];
        state.hand.append(piece, true, sending).await
    }

    /// Appends a piece of whole blocks of a collection, whose documents have this sum.
    pub(super) async fn append(
        &self,
        number: usize,
        piece: Piece,
        sum: Sum,
        sending: &mut Sending,
    ) -> Result<()> {
        let mut state = sending.during(self.state.lock()).await?;
        let state = &mut *state;
        state.hand.append(piece, true, sending).await?;
        state.sums[number] = state.sums[number].and(sum);
        Ok(())
    }

    /// Ends a collection: everything of it was appended. The caller may hold no memory, since
    /// this waits for some.
    pub(super) async fn end(
        &self,
        number: usize,
        stored: &Namespace,
        sending: &mut Sending,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        let sum = sending.during(self.state.lock()).await?.sums[number];
        end_collection(stored, sum, &mut bytes);
        let piece = self.piece(&bytes, sending).await?;
        sending.during(self.state.lock()).await?.hand.append(piece, true, sending).await
    }

    /// Sends the rest. All collections must have ended.
    pub(super) async fn finish(&self, sending: &mut Sending) -> Result<Vec<Staged<S::Upload>>> {
        self.assembly.finish(&[], sending).await?;
        sending.finish().await?;
        self.assembly.staged().await
    }

    async fn piece(&self, bytes: &[u8], sending: &mut Sending) -> Result<Piece> {
        let mut encoder = Encoder::new(self.compression)?;
        let mut out = Vec::new();
        encoder.write(bytes, &mut out);
        encoder.end_frame(&mut out);
        let permit = sending.during(self.uploader.reserve(out.len() as u64)).await??;
        Ok(Piece { bytes: out, permit })
    }
}
