use super::*;
use crate::error::ErrorClass;
use crate::snapshot::names;
use crate::snapshot::ports::{Database, Maker};
use crate::snapshot::world::{World, automated, golden};
use crate::testing::snapshots::RdsCall;

#[tokio::test]
async fn a_snapshot_is_made_once_whatever_fails() {
    let (world, run) = (World::new(), World::new().run(1));
    world.planned(&run).await;
    world.rds.fail(RdsCall::Create, 1, ErrorClass::Source);
    world.rds.lose_answer(RdsCall::Create, 2);
    for _ in 0..2 {
        let error = world.snapshots().make(&run).await.unwrap_err();
        assert!(error.class().is_retried(), "{error}");
    }
    let name = names::snapshot(&world.target, &run.execution_arn);
    for _ in 0..3 {
        let made = world.snapshots().make(&run).await.unwrap();
        let made = serde_json::to_value(made).unwrap();
        assert!(golden()["make"]["answers"].as_array().unwrap().contains(&made), "{made}");
        assert_eq!(world.rds.names(), [name.as_str()]);
    }
    assert_eq!(world.rds.count(RdsCall::Create), 2);
}

#[tokio::test]
async fn a_snapshot_bears_whose_it_is_and_where_its_run_is() {
    let (world, run) = (World::new(), World::new().run(1));
    let name = world.made(&run).await;
    let made = world.rds.snapshot(world.target.form, &name).await.unwrap().unwrap();
    assert_eq!(made.tags["autodump:made-for"], world.target.to_string());
    assert_eq!(made.tags["autodump:made-in"], run.directory());
    assert_eq!(made.tags.len(), 2);
}

#[tokio::test]
async fn a_second_run_of_the_day_makes_one_of_its_own() {
    let world = World::new();
    let one = world.made(&world.run(1)).await;
    let two = world.made(&world.run(2)).await;
    let mut expected = [one, two];
    expected.sort();
    assert_eq!(world.rds.names(), expected);
}

#[tokio::test]
async fn an_automated_snapshot_is_not_made() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
    world.plan(&run, &automated()).await.unwrap();
    assert_eq!(world.snapshots().make(&run).await.unwrap().status, "available");
    assert_eq!(world.rds.count(RdsCall::Create), 0);
    world.rds.lose("rds:orders-1");
    let error = world.snapshots().make(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().contains("is not there any more"), "{error}");
    assert_eq!(world.rds.names(), [""; 0]);
}

#[tokio::test]
async fn a_database_that_is_busy_is_waited_for() {
    let (world, run) = (World::new(), World::new().run(1));
    world.planned(&run).await;
    world.rds.limit(0);
    let error = world.snapshots().make(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.hint().contains("Service Quotas"), "{error}");
    world.rds.limit(1);
    let is = |status: &str| Database {
        status: status.to_owned(),
        engine: "postgres".to_owned(),
        engine_version: "15.4".to_owned(),
        cluster: None,
    };
    for status in ["modifying", "backing-up"] {
        world.rds.put(&world.target, is(status));
        let made = serde_json::to_value(world.snapshots().make(&run).await.unwrap()).unwrap();
        assert_eq!(made["status"], golden()["make"]["answers"][0]["status"]);
        assert!(made["reason"].as_str().unwrap().contains(status), "{made}");
        assert_eq!(world.rds.names().len(), 0);
    }
    world.rds.put(&world.target, is("stopped"));
    let error = world.snapshots().make(&run).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("\"stopped\""), "{error}");
    world.rds.put(&world.target, is("storage-optimization"));
    assert_eq!(world.snapshots().make(&run).await.unwrap().status, "creating");
    let error = world.snapshots().make(&world.run(2)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification, "there is no plan");
}

#[tokio::test]
async fn a_slow_snapshot_is_looked_at_until_it_is_there() {
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.slow(5);
    world.planned(&run).await;
    world.snapshots().make(&run).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&"available") {
        let looked = world.snapshots().look(&run).await.unwrap();
        let answer = serde_json::to_value(&looked).unwrap();
        assert!(golden()["look"]["answers"].as_array().unwrap().contains(&answer), "{answer}");
        seen.push(looked.status);
    }
    assert_eq!(seen, ["creating", "creating", "creating", "creating", "creating", "available"]);
}

#[tokio::test]
async fn a_snapshot_that_fails_is_an_error() {
    let (world, run) = (World::new(), World::new().run(1));
    let name = world.made(&run).await;
    for status in ["failed", "incompatible-restore", "deleting"] {
        world.rds.turn(&name, status);
        for error in [
            world.snapshots().look(&run).await.unwrap_err(),
            world.snapshots().make(&run).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::Engine);
            assert!(error.what().contains(&name) && error.what().contains(status), "{error}");
        }
    }
}
