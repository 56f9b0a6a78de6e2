//! The promises of [`SnapshotService`], for every implementation of it. Each function takes an
//! account in which the database is available and has no snapshots, and looks until what it waits
//! for is there.

#![allow(clippy::missing_panics_doc, reason = "panicking is how these tell")]

use crate::snapshot::arn::DatabaseArn;
use crate::snapshot::ports::{
    Deleted, ExportRequest, Made, Maker, Snapshot, SnapshotService, Stage, Started,
};

/// How often is looked.
const PATIENCE: u32 = 1000;

const ANSWER: &str = "an answer";
const THERE: &str = "what was made";

fn tags() -> [(String, String); 1] {
    [("autodump:made-for".to_owned(), "x".to_owned())]
}

async fn available(service: &impl SnapshotService, of: &DatabaseArn, name: &str) -> Snapshot {
    assert_eq!(service.create(of, name, &tags()).await.expect(ANSWER), Made::Begun);
    for _ in 0..PATIENCE {
        let found = service.snapshot(of.form, name).await.expect(ANSWER).expect(THERE);
        if found.status == "available" {
            return found;
        }
    }
    panic!("{name} is never available");
}

/// A snapshot is made once, is found by its name and its database with its tags, counts for the
/// quota, and is gone when it is deleted, also for the second time.
pub async fn a_snapshot_comes_and_goes(service: &impl SnapshotService, of: &DatabaseArn) {
    let name = "autodump-contract-1";
    assert_eq!(service.snapshot(of.form, name).await.expect(ANSWER), None);
    let before = service.quota(of.form).await.expect(ANSWER);
    let made = available(service, of, name).await;
    assert_eq!((made.name.as_str(), made.arn), (name, of.snapshot(name)));
    assert_eq!(made.tags, tags().into_iter().collect());
    assert!(made.created.is_some());
    assert_eq!(service.create(of, name, &tags()).await.expect(ANSWER), Made::AlreadyThere);
    let after = service.quota(of.form).await.expect(ANSWER);
    assert_eq!((after.used, after.most), (before.used + 1, before.most));
    let names = |all: Vec<Snapshot>| all.into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(service.snapshots(of, Maker::Manual).await.expect(ANSWER)), [name]);
    assert_eq!(names(service.snapshots(of, Maker::Automated).await.expect(ANSWER)), [""; 0]);
    for _ in 0..2 {
        assert_eq!(service.delete(of.form, name).await.expect(ANSWER), Deleted::Gone);
    }
    assert_eq!(service.snapshot(of.form, name).await.expect(ANSWER), None);
}

/// What is not there is `None`, and no error.
pub async fn what_is_not_there_is_not_found(service: &impl SnapshotService, of: &DatabaseArn) {
    let other = DatabaseArn { name: "nowhere".to_owned(), ..of.clone() };
    assert!(service.database(of).await.expect(ANSWER).is_some());
    assert_eq!(service.database(&other).await.expect(ANSWER), None);
    assert_eq!(service.snapshots(&other, Maker::Manual).await.expect(ANSWER), []);
    assert_eq!(service.export_task("nowhere").await.expect(ANSWER), None);
    service.cancel_export("nowhere").await.expect(ANSWER);
}

/// An export is started once, runs until it is cancelled, and cancelling twice is no error.
pub async fn an_export_is_started_once_and_cancelled(
    service: &impl SnapshotService,
    of: &DatabaseArn,
) {
    let source = available(service, of, "autodump-contract-2").await;
    let request = ExportRequest {
        name: "autodump-contract-2".to_owned(),
        source_arn: source.arn.clone(),
        bucket: "backups".to_owned(),
        prefix: "rds/contract/export".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/Export".to_owned(),
        kms_key: "arn:aws:kms:eu-central-1:111122223333:key/1".to_owned(),
        export_only: Vec::new(),
    };
    assert_eq!(service.start_export(&request).await.expect(ANSWER), Started::Begun);
    assert_eq!(service.start_export(&request).await.expect(ANSWER), Started::AlreadyThere);
    let running = service.running_exports().await.expect(ANSWER);
    assert_eq!(running.iter().filter(|task| task.source_arn == source.arn).count(), 1);
    for _ in 0..2 {
        service.cancel_export(&request.name).await.expect(ANSWER);
    }
    for _ in 0..PATIENCE {
        let task = service.export_task(&request.name).await.expect(ANSWER).expect(THERE);
        if task.stage == Stage::Canceled {
            assert_eq!(service.running_exports().await.expect(ANSWER), []);
            return;
        }
    }
    panic!("it is never cancelled");
}
