//! Removes what a stopped run left in RDS.

use serde::Serialize;

use super::ports::{Deleted, SnapshotService, Stage};
use super::run::{Run, Snapshots};
use crate::error::Result;
use crate::pages;
use crate::ports::{ObjectReader, ObjectWriter};

/// Whether nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// `false` where RDS is not ready to let go of it: to be called again, later.
    pub undone: bool,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Cancels the run's export task, and deletes the snapshot that was made for it. A run with a
    /// manifest keeps both: its backup is there. What was written to the bucket stays: without a
    /// manifest it is no backup.
    ///
    /// RDS deletes no snapshot that is being made, so it may have to be called again.
    pub async fn undo(&self, run: &Run) -> Result<Undone> {
        const NOTHING_LEFT: Undone = Undone { undone: true };
        let target = run.target()?;
        let (plan, manifest) = (run.plan_key(), run.manifest_key());
        if pages::exists(self.store, self.bucket, &manifest).await?
            || !pages::exists(self.store, self.bucket, &plan).await?
        {
            return Ok(NOTHING_LEFT);
        }
        let plan = self.plan_of(run).await?;
        let exporting = self.cancelled(&plan.export_task).await?;
        if !plan.makes() {
            return Ok(Undone { undone: !exporting });
        }
        let Some(snapshot) = self.service.snapshot(target.form, &plan.snapshot).await? else {
            return Ok(Undone { undone: !exporting });
        };
        if !self.is_ours(&snapshot, &target) {
            return Ok(NOTHING_LEFT);
        }
        if exporting || snapshot.status == "creating" {
            return Ok(Undone { undone: false });
        }
        let deleted = self.service.delete(target.form, &plan.snapshot).await?;
        Ok(Undone { undone: deleted == Deleted::Gone })
    }

    /// Has the task cancelled; whether it still runs.
    async fn cancelled(&self, task: &str) -> Result<bool> {
        let Some(found) = self.service.export_task(task).await? else { return Ok(false) };
        match found.stage {
            Stage::Complete | Stage::Failed | Stage::Canceled => Ok(false),
            Stage::Canceling => Ok(true),
            Stage::Starting | Stage::InProgress => {
                self.service.cancel_export(task).await?;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
