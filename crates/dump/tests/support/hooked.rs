//! A store that does something when the n-th part comes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use autodump_core::Result;
use autodump_core::ports::{Completion, ObjectLocation, ObjectStore, PartReceipt, Upload};
use autodump_core::testing::MemoryStore;
use bytes::Bytes;

type Hook = Box<dyn FnOnce() + Send>;

/// The store. The hook runs before the n-th part is taken, which waits for it.
#[derive(Clone)]
pub(crate) struct Hooked {
    inner: MemoryStore,
    parts: Arc<AtomicU32>,
    at: u32,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Hooked {
    pub(crate) fn new(inner: &MemoryStore, at: u32, hook: impl FnOnce() + Send + 'static) -> Self {
        Self {
            inner: inner.clone(),
            parts: Arc::default(),
            at,
            hook: Arc::new(Mutex::new(Some(Box::new(hook)))),
        }
    }

    /// Whether the hook has run.
    pub(crate) fn has_run(&self) -> bool {
        self.hook.lock().unwrap().is_none()
    }
}

pub(crate) struct HookedUpload<U> {
    inner: U,
    store: Hooked,
}

impl ObjectStore for Hooked {
    type Upload = HookedUpload<<MemoryStore as ObjectStore>::Upload>;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<Self::Upload> {
        let inner = self.inner.create(location, content_type).await?;
        Ok(HookedUpload { inner, store: self.clone() })
    }
}

impl<U: Upload> Upload for HookedUpload<U> {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        if self.store.parts.fetch_add(1, Ordering::SeqCst) + 1 == self.store.at {
            let hook = self.store.hook.lock().unwrap().take().unwrap();
            tokio::task::spawn_blocking(hook).await.unwrap();
        }
        self.inner.put_part(number, body, crc64nvme).await
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        self.inner.complete(completion).await
    }

    async fn abort(&self) -> Result<()> {
        self.inner.abort().await
    }
}
