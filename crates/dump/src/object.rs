//! Small objects of a backup, read whole.

use autodump_core::manifest::Manifest;
use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::snapshot::manifest::{ENGINE as RDS, SnapshotManifest};
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
/// error of class [`ErrorClass::Verification`]. That of a snapshot of RDS is one of class
/// [`ErrorClass::Configuration`], which says what restores it: only RDS does.
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
    if value["engine"]["name"] == RDS {
        let manifest = serde_json::from_value(value).ok();
        return Err(of_rds(&uri, manifest.as_ref()));
    }
    let read = if value["engine"]["name"] == ENGINE {
        serde_json::from_value(value).map(|manifest| AnyManifest::Table(Box::new(manifest)))
    } else {
        serde_json::from_value(value).map(|manifest| AnyManifest::Database(Box::new(manifest)))
    };
    read.map_err(|error| broken(format!("the manifest {uri} is not understood: {error}")))
}

/// The error that says what can be done with the backup of a database of RDS.
fn of_rds(uri: &str, manifest: Option<&SnapshotManifest>) -> Error {
    let target = manifest.map_or("a database of RDS", |manifest| &manifest.target.arn);
    let commands = manifest.iter().flat_map(|manifest| &manifest.restore);
    let command = commands.into_iter().find(|command| command.starts_with("aws rds restore-"));
    let command = command.map_or("aws rds restore-db-instance-from-db-snapshot", String::as_str);
    Error::new(
        ErrorClass::Configuration,
        format!(
            "{uri} is the manifest of a snapshot of {target} and its export as Parquet: autodump \
             neither restores nor verifies these"
        ),
        format!(
            "While the snapshot is there, RDS restores it: {command}. The Parquet beside the \
             manifest becomes CSV by the construct ParquetToCsv, which COPY reads"
        ),
    )
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

#[cfg(test)]
mod tests {
    use autodump_core::testing::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn what_is_of_rds_is_restored_by_rds() {
        let golden = include_str!("../../../contract/snapshot-manifest.json");
        let mut strange: Value = serde_json::from_str(golden).unwrap();
        strange["target"] = Value::Null;
        for (content, of, command) in [
            (
                golden.to_owned(),
                "of a snapshot of arn:aws:rds:eu-central-1:111122223333:db:orders",
                "aws rds restore-db-instance-from-db-snapshot --region eu-central-1",
            ),
            (
                strange.to_string(),
                "of a snapshot of a database of RDS",
                "aws rds restore-db-instance-from-db-snapshot.",
            ),
        ] {
            let key = "rds/orders/manifest.json".to_owned();
            let (store, at) =
                (MemoryStore::default(), ObjectLocation { bucket: "backups".to_owned(), key });
            store.put(&at, content);
            let error = read_any_manifest(&store, &at).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().starts_with("s3://backups/rds/orders/manifest.json is"));
            assert!(error.what().contains(of), "{error}");
            assert!(error.hint().contains(command) && error.hint().contains("ParquetToCsv"));
        }
    }
}
