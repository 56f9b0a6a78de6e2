//! The steps of a run, each of which may be taken again after any failure.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::arn::DatabaseArn;
use super::layout as below;
use super::manifest::ENGINE;
use super::plan::{self, Plan};
use super::ports::{Snapshot, SnapshotService};
use super::stored;
use crate::error::{Error, ErrorClass, Result};
use crate::layout;
use crate::ports::{ObjectReader, ObjectWriter};
use crate::tags::TagPrefix;

/// Makes backups of the databases that one account and region has.
#[derive(Debug)]
pub struct Snapshots<'a, R, S> {
    /// RDS of that account and region.
    pub service: &'a R,
    /// Where plan and manifest are put.
    pub store: &'a S,
    /// The bucket of the backups.
    pub bucket: &'a str,
    /// The prefix of the tags.
    pub prefix: &'a TagPrefix,
    /// The role that RDS takes to write into the bucket.
    pub export_role: &'a str,
    /// The KMS key that encrypts exports.
    pub export_key: &'a str,
}

/// Which run a step is of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// The instance or cluster.
    pub resource_arn: String,
    /// When the run was to start.
    pub start: DateTime<Utc>,
    /// The execution.
    pub execution_arn: String,
}

impl Run {
    /// Where the run puts everything, with a closing slash.
    #[must_use]
    pub fn directory(&self) -> String {
        layout::run_directory(ENGINE, &self.resource_arn, self.start, &self.execution_arn)
    }

    /// The target. Another resource is an error of class [`ErrorClass::Configuration`].
    pub fn target(&self) -> Result<DatabaseArn> {
        self.resource_arn.parse().map_err(|reason| {
            let what = format!("the target {} {reason}", self.resource_arn);
            Error::new(ErrorClass::Configuration, what, "Start the run of a database of RDS")
        })
    }

    pub(super) fn plan_key(&self) -> String {
        format!("{}{}", self.directory(), below::PLAN)
    }

    pub(super) fn manifest_key(&self) -> String {
        format!("{}{}", self.directory(), layout::MANIFEST)
    }
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// The run's plan. One that is not there is an error of class [`ErrorClass::Verification`].
    pub(super) async fn plan_of(&self, run: &Run) -> Result<Plan> {
        stored::read_version(self.store, self.bucket, &run.plan_key(), plan::VERSION).await
    }

    /// The key of the tag that says whose a snapshot of AutoDump's is: its value is the target's
    /// ARN.
    pub(super) fn made_for(&self) -> String {
        self.prefix.key("made-for")
    }

    /// The key of the tag that says where the run that made a snapshot puts everything.
    pub(super) fn made_in(&self) -> String {
        self.prefix.key("made-in")
    }

    /// Whether AutoDump made this snapshot for this target. Its name alone would not do.
    pub(super) fn is_ours(&self, snapshot: &Snapshot, target: &DatabaseArn) -> bool {
        super::names::is_of(target, &snapshot.name)
            && snapshot.tags.get(&self.made_for()) == Some(&target.to_string())
    }
}
