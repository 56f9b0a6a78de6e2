//! Decides which snapshot a run exports, once.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::arn::{DatabaseArn, Form};
use super::names;
use super::options::{Origin, SnapshotOptions};
use super::plan::{Plan, VERSION};
use super::ports::{Database, Maker, Quota, Snapshot, SnapshotService};
use super::run::{Run, Snapshots};
use super::stored;
use crate::error::{Error, ErrorClass, Result};
use crate::hash::TagHash;
use crate::pages;
use crate::ports::{ObjectReader, ObjectWriter, Put};

/// The engines whose snapshots RDS exports. Clusters of other services have ARNs of RDS too.
const ENGINES: [&str; 5] = ["postgres", "mysql", "mariadb", "aurora-postgresql", "aurora-mysql"];

/// What the state machine goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The snapshot that is exported.
    pub snapshot_arn: String,
    /// Whether it is still to be made.
    pub make: bool,
}

impl From<Plan> for Planned {
    fn from(plan: Plan) -> Self {
        Self { make: plan.makes(), snapshot_arn: plan.snapshot_arn }
    }
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Plans the run, or finds the plan that was made before: the first one holds, whatever becomes
    /// of the database and its tags.
    ///
    /// Where nothing can come of it (the database is gone, is of a cluster, or of another region;
    /// the account has no room for a snapshot) it is an error of class
    /// [`ErrorClass::Configuration`], and no plan is put.
    ///
    /// What the tags ask for, and their hash, is awaited only where there is no plan.
    pub async fn plan(
        &self,
        run: &Run,
        wanted: impl Future<Output = Result<(SnapshotOptions, TagHash)>>,
        now: DateTime<Utc>,
    ) -> Result<Planned> {
        let (target, key) = (run.target()?, run.plan_key());
        if !target.is_beside(&run.execution_arn) {
            return Err(elsewhere(&target));
        }
        if pages::exists(self.store, self.bucket, &key).await? {
            return Ok(self.plan_of(run).await?.into());
        }
        let (wanted, tag_hash) = wanted.await?;
        let plan = self.made(run, &target, tag_hash, wanted, now).await?;
        match stored::put_once(self.store, self.bucket, &key, &plan).await? {
            Put::Written => Ok(plan.into()),
            Put::AlreadyThere => Ok(self.plan_of(run).await?.into()),
        }
    }

    async fn made(
        &self,
        run: &Run,
        target: &DatabaseArn,
        tag_hash: TagHash,
        wanted: SnapshotOptions,
        now: DateTime<Utc>,
    ) -> Result<Plan> {
        let database = self.service.database(target).await?.ok_or_else(|| gone(target))?;
        check(target, &database)?;
        let (snapshot, snapshot_arn) = match wanted.origin {
            Origin::Create => {
                check_status(target, &database)?;
                self.make_room(target, wanted.keep, now).await?;
                let name = names::snapshot(target, &run.execution_arn);
                let arn = target.snapshot(&name);
                (name, arn)
            }
            Origin::Automated => {
                let newest = self.newest(target).await?;
                (newest.name, newest.arn)
            }
        };
        Ok(Plan {
            version: VERSION,
            resource_arn: run.resource_arn.clone(),
            tag_hash,
            scheduled_for: run.start,
            execution_arn: run.execution_arn.clone(),
            planned_at: now,
            engine: database.engine,
            engine_version: database.engine_version,
            origin: wanted.origin,
            snapshot,
            snapshot_arn,
            export_task: names::export_task(target, &run.execution_arn),
            export_only: wanted.export_only,
            keep: wanted.keep,
        })
    }

    /// Refuses an account that has no room for a snapshot. The target's own that are too many have
    /// to go first: no run would ever come to prune them. What is being deleted still counts for
    /// RDS: the next step waits for it.
    async fn make_room(&self, target: &DatabaseArn, keep: u32, now: DateTime<Utc>) -> Result<()> {
        let full = check_quota(target, self.service.quota(target.form).await?);
        match full {
            Err(error) if self.pruned(target, keep, now).await?.deleted.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// The newest snapshot that RDS made by itself.
    async fn newest(&self, target: &DatabaseArn) -> Result<Snapshot> {
        let all = self.service.snapshots(target, Maker::Automated).await?;
        let available = all.into_iter().filter(|one| one.status == "available");
        available.max_by_key(|one| one.created).ok_or_else(|| {
            Error::new(
                ErrorClass::Configuration,
                format!("{target} has no automated snapshot that is available"),
                "Turn on its automated backups, or remove the tag snapshot",
            )
        })
    }
}

/// The account has no room for a snapshot: `why` says how full it is.
pub(super) fn quota_full(target: &DatabaseArn, why: &str) -> Error {
    let name = match target.form {
        Form::Instance => "Manual DB instance snapshots",
        Form::Cluster => "Manual DB cluster snapshots",
    };
    Error::new(
        ErrorClass::Configuration,
        format!("no snapshot of {target} can be made: {why}"),
        format!(
            "Delete manual snapshots that nobody needs, give targets a smaller keep-snapshots, or \
             have the quota \"{name}\" of RDS raised in Service Quotas"
        ),
    )
}

fn check_quota(target: &DatabaseArn, quota: Quota) -> Result<()> {
    let Quota { used, most } = quota;
    if used < most {
        return Ok(());
    }
    let noun = target.form.noun();
    let why = format!("the account has {used} of {most} manual {noun} snapshots in the region");
    Err(quota_full(target, &why))
}

pub(super) fn gone(target: &DatabaseArn) -> Error {
    let what = format!("the {} {target} is not there any more", target.form.noun());
    Error::new(ErrorClass::Configuration, what, "Restore it, or let its runs end")
}

/// RDS exports into buckets of its own region alone, by a role of its own account.
fn elsewhere(target: &DatabaseArn) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("{target} is of another region or account than the execution"),
        "RDS exports snapshots only within their region and account: deploy AutoDump there",
    )
}

fn check(target: &DatabaseArn, database: &Database) -> Result<()> {
    let wrong = |what, hint: &str| Err(Error::new(ErrorClass::Configuration, what, hint));
    if let Some(cluster) = &database.cluster {
        return wrong(
            format!("{target} is an instance of the cluster {cluster}, and has no snapshots"),
            "Tag the cluster instead of its instances",
        );
    }
    if !ENGINES.contains(&database.engine.as_str()) {
        return wrong(
            format!(
                "{target} has the engine {:?}, whose snapshots RDS does not export",
                database.engine
            ),
            &format!("Remove the schedule tag: the engines are {}", ENGINES.join(", ")),
        );
    }
    Ok(())
}

/// Refuses a database in a state that does not pass by itself. In most others RDS makes no snapshot
/// either, but these are waited for.
pub(super) fn check_status(target: &DatabaseArn, database: &Database) -> Result<()> {
    let status = database.status.as_str();
    let stays = matches!(status, "stopped" | "stopping" | "deleting" | "failed" | "storage-full")
        || ["incompatible-", "inaccessible-", "restore-error"]
            .iter()
            .any(|s| status.starts_with(s));
    if !stays {
        return Ok(());
    }
    Err(Error::new(
        ErrorClass::Configuration,
        format!("no snapshot of {target} can be made: its status is {status:?}"),
        "Make it available, or remove the schedule tag",
    ))
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
