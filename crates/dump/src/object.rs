//! Small objects of a backup, read whole.

use autodump_core::manifest::Manifest;
use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::table::manifest::{ENGINE, TableManifest};
use autodump_core::{Error, ErrorClass, Result};
use serde_json::Value;

/// The version of manifests that is understood.
const VERSION: u32 = 1;
/// A manifest or a table of contents that is longer is none of ours.
const LONGEST: usize = 256 << 20;

/// The manifest of a backup.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyManifest {
    /// Of a database.
    Database(Box<Manifest>),
    /// Of a DynamoDB table.
    Table(Box<TableManifest>),
}

/// Reads a manifest. One that is not there, cannot be read or has an unknown version is an
/// error of class [`ErrorClass::Verification`].
pub async fn read_any_manifest<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
) -> Result<AnyManifest> {
    let uri = uri(location);
    let bytes = read_all(reader, location).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| broken(format!("the manifest {uri} is no JSON: {error}")))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(Error::new(
                ErrorClass::Verification,
                format!("the manifest {uri} has version {version}, and {VERSION} is understood"),
                "Use the version of AutoDump that wrote it, or a newer one",
            ));
        }
        None => return Err(broken(format!("the manifest {uri} has no version"))),
    }
    let read = if value["engine"]["name"] == ENGINE {
        serde_json::from_value(value).map(|manifest| AnyManifest::Table(Box::new(manifest)))
    } else {
        serde_json::from_value(value).map(|manifest| AnyManifest::Database(Box::new(manifest)))
    };
    read.map_err(|error| broken(format!("the manifest {uri} is not understood: {error}")))
}

/// `s3://bucket/key`.
pub(crate) fn uri(location: &ObjectLocation) -> String {
    format!("s3://{}/{}", location.bucket, location.key)
}

/// The content of an object that has at most 256 MiB.
pub(crate) async fn read_all<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
) -> Result<Vec<u8>> {
    let mut content = reader.get(location, None).await?;
    let mut bytes = Vec::new();
    while let Some(more) = content.next().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > LONGEST {
            return Err(broken(format!("{} has more than {LONGEST} bytes", uri(location))));
        }
    }
    Ok(bytes)
}

/// An error about a backup that is not what it should be.
pub(crate) fn broken(what: String) -> Error {
    Error::new(ErrorClass::Verification, what, "Use another backup, and find out what changed it")
}
