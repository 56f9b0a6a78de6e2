//! From uploaded parts to a backup.
//!
//! The manifest is the proof that a backup exists, so it appears last. Its upload is the first
//! to begin, and it is uploaded before the data is completed: whatever can fail early then fails while everything
//! can still be aborted, and what is left for the end is one small request.

use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{Completion, ObjectLocation, Upload};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use crate::assembly::Staged;
use crate::open_uploads::{OpenUploads, SharedStore};

/// How long and how often a last step is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The pause after the first failure; it doubles each time.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// After this time no other try begins.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            total: Duration::from_mins(3),
        }
    }
}

/// A manifest's upload that was begun.
#[derive(Debug)]
pub struct BegunManifest<'a, U> {
    open: &'a OpenUploads<U>,
    location: ObjectLocation,
    upload: Arc<U>,
}

/// A manifest that is uploaded and not yet visible.
#[derive(Debug)]
pub struct StagedManifest<'a, U> {
    open: &'a OpenUploads<U>,
    location: ObjectLocation,
    upload: Arc<U>,
    completion: Completion,
}

/// Begins the manifest's upload, which has to come before that of any data: to the bucket's
/// lifecycle an object is as old as the beginning of its upload, and a manifest must not outlive
/// its data.
pub async fn begin_manifest<'a, S: SharedStore>(
    store: &S,
    open: &'a OpenUploads<S::Upload>,
    location: ObjectLocation,
) -> Result<BegunManifest<'a, S::Upload>> {
    let upload = open.create(store, &location, "application/json").await?;
    Ok(BegunManifest { open, location, upload })
}

/// Uploads the manifest without publishing it.
pub async fn stage_manifest<U: Upload>(
    begun: BegunManifest<'_, U>,
    manifest: Bytes,
) -> Result<StagedManifest<'_, U>> {
    let BegunManifest { open, location, upload } = begun;
    let crc64nvme = checksum(CrcAlgorithm::Crc64Nvme, &manifest);
    let bytes = manifest.len() as u64;
    let part = upload.put_part(1, manifest, crc64nvme).await?;
    let completion = Completion { parts: vec![part], bytes, crc64nvme, only_if_absent: true };
    Ok(StagedManifest { open, location, upload, completion })
}

/// How many objects are published at once.
const TOGETHER: usize = 16;

/// Publishes the data, which are among the `open` uploads, then the manifest; it consumes both. When that ends before the
/// manifest is known to be there, the error names the data that is.
pub async fn publish<U: Upload>(
    open: &OpenUploads<U>,
    data: Vec<Staged<U>>,
    manifest: StagedManifest<'_, U>,
    patience: Patience,
) -> Result<()> {
    let mut published = Vec::new();
    let each = data.into_iter().map(|Staged { location, upload, completion, .. }| async move {
        patiently(patience, &location, || upload.complete(completion.clone())).await?;
        open.completed(&upload);
        Ok(location)
    });
    let mut each = stream::iter(each).buffer_unordered(TOGETHER);
    while let Some(outcome) = each.next().await {
        published.push(outcome.map_err(|error| naming(error, &published))?);
    }
    let StagedManifest { open, location, upload, completion } = manifest;
    patiently(patience, &location, || upload.complete(completion.clone()))
        .await
        .map_err(|error| naming(error, &published))?;
    open.completed(&upload);
    Ok(())
}

/// Tries again as long as that can help and there is patience left.
async fn patiently<F: Future<Output = Result<()>>>(
    patience: Patience,
    location: &ObjectLocation,
    attempt: impl Fn() -> F,
) -> Result<()> {
    let start = Instant::now();
    let mut pause = patience.first_pause;
    loop {
        let Err(error) = attempt().await else { return Ok(()) };
        if error.class() != ErrorClass::Destination || start.elapsed() + pause > patience.total {
            return Err(error);
        }
        tracing::warn!(
            key = location.key,
            what = error.what(),
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the object was not accepted yet; trying again"
        );
        sleep(pause).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}

/// How many objects an error names.
const NAMED: usize = 3;

/// The error, with the data that was published before. Whether there is a manifest is not
/// said: the answer to its completion may be what was lost.
fn naming(error: Error, published: &[ObjectLocation]) -> Error {
    if published.is_empty() {
        return error;
    }
    let mut names: Vec<_> =
        published.iter().take(NAMED).map(|at| format!("s3://{}/{}", at.bucket, at.key)).collect();
    if published.len() > NAMED {
        names.push(format!("{} objects more", published.len() - NAMED));
    }
    Error::new(
        error.class(),
        format!("{}; data was written to {}", error.what(), names.join(" and ")),
        format!(
            "If there is no manifest.json beside it, it is no backup and may be deleted. {}",
            error.hint()
        ),
    )
    .caused_by(error)
}
