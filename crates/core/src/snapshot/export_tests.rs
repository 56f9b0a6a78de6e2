use super::*;
use crate::error::ErrorClass;
use crate::snapshot::names;
use crate::snapshot::options::SnapshotOptions;
use crate::snapshot::ports::{Maker, Stage};
use crate::snapshot::world::{BUCKET, KEY, ROLE, World, automated, golden};
use crate::testing::snapshots::RdsCall;

#[tokio::test]
async fn an_export_is_started_once_whatever_fails() {
    let (world, run) = (World::new(), World::new().run(1));
    let wanted =
        SnapshotOptions { export_only: vec!["shop".to_owned()], ..SnapshotOptions::default() };
    world.plan(&run, &wanted).await.unwrap();
    let snapshot = world.made(&run).await;
    world.rds.fail(RdsCall::StartExport, 1, ErrorClass::Source);
    world.rds.lose_answer(RdsCall::StartExport, 2);
    for _ in 0..2 {
        assert!(world.snapshots().export(&run).await.unwrap_err().class().is_retried());
    }
    for _ in 0..2 {
        let exported = serde_json::to_value(world.snapshots().export(&run).await.unwrap()).unwrap();
        assert_eq!(exported, golden()["export"]["answers"][1]);
    }
    let expected = ExportRequest {
        name: names::export_task(&world.target, &run.execution_arn),
        source_arn: world.target.snapshot(&snapshot),
        bucket: BUCKET.to_owned(),
        prefix: format!("{}export", run.directory()),
        role_arn: ROLE.to_owned(),
        kms_key: KEY.to_owned(),
        export_only: vec!["shop".to_owned()],
    };
    assert_eq!(world.rds.exports(), [expected]);
}

#[tokio::test]
async fn a_sixth_export_waits_its_turn() {
    let (world, run) = (World::new(), World::new().run(1));
    world.made(&run).await;
    world.rds.occupy(MOST_EXPORTS);
    for _ in 0..2 {
        let exported = serde_json::to_value(world.snapshots().export(&run).await.unwrap()).unwrap();
        assert_eq!(exported, golden()["export"]["answers"][0], "with its reason");
    }
    assert_eq!((world.rds.exports(), world.rds.count(RdsCall::StartExport)), (Vec::new(), 0));
    world.rds.vacate();
    assert_eq!(world.snapshots().export(&run).await.unwrap(), STARTING);
}

#[tokio::test]
async fn a_snapshot_is_exported_by_one_run_at_a_time() {
    let world = World::new();
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
    for number in [1, 2] {
        world.plan(&world.run(number), &automated()).await.unwrap();
    }
    assert_eq!(world.snapshots().export(&world.run(1)).await.unwrap(), STARTING);
    assert_eq!(world.snapshots().export(&world.run(2)).await.unwrap().status, "waiting");
    while world.snapshots().follow(&world.run(1)).await.unwrap().status != "complete" {}
    // RDS refuses it for a short time more.
    let error = world.snapshots().export(&world.run(2)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("just now"), "{error}");
    assert_eq!(world.snapshots().export(&world.run(2)).await.unwrap(), STARTING);
}

#[tokio::test]
async fn an_export_that_is_being_cancelled_is_waited_for() {
    let world = World::new();
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
    for number in [1, 2] {
        world.plan(&world.run(number), &automated()).await.unwrap();
    }
    world.snapshots().export(&world.run(1)).await.unwrap();
    assert!(!world.snapshots().undo(&world.run(1)).await.unwrap().undone);
    assert_eq!(world.snapshots().export(&world.run(2)).await.unwrap().status, "waiting");
    assert_eq!(world.rds.count(RdsCall::StartExport), 1);
}

#[tokio::test]
async fn a_snapshot_that_failed_is_not_waited_for() {
    let (world, run) = (World::new(), World::new().run(1));
    let name = world.made(&run).await;
    world.rds.turn(&name, "failed");
    let error = world.snapshots().export(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().contains("\"failed\""), "{error}");
}

#[tokio::test]
async fn an_export_is_followed_to_its_end() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.slow(3);
    world.made(&run).await;
    let error = world.snapshots().follow(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "it was not started: {error}");
    world.snapshots().export(&run).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last: &serde_json::Value| last["status"] != "complete") {
        seen.push(serde_json::to_value(world.snapshots().follow(&run).await.unwrap()).unwrap());
    }
    seen.dedup();
    assert_eq!(golden()["follow"]["answers"], serde_json::Value::from(seen));
}

#[tokio::test]
async fn an_export_that_fails_is_an_error_with_its_cause() {
    for (stage, failure, says) in [
        (Stage::Failed, Some("The role cannot be assumed."), "failed: The role cannot be assumed"),
        (Stage::Failed, None, "failed: RDS gives no cause"),
        (Stage::Canceling, None, "was cancelled"),
        (Stage::Canceled, None, "was cancelled"),
    ] {
        let (world, run) = (World::new(), World::new().run(1));
        world.made(&run).await;
        world.snapshots().export(&run).await.unwrap();
        let task = names::export_task(&world.target, &run.execution_arn);
        world.rds.end(&task, stage, failure, None);
        for error in [
            world.snapshots().follow(&run).await.unwrap_err(),
            world.snapshots().export(&run).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::Engine);
            assert!(error.what().contains(&task) && error.what().ends_with(says), "{error}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_is_not_ready_may_be_tried_again() {
    let (world, run) = (World::new(), World::new().run(1));
    let name = world.made(&run).await;
    world.rds.turn(&name, "modifying");
    let error = world.snapshots().export(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("modifying"), "{error}");
}

/// Others began since the exports were counted, and RDS refuses by a code that nobody knows.
#[tokio::test]
async fn who_comes_too_late_waits_too() {
    let (world, run) = (World::new(), World::new().run(1));
    world.made(&run).await;
    world.rds.fail(RdsCall::StartExport, 1, ErrorClass::Configuration);
    world.rds.crowd(MOST_EXPORTS);
    assert_eq!(world.snapshots().export(&run).await.unwrap().status, "waiting");
    world.rds.vacate();
    world.rds.fail(RdsCall::StartExport, 1, ErrorClass::Configuration);
    let error = world.snapshots().export(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}
