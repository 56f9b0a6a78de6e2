//! Who writes the items: DynamoDB or AutoDump.

use std::collections::BTreeMap;

use autodump_core::Result;
use autodump_core::compression::Algorithm;
use autodump_core::ports::ObjectReader;
use autodump_core::table::arn::TableArn;

use super::{Backup, DataObject, Method, Options, damaged, wrong};

/// How many objects an import takes. This and what follows are the quotas that the developer guide
/// of DynamoDB has under "Import format quotas and validation".
const MOST_OBJECTS: usize = 50_000;
/// The regions in which imports may be larger.
const LARGE_REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
/// How many bytes the objects of all imports of an account may have at once in these regions: 15 TB,
/// as they are in the store.
const MOST_IN_LARGE: u64 = 15_000_000_000_000;
/// And in all others: 1 TB.
const MOST_ELSEWHERE: u64 = 1_000_000_000_000;

/// Who writes the items.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// DynamoDB imports them.
    pub(super) imports: bool,
    /// Why.
    pub(super) reason: String,
    /// What the person should know about it: a sentence.
    pub(super) remark: Option<String>,
}

impl Choice {
    fn new(imports: bool, reason: impl Into<String>) -> Self {
        Self { imports, reason: reason.into(), remark: None }
    }
}

/// Chooses who writes the items into a table that is there, or is made. A method that was asked
/// for and cannot be is an error of class
/// [`Configuration`](autodump_core::ErrorClass::Configuration).
pub(super) async fn choose(
    reader: &impl ObjectReader,
    backup: &Backup,
    target: &TableArn,
    options: &Options,
    is_there: bool,
) -> Result<Choice> {
    if options.method == Method::Write {
        return Ok(Choice::new(false, "it was asked for"));
    }
    let bytes: u64 = backup.objects.iter().map(|object| object.bytes).sum();
    let from = options.import_from;
    if options.method == Method::Auto && bytes < from {
        return Ok(Choice::new(false, format!("the data have {bytes} bytes, fewer than {from}")));
    }
    let beyond = beyond(bytes, &target.region);
    let mut obstacle = obstacle(backup, is_there);
    if obstacle.is_none() {
        obstacle = stranger(reader, backup).await?;
    }
    if options.method == Method::Auto {
        obstacle = obstacle.or_else(|| beyond.clone());
    }
    match (obstacle, options.method) {
        (None, Method::Auto) => {
            let reason = format!("the data have {bytes} bytes, and an import takes no capacity");
            Ok(Choice::new(true, reason))
        }
        (None, _) => Ok(Choice {
            remark: beyond.map(|why| format!("DynamoDB may refuse the import: {why}")),
            ..Choice::new(true, "it was asked for")
        }),
        (Some(why), Method::Auto) => {
            Ok(Choice::new(false, format!("DynamoDB cannot import: {why}")))
        }
        (Some(why), _) => Err(wrong(
            format!("DynamoDB cannot import the backup {}: {why}", backup.directory),
            "Let AutoDump write the items",
        )),
    }
}

/// Why `ImportTable` cannot do it.
fn obstacle(backup: &Backup, is_there: bool) -> Option<String> {
    let elsewhere = |object: &&DataObject| {
        object.location.bucket != backup.data.bucket
            || !object.location.key.starts_with(&backup.data.key)
    };
    if is_there {
        Some("the table is there, and an import makes a new one".to_owned())
    } else if backup.definition.has_local_indexes() {
        Some("the table has local indexes, which an import does not make".to_owned())
    } else if backup.compression == Algorithm::Lz4 {
        Some("the data are compressed with lz4, which an import does not read".to_owned())
    } else if backup.objects.is_empty() {
        Some("the backup has no data objects".to_owned())
    } else if backup.objects.len() > MOST_OBJECTS {
        let count = backup.objects.len();
        Some(format!("the backup has {count} data objects, and an import takes {MOST_OBJECTS}"))
    } else {
        backup.objects.iter().find(elsewhere).map(|object| {
            let location = &object.location;
            format!("s3://{}/{} is not with the others", location.bucket, location.key)
        })
    }
}

/// Why an import into this region may be too large: whoever has asked AWS for it may import more.
fn beyond(bytes: u64, region: &str) -> Option<String> {
    let most = if LARGE_REGIONS.contains(&region) { MOST_IN_LARGE } else { MOST_ELSEWHERE };
    (bytes > most).then(|| {
        format!(
            "the data have {bytes} bytes, and all imports at once may have {most} in {region}, \
             unless this quota was raised"
        )
    })
}

/// An object that an import would read, and that is none of the backup's. One of the backup's
/// that is missing, or of another length, is an error.
async fn stranger(reader: &impl ObjectReader, backup: &Backup) -> Result<Option<String>> {
    let listed = reader.list(&backup.data.bucket, &backup.data.key).await?;
    let mut listed: BTreeMap<_, _> = listed.into_iter().map(|one| (one.key, one.bytes)).collect();
    for object in &backup.objects {
        let name = format!("s3://{}/{}", object.location.bucket, object.location.key);
        match listed.remove(&object.location.key) {
            Some(bytes) if bytes == object.bytes => {}
            Some(bytes) => {
                return Err(damaged(format!("{name} has {bytes} bytes, not {}", object.bytes)));
            }
            None => return Err(damaged(format!("{name} is not there"))),
        }
    }
    let stranger = listed.into_keys().next();
    Ok(stranger.map(|key| format!("{key} is with the data, and not in the manifest")))
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
