//! Every multipart upload that a run has begun and not yet finished.
//!
//! Stores do not clean up by themselves: a forgotten upload is invisible, and paid for. So
//! uploads are noted here from the moment they exist, outside of the future that works on
//! them, and whatever ends that future can still have them aborted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autodump_core::Result;
use autodump_core::ports::{ObjectLocation, ObjectStore, Upload};
use tokio::task::JoinSet;
use tokio::time::timeout;

#[derive(Debug)]
struct Entry<U> {
    location: ObjectLocation,
    upload: Arc<U>,
}

/// The uploads that are still to be completed or aborted.
#[derive(Debug)]
pub struct OpenUploads<U> {
    entries: Mutex<Vec<Entry<U>>>,
}

impl<U> Default for OpenUploads<U> {
    fn default() -> Self {
        Self { entries: Mutex::new(Vec::new()) }
    }
}

impl<U: Upload> OpenUploads<U> {
    /// Begins an upload and notes it.
    pub async fn create<S: ObjectStore<Upload = U>>(
        &self,
        store: &S,
        location: &ObjectLocation,
        content_type: &str,
    ) -> Result<Arc<U>> {
        let upload = Arc::new(store.create(location, content_type).await?);
        let entry = Entry { location: location.clone(), upload: Arc::clone(&upload) };
        self.entries().push(entry);
        Ok(upload)
    }

    /// Strikes an upload out: it has been completed.
    pub fn completed(&self, upload: &Arc<U>) {
        self.entries().retain(|entry| !Arc::ptr_eq(&entry.upload, upload));
    }

    /// Aborts all that is still open, at once, each within `limit`. A failure is logged and
    /// goes no further: there is an error already that made this necessary. What could not
    /// be aborted, the bucket's lifecycle rule removes.
    pub async fn abort_all(&self, limit: Duration) {
        let entries = std::mem::take(&mut *self.entries());
        let mut tasks = JoinSet::new();
        for Entry { location, upload } in entries {
            tasks.spawn(async move {
                let outcome = timeout(limit, upload.abort()).await;
                let problem = match outcome {
                    Ok(Ok(())) => {
                        tracing::info!(
                            bucket = location.bucket,
                            key = location.key,
                            "upload aborted"
                        );
                        return;
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("no answer within {} s", limit.as_secs()),
                };
                tracing::error!(
                    bucket = location.bucket,
                    key = location.key,
                    what = problem,
                    hint =
                        "The bucket's lifecycle rule for incomplete multipart uploads removes it",
                    "upload could not be aborted"
                );
            });
        }
        tasks.join_all().await;
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry<U>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
