//! A range of an object, read piece by piece, with the next piece on its way.

use std::ops::Range;
use std::sync::Arc;

use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What gives ranges of one object.
pub(crate) trait Ranges: Send + Sync {
    /// Begins to read a range. The bytes are all of it, or an error is.
    fn begin(&self, range: Range<u64>) -> JoinHandle<Result<Bytes>>;

    /// Waits for it. Only for threads that may block.
    fn wait(&self, begun: JoinHandle<Result<Bytes>>) -> Result<Bytes>;
}

/// An object in a store.
pub(crate) struct Remote<R> {
    pub(crate) reader: R,
    pub(crate) location: ObjectLocation,
    pub(crate) runtime: Handle,
}

impl<R: ObjectReader + Clone + Send + 'static> Ranges for Remote<R> {
    fn begin(&self, range: Range<u64>) -> JoinHandle<Result<Bytes>> {
        let (reader, location) = (self.reader.clone(), self.location.clone());
        self.runtime.spawn(async move { whole(&reader, &location, range).await })
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

/// The bytes of a range in their order. It holds at most two pieces of `step` bytes.
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

    /// The next bytes without taking them: `length` of them, or all that are left.
    pub(crate) fn peek(&mut self, length: usize) -> Result<&[u8]> {
        while self.held.len() < length && self.held.len() as u64 != self.left {
            let more = self.piece(length - self.held.len())?;
            self.held =
                if self.held.is_empty() { more } else { [&self.held[..], &more].concat().into() };
        }
        Ok(&self.held[..length.min(self.held.len())])
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

    /// The next piece, of which `wanted` bytes are needed; the one after it is asked for.
    fn piece(&mut self, wanted: usize) -> Result<Bytes> {
        if self.ahead.is_none() {
            self.ask(self.step.max(wanted as u64));
        }
        let Some(ahead) = self.ahead.take() else { return Err(overrun()) };
        let piece = self.file.wait(ahead)?;
        self.ask(self.step.max((wanted as u64).saturating_sub(piece.len() as u64)));
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
mod tests {
    use super::*;
    use autodump_core::testing::{Call, Cut, FaultyStore, MemoryStore};

    fn at(key: &str) -> ObjectLocation {
        ObjectLocation { bucket: "b".to_owned(), key: key.to_owned() }
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }

    fn remote<R>(reader: R) -> Arc<Remote<R>> {
        Arc::new(Remote { reader, location: at("k"), runtime: Handle::current() })
    }

    #[tokio::test]
    async fn the_bytes_come_in_order_however_they_are_taken() {
        let store = MemoryStore::default();
        let content: Vec<u8> = (0..=250u8).cycle().take(100_000).collect();
        store.put(&at("k"), content.clone());
        for step in [1000, 7, 65_536, 1_000_000] {
            let file = remote(store.clone());
            let content = content.clone();
            blocking(move || {
                let mut window = Window::new(file, 100..90_100, step);
                let mut taken = Vec::new();
                for length in [1, 0, 999, 5000, 20_000, 3, 64_000 - 3].into_iter().cycle() {
                    let peeked = window.peek(length).unwrap().to_vec();
                    let left = usize::try_from(window.left()).unwrap();
                    assert_eq!(peeked.len(), length.min(left));
                    let bytes = window.take(length.min(left)).unwrap();
                    assert!(bytes == peeked);
                    taken.extend_from_slice(&bytes);
                    if window.left() == 0 {
                        break;
                    }
                }
                assert!(taken == content[100..90_100], "{step}");
                assert_eq!(window.peek(10).unwrap(), b"");
            })
            .await;
        }
    }

    #[tokio::test]
    async fn what_breaks_is_an_error() {
        let memory = MemoryStore::default();
        memory.put(&at("k"), vec![1; 5000]);
        let cut = Cut { nth_get: 2, after: 500, class: ErrorClass::Source };
        let store = FaultyStore::new(memory, Vec::new()).with_cuts(vec![cut]);
        let file = remote(store.clone());
        let error = blocking(move || {
            let mut window = Window::new(file, 0..5000, 1000);
            assert_eq!(window.take(1000).unwrap().len(), 1000);
            window.take(2000).unwrap_err()
        });
        assert_eq!(error.await.class(), ErrorClass::Source);
        assert!(store.count(Call::Get) >= 2);
    }
}
