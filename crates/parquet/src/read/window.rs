//! A range of an object, read piece by piece, with the next piece on its way.

use std::ops::Range;
use std::sync::Arc;

use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::budget::Charge;

/// The largest piece that is asked for at once.
pub(crate) const LARGEST_PIECE: usize = 2 << 20;
/// A look so far ahead costs no more than the pieces themselves.
const SHORT: usize = 256;
/// Requests to one object at a time: each takes a connection, and so a file descriptor.
const REQUESTS: usize = 64;

/// What gives ranges of one object.
pub(crate) trait Ranges: Send + Sync {
    /// Begins to read a range. The bytes are all of it, or an error is.
    fn begin(&self, range: Range<u64>) -> JoinHandle<Result<Bytes>>;

    /// Waits for it. Only for threads that may block.
    fn wait(&self, begun: JoinHandle<Result<Bytes>>) -> Result<Bytes>;
}

/// An object in a store.
pub(crate) struct Remote<R> {
    reader: R,
    location: ObjectLocation,
    runtime: Handle,
    requests: Arc<Semaphore>,
}

impl<R> Remote<R> {
    /// Read on the runtime of whoever calls this.
    pub(crate) fn new(reader: R, location: ObjectLocation) -> Self {
        let requests = Arc::new(Semaphore::new(REQUESTS));
        Self { reader, location, runtime: Handle::current(), requests }
    }
}

impl<R: ObjectReader + Clone + Send + 'static> Ranges for Remote<R> {
    fn begin(&self, range: Range<u64>) -> JoinHandle<Result<Bytes>> {
        let (reader, location) = (self.reader.clone(), self.location.clone());
        let requests = Arc::clone(&self.requests);
        self.runtime.spawn(async move {
            // It is never closed.
            let _turn = requests.acquire().await;
            whole(&reader, &location, range).await
        })
    }

    fn wait(&self, begun: JoinHandle<Result<Bytes>>) -> Result<Bytes> {
        self.runtime.block_on(begun).unwrap_or_else(|error| {
            let what = format!("the task that reads {} broke down: {error}", self.location.key);
            Err(Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump"))
        })
    }
}

/// All bytes of a range.
pub(crate) async fn whole<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    range: Range<u64>,
) -> Result<Bytes> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut content = reader.get(location, Some(range.clone())).await?;
    let mut all = Vec::with_capacity(length);
    while let Some(bytes) = content.next().await? {
        if all.is_empty() && bytes.len() == length {
            return Ok(bytes);
        }
        all.extend_from_slice(&bytes);
        if all.len() > length {
            break;
        }
    }
    if all.len() == length {
        return Ok(all.into());
    }
    let uri = format!("s3://{}/{}", location.bucket, location.key);
    let what = format!("{uri} gave {} bytes for the range {range:?}", all.len());
    Err(Error::new(ErrorClass::Verification, what, "Find out what changed or cut off this file"))
}

/// The bytes of a range in their order. It holds at most two pieces of `step` bytes, and what was
/// charged for.
pub(crate) struct Window {
    file: Arc<dyn Ranges>,
    /// What is held and not yet taken.
    held: Bytes,
    ahead: Option<JoinHandle<Result<Bytes>>>,
    /// The first byte that is not asked for yet.
    next: u64,
    end: u64,
    step: u64,
    left: u64,
}

impl Window {
    /// The bytes `range`; the first piece is on its way.
    pub(crate) fn new(file: Arc<dyn Ranges>, range: Range<u64>, step: u64) -> Self {
        let mut window = Self {
            file,
            held: Bytes::new(),
            ahead: None,
            next: range.start,
            end: range.end,
            step,
            left: range.end - range.start,
        };
        window.ask(step);
        window
    }

    /// Bytes that are all here already.
    pub(crate) fn of(file: Arc<dyn Ranges>, held: Bytes) -> Self {
        let left = held.len() as u64;
        Self { file, held, ahead: None, next: 0, end: 0, step: 0, left }
    }

    /// How many bytes were not taken yet.
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes without taking them: `length` of them, or all that are left. What is put
    /// together for a long look is charged, and given back when it was taken.
    pub(crate) fn peek(
        &mut self,
        length: usize,
        charge: impl Fn(u64) -> Result<Charge>,
    ) -> Result<&[u8]> {
        while self.held.len() < length && self.held.len() as u64 != self.left {
            let more = self.piece(1)?;
            if self.held.is_empty() {
                self.held = more;
                continue;
            }
            let together = || [&self.held[..], &more].concat();
            self.held = if length > SHORT {
                charge((self.held.len() + more.len()) as u64)?.hold(together())
            } else {
                together().into()
            };
        }
        Ok(&self.held[..length.min(self.held.len())])
    }

    /// Takes the next `length` bytes, and drops them piece by piece.
    pub(crate) fn skip(&mut self, length: usize) -> Result<()> {
        let mut left = length;
        while left > 0 {
            left -= self.take(left.min(self.held.len().max(1)))?.len();
        }
        Ok(())
    }

    /// Takes the next `length` bytes, of which there must be as many left.
    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.held.is_empty() && length > 0 {
            self.held = self.piece(length)?;
        }
        self.left -= length as u64;
        if self.held.len() >= length {
            return Ok(self.held.split_to(length));
        }
        let mut all = Vec::with_capacity(length);
        loop {
            let now = self.held.split_to(self.held.len().min(length - all.len()));
            all.extend_from_slice(&now);
            if all.len() == length {
                return Ok(all.into());
            }
            self.held = self.piece(length - all.len())?;
        }
    }

    /// The next piece, where `wanted` bytes are needed; the one after it is asked for.
    fn piece(&mut self, wanted: usize) -> Result<Bytes> {
        let step = self.step;
        let length = |wanted: usize| step.max(wanted.min(LARGEST_PIECE) as u64);
        if self.ahead.is_none() {
            self.ask(length(wanted));
        }
        let Some(ahead) = self.ahead.take() else { return Err(overrun()) };
        let piece = self.file.wait(ahead)?;
        self.ask(length(wanted.saturating_sub(piece.len())));
        Ok(piece)
    }

    fn ask(&mut self, length: u64) {
        let end = self.end.min(self.next.saturating_add(length));
        if self.next < end {
            self.ahead = Some(self.file.begin(self.next..end));
            self.next = end;
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

fn overrun() -> Error {
    Error::new(
        ErrorClass::Internal,
        "more was read of a range than it has",
        "Report this: it is a fault of AutoDump",
    )
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
