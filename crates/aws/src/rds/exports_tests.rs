use autodump_core::snapshot::ports::SnapshotService as _;

use super::super::tests::{answer, asked, export, rds, refused};
use super::*;
use crate::replay::Answer;

const SOURCE: &str = "arn:aws:rds:eu-central-1:111122223333:snapshot:a-1";

fn task(name: &str, status: &str, more: &str) -> String {
    format!(
        "<ExportTask><ExportTaskIdentifier>{name}</ExportTaskIdentifier>\
         <SourceArn>{SOURCE}</SourceArn><Status>{status}</Status>\
         <PercentProgress>30</PercentProgress><KmsKeyId>arn:key</KmsKeyId>\
         <SnapshotTime>2026-11-22T08:00:52Z</SnapshotTime>{more}</ExportTask>"
    )
}

fn tasks(all: &str, marker: &str) -> Answer {
    let result = format!("<Marker>{marker}</Marker><ExportTasks>{all}</ExportTasks>");
    answer("DescribeExportTasks", &result)
}

#[tokio::test]
async fn an_export_task_is_described_at_every_stage() {
    let ended = "<FailureCause>No role</FailureCause><WarningMessage>1 skipped</WarningMessage>\
                 <TaskStartTime>2026-11-22T08:20:00Z</TaskStartTime>\
                 <TaskEndTime>2026-11-22T08:41:07Z</TaskEndTime>";
    for (status, stage) in [
        ("STARTING", Stage::Starting),
        ("IN_PROGRESS", Stage::InProgress),
        ("COMPLETE", Stage::Complete),
        ("complete", Stage::Complete),
        ("FAILED", Stage::Failed),
        ("CANCELING", Stage::Canceling),
        ("CANCELED", Stage::Canceled),
    ] {
        let (rds, sent) = rds(vec![tasks(&task("t", status, ended), "")]).await;
        let expected = ExportTask {
            name: "t".to_owned(),
            source_arn: SOURCE.to_owned(),
            stage,
            progress: 30,
            failure: Some("No role".to_owned()),
            warning: Some("1 skipped".to_owned()),
            kms_key: "arn:key".to_owned(),
            snapshot_time: Some("2026-11-22T08:00:52Z".parse().unwrap()),
            started: Some("2026-11-22T08:20:00Z".parse().unwrap()),
            ended: Some("2026-11-22T08:41:07Z".parse().unwrap()),
        };
        assert_eq!(rds.export_task("t").await.unwrap(), Some(expected));
        assert_eq!(asked(&sent), ["Action=DescribeExportTasks ExportTaskIdentifier=t"]);
    }
    let (service, _) = rds(vec![refused(404, "ExportTaskNotFound"), tasks("", "")]).await;
    for _ in 0..2 {
        assert_eq!(service.export_task("t").await.unwrap(), None);
    }
    let (service, _) = rds(vec![tasks(&task("t", "SLEEPING", ""), "")]).await;
    let error = service.export_task("t").await.unwrap_err();
    assert!(error.class().is_retried() && error.what().contains("\"SLEEPING\""), "{error}");
}

#[tokio::test]
async fn the_exports_that_run_are_listed_page_by_page() {
    // One of a live cluster, which has a limit of its own.
    let live = task("live", "IN_PROGRESS", "").replace("snapshot:a-1", "cluster:orders");
    let (rds, sent) = rds(vec![
        tasks(&(task("a", "STARTING", "") + &task("b", "COMPLETE", "")), "more"),
        tasks(&(task("c", "IN_PROGRESS", "") + &task("d", "CANCELING", "") + &live), ""),
    ])
    .await;
    let running = rds.running_exports().await.unwrap();
    let names: Vec<_> = running.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "d"]);
    let request = asked(&sent);
    for part in [
        "Filters.Filter.1.Name=status",
        "Value.1=starting",
        "Value.2=in_progress",
        "Value.3=canceling",
    ] {
        assert!(
            request.iter().all(|request| request.contains(part)),
            "{part} is not in {request:?}"
        );
    }
    assert!(request[1].contains("Marker=more"), "{request:?}");
}

#[tokio::test]
async fn an_export_is_started() {
    let (service, sent) =
        rds(vec![answer("StartExportTask", ""), answer("StartExportTask", "")]).await;
    for only in [&["shop", "shop.public"][..], &[]] {
        assert_eq!(service.start_export(&export(only)).await.unwrap(), Started::Begun);
    }
    let requests = asked(&sent);
    for part in [
        "Action=StartExportTask ",
        "ExportTaskIdentifier=t",
        "SourceArn=arn:source",
        "S3BucketName=backups",
        "S3Prefix=rds/orders/export",
        "IamRoleArn=arn:role",
        "KmsKeyId=arn:key",
    ] {
        assert!(requests.iter().all(|request| request.contains(part)), "{part}: {requests:?}");
    }
    assert!(requests[0].contains("ExportOnly.member.1=shop ExportOnly.member.2=shop.public"));
    assert!(!requests[1].contains("ExportOnly"), "{requests:?}");
    let why = || "It is so".to_owned();
    for (code, started) in [
        ("ExportTaskAlreadyExists", Started::AlreadyThere),
        ("ExportTaskLimitReachedFault", Started::Full(why())),
        ("InvalidExportSourceState", Started::Busy(why())),
    ] {
        let (service, _) = rds(vec![refused(400, code)]).await;
        assert_eq!(service.start_export(&export(&[])).await.unwrap(), started, "{code}");
    }
    for code in ["InvalidExportOnly", "IamRoleNotFound", "KMSKeyNotAccessibleFault"] {
        let (service, _) = rds(vec![refused(400, code)]).await;
        let error = service.start_export(&export(&[])).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(code) && error.what().contains("It is so"), "{error}");
    }
}

#[tokio::test]
async fn an_export_that_has_ended_need_not_be_cancelled() {
    for answered in [
        answer("CancelExportTask", ""),
        refused(404, "ExportTaskNotFound"),
        refused(400, "InvalidExportTaskStateFault"),
    ] {
        let (rds, sent) = rds(vec![answered]).await;
        rds.cancel_export("t").await.unwrap();
        assert_eq!(asked(&sent), ["Action=CancelExportTask ExportTaskIdentifier=t"]);
    }
    let (service, _) = rds(vec![refused(403, "AccessDenied")]).await;
    let error = service.cancel_export("t").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
}
