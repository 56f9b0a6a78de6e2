//! Asks for the export of a run's snapshot.

use serde::Serialize;

use super::follow;
use super::layout as below;
use super::ports::{ExportRequest, SnapshotService, Started};
use super::run::{Run, Snapshots};
use crate::error::{Error, ErrorClass, Result};
use crate::ports::{ObjectReader, ObjectWriter};

/// How many exports run at once in an account: AWS's own limit.
pub const MOST_EXPORTS: usize = 5;

const STARTING: Exported = Exported { status: "starting", reason: None };

/// Whether the export was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// `waiting` where others have to end first, or `starting`.
    pub status: &'static str,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Asks for the export, unless it is there or others have to end first: five run already, or
    /// one of the same snapshot does. A snapshot that RDS does not let go yet, such as just after another export
    /// of it, is an error of class [`ErrorClass::Source`].
    pub async fn export(&self, run: &Run) -> Result<Exported> {
        let plan = self.plan_of(run).await?;
        if let Some(task) = self.service.export_task(&plan.export_task).await? {
            return follow::check(&task).map(|_| STARTING);
        }
        if let Some(waiting) = self.others(&plan.snapshot_arn).await? {
            return Ok(waiting);
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
        match self.service.start_export(&request).await {
            Ok(Started::Begun | Started::AlreadyThere) => Ok(STARTING),
            Ok(Started::Full(why)) => Ok(waiting(why)),
            Ok(Started::Busy(why)) => {
                // What will never be available is not tried again.
                self.look(run).await?;
                Err(busy(&request.source_arn, &why))
            }
            // Others may have been faster since they were counted, and RDS documents no code for it.
            Err(error) if error.class() == ErrorClass::Configuration => {
                self.others(&request.source_arn).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The exports that have to end before one of this snapshot can begin.
    async fn others(&self, snapshot_arn: &str) -> Result<Option<Exported>> {
        let running = self.service.running_exports().await?;
        if running.iter().any(|task| task.source_arn == snapshot_arn) {
            return Ok(Some(waiting(format!("{snapshot_arn} is being exported"))));
        }
        let full = running.len() >= MOST_EXPORTS;
        Ok(full.then(|| waiting(format!("{} other exports are running", running.len()))))
    }
}

const fn waiting(why: String) -> Exported {
    Exported { status: "waiting", reason: Some(why) }
}

fn busy(snapshot_arn: &str, why: &str) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("the snapshot {snapshot_arn} cannot be exported now: {why}"),
        "Wait until nobody else uses it; some snapshots RDS exports never",
    )
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
