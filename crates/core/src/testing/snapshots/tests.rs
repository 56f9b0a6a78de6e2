use super::*;
use crate::snapshot::ports::{Deleted, Made, SnapshotService as _, Started};

fn orders(form: &str) -> DatabaseArn {
    format!("arn:aws:rds:eu-central-1:111122223333:{form}:orders").parse().unwrap()
}

fn rds() -> MemorySnapshots {
    let rds = MemorySnapshots::new("2026-11-22T08:00:00Z".parse().unwrap());
    rds.add(&orders("db"), None);
    rds.add(&orders("cluster"), None);
    rds
}

#[tokio::test]
async fn it_keeps_the_contract() {
    for form in ["db", "cluster"] {
        contract::a_snapshot_comes_and_goes(&rds(), &orders(form)).await;
        contract::what_is_not_there_is_not_found(&rds(), &orders(form)).await;
        contract::an_export_is_started_once_and_cancelled(&rds(), &orders(form)).await;
    }
}

#[tokio::test]
async fn a_form_does_not_see_the_snapshots_of_the_other() {
    let (rds, instance) = (rds(), orders("db"));
    assert_eq!(rds.create(&instance, "a", &[]).await.unwrap(), Made::Begun);
    assert_eq!(rds.snapshot(Form::Cluster, "a").await.unwrap(), None);
    assert_eq!(rds.quota(Form::Cluster).await.unwrap().used, 0);
    assert_eq!(rds.create(&orders("cluster"), "a", &[]).await.unwrap(), Made::Begun);
}

#[tokio::test]
async fn it_is_as_strict_as_the_service() {
    let (rds, instance) = (rds(), orders("db"));
    for name in ["a--b", "-a", "a-", "1a", &"a".repeat(256)] {
        assert!(rds.create(&instance, name, &[]).await.is_err(), "{name}");
    }
    rds.slow(u32::MAX);
    assert_eq!(rds.create(&instance, "a", &[]).await.unwrap(), Made::Begun);
    assert!(matches!(rds.delete(Form::Instance, "a").await.unwrap(), Deleted::InUse(_)));
    let request = |name: &str, source: &str| ExportRequest {
        name: name.to_owned(),
        source_arn: instance.snapshot(source),
        bucket: "b".to_owned(),
        prefix: "p".to_owned(),
        role_arn: "r".to_owned(),
        kms_key: "k".to_owned(),
        export_only: Vec::new(),
    };
    assert!(matches!(rds.start_export(&request("t", "a")).await.unwrap(), Started::Busy(_)));
    assert!(rds.start_export(&request("t", "b")).await.is_err());
    assert!(rds.start_export(&request(&"t".repeat(61), "a")).await.is_err());
    rds.turn("a", "available");
    rds.occupy(5);
    assert!(matches!(rds.start_export(&request("t", "a")).await.unwrap(), Started::Full(_)));
    rds.vacate();
    assert_eq!(rds.start_export(&request("t", "a")).await.unwrap(), Started::Begun);
    assert!(matches!(rds.start_export(&request("u", "a")).await.unwrap(), Started::Busy(_)));
    rds.limit(1);
    assert!(matches!(rds.create(&instance, "b", &[]).await.unwrap(), Made::QuotaFull(_)));
    rds.end("t", Stage::Complete, None, None);
    assert!(matches!(rds.start_export(&request("u", "a")).await.unwrap(), Started::Busy(_)));
    assert_eq!(rds.start_export(&request("u", "a")).await.unwrap(), Started::Begun);
    // While it is exported, too.
    assert_eq!(rds.delete(Form::Instance, "a").await.unwrap(), Deleted::Gone);
}

#[tokio::test]
async fn the_nth_call_fails_once_with_or_without_effect() {
    let (rds, instance) = (rds(), orders("db"));
    rds.fail(RdsCall::Create, 1, ErrorClass::Source);
    rds.lose_answer(RdsCall::Create, 2);
    for (number, left) in [(1, 0), (2, 1)] {
        let error = rds.create(&instance, "a", &[]).await.unwrap_err();
        assert_eq!((error.class(), rds.names().len()), (ErrorClass::Source, left), "{number}");
    }
    assert_eq!(rds.create(&instance, "a", &[]).await.unwrap(), Made::AlreadyThere);
    assert_eq!(rds.count(RdsCall::Create), 3);
}
