//! Removes what a stopped run left in RDS.

use serde::Serialize;

use super::look::CREATING;
use super::names;
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
        let target = run.target()?;
        // Of a database of elsewhere nothing was made, and its RDS need not let us look.
        if !target.is_beside(&run.execution_arn) {
            return Ok(Undone { undone: true });
        }
        if pages::exists(self.store, self.bucket, &run.manifest_key()).await? {
            return Ok(Undone { undone: true });
        }
        // The names need no plan: that may be lost, or never have been put.
        let exporting = self.cancelled(&names::export_task(&target, &run.execution_arn)).await?;
        let name = names::snapshot(&target, &run.execution_arn);
        let snapshot = self.service.snapshot(target.form, &name).await?;
        let ours = snapshot.filter(|snapshot| self.is_ours(snapshot, &target));
        let Some(snapshot) = ours else { return Ok(Undone { undone: !exporting }) };
        if exporting || snapshot.status == CREATING {
            return Ok(Undone { undone: false });
        }
        let deleted = self.service.delete(target.form, &name).await?;
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
