//! Asks for the export of a run's snapshot.

use serde::Serialize;

use super::follow;
use super::layout as below;
use super::ports::{ExportRequest, SnapshotService, Started};
use super::run::{Run, Snapshots};
use crate::error::Result;
use crate::ports::{ObjectReader, ObjectWriter};

/// How many exports run at once in an account: AWS's own limit.
pub const MOST_EXPORTS: usize = 5;

const WAITING: Exported = Exported { status: "waiting" };
const STARTING: Exported = Exported { status: "starting" };

/// Whether the export was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// `waiting` where others have to end first, or `starting`.
    pub status: &'static str,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Asks for the export, unless it is there or others have to end first: five run already, or
    /// one of the same snapshot does, or has only just ended.
    pub async fn export(&self, run: &Run) -> Result<Exported> {
        let plan = self.plan_of(run).await?;
        if let Some(task) = self.service.export_task(&plan.export_task).await? {
            return follow::check(&task).map(|_| STARTING);
        }
        let running = self.service.running_exports().await?;
        let same = running.iter().any(|task| task.source_arn == plan.snapshot_arn);
        if same || running.len() >= MOST_EXPORTS {
            return Ok(WAITING);
        }
        let request = ExportRequest {
            name: plan.export_task,
            source_arn: plan.snapshot_arn,
            bucket: self.bucket.to_owned(),
            prefix: format!("{}{}", run.directory(), below::EXPORT),
            role_arn: self.export_role.to_owned(),
            kms_key: self.export_key.to_owned(),
            export_only: plan.export_only,
        };
        match self.service.start_export(&request).await? {
            Started::Begun | Started::AlreadyThere => Ok(STARTING),
            // Others may have been faster since the exports were counted.
            Started::Full(_) => Ok(WAITING),
            Started::Busy(_) => {
                // What will never be available is not waited for.
                self.look(run).await?;
                Ok(WAITING)
            }
        }
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
