//! The snapshots of instances.

use autodump_core::Result;
use autodump_core::snapshot::ports::{Deleted, Made, Maker, Snapshot};
use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbSnapshot, Tag};

use super::{
    PAGE, REFUSED, REJECTED, deleted, gibibytes, is_missing, made, moment, next, snapshot_type,
    tags, type_of,
};
use crate::failure::failure;

pub(super) async fn snapshot(client: &Client, name: &str) -> Result<Option<Snapshot>> {
    let request = client.describe_db_snapshots().db_snapshot_identifier(name);
    let request = request.set_snapshot_type(type_of(name));
    match request.send().await {
        Ok(answer) => {
            let mut found = answer.db_snapshots.unwrap_or_default().into_iter().filter_map(read);
            Ok(found.find(|one| one.name == name))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => {
            Err(failure(&format!("cannot look at the snapshot {name}"), error, REFUSED, REJECTED))
        }
    }
}

/// All of an instance, or of the account.
pub(super) async fn snapshots(
    client: &Client,
    of: Option<&str>,
    maker: Maker,
) -> Result<Vec<Snapshot>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let request = client.describe_db_snapshots().snapshot_type(snapshot_type(maker));
        let request = request.set_db_instance_identifier(of.map(str::to_owned));
        let request = request.max_records(PAGE).set_marker(after);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(all),
            Err(error) => {
                let what = format!("cannot list the snapshots of {}", of.unwrap_or("the account"));
                return Err(failure(&what, error, REFUSED, REJECTED));
            }
        };
        all.extend(answer.db_snapshots.unwrap_or_default().into_iter().filter_map(read));
        after = next(answer.marker);
        if after.is_none() {
            return Ok(all);
        }
    }
}

pub(super) async fn create(client: &Client, of: &str, name: &str, tags: Vec<Tag>) -> Result<Made> {
    let request = client.create_db_snapshot().db_instance_identifier(of);
    let request = request.db_snapshot_identifier(name).set_tags(Some(tags));
    match request.send().await {
        Ok(_) => Ok(Made::Begun),
        Err(error) => made(&error).ok_or_else(|| {
            let what = format!("cannot make the snapshot {name} of {of}");
            failure(&what, error, REFUSED, REJECTED)
        }),
    }
}

pub(super) async fn delete(client: &Client, name: &str) -> Result<Deleted> {
    match client.delete_db_snapshot().db_snapshot_identifier(name).send().await {
        Ok(_) => Ok(Deleted::Gone),
        Err(error) => deleted(&error).ok_or_else(|| {
            failure(&format!("cannot delete the snapshot {name}"), error, REFUSED, REJECTED)
        }),
    }
}

fn read(found: DbSnapshot) -> Option<Snapshot> {
    Some(Snapshot {
        arn: found.db_snapshot_arn?,
        name: found.db_snapshot_identifier?,
        status: found.status.unwrap_or_default(),
        created: moment(found.snapshot_create_time),
        engine: found.engine.unwrap_or_default(),
        engine_version: found.engine_version.unwrap_or_default(),
        size_gib: gibibytes(found.allocated_storage),
        tags: tags(found.tag_list),
    })
}
