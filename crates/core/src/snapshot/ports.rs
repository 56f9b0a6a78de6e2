//! What backups by snapshots need from RDS, in our own words.

use std::collections::BTreeMap;
use std::future::Future;

use chrono::{DateTime, Utc};

use super::arn::{DatabaseArn, Form};
use crate::error::Result;

/// An instance or a cluster, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Such as `available`.
    pub status: String,
    /// Such as `postgres` or `aurora-mysql`.
    pub engine: String,
    /// Such as `15.4`.
    pub engine_version: String,
    /// Of an instance: the cluster that it belongs to.
    pub cluster: Option<String>,
}

/// Who made a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Somebody, by a request: these count for the quota, and stay until they are deleted.
    Manual,
    /// RDS by itself, which deletes them too.
    Automated,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub name: String,
    /// Such as `creating` or `available`.
    pub status: String,
    /// The moment whose content it has; not known while it is being made.
    pub created: Option<DateTime<Utc>>,
    /// The engine of its database.
    pub engine: String,
    /// The engine's version.
    pub engine_version: String,
    /// The storage of its database in GiB.
    pub size_gib: Option<u64>,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
}

/// How many manual snapshots of a form an account has in the region, and how many it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// All, whoever made them.
    pub used: u64,
    /// The limit.
    pub most: u64,
}

/// What became of a request for a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is being made.
    Begun,
    /// There is one of that name.
    AlreadyThere,
    /// The database is in no state for it now, in the service's words.
    Busy(String),
    /// The account has as many as it may have, in the service's words.
    QuotaFull(String),
}

/// What became of a request to delete a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// There is none of that name, now or before.
    Gone,
    /// It is in no state for it now, in the service's words.
    InUse(String),
}

/// How far an export task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// RDS restores the snapshot for itself.
    Starting,
    /// It writes.
    InProgress,
    /// It has ended well.
    Complete,
    /// It has ended without.
    Failed,
    /// Somebody cancels it.
    Canceling,
    /// Somebody cancelled it.
    Canceled,
}

/// An export task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportTask {
    /// Its identifier.
    pub name: String,
    /// The ARN of the snapshot.
    pub source_arn: String,
    /// How far it is.
    pub stage: Stage,
    /// In percent.
    pub progress: u8,
    /// Why it failed, in the service's words.
    pub failure: Option<String>,
    /// What went wrong that did not make it fail, in the service's words.
    pub warning: Option<String>,
    /// The KMS key that encrypts what it writes.
    pub kms_key: String,
    /// The moment whose content it writes.
    pub snapshot_time: Option<DateTime<Utc>>,
    /// When it began to write.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
}

/// Which export is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// The task's identifier.
    pub name: String,
    /// The ARN of the snapshot.
    pub source_arn: String,
    /// Where RDS writes to: below `<prefix>/<name>/`.
    pub bucket: String,
    /// Without a slash at its end.
    pub prefix: String,
    /// The role that RDS takes to write there.
    pub role_arn: String,
    /// The KMS key that encrypts what is written.
    pub kms_key: String,
    /// What is exported; all where it is empty.
    pub export_only: Vec<String>,
}

/// What became of a request for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It begins.
    Begun,
    /// There is a task of that name.
    AlreadyThere,
    /// As many tasks run as the account may have.
    Full(String),
    /// The snapshot is in no state for it now, in the service's words.
    Busy(String),
}

/// RDS of one account and region. Throttling and faults of the service are waited out within; they,
/// missing rights, and requests that make no sense to RDS, are errors.
pub trait SnapshotService: Send + Sync {
    /// The instance or cluster; `None` where there is none.
    fn database(&self, arn: &DatabaseArn) -> impl Future<Output = Result<Option<Database>>> + Send;

    /// The snapshot of this name; `None` where there is none.
    fn snapshot(
        &self,
        form: Form,
        name: &str,
    ) -> impl Future<Output = Result<Option<Snapshot>>> + Send;

    /// All snapshots of a database that were made so.
    fn snapshots(
        &self,
        of: &DatabaseArn,
        maker: Maker,
    ) -> impl Future<Output = Result<Vec<Snapshot>>> + Send;

    /// Asks for a snapshot with these tags.
    fn create(
        &self,
        of: &DatabaseArn,
        name: &str,
        tags: &[(String, String)],
    ) -> impl Future<Output = Result<Made>> + Send;

    /// Deletes a manual snapshot.
    fn delete(&self, form: Form, name: &str) -> impl Future<Output = Result<Deleted>> + Send;

    /// The quota of manual snapshots.
    fn quota(&self, form: Form) -> impl Future<Output = Result<Quota>> + Send;

    /// The export task of this name; `None` where there is none.
    fn export_task(&self, name: &str) -> impl Future<Output = Result<Option<ExportTask>>> + Send;

    /// All export tasks of snapshots that are starting, in progress or being cancelled, in the region.
    fn running_exports(&self) -> impl Future<Output = Result<Vec<ExportTask>>> + Send;

    /// Asks for an export.
    fn start_export(&self, request: &ExportRequest)
    -> impl Future<Output = Result<Started>> + Send;

    /// Cancels an export task. One that has ended, or is not there, is no error.
    fn cancel_export(&self, name: &str) -> impl Future<Output = Result<()>> + Send;
}
