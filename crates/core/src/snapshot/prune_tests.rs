use super::*;
use crate::snapshot::options::SnapshotOptions;
use crate::snapshot::world::{World, golden};
use crate::testing::snapshots::RdsCall;

/// A backup a day, as many as this, and a limit. Gives the names of their snapshots.
async fn backups(world: &World, days: u32, keep: u32) -> Vec<String> {
    let mut names = Vec::new();
    for number in 1..=days {
        world.after(number.into());
        let run = world.run(number);
        let wanted = SnapshotOptions { keep, ..SnapshotOptions::default() };
        world.plan(&run, &wanted).await.unwrap();
        names.push(world.finished(&run).await);
    }
    names
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

#[tokio::test]
async fn the_oldest_beyond_the_limit_are_deleted() {
    let world = World::new();
    let names = backups(&world, 5, 2).await;
    let pruned = world.snapshots().prune(&world.run(5), world.after(5)).await.unwrap();
    assert_eq!(pruned.deleted, names[..3]);
    assert_eq!(world.rds.names(), sorted(&names[3..]));
    let again = world.snapshots().prune(&world.run(5), world.after(5)).await.unwrap();
    let none = serde_json::to_value(&again).unwrap();
    assert_eq!(golden()["prune"]["answers"][1], none);
    let keys = |value: &serde_json::Value| value["deleted"].is_array();
    assert!(keys(&golden()["prune"]["answers"][0]) && keys(&none));
}

#[tokio::test]
async fn what_autodump_did_not_make_for_this_target_stays() {
    let world = World::new();
    let names = backups(&world, 2, 1).await;
    let made_for = |arn: &str| ("autodump:made-for".to_owned(), arn.to_owned());
    let target = world.target.to_string();
    let like = |digit: &str| format!("autodump-orders-{}", digit.repeat(20));
    world.after(0);
    for (name, tags) in [
        // By hand, even with the tag; of the right name without it; for another target.
        ("by-hand".to_owned(), vec![]),
        ("autodump-orders-by-hand".to_owned(), vec![made_for(&target)]),
        (like("a"), vec![]),
        (like("b"), vec![made_for(&target.replace("orders", "users"))]),
    ] {
        world.rds.add_snapshot(&world.target, Maker::Manual, &name, &tags);
    }
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[made_for(&target)]);
    let pruned = world.snapshots().prune(&world.run(2), world.after(30)).await.unwrap();
    assert_eq!(pruned.deleted, [names[0].clone()]);
    assert_eq!(world.rds.names().len(), 6);
}

#[tokio::test]
async fn the_last_good_one_stays_however_many_failed_after_it() {
    let world = World::new();
    let good = backups(&world, 2, 1).await;
    for number in 3..=5 {
        world.after(number.into());
        world.made(&world.run(number)).await;
    }
    let pruned = world.snapshots().prune(&world.run(2), world.after(60)).await.unwrap();
    assert_eq!(pruned.deleted.len(), 4);
    assert_eq!(world.rds.names(), [good[1].clone()]);
}

#[tokio::test]
async fn a_run_that_is_on_its_way_keeps_its_snapshot() {
    let world = World::new();
    // It waits for its export, and began before the other run, which has ended.
    world.after(1);
    let waiting = world.made(&world.run(7)).await;
    // It is exported for long.
    let exported = world.made(&world.run(8)).await;
    world.rds.slow(1000);
    world.snapshots().export(&world.run(8)).await.unwrap();
    // It is being made.
    world.planned(&world.run(9)).await;
    world.snapshots().make(&world.run(9)).await.unwrap();
    world.rds.slow(2);
    let names = backups(&world, 2, 1).await;
    let pruned = world.snapshots().prune(&world.run(2), world.after(2)).await.unwrap();
    assert_eq!(pruned.deleted, [names[0].clone()]);
    let pruned = world.snapshots().prune(&world.run(2), world.after(10)).await.unwrap();
    assert_eq!(pruned.deleted, [waiting], "nobody waits for so long");
    assert!(world.rds.names().contains(&exported));
    assert_eq!(world.rds.names().len(), 3);
}

#[tokio::test]
async fn snapshots_that_failed_are_deleted_and_displace_none() {
    let world = World::new();
    let names = backups(&world, 3, 2).await;
    world.rds.turn(&names[2], "failed");
    let pruned = world.snapshots().prune(&world.run(3), world.after(3)).await.unwrap();
    assert_eq!(pruned.deleted, [names[2].clone()]);
    assert_eq!(world.rds.names(), sorted(&names[..2]));
}

#[tokio::test]
async fn one_that_cannot_be_deleted_stops_no_other() {
    let world = World::new();
    let names = backups(&world, 4, 1).await;
    world.rds.fail(RdsCall::Delete, 1, ErrorClass::Source);
    let error = world.snapshots().prune(&world.run(4), world.after(4)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert_eq!(world.rds.names(), sorted(&[names[0].clone(), names[3].clone()]));
    world.rds.lose_answer(RdsCall::Delete, 1);
    assert!(world.snapshots().prune(&world.run(4), world.after(4)).await.is_err());
    let pruned = world.snapshots().prune(&world.run(4), world.after(4)).await.unwrap();
    assert_eq!((pruned.deleted.len(), world.rds.names()), (0, vec![names[3].clone()]));
}

#[tokio::test]
async fn nothing_is_deleted_where_manifests_cannot_be_looked_for() {
    use crate::testing::{Call, Fault, FaultyStore};
    let world = World::new();
    let names = backups(&world, 3, 1).await;
    for nth in 1..=3 {
        let store = FaultyStore::new(world.store.clone(), vec![Fault::nth(Call::List, nth)]);
        let error = world.with(&store).prune(&world.run(3), world.after(3)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{nth}");
        assert_eq!(world.rds.names(), sorted(&names));
    }
}

#[tokio::test]
async fn one_that_is_being_deleted_is_not_counted() {
    let world = World::new();
    let names = backups(&world, 3, 2).await;
    world.rds.linger();
    // The answer of the first is lost, and it is called again.
    for expected in [&names[..1], &[]] {
        let pruned = world.snapshots().prune(&world.run(3), world.after(3)).await.unwrap();
        assert_eq!(pruned.deleted, expected);
    }
}
