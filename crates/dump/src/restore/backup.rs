//! A backup as its manifest shows it.

use std::ops::Range;

use autodump_core::manifest::{Manifest, Object};
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result, layout};

use crate::object::{AnyManifest, broken, read_any_manifest, uri};

/// Reads the manifest of a database's backup. One that is not there, cannot be read or has an
/// unknown version is an error of class [`ErrorClass::Verification`]; that of a table is one of
/// class [`ErrorClass::Configuration`].
pub async fn read_manifest<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
) -> Result<Manifest> {
    match read_any_manifest(reader, location).await? {
        AnyManifest::Database(manifest) => Ok(*manifest),
        AnyManifest::Table(table) => Err(Error::new(
            ErrorClass::Configuration,
            format!("{} is the backup of the DynamoDB table {}", uri(location), table.database),
            "Name the backup of a database",
        )),
    }
}

/// A backup and where it lies now.
#[derive(Debug)]
pub struct Backup {
    /// Its manifest.
    pub manifest: Manifest,
    at: ObjectLocation,
    /// What the keys of its objects begin with in the manifest, with a slash; empty where that
    /// is not known.
    run: String,
}

impl Backup {
    /// Reads the manifest.
    pub async fn open<R: ObjectReader>(reader: &R, at: &ObjectLocation) -> Result<Self> {
        let manifest = read_manifest(reader, at).await?;
        let run = manifest.objects.iter().find_map(|object| layout::run_of(&object.key));
        let run = run.unwrap_or_default().to_owned();
        Ok(Self { manifest, at: at.clone(), run })
    }

    /// Where an object lies: beside the manifest as it was when it was written, wherever the
    /// whole run was copied to since.
    #[must_use]
    pub fn location(&self, object: &Object) -> ObjectLocation {
        let here = self.at.key.rfind('/').map_or("", |slash| &self.at.key[..=slash]);
        match object.key.strip_prefix(&self.run) {
            Some(rest) if !self.run.is_empty() => {
                ObjectLocation { bucket: self.at.bucket.clone(), key: format!("{here}{rest}") }
            }
            _ => ObjectLocation { bucket: object.bucket.clone(), key: object.key.clone() },
        }
    }

    /// Where the manifest lies, as `s3://bucket/key`.
    pub(crate) fn uri(&self) -> String {
        uri(&self.at)
    }
}

/// Compares what was read of a whole object with the manifest.
pub(crate) fn compare(
    object: &Object,
    location: &ObjectLocation,
    sha256: &[u8],
    bytes: u64,
) -> Result<()> {
    if bytes != object.bytes {
        let what = format!("{} has {bytes} bytes, not {}", uri(location), object.bytes);
        return Err(broken(what));
    }
    let sha256 = hex::encode(sha256);
    if sha256 != object.sha256 {
        let expected = &object.sha256;
        return Err(broken(format!("{} has SHA-256 {sha256}, not {expected}", uri(location))));
    }
    Ok(())
}

/// The ranges of an object's segments. That they are not all of the object is an error of class
/// [`ErrorClass::Verification`].
pub(crate) fn segment_ranges(object: &Object) -> Result<Vec<Range<u64>>> {
    let mut from = 0_u64;
    let mut ranges = Vec::new();
    for length in object.segments.iter().filter(|length| **length > 0) {
        let end = from.saturating_add(*length);
        ranges.push(from..end);
        from = end;
    }
    if from != object.bytes {
        return Err(broken(format!(
            "the segments of {} have {from} bytes together, and the object {}",
            object.key, object.bytes
        )));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use autodump_core::testing::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn objects_lie_where_the_manifest_is_now() {
        let golden = include_str!("../../../../contract/manifest.json");
        for (key, here) in [("manifest.json", ""), ("copies/one/manifest.json", "copies/one/")] {
            let at = ObjectLocation { bucket: "elsewhere".to_owned(), key: key.to_owned() };
            let store = MemoryStore::default();
            store.put(&at, golden);
            let backup = Backup::open(&store, &at).await.unwrap();
            let object = &backup.manifest.objects[0];
            let expected = format!("{here}app/app.orders-16401.dat.gz");
            assert_eq!(backup.location(object).key, expected);
            assert_eq!(backup.location(object).bucket, "elsewhere");
            let strange = Object { key: "somewhere/else.dat".to_owned(), ..object.clone() };
            let stays = ObjectLocation {
                bucket: "example-backups".to_owned(),
                key: "somewhere/else.dat".to_owned(),
            };
            assert_eq!(backup.location(&strange), stays);
        }
    }
}
