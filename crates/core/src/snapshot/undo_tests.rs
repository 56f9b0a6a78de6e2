use super::*;
use crate::error::ErrorClass;
use crate::ports::ObjectLocation;
use crate::snapshot::ports::Maker;
use crate::snapshot::world::{BUCKET, World, automated, golden};
use crate::testing::snapshots::{ExportedTable, RdsCall};

/// Until nothing is left; how often it was called.
async fn undone(world: &World, run: &Run) -> u32 {
    for number in 1..100 {
        let answer = world.snapshots().undo(run).await.unwrap();
        let value = serde_json::to_value(answer).unwrap();
        assert!(golden()["undo"]["answers"].as_array().unwrap().contains(&value), "{value}");
        if answer.undone {
            return number;
        }
    }
    panic!("it is never undone")
}

#[tokio::test]
async fn a_run_that_did_nothing_leaves_nothing() {
    let (world, run) = (World::new(), World::new().run(1));
    assert_eq!(undone(&world, &run).await, 1);
    world.planned(&run).await;
    assert_eq!(undone(&world, &run).await, 1);
    assert_eq!(world.rds.count(RdsCall::Delete), 0);
}

#[tokio::test]
async fn a_snapshot_that_is_being_made_is_deleted_as_soon_as_it_can_be() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.slow(4);
    world.planned(&run).await;
    world.snapshots().make(&run).await.unwrap();
    assert_eq!(undone(&world, &run).await, 5);
    assert_eq!(world.rds.names(), [""; 0]);
    assert_eq!(undone(&world, &run).await, 1, "again");
}

#[tokio::test]
async fn a_snapshot_that_is_there_or_failed_is_deleted() {
    for status in ["available", "failed"] {
        let (world, run) = (World::new(), World::new().run(1));
        let name = world.made(&run).await;
        world.rds.turn(&name, status);
        assert_eq!(undone(&world, &run).await, 1);
        assert_eq!(world.rds.names(), [""; 0]);
    }
}

#[tokio::test]
async fn an_export_is_cancelled_and_its_snapshot_deleted() {
    for looks in [0, 1] {
        let (world, run) = (World::new(), World::new().run(1));
        world.rds.slow(4);
        world.made(&run).await;
        world.snapshots().export(&run).await.unwrap();
        for _ in 0..looks {
            world.snapshots().follow(&run).await.unwrap();
        }
        undone(&world, &run).await;
        let task = names::export_task(&world.target, &run.execution_arn);
        assert_eq!(world.rds.stage(&task), Some(Stage::Canceled));
        assert_eq!((world.rds.names(), world.rds.count(RdsCall::CancelExport)), (Vec::new(), 1));
    }
}

#[tokio::test]
async fn an_export_that_failed_or_ended_leaves_no_snapshot_without_a_manifest() {
    for stage in [Stage::Failed, Stage::Complete, Stage::Canceled] {
        let (world, run) = (World::new(), World::new().run(1));
        world.made(&run).await;
        world.snapshots().export(&run).await.unwrap();
        world.rds.end(&names::export_task(&world.target, &run.execution_arn), stage, None, None);
        assert_eq!(undone(&world, &run).await, 1);
        assert_eq!((world.rds.names(), world.rds.count(RdsCall::CancelExport)), (Vec::new(), 0));
    }
}

#[tokio::test]
async fn a_backup_that_is_there_keeps_its_snapshot() {
    let (world, run) = (World::new(), World::new().run(1));
    let name = world.finished(&run).await;
    assert_eq!(undone(&world, &run).await, 1);
    assert_eq!(world.rds.names(), [name]);
}

#[tokio::test]
async fn a_plan_that_is_lost_stops_nothing() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.slow(4);
    world.made(&run).await;
    world.snapshots().export(&run).await.unwrap();
    let key = run.plan_key();
    world.store.remove(&ObjectLocation { bucket: BUCKET.to_owned(), key });
    undone(&world, &run).await;
    assert_eq!((world.rds.names(), world.store.keys()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_automated_snapshot_stays() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
    world.plan(&run, &automated()).await.unwrap();
    world.rds.slow(4);
    world.snapshots().export(&run).await.unwrap();
    undone(&world, &run).await;
    let task = names::export_task(&world.target, &run.execution_arn);
    assert_eq!(world.rds.stage(&task), Some(Stage::Canceled));
    assert_eq!(world.rds.names(), ["rds:orders-1"]);
}

#[tokio::test]
async fn a_snapshot_of_that_name_that_is_not_ours_stays() {
    let (world, run) = (World::new(), World::new().run(1));
    world.planned(&run).await;
    let name = names::snapshot(&world.target, &run.execution_arn);
    world.rds.add_snapshot(&world.target, Maker::Manual, &name, &[]);
    assert_eq!(undone(&world, &run).await, 1);
    assert_eq!(world.rds.names(), [name]);
}

#[tokio::test]
async fn another_run_of_the_day_is_left_alone() {
    let world = World::new();
    let other = world.made(&world.run(2)).await;
    world.exported(&world.run(1), &[ExportedTable::whole("a.b.c", &[1])]).await;
    undone(&world, &world.run(1)).await;
    assert_eq!(world.rds.names(), [other]);
}

#[tokio::test]
async fn what_fails_is_undone_the_next_time() {
    for call in [RdsCall::ExportTask, RdsCall::CancelExport, RdsCall::Snapshot, RdsCall::Delete] {
        let (world, run) = (World::new(), World::new().run(1));
        world.rds.slow(4);
        world.made(&run).await;
        world.snapshots().export(&run).await.unwrap();
        world.rds.fail(call, 1, ErrorClass::Source);
        let mut failed = 0;
        loop {
            match world.snapshots().undo(&run).await {
                Ok(answer) if answer.undone => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(error.class().is_retried(), "{error}");
                    failed += 1;
                }
            }
        }
        assert_eq!((failed, world.rds.names()), (1, Vec::new()), "{call:?}");
    }
}

#[tokio::test]
async fn of_a_database_of_elsewhere_nothing_is_asked() {
    let world = World::of("arn:aws:rds:eu-west-1:444455556666:db:orders");
    for call in [RdsCall::ExportTask, RdsCall::Snapshot] {
        world.rds.fail(call, 1, ErrorClass::Credentials);
    }
    assert!(world.snapshots().undo(&world.run(1)).await.unwrap().undone);
}
