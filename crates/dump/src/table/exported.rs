//! What `ExportTableToPointInTime` wrote, compared with what it says it wrote.
//!
//! Its manifests: `manifest-summary.json`, which names `manifest-files.json`, which has a line for
//! each file with its items, its MD5 and its `ETag`. Beside each manifest is its checksum. The format:
//! "DynamoDB table export output format" in the Amazon DynamoDB Developer Guide.

use std::collections::HashMap;

use autodump_core::ports::{Listed, ObjectLocation, ObjectReader};
use autodump_core::table::layout;
use autodump_core::table::manifest::TableObject;
use autodump_core::{Error, ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::object::{read_all, uri};

const SUMMARY: &str = "manifest-summary.json";
/// What stands instead of `.json` in the name of a manifest's checksum: as the guide has it, and
/// as its older editions had it. It does not say which checksum; other sources say MD5.
const CHECKSUMS: [&str; 2] = [".checksum", ".md5"];
/// The only layout that is known.
const VERSION: &str = "2020-06-30";

/// An export that is what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its ARN.
    pub arn: String,
    /// The table's ARN.
    pub table_arn: String,
    /// The id of that very table, where the export names it.
    pub table_id: Option<String>,
    /// The moment whose content it has.
    pub time: DateTime<Utc>,
    /// How many items there are in all files.
    pub items: u64,
    /// Its files, in the order of its manifest.
    pub objects: Vec<TableObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    version: String,
    export_arn: String,
    table_arn: String,
    #[serde(default)]
    table_id: Option<String>,
    export_time: DateTime<Utc>,
    manifest_files_s3_key: String,
    item_count: u64,
    output_format: String,
    #[serde(default = "full")]
    export_type: String,
}

fn full() -> String {
    "FULL_EXPORT".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    item_count: u64,
    md5_checksum: String,
    etag: String,
    data_file_s3_key: String,
}

/// Reads the manifests of the one export below `directory`, a run's, and compares: each file is
/// there with the `ETag` that it was written with, and their items are as many as the export has.
/// The files themselves are not read. What is not so is an error of class
/// [`ErrorClass::Verification`].
pub async fn exported<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
) -> Result<Exported> {
    let prefix = format!("{directory}{}/", layout::EXPORT);
    let there: HashMap<String, Listed> = reader
        .list(bucket, &prefix)
        .await?
        .into_iter()
        .map(|listed| (listed.key.clone(), listed))
        .collect();
    let location = summary_of(bucket, &prefix, &there)?;
    let summary: Summary = one(&location, &checked(reader, &location, &there).await?)?;
    let known = summary.version == VERSION
        && summary.output_format == "DYNAMODB_JSON"
        && summary.export_type == "FULL_EXPORT";
    if !known {
        let Summary { version, output_format, export_type, .. } = &summary;
        return Err(broken(format!(
            "{} is of version {version}, format {output_format} and type {export_type}: not what was asked for",
            uri(&location)
        )));
    }
    let location = ObjectLocation { key: summary.manifest_files_s3_key.clone(), ..location };
    let lines = checked(reader, &location, &there).await?;
    let objects = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| object(bucket, one(&location, line)?, &there))
        .collect::<Result<Vec<_>>>()?;
    let items: u64 = objects.iter().map(|object| object.items).sum();
    if items != summary.item_count {
        return Err(broken(format!(
            "the files of the export {} have {items} items, not {}",
            summary.export_arn, summary.item_count
        )));
    }
    Ok(Exported {
        arn: summary.export_arn,
        table_arn: summary.table_arn,
        table_id: summary.table_id,
        time: summary.export_time,
        items,
        objects,
    })
}

fn summary_of(
    bucket: &str,
    prefix: &str,
    there: &HashMap<String, Listed>,
) -> Result<ObjectLocation> {
    let is_summary = |key: &&String| key.rsplit('/').next() == Some(SUMMARY);
    let mut found: Vec<_> = there.keys().filter(is_summary).collect();
    found.sort();
    match found[..] {
        [key] => Ok(ObjectLocation { bucket: bucket.to_owned(), key: key.clone() }),
        [] => Err(broken(format!("there is no {SUMMARY} below s3://{bucket}/{prefix}"))),
        _ => Err(broken(format!("there are several exports below s3://{bucket}/{prefix}"))),
    }
}

/// A manifest whose MD5 is that in the file beside it, if that is one.
async fn checked<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    there: &HashMap<String, Listed>,
) -> Result<Vec<u8>> {
    let content = read_all(reader, location).await?;
    let name = location.key.strip_suffix(".json").unwrap_or(&location.key);
    let beside = CHECKSUMS.iter().map(|end| format!("{name}{end}"));
    let Some(key) = beside.into_iter().find(|key| there.contains_key(key)) else {
        return Err(broken(format!("there is no checksum beside {}", uri(location))));
    };
    let expected = read_all(reader, &ObjectLocation { key, ..location.clone() }).await?;
    let expected = String::from_utf8_lossy(&expected).trim().to_owned();
    let found = Md5::digest(&content);
    match md5_in(&expected) {
        Some(expected) if expected == found.as_slice() => {}
        Some(_) => {
            let found = BASE64_STANDARD.encode(found);
            return Err(broken(format!("{} has MD5 {found}, not {expected}", uri(location))));
        }
        None => tracing::warn!(
            manifest = uri(location),
            "the checksum beside it is no MD5, and was not compared"
        ),
    }
    Ok(content)
}

/// The MD5 in a text, base64 or hexadecimal.
fn md5_in(text: &str) -> Option<Vec<u8>> {
    let read = hex::decode(text).ok().or_else(|| BASE64_STANDARD.decode(text).ok());
    read.filter(|bytes| bytes.len() == 16)
}

fn one<T: DeserializeOwned>(location: &ObjectLocation, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|error| broken(format!("{} is not understood: {error}", uri(location))))
}

fn object(bucket: &str, file: File, there: &HashMap<String, Listed>) -> Result<TableObject> {
    let uri = format!("s3://{bucket}/{}", file.data_file_s3_key);
    let Some(listed) = there.get(&file.data_file_s3_key) else {
        return Err(broken(format!("{uri} of the export is missing")));
    };
    if listed.etag != file.etag {
        let (found, expected) = (&listed.etag, &file.etag);
        return Err(broken(format!("{uri} has the ETag {found}, not {expected}")));
    }
    Ok(TableObject {
        bucket: bucket.to_owned(),
        key: file.data_file_s3_key,
        bytes: listed.bytes,
        items: file.item_count,
        sha256: None,
        crc64nvme: None,
        md5: Some(file.md5_checksum),
    })
}

fn broken(what: String) -> Error {
    Error::new(
        ErrorClass::Verification,
        what,
        "Start the run again, and find out what changed the export",
    )
}

#[cfg(test)]
#[path = "exported_tests.rs"]
mod tests;
