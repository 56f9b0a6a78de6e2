use std::future::ready;

use super::*;
use crate::snapshot::options::KEPT;
use crate::snapshot::request::Request;
use crate::snapshot::world::{World, automated, golden};
use crate::testing::snapshots::RdsCall;

fn create() -> SnapshotOptions {
    SnapshotOptions::default()
}

fn database(status: &str) -> Database {
    Database {
        status: status.to_owned(),
        engine: "postgres".to_owned(),
        engine_version: "15.4".to_owned(),
        cluster: None,
    }
}

#[tokio::test]
async fn a_plan_is_made_once_and_names_the_snapshot() {
    let (world, run) = (World::new(), World::new().run(1));
    let wanted = SnapshotOptions { export_only: vec!["shop".to_owned()], keep: 3, ..create() };
    let planned = world.plan(&run, &wanted).await.unwrap();
    let plan = world.snapshots().plan_of(&run).await.unwrap();
    assert_eq!(planned.snapshot_arn, world.target.snapshot(&plan.snapshot));
    assert!(planned.make && plan.makes());
    assert_eq!((plan.keep, plan.export_only.as_slice()), (3, ["shop".to_owned()].as_slice()));
    assert_eq!(plan.planned_at, World::now());
    // Whatever becomes of the database and its tags.
    world.rds.put(&world.target, database("stopped"));
    assert_eq!(world.plan(&run, &automated()).await.unwrap(), planned);
    assert_eq!(world.snapshots().plan_of(&run).await.unwrap(), plan);
    assert_eq!(world.store.keys().len(), 1);
}

#[tokio::test]
async fn the_answer_is_the_contract() {
    let (world, golden) = (World::new(), golden());
    let read = Request::read(&golden["plan"]["event"]).unwrap();
    let Request::Plan { run, .. } = read else { panic!("{read:?}") };
    let planned = world.plan(&run, &create()).await.unwrap();
    assert_eq!(serde_json::to_value(planned).unwrap(), golden["plan"]["answers"][0]);
    let world = World::new();
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-2026-11-22-03-10", &[]);
    let planned = world.plan(&run, &automated()).await.unwrap();
    assert_eq!(serde_json::to_value(planned).unwrap(), golden["plan"]["answers"][1]);
}

#[tokio::test]
async fn two_runs_of_one_day_share_nothing() {
    let world = World::new();
    for number in [1, 2] {
        world.planned(&world.run(number)).await;
    }
    let (snapshots, runs) = (world.snapshots(), [1, 2].map(|number| world.run(number)));
    let one = snapshots.plan_of(&runs[0]).await.unwrap();
    let two = snapshots.plan_of(&runs[1]).await.unwrap();
    assert_ne!(one.snapshot, two.snapshot);
    assert_ne!(one.export_task, two.export_task);
    assert_eq!(world.store.keys().len(), 2);
}

#[tokio::test]
async fn the_newest_automated_snapshot_is_taken() {
    let world = World::new();
    let error = world.plan(&world.run(1), &automated()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.hint().contains("automated backups"), "{error}");
    for (days, name) in [(1, "rds:one"), (3, "rds:newest"), (2, "rds:two"), (4, "rds:creating")] {
        world.after(days);
        world.rds.add_snapshot(&world.target, Maker::Automated, name, &[]);
    }
    world.rds.turn("rds:creating", "creating");
    world.rds.add_snapshot(&world.target, Maker::Manual, "by-hand", &[]);
    // Of neither is a snapshot made: the account may be full, and the database stopped.
    world.rds.limit(0);
    world.rds.put(&world.target, database("stopped"));
    let planned = world.plan(&world.run(1), &automated()).await.unwrap();
    assert_eq!(planned.snapshot_arn, world.target.snapshot("rds:newest"));
    assert!(!planned.make);
    assert_eq!(world.snapshots().plan_of(&world.run(1)).await.unwrap().keep, KEPT);
}

#[tokio::test]
async fn an_account_that_is_full_is_told_what_to_do() {
    for (arn, name) in [
        ("arn:aws:rds:eu-central-1:111122223333:db:orders", "Manual DB instance snapshots"),
        ("arn:aws:rds:eu-central-1:111122223333:cluster:orders", "Manual DB cluster snapshots"),
    ] {
        let world = World::of(arn);
        world.rds.limit(2);
        for other in ["a", "b"] {
            world.rds.add_snapshot(&world.target, Maker::Manual, other, &[]);
        }
        let error = world.plan(&world.run(1), &create()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("2 of 2 manual"), "{error}");
        assert!(error.hint().contains(name) && error.hint().contains("keep-snapshots"), "{error}");
        assert_eq!(world.store.keys(), [""; 0]);
    }
}

#[tokio::test]
async fn an_instance_of_a_cluster_says_tag_the_cluster() {
    let world = World::new();
    world.rds.add(&world.target, Some("shop"));
    let error = world.plan(&world.run(1), &create()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("an instance of the cluster shop"), "{error}");
    assert!(error.hint().contains("Tag the cluster"), "{error}");
}

#[tokio::test]
async fn what_no_snapshot_can_be_made_of_is_refused() {
    let world = World::new();
    for status in ["stopped", "incompatible-parameters", "inaccessible-encryption-credentials"] {
        world.rds.put(&world.target, database(status));
        let error = world.plan(&world.run(1), &create()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains(status), "{error}");
    }
    world.rds.put(&world.target, Database { engine: "docdb".to_owned(), ..database("available") });
    let error = world.plan(&world.run(1), &create()).await.unwrap_err();
    assert!(error.what().contains("\"docdb\""), "{error}");
    let gone = World::of("arn:aws:rds:eu-central-1:111122223333:db:gone");
    let error = world.plan(&gone.run(1), &create()).await.unwrap_err();
    assert!(error.what().contains("is not there any more"), "{error}");
    let far = World::of("arn:aws:rds:eu-west-1:111122223333:db:orders");
    let error = far.plan(&far.run(1), &create()).await.unwrap_err();
    assert!(error.hint().contains("deploy AutoDump there"), "{error}");
    let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";
    let secret = Run { resource_arn: secret.to_owned(), ..world.run(1) };
    let error = world.plan(&secret, &create()).await.unwrap_err();
    assert!(error.what().contains("is no ARN of an RDS instance"), "{error}");
    assert_eq!((world.store.keys(), far.store.keys()), (Vec::new(), Vec::new()));
    // What passes is waited for.
    for (number, status) in (1..).zip(["backing-up", "modifying", "storage-optimization"]) {
        world.rds.put(&world.target, database(status));
        world.planned(&world.run(number)).await;
    }
}

#[tokio::test]
async fn rds_that_does_not_answer_leaves_no_plan() {
    let (world, run) = (World::new(), World::new().run(1));
    for call in [RdsCall::Database, RdsCall::Quota] {
        world.rds.fail(call, 1, ErrorClass::Source);
        let error = world.plan(&run, &create()).await.unwrap_err();
        assert_eq!((error.class(), world.store.keys()), (ErrorClass::Source, Vec::new()));
    }
    world.planned(&run).await;
}

/// Else no run of a full account would ever come to prune, whatever its tags say.
#[tokio::test]
async fn a_full_account_is_made_room_in_by_what_is_too_many() {
    let world = World::new();
    for number in 1..=3 {
        world.after(number.into());
        world.finished(&world.run(number)).await;
    }
    world.rds.limit(3);
    let run = world.run(4);
    let hash = TagHash::from("v1:00".to_owned());
    let wanted = |keep| ready(Ok((SnapshotOptions { keep, ..create() }, hash.clone())));
    let now = world.after(4);
    let error = world.snapshots().plan(&run, wanted(3), now).await.unwrap_err();
    assert!(error.what().contains("3 of 3 manual"), "{error}");
    world.rds.linger();
    world.snapshots().plan(&run, wanted(1), now).await.unwrap();
    // What is being deleted still counts for RDS.
    let waiting = world.snapshots().make(&run).await.unwrap();
    assert_eq!((waiting.status, world.rds.names().len()), ("waiting", 3));
    world.rds.sweep();
    assert_eq!(world.snapshots().make(&run).await.unwrap().status, "creating");
    assert_eq!(world.rds.names().len(), 2);
}

/// The answer of the first call is lost, and somebody breaks the tags meanwhile.
#[tokio::test]
async fn tags_are_not_read_where_there_is_a_plan() {
    let (world, run) = (World::new(), World::new().run(1));
    let wrong = || ready(Err(Error::new(ErrorClass::Configuration, "wrong tags", "Correct them")));
    let error = world.snapshots().plan(&run, wrong(), World::now()).await.unwrap_err();
    assert_eq!(error.what(), "wrong tags");
    let planned = world.plan(&run, &create()).await.unwrap();
    assert_eq!(world.snapshots().plan(&run, wrong(), World::now()).await.unwrap(), planned);
}
