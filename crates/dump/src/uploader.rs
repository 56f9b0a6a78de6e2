//! What all uploads of one dump share: the store, and how much they may use together.

use std::sync::Arc;

use autodump_core::{Error, ErrorClass, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use crate::open_uploads::{OpenUploads, SharedStore};
use crate::part_size::PARTS;
use crate::progress::Progress;

/// How much the uploads of a dump may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that all part buffers may hold together, those being filled included.
    pub memory: u32,
    /// Requests at once.
    pub in_flight: usize,
    /// Parts of one object.
    pub parts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 128 * 1024 * 1024, in_flight: 8, parts: PARTS }
    }
}

impl Limits {
    /// With enough memory for `jobs` that each fill one part of 6 MiB while another is sent.
    #[must_use]
    pub fn for_jobs(self, jobs: u16) -> Self {
        let memory = u32::from(jobs) * 12 * 1024 * 1024;
        Self { memory: self.memory.max(memory), ..self }
    }
}

/// The store, the uploads that are open in it, and the limits that hold for all of them.
pub struct Uploader<S: SharedStore> {
    pub(crate) store: S,
    pub(crate) open: OpenUploads<S::Upload>,
    pub(crate) limits: Limits,
    pub(crate) progress: Arc<Progress>,
    pub(crate) slots: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl<S: SharedStore> Uploader<S> {
    /// An uploader with nothing open.
    pub fn new(store: S, limits: Limits, progress: Arc<Progress>) -> Arc<Self> {
        Arc::new(Self {
            store,
            open: OpenUploads::default(),
            limits,
            progress,
            slots: Arc::new(Semaphore::new(limits.in_flight)),
            memory: Arc::new(Semaphore::new(limits.memory as usize)),
        })
    }

    /// The uploads that are still to be completed or aborted.
    #[must_use]
    pub const fn open(&self) -> &OpenUploads<S::Upload> {
        &self.open
    }

    /// How far the dump is.
    #[must_use]
    pub const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// What the uploads may use.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Waits until no request is on its way any more, and then aborts all that is open, until
    /// `limit` comes to its end. Whoever sent parts must have been dropped or cut off.
    pub async fn abort_open(&self, limit: impl Future<Output = ()>) {
        let mut limit = std::pin::pin!(limit);
        let all = u32::try_from(self.limits.in_flight).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            _quiet = self.slots.acquire_many(all) => {}
            () = &mut limit => {}
        }
        self.open.abort_all(limit).await;
    }

    /// Waits until that many bytes of the memory are free, and takes them until the result is
    /// dropped. More than there is counts as all there is.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.limits.memory);
        Arc::clone(&self.memory).acquire_many_owned(bytes).await.map_err(broke_down)
    }
}

/// The parts that one hand has on their way. Dropping it cuts them off.
#[derive(Debug, Default)]
pub struct Sending(JoinSet<Result<()>>);

impl Sending {
    pub(crate) fn spawn(&mut self, part: impl Future<Output = Result<()>> + Send + 'static) {
        self.0.spawn(part);
    }

    /// Waits for `future`, and meanwhile for parts: the first one that failed ends the waiting.
    pub(crate) async fn during<F: Future>(&mut self, future: F) -> Result<F::Output> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                Some(done) = self.0.join_next() => done.map_err(broke_down)??,
                output = &mut future => return Ok(output),
            }
        }
    }

    /// Waits until the store has accepted all of them.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        while let Some(done) = self.0.join_next().await {
            done.map_err(broke_down)??;
        }
        Ok(())
    }

    /// Cuts them off, and returns when none is on its way any more.
    pub(crate) async fn cut_off(&mut self) {
        self.0.shutdown().await;
    }
}

/// A task of ours that panicked, or a semaphore that was closed.
pub(crate) fn broke_down(error: impl Into<BrokeDown>) -> Error {
    let BrokeDown(error) = error.into();
    Error::new(
        ErrorClass::Internal,
        format!("a task of the dump broke down: {error}"),
        "Report this: it is a fault of AutoDump",
    )
    .caused_by(error)
}

pub(crate) struct BrokeDown(Box<dyn std::error::Error + Send + Sync>);

impl From<JoinError> for BrokeDown {
    fn from(error: JoinError) -> Self {
        Self(error.into())
    }
}

impl From<tokio::sync::AcquireError> for BrokeDown {
    fn from(error: tokio::sync::AcquireError) -> Self {
        Self(error.into())
    }
}
