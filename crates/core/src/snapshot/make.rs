//! Asks for a run's snapshot.

use super::arn::DatabaseArn;
use super::look::{CREATING, Looked, WAITING};
use super::planner::{check_status, gone, quota_full};
use super::ports::{Made, Maker, SnapshotService};
use super::run::{Run, Snapshots};
use crate::error::Result;
use crate::ports::{ObjectReader, ObjectWriter};

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Asks for the run's snapshot, unless it is there or none is to be made. A database that RDS
    /// makes none of at the moment is to be asked again, later: `waiting`.
    pub async fn make(&self, run: &Run) -> Result<Looked> {
        let (target, plan) = (run.target()?, self.plan_of(run).await?);
        if let Some(snapshot) = self.service.snapshot(target.form, &plan.snapshot).await? {
            return Looked::at(&snapshot);
        }
        if !plan.makes() {
            return self.look(run).await;
        }
        let tags = [(self.made_for(), target.to_string()), (self.made_in(), run.directory())];
        match self.service.create(&target, &plan.snapshot, &tags).await? {
            Made::Begun | Made::AlreadyThere => Ok(Looked::is(CREATING)),
            Made::QuotaFull(why) if self.is_deleting(&target).await? => Ok(waiting(why)),
            Made::QuotaFull(why) => Err(quota_full(&target, &why)),
            Made::Busy(why) => {
                let database = self.service.database(&target).await?;
                check_status(&target, &database.ok_or_else(|| gone(&target))?)?;
                Ok(waiting(why))
            }
        }
    }

    /// Whether one of the target's own snapshots still takes a place that it is about to leave.
    async fn is_deleting(&self, target: &DatabaseArn) -> Result<bool> {
        let all = self.service.snapshots(target, Maker::Manual).await?;
        Ok(all.iter().any(|one| one.status == "deleting" && self.is_ours(one, target)))
    }
}

const fn waiting(why: String) -> Looked {
    Looked { status: WAITING, reason: Some(why) }
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
