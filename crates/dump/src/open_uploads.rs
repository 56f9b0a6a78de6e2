//! Every multipart upload that a run has begun and not yet finished.
//!
//! Stores do not clean up by themselves: a forgotten upload is invisible, and paid for. So
//! uploads are begun and noted here, outside of the future that works on them, and whatever
//! ends that future can still have them aborted: also the one whose beginning the store has
//! not yet confirmed.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autodump_core::ports::{ObjectLocation, ObjectStore, Upload};
use autodump_core::{Error, ErrorClass, Result};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// A store that a task can own. Its clones are the same store.
pub trait SharedStore: ObjectStore + Clone + Send + 'static {}

impl<S: ObjectStore + Clone + Send + 'static> SharedStore for S {}

const LEFT_TO_THE_BUCKET: &str =
    "The bucket's lifecycle rule for incomplete multipart uploads removes it";

#[derive(Debug)]
struct Entry<U> {
    location: ObjectLocation,
    upload: Arc<U>,
}

type Entries<U> = Arc<Mutex<Vec<Entry<U>>>>;

/// The uploads that are still to be completed or aborted.
#[derive(Debug)]
pub struct OpenUploads<U> {
    entries: Entries<U>,
    /// Requests to begin an upload; each notes its upload itself.
    begun: Mutex<JoinSet<()>>,
}

impl<U> Default for OpenUploads<U> {
    fn default() -> Self {
        Self { entries: Arc::default(), begun: Mutex::default() }
    }
}

impl<U: Upload> OpenUploads<U> {
    /// Begins an upload and notes it, even if nobody waits for it any more.
    pub async fn create<S: SharedStore<Upload = U>>(
        &self,
        store: &S,
        location: &ObjectLocation,
        content_type: &'static str,
    ) -> Result<Arc<U>> {
        let (store, location) = (store.clone(), location.clone());
        let entries = Arc::clone(&self.entries);
        let (done, outcome) = oneshot::channel();
        self.spawn(async move {
            let created = store.create(&location, content_type).await.map(|upload| {
                let upload = Arc::new(upload);
                lock(&entries).push(Entry { location, upload: Arc::clone(&upload) });
                upload
            });
            // Whoever does not listen any more will have it aborted.
            let _ = done.send(created);
        });
        outcome.await.unwrap_or_else(|_| Err(broke_down()))
    }

    fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        let mut begun = lock(&self.begun);
        while begun.try_join_next().is_some() {}
        begun.spawn(request);
    }

    /// Strikes an upload out: it has been completed.
    pub fn completed(&self, upload: &Arc<U>) {
        lock(&self.entries).retain(|entry| !Arc::ptr_eq(&entry.upload, upload));
    }

    /// Aborts all that is still open, at once, until `limit` comes to its end. A failure is
    /// logged and goes no further: there is an error already that made this necessary. What
    /// could not be aborted, the bucket's lifecycle rule removes.
    pub async fn abort_all(&self, limit: impl Future<Output = ()>) {
        let mut limit = pin!(limit);
        let (go_on, limited) = watch::channel(());
        let mut begun = std::mem::take(&mut *lock(&self.begun));
        let mut aborts = JoinSet::new();
        self.abort_noted(&mut aborts, &limited);
        while !(begun.is_empty() && aborts.is_empty()) {
            tokio::select! {
                biased;
                () = &mut limit => break,
                Some(_) = begun.join_next() => self.abort_noted(&mut aborts, &limited),
                Some(_) = aborts.join_next() => {}
            }
        }
        if !begun.is_empty() {
            tracing::error!(
                requests = begun.len(),
                hint = LEFT_TO_THE_BUCKET,
                "an upload was perhaps begun: the store did not answer in time"
            );
        }
        begun.shutdown().await;
        drop(go_on);
        self.abort_noted(&mut aborts, &limited);
        aborts.join_all().await;
    }

    fn abort_noted(&self, aborts: &mut JoinSet<()>, limited: &watch::Receiver<()>) {
        for entry in std::mem::take(&mut *lock(&self.entries)) {
            aborts.spawn(abort(entry, limited.clone()));
        }
    }
}

/// Aborts one upload, unless the sender of `limited` is dropped before that is done.
async fn abort<U: Upload>(Entry { location, upload }: Entry<U>, mut limited: watch::Receiver<()>) {
    let problem = tokio::select! {
        outcome = upload.abort() => match outcome {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
        _ = limited.changed() => "no answer in time".to_owned(),
    };
    tracing::error!(
        bucket = location.bucket,
        key = location.key,
        what = problem,
        hint = LEFT_TO_THE_BUCKET,
        "upload could not be aborted"
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broke_down() -> Error {
    Error::new(
        ErrorClass::Internal,
        "the task that begins an upload broke down",
        "Report this: it is a fault of AutoDump",
    )
}
