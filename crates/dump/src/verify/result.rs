//! The result of a verification, beside the manifest.

use std::time::Duration;

use autodump_core::ports::ObjectLocation;
use autodump_core::verification::{Verification, file_name};
use autodump_core::{Error, ErrorClass, Result};
use tokio::time::sleep;

use crate::open_uploads::{OpenUploads, SharedStore};
use crate::publish::{Patience, begin_manifest, publish, stage_manifest};

/// How long what was begun may take to be thrown away after a failure.
const ABORT: Duration = Duration::from_secs(5);
/// A result can be made again: less patience than for a backup.
const PATIENCE: Patience = Patience {
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(5),
    total: Duration::from_secs(30),
};

/// Writes a result beside its manifest, and returns where. It is written as a whole or not at
/// all, and never over another one.
pub async fn write_result<S: SharedStore>(
    store: &S,
    manifest: &ObjectLocation,
    verification: &Verification,
) -> Result<ObjectLocation> {
    let directory = manifest.key.rsplit_once('/').map_or("", |(directory, _)| directory);
    let slash = if directory.is_empty() { "" } else { "/" };
    let key = format!("{directory}{slash}{}", file_name(verification.finished_at));
    let location = ObjectLocation { bucket: manifest.bucket.clone(), key };
    let mut bytes = serde_json::to_vec_pretty(verification).map_err(|error| {
        let what = format!("the result cannot be written as JSON: {error}");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    bytes.push(b'\n');
    let open = OpenUploads::default();
    let written = async {
        let begun = begin_manifest(store, &open, location.clone()).await?;
        let staged = stage_manifest(begun, bytes.into()).await?;
        publish(&open, Vec::new(), staged, PATIENCE).await
    };
    let outcome = written.await;
    open.abort_all(sleep(ABORT)).await;
    outcome.map(|()| location)
}

#[cfg(test)]
mod tests {
    use autodump_core::testing::MemoryStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_result_lies_beside_its_manifest_and_replaces_no_other() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../../contract/verification.json")).unwrap();
        let verification: Verification = serde_json::from_value(golden["failed"].clone()).unwrap();
        let store = MemoryStore::default();
        let manifest =
            ObjectLocation { bucket: "b".to_owned(), key: "run/manifest.json".to_owned() };
        let at = write_result(&store, &manifest, &verification).await.unwrap();
        assert_eq!(at.key, format!("run/{}", file_name(verification.finished_at)));
        let object = store.object("b", &at.key).unwrap();
        assert_eq!(object.content_type, "application/json");
        let read: serde_json::Value = serde_json::from_slice(&object.content).unwrap();
        assert_eq!(read, golden["failed"]);
        let error = write_result(&store, &manifest, &verification).await.unwrap_err();
        assert!(error.what().contains("already there"), "{error}");
        assert!(store.open_uploads().is_empty());
        let top = ObjectLocation { bucket: "b".to_owned(), key: "manifest.json".to_owned() };
        let at = write_result(&store, &top, &verification).await.unwrap();
        assert_eq!(at.key, file_name(verification.finished_at));
    }
}
