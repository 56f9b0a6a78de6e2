//! From a stream of unknown length to uploaded, unpublished parts, with bounded memory.
//!
//! A part is filled in memory and sent from there, so that a failed request can be sent
//! again. (A part cannot be streamed instead: its length has to be declared before its first
//! byte, and nobody knows where a stream ends.) Parts are therefore no larger than half of
//! [`Limits::memory`](crate::uploader::Limits). With the usual limits an object goes on in a
//! further one no earlier than after 179 GiB, and after 625 GiB where the size was expected.

use std::sync::Arc;

use autodump_core::Result;
use autodump_core::ports::ObjectLocation;

use crate::assembly::{Assembly, Hand, Piece, Pieces, Staged};
use crate::open_uploads::SharedStore;
use crate::uploader::{Sending, Uploader};

/// The most that is asked of a source at once, so that hashing never holds up the uploads
/// for longer than a millisecond.
const READ: usize = 1024 * 1024;

/// Less than this is not worth a thought about memory.
const LITTLE: u64 = 64 * 1024;

/// Where bytes come from.
pub trait Source: Send {
    /// Appends up to `limit` bytes to `buffer` and says how many; waits until there is one.
    /// 0 is the end, and the promise that everything before it is the whole: a source that
    /// failed returns its error instead, and never 0. Dropping the future loses nothing.
    fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> impl Future<Output = Result<usize>> + Send;
}

/// Uploads everything that `source` gives to `location`, and compares: the parts the store
/// accepted are, in length and checksum, the stream that was read. `expected` is the probable
/// length in bytes, 0 if unknown. On any failure the uploads stay in the list of open ones, for the caller
/// to abort; none of their parts is on its way any more.
pub async fn transfer<S: SharedStore>(
    uploader: &Arc<Uploader<S>>,
    location: ObjectLocation,
    expected: u64,
    source: &mut impl Source,
) -> Result<Vec<Staged<S::Upload>>> {
    let largest = u64::from(uploader.limits().memory) / 2;
    let assembly = Arc::new(Assembly::new(uploader, location, expected, largest, Pieces::Cut));
    assembly.begin().await?;
    let mut sending = Sending::default();
    let outcome = drain(uploader, &assembly, expected, source, &mut sending).await;
    match outcome {
        Ok(()) => assembly.staged().await,
        Err(error) => {
            sending.cut_off().await;
            Err(error)
        }
    }
}

async fn drain<S: SharedStore>(
    uploader: &Uploader<S>,
    assembly: &Arc<Assembly<S>>,
    expected: u64,
    source: &mut impl Source,
    sending: &mut Sending,
) -> Result<()> {
    let mut hand = Hand::new(Arc::clone(assembly));
    // What is small takes little memory, so that many small things can be on their way.
    let enough = if expected == 0 { u64::MAX } else { expected.max(LITTLE) + 1 };
    loop {
        let size = assembly.next_size().min(enough);
        let permit = sending.during(uploader.reserve(size)).await??;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size);
        let mut ended = false;
        while bytes.len() < size && !ended {
            let limit = READ.min(size - bytes.len());
            let length = sending.during(source.read(&mut bytes, limit)).await??;
            uploader.progress().add_read(length as u64);
            ended = length == 0;
        }
        if !bytes.is_empty() {
            hand.append(Piece { bytes, permit }, true, sending).await?;
        }
        if ended {
            assembly.finish(&[], sending).await?;
            return sending.finish().await;
        }
    }
}
