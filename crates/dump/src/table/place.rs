//! The directory of a run, and how its small objects are read.

use autodump_core::ports::{Content as _, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use serde::Deserialize;

/// An object of the state that is longer is none of ours.
const LONGEST: usize = 1 << 30;

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Where a run's objects lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) bucket: String,
    /// With a slash at its end.
    pub(super) directory: String,
}

impl Place {
    /// Where the object of this name within the directory lies.
    pub(super) fn at(&self, name: &str) -> ObjectLocation {
        ObjectLocation { bucket: self.bucket.clone(), key: format!("{}{name}", self.directory) }
    }
}

/// Reads a whole object of the state.
pub(super) async fn read<R: ObjectReader>(reader: &R, location: &ObjectLocation) -> Result<Bytes> {
    let mut content = reader.get(location, None).await?;
    let mut bytes = Vec::new();
    while let Some(more) = content.next().await? {
        if bytes.len() + more.len() > LONGEST {
            return Err(damaged(location, &format!("it has more than {LONGEST} bytes")));
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes.into())
}

/// Whether JSON of the state has the version that is `understood`; an error of class
/// [`ErrorClass::Verification`] if not.
pub(super) fn check_version(location: &ObjectLocation, json: &[u8], understood: u32) -> Result<()> {
    let Version { version } = serde_json::from_slice(json)
        .map_err(|error| damaged(location, &format!("it has no version: {error}")))?;
    if version == understood {
        return Ok(());
    }
    let (bucket, key) = (&location.bucket, &location.key);
    Err(Error::new(
        ErrorClass::Verification,
        format!("s3://{bucket}/{key} has version {version}, and {understood} is understood"),
        "Use the version of AutoDump that wrote it, or start a new run of this table",
    ))
}

/// The error about an object of the state that is not what was written.
pub(super) fn damaged(location: &ObjectLocation, why: &str) -> Error {
    Error::new(
        ErrorClass::Verification,
        format!("s3://{}/{} is damaged: {why}", location.bucket, location.key),
        "Start a new run of this table, and find out what changed this object",
    )
}
