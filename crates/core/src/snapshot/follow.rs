//! Looks how far an export is.

use serde::Serialize;

use super::ports::{ExportTask, SnapshotService, Stage};
use super::run::{Run, Snapshots};
use crate::error::{Error, ErrorClass, Result};
use crate::ports::{ObjectReader, ObjectWriter};

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// `starting`, `in-progress` or `complete`.
    pub status: &'static str,
    /// In percent.
    pub progress: u8,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// How far the export is. One that failed or was cancelled is an error of class
    /// [`ErrorClass::Engine`], with the cause that RDS gives.
    pub async fn follow(&self, run: &Run) -> Result<Followed> {
        let task = self.task_of(run).await?;
        Ok(Followed { status: check(&task)?, progress: task.progress })
    }

    /// The run's export task. One that is not there is an error of class [`ErrorClass::Engine`].
    pub(super) async fn task_of(&self, run: &Run) -> Result<ExportTask> {
        let name = self.plan_of(run).await?.export_task;
        self.service.export_task(&name).await?.ok_or_else(|| {
            Error::new(
                ErrorClass::Engine,
                format!("RDS does not know the export task {name}"),
                "Start another run",
            )
        })
    }
}

/// The status of a task that goes on, or has ended well.
pub(super) fn check(task: &ExportTask) -> Result<&'static str> {
    let name = &task.name;
    let (what, hint) = match task.stage {
        Stage::Starting => return Ok("starting"),
        Stage::InProgress => return Ok("in-progress"),
        Stage::Complete => return Ok("complete"),
        Stage::Failed => {
            let cause = task.failure.as_deref().unwrap_or("RDS gives no cause");
            (
                format!("the export task {name} failed: {}", cause.trim_end_matches('.')),
                "Correct what it names; the next run makes a new export",
            )
        }
        Stage::Canceling | Stage::Canceled => (
            format!("the export task {name} was cancelled"),
            "Find out who did it; the next run makes a new export",
        ),
    };
    Err(Error::new(ErrorClass::Engine, what, hint))
}
