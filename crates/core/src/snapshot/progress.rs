//! How far a run is in RDS, for operators.

use serde::Serialize;

use super::names;
use super::ports::{SnapshotService, Stage};
use super::run::Run;
use crate::error::Result;

/// What RDS says of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Progress {
    /// There is its snapshot, and no export yet.
    Snapshot {
        /// Its name.
        name: String,
        /// In RDS's words, such as `creating` or `available`.
        status: String,
    },
    /// RDS exports it.
    Export {
        /// The name of the task.
        task: String,
        /// Such as `starting` or `in-progress`.
        status: &'static str,
        /// How much is done.
        percent: u8,
    },
}

impl Progress {
    /// Asks RDS for what the run makes there. `None` where that is nothing yet, or it waits with a
    /// snapshot that RDS made by itself.
    pub async fn of(service: &impl SnapshotService, run: &Run) -> Result<Option<Self>> {
        let target = run.target()?;
        let task = names::export_task(&target, &run.execution_arn);
        if let Some(found) = service.export_task(&task).await? {
            let (status, percent) = (words(found.stage), found.progress);
            return Ok(Some(Self::Export { task, status, percent }));
        }
        let name = names::snapshot(&target, &run.execution_arn);
        let snapshot = service.snapshot(target.form, &name).await?;
        Ok(snapshot.map(|snapshot| Self::Snapshot { name, status: snapshot.status }))
    }
}

const fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Starting => "starting",
        Stage::InProgress => "in-progress",
        Stage::Complete => "complete",
        Stage::Failed => "failed",
        Stage::Canceling => "canceling",
        Stage::Canceled => "canceled",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::ports::ExportRequest;
    use crate::testing::snapshots::MemorySnapshots;

    #[tokio::test]
    async fn a_run_has_nothing_then_a_snapshot_then_an_export() {
        let run = Run {
            resource_arn: "arn:aws:rds:eu-central-1:111122223333:db:orders".to_owned(),
            start: "2026-11-22T08:00:00Z".parse().unwrap(),
            execution_arn: "arn:aws:states:eu-central-1:111122223333:execution:A:x".to_owned(),
        };
        let (rds, target) = (MemorySnapshots::new(run.start), run.target().unwrap());
        rds.add(&target, None);
        assert_eq!(Progress::of(&rds, &run).await.unwrap(), None);
        let name = names::snapshot(&target, &run.execution_arn);
        rds.create(&target, &name, &[]).await.unwrap();
        let seen = Progress::of(&rds, &run).await.unwrap().unwrap();
        let expected = json!({"step": "snapshot", "name": name, "status": "creating"});
        assert_eq!(serde_json::to_value(seen).unwrap(), expected);
        rds.turn(&name, "available");
        let task = names::export_task(&target, &run.execution_arn);
        let request = ExportRequest {
            name: task.clone(),
            source_arn: target.snapshot(&name),
            bucket: "backups".to_owned(),
            prefix: "rds/orders".to_owned(),
            role_arn: "arn:aws:iam::111122223333:role/export".to_owned(),
            kms_key: "arn:aws:kms:eu-central-1:111122223333:key/1".to_owned(),
            export_only: Vec::new(),
        };
        rds.start_export(&request).await.unwrap();
        rds.end(&task, Stage::Canceling, None, None);
        let seen = Progress::of(&rds, &run).await.unwrap().unwrap();
        let seen = serde_json::to_value(seen).unwrap();
        assert_eq!((&seen["step"], &seen["status"]), (&json!("export"), &json!("canceling")));
        assert_eq!(seen["task"], task);
        assert!(seen["percent"].is_u64(), "{seen}");
    }
}
