//! Exports of snapshots to S3.

use autodump_core::snapshot::ports::{ExportRequest, ExportTask, Stage, Started};
use autodump_core::{Error, ErrorClass, Result};
use aws_sdk_rds::Client;
use aws_sdk_rds::types::{ExportTask as Found, Filter};

use super::{PAGE, REFUSED, REJECTED, is_missing, is_wrong_state, moment, next, refusal};
use crate::failure::failure;

const START_REFUSED: &str = "Let the function's role do rds:StartExportTask, iam:PassRole on the \
     role for exports, and kms:CreateGrant and DescribeKey on the key for exports";

const START_REJECTED: &str = "Check the tag export-only, that the role for exports may write into \
     the bucket, and that the key for exports is enabled and of the bucket's region";

pub(super) async fn described(client: &Client, name: &str) -> Result<Option<ExportTask>> {
    match client.describe_export_tasks().export_task_identifier(name).send().await {
        Ok(answer) => {
            let mut all = answer.export_tasks.unwrap_or_default().into_iter();
            all.find(|one| one.export_task_identifier() == Some(name)).map(read).transpose()
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => {
            let what = format!("cannot look at the export task {name}");
            Err(failure(&what, error, REFUSED, REJECTED))
        }
    }
}

pub(super) async fn running(client: &Client) -> Result<Vec<ExportTask>> {
    let filter = Filter::builder().name("status").values("starting").values("in_progress");
    let filter = filter.values("canceling").build();
    let (mut all, mut marker) = (Vec::new(), None);
    loop {
        let request = client.describe_export_tasks().filters(filter.clone());
        let request = request.max_records(PAGE).set_marker(marker);
        let answer = request.send().await.map_err(|error| {
            failure("cannot list the export tasks that run", error, REFUSED, REJECTED)
        })?;
        for found in answer.export_tasks.unwrap_or_default() {
            let task = read(found)?;
            // Live clusters are exported too, and have a limit of their own.
            let of_snapshot = task.source_arn.contains("snapshot:");
            let runs = matches!(task.stage, Stage::Starting | Stage::InProgress | Stage::Canceling);
            if runs && of_snapshot {
                all.push(task);
            }
        }
        marker = next(answer.marker);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

pub(super) async fn start(client: &Client, request: &ExportRequest) -> Result<Started> {
    let ExportRequest { name, source_arn, bucket, prefix, role_arn, kms_key, export_only } =
        request;
    let only = (!export_only.is_empty()).then(|| export_only.clone());
    let sent = client
        .start_export_task()
        .export_task_identifier(name)
        .source_arn(source_arn)
        .s3_bucket_name(bucket)
        .s3_prefix(prefix)
        .iam_role_arn(role_arn)
        .kms_key_id(kms_key)
        .set_export_only(only)
        .send()
        .await;
    let Err(error) = sent else { return Ok(Started::Begun) };
    match refusal(&error) {
        Some((code, _)) if code.starts_with("ExportTaskAlreadyExists") => Ok(Started::AlreadyThere),
        // RDS documents the limit, but no code for it.
        Some((code, why)) if code.contains("Limit") || code.contains("Quota") => {
            Ok(Started::Full(why))
        }
        Some((code, why)) if is_wrong_state(code) => Ok(Started::Busy(why)),
        _ => {
            let what = format!("cannot start the export {name} of {source_arn}");
            Err(failure(&what, error, START_REFUSED, START_REJECTED))
        }
    }
}

pub(super) async fn cancel(client: &Client, name: &str) -> Result<()> {
    let sent = client.cancel_export_task().export_task_identifier(name).send().await;
    let Err(error) = sent else { return Ok(()) };
    match refusal(&error) {
        Some((code, _)) if code.contains("NotFound") || is_wrong_state(code) => Ok(()),
        _ => {
            let what = format!("cannot cancel the export task {name}");
            Err(failure(&what, error, REFUSED, REJECTED))
        }
    }
}

fn read(found: Found) -> Result<ExportTask> {
    let name = found.export_task_identifier.unwrap_or_default();
    let status = found.status.unwrap_or_default();
    let stage = match status.to_ascii_uppercase().as_str() {
        "STARTING" => Stage::Starting,
        "IN_PROGRESS" => Stage::InProgress,
        "COMPLETE" => Stage::Complete,
        "FAILED" => Stage::Failed,
        "CANCELING" => Stage::Canceling,
        "CANCELED" => Stage::Canceled,
        _ => {
            return Err(Error::new(
                ErrorClass::Source,
                format!("RDS says that the export task {name} is {status:?}, which is not known"),
                "Look at the export in the console",
            ));
        }
    };
    let progress = found.percent_progress.unwrap_or_default().clamp(0, 100);
    let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    Ok(ExportTask {
        name,
        source_arn: found.source_arn.unwrap_or_default(),
        stage,
        progress: u8::try_from(progress).unwrap_or_default(),
        failure: said(found.failure_cause),
        warning: said(found.warning_message),
        kms_key: found.kms_key_id.unwrap_or_default(),
        snapshot_time: moment(found.snapshot_time),
        started: moment(found.task_start_time),
        ended: moment(found.task_end_time),
    })
}

#[cfg(test)]
#[path = "exports_tests.rs"]
mod tests;
