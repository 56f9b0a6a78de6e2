//! Deletes the snapshots of a target that are too many.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::arn::DatabaseArn;
use super::ports::{Deleted, Maker, Snapshot, SnapshotService};
use super::run::{Run, Snapshots};
use crate::error::{Error, ErrorClass, Result};
use crate::layout::MANIFEST;
use crate::pages;
use crate::ports::{ObjectReader, ObjectWriter};

/// How long a snapshot without a manifest may be that of a run that still waits for its export.
/// The state machine gives up after seven days of waits; its calls take some time too.
const MAY_WAIT: Duration = Duration::days(8);

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// The identifiers of the snapshots, the oldest first.
    pub deleted: Vec<String>,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Deletes manual snapshots of the run's target until as many are left as the plan says: the
    /// oldest first, and those that failed.
    ///
    /// It never deletes one that AutoDump did not make for this target, that of the newest run
    /// with a manifest, one that is being made or exported, or one that may still be waiting for
    /// its export. One that cannot be deleted stops no other.
    pub async fn prune(&self, run: &Run, now: DateTime<Utc>) -> Result<Pruned> {
        let (target, plan) = (run.target()?, self.plan_of(run).await?);
        self.pruned(&target, plan.keep, now).await
    }

    /// The same of a target, with its limit.
    pub(super) async fn pruned(
        &self,
        target: &DatabaseArn,
        keep: u32,
        now: DateTime<Utc>,
    ) -> Result<Pruned> {
        let mut ours = self.service.snapshots(target, Maker::Manual).await?;
        // One that is being deleted is as good as gone, and must not cost another one its place.
        ours.retain(|one| one.status != "deleting" && self.is_ours(one, target));
        ours.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
        let failed = ours.iter().filter(|snapshot| snapshot.status == "failed").count();
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let mut too_many = (ours.len() - failed).saturating_sub(keep);
        if too_many == 0 && failed == 0 {
            return Ok(Pruned { deleted: Vec::new() });
        }
        let last_good = self.last_good(&ours).await?;
        let running = self.service.running_exports().await?;
        let mut doomed = Vec::new();
        for (number, snapshot) in ours.iter().enumerate() {
            if snapshot.status == "failed" {
                doomed.push(snapshot);
                continue;
            }
            if too_many == 0 || Some(number) == last_good || snapshot.status != "available" {
                continue;
            }
            let exported = running.iter().any(|task| task.source_arn == snapshot.arn);
            if !exported && (is_old(snapshot, now) || self.has_manifest(snapshot).await?) {
                doomed.push(snapshot);
                too_many -= 1;
            }
        }
        self.delete(target, &doomed).await
    }

    async fn delete(&self, target: &DatabaseArn, doomed: &[&Snapshot]) -> Result<Pruned> {
        let (mut deleted, mut failure) = (Vec::new(), None);
        for snapshot in doomed {
            let name = &snapshot.name;
            let refused = match self.service.delete(target.form, name).await {
                Ok(Deleted::Gone) => {
                    deleted.push(name.clone());
                    continue;
                }
                Ok(Deleted::InUse(why)) => Error::new(
                    ErrorClass::Source,
                    format!("the snapshot {name} cannot be deleted now: {why}"),
                    "Wait until nobody uses it; the next run tries again",
                ),
                Err(error) => error,
            };
            failure.get_or_insert(refused);
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(Pruned { deleted }),
        }
    }

    /// The place of the newest snapshot whose run has a manifest.
    async fn last_good(&self, ours: &[Snapshot]) -> Result<Option<usize>> {
        for (number, snapshot) in ours.iter().enumerate().rev() {
            if self.has_manifest(snapshot).await? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Whether the run that made a snapshot has a manifest.
    async fn has_manifest(&self, snapshot: &Snapshot) -> Result<bool> {
        let Some(directory) = snapshot.tags.get(&self.made_in()) else { return Ok(false) };
        pages::exists(self.store, self.bucket, &format!("{directory}{MANIFEST}")).await
    }
}

/// Whether no run can still be waiting for it. One whose moment is not known is new.
fn is_old(snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
    snapshot.created.is_some_and(|created| now - created > MAY_WAIT)
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
