//! What an account has room for: exports at once, and snapshots.

use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::snapshots::{DONE, Database};
use crate::world::{Case, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(six_runs_at_once_export_in_turn),
    case!(a_full_quota_of_snapshots_is_told_and_nothing_is_made),
    case!(snapshots_that_are_too_many_are_deleted),
];

async fn six_runs_at_once_export_in_turn(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let (mut databases, mut runs) = (Vec::new(), Vec::new());
    for number in 1..=6 {
        let database = world.instance(&format!("e2e-rds-six-{number}"), &[]).await?;
        database.change(&world, |script| script.held = true);
        runs.push(world.run_now(&database.target).await?);
        databases.push(database);
    }
    let exporting = |database: &&Database| {
        database.exports(&world).iter().any(|one| one.status == "IN_PROGRESS")
    };
    let running = || databases.iter().filter(exporting).count();
    world.until("five exports", || running() == 5).await?;
    let sixth = databases.iter().position(|database| !exporting(&database)).unwrap_or_default();
    let mut waits = 0;
    while waits < 2 {
        let states = world.api().states_entered(&runs[sixth].arn).await?;
        waits = states.iter().filter(|state| *state == "Wait for other exports").count();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let run = world.api().describe_execution(&runs[sixth].arn).await?;
        ensure!(!run.has_ended(), "{:?} {:?}", run.error, run.cause);
    }
    ensure!(running() == 5 && databases[sixth].exports(&world).is_empty());
    for database in &databases {
        database.change(&world, |script| script.held = false);
    }
    for run in &runs {
        world.succeeds_in(run, DONE).await?;
    }
    for database in &databases {
        world.one_backup(&database.target).await?;
    }
    ensure!(world.cloud.rds().most_running() <= 5);
    Ok(())
}

async fn a_full_quota_of_snapshots_is_told_and_nothing_is_made(world: Arc<World>) -> Result<()> {
    // All databases have one quota.
    let _alone = world.rds.write().await;
    let database = world.instance("e2e-rds-full", &[]).await?;
    world.by_hand(&database, "e2e-by-hand").await?;
    world.cloud.rds().limit(1);
    let run = world.run_now(&database.target).await?;
    let words = [
        "of 1 manual instance snapshots",
        "Delete manual snapshots that nobody needs",
        "Manual DB instance snapshots",
        "Service Quotas",
        "Nothing was made in RDS",
    ];
    let failed = world.fails_in(&run, "Failed: snapshot (configuration)", &words).await;
    world.cloud.rds().limit(100);
    failed?;
    ensure!(database.snapshots(&world).len() == 1 && database.exports(&world).is_empty());
    world.nothing_is_left_but_the_next_run(&database.target).await?;
    world.backed_up_by_snapshot(&database).await.map(drop)
}

async fn snapshots_that_are_too_many_are_deleted(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let tags = [("autodump:keep-snapshots", "2")];
    let database = world.instance("e2e-rds-pruned", &tags).await?;
    // One by hand, and one that is only named like AutoDump's.
    let others = ["e2e-pruned-by-hand", "autodump-e2e-rds-pruned-00112233445566778899"];
    for name in others {
        world.by_hand(&database, name).await?;
    }
    // One that is being deleted is there for a while.
    database.change(&world, |script| script.deleting = std::time::Duration::from_secs(12));
    let mut made = Vec::new();
    for number in 0..4 {
        let run = world.backed_up_by_snapshot(&database).await?;
        let snapshots = database.snapshots(&world);
        let newest = snapshots.last().map(|one| one.name.clone()).unwrap_or_default();
        ensure!(!made.contains(&newest), "run {number} made nothing");
        made.push(newest);
        let deleted = &run.output["pruned"]["deleted"];
        let expected = if number < 2 { &[][..] } else { &made[number - 2..=number - 2] };
        ensure!(*deleted == serde_json::json!(expected), "run {number}: {deleted}");
    }
    let names = || -> Vec<_> {
        let all = database.snapshots(&world).into_iter();
        all.filter(|one| one.status != "deleting").map(|one| one.name).collect()
    };
    let mut expected: Vec<_> = others.iter().map(|name| (*name).to_owned()).collect();
    expected.extend_from_slice(&made[2..]);
    ensure!(names() == expected, "{:?}, not {expected:?}", names());
    // A run that fails takes none of the good ones with it.
    database.change(&world, |script| script.failure = Some("no".to_owned()));
    let run = world.run_now(&database.target).await?;
    world.fails_in(&run, "Failed: snapshot (engine)", &["no"]).await?;
    ensure!(names() == expected, "{:?}, not {expected:?}", names());
    ensure!(world.backups(&database.target).await?.len() == 4, "a backup is gone");
    Ok(())
}
