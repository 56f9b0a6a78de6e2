//! Runs of databases of RDS that fail, or that somebody ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use autodump_local::api::Execution;

use crate::snapshots::Database;
use crate::world::{Case, FAR, LIMIT, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_failed_export_fails_with_its_cause_and_leaves_nothing),
    case!(a_failed_snapshot_fails_the_run),
    case!(a_run_that_is_stopped_while_it_exports_leaves_nothing),
    case!(a_run_that_is_stopped_while_its_snapshot_is_made_leaves_nothing),
    case!(a_database_of_elsewhere_fails_with_its_error),
    case!(wrong_tags_of_a_database_are_rejected_by_name),
];

const ENGINE: &str = "Failed: snapshot (engine)";

impl World {
    /// Waits for the end of the execution that undoes a run, which is to end well.
    async fn undone(&self, run: &Execution) -> Result<()> {
        let (machine, begun) = (self.stack.undo_state_machine()?, Instant::now());
        loop {
            for listed in self.api().list_executions(machine).await? {
                let undo = self.api().describe_execution(&listed.arn).await?;
                if undo.input["detail"]["executionArn"] != run.arn.as_str() {
                    continue;
                }
                let undo = self.end(&undo).await?;
                ensure!(undo.status == "SUCCEEDED", "{:?} {:?}", undo.error, undo.cause);
                return Ok(());
            }
            ensure!(begun.elapsed() < LIMIT, "nobody undoes {}", run.name);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// There is no backup, and in RDS nothing but what somebody else made.
    async fn nothing_was_backed_up(&self, database: &Database) -> Result<()> {
        ensure!(self.backups(&database.target).await?.is_empty(), "there is a manifest");
        let snapshots = database.snapshots(self);
        ensure!(snapshots.iter().all(|one| one.name.starts_with("by-hand")), "{snapshots:?}");
        let over = ["CANCELED", "FAILED"];
        let exports = database.exports(self);
        ensure!(exports.iter().all(|one| over.contains(&one.status.as_str())), "{exports:?}");
        Ok(())
    }

    /// A snapshot that somebody made by hand.
    pub(crate) async fn by_hand(&self, database: &Database, name: &str) -> Result<()> {
        let of = database.arn.name.as_str();
        let asked = [("DBInstanceIdentifier", of), ("DBSnapshotIdentifier", name)];
        self.api().rds("CreateDBSnapshot", &asked).await?;
        let there = || {
            let all = database.snapshots(self);
            all.iter().any(|one| one.name == name && one.status == "available")
        };
        self.until("the snapshot by hand", there).await
    }
}

async fn a_failed_export_fails_with_its_cause_and_leaves_nothing(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-fails", &[]).await?;
    world.by_hand(&database, "by-hand-fails").await?;
    let cause = "PERMISSIONS_DO_NOT_EXIST: (n/a) The role must be able to write into the bucket";
    database.change(&world, |script| script.failure = Some(cause.to_owned()));
    let run = world.run_now(&database.target).await?;
    let words = [cause, "The next run is scheduled", "Nothing that this run made is left"];
    world.fails_in(&run, ENGINE, &words).await?;
    world.nothing_was_backed_up(&database).await?;
    world.undone(&run).await?;
    ensure!(database.snapshots(&world).len() == 1, "the snapshot by hand is gone");
    world.next_run_waits(&database.target).await
}

async fn a_failed_snapshot_fails_the_run(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-unmade", &[]).await?;
    database.change(&world, |script| script.making_fails = true);
    let run = world.run_now(&database.target).await?;
    world.fails_in(&run, ENGINE, &["its status is", "failed"]).await?;
    world.nothing_was_backed_up(&database).await?;
    ensure!(database.exports(&world).is_empty(), "it was exported");
    world.undone(&run).await
}

async fn a_run_that_is_stopped_while_it_exports_leaves_nothing(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-stopped", &[]).await?;
    world.by_hand(&database, "by-hand-stopped").await?;
    database.change(&world, |script| {
        script.held = true;
        script.canceling = Duration::from_secs(3);
    });
    let run = world.run_now(&database.target).await?;
    let exports = || database.exports(&world).iter().any(|one| one.status == "IN_PROGRESS");
    world.until("the export", exports).await?;
    world.api().stop_execution(&run.arn).await?;
    ensure!(world.end(&run).await?.status == "ABORTED");
    world.undone(&run).await?;
    world.nothing_was_backed_up(&database).await?;
    let (exports, snapshots) = (database.exports(&world), database.snapshots(&world));
    ensure!(exports.len() == 1 && exports[0].status == "CANCELED", "{exports:?}");
    ensure!(snapshots.len() == 1, "the snapshot by hand is gone");
    world.next_run_waits(&database.target).await
}

/// RDS deletes no snapshot that is being made: it is tried until it can be.
async fn a_run_that_is_stopped_while_its_snapshot_is_made_leaves_nothing(
    world: Arc<World>,
) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-halted", &[]).await?;
    database.change(&world, |script| script.making = Duration::from_secs(8));
    let run = world.run_now(&database.target).await?;
    let made = || database.snapshots(&world).iter().any(|one| one.status == "creating");
    world.until("the snapshot", made).await?;
    world.api().stop_execution(&run.arn).await?;
    ensure!(world.end(&run).await?.status == "ABORTED");
    world.undone(&run).await?;
    let seen = world.cloud.faults().seen("=autodump-e2e-rds-halted-");
    ensure!(seen.iter().any(|seen| seen.operation == "DeleteDBSnapshot"), "{seen:?}");
    world.nothing_was_backed_up(&database).await?;
    ensure!(database.exports(&world).is_empty(), "it was exported");
    Ok(())
}

async fn a_database_of_elsewhere_fails_with_its_error(world: Arc<World>) -> Result<()> {
    let database = world.far_instance("e2e-rds-far").await?;
    // The scan that comes every minute finds it.
    world.wait_for_executions(&database.target, 1).await?;
    let run = world.run_now(&database.target).await?;
    let words = ["is of another region or account", "deploy AutoDump there", "Nothing was made"];
    world.fails_in(&run, "Failed: snapshot (configuration)", &words).await?;
    ensure!(database.snapshots(&world).is_empty());
    world.nothing_is_left_but_the_next_run(&database.target).await
}

async fn wrong_tags_of_a_database_are_rejected_by_name(world: Arc<World>) -> Result<()> {
    let bad = [
        ("e2e-rds-bad-origin", "autodump:snapshot", "sometimes"),
        ("e2e-rds-bad-keep", "autodump:keep-snapshots", "0"),
        ("e2e-rds-bad-name", "autodump:keep", "7"),
    ];
    let mut targets = Vec::new();
    for (name, tag, value) in bad {
        targets.push((world.instance(name, &[(tag, value)]).await?, tag));
    }
    let answers = world.cloud.fire_scan().await?;
    let rejections = answers[0]["rejections"].as_array().cloned().unwrap_or_default();
    for (database, tag) in &targets {
        let arn = &database.target.arn;
        let about = rejections.iter().map(ToString::to_string).find(|one| one.contains(arn));
        ensure!(about.as_ref().is_some_and(|text| text.contains(tag)), "{arn}: {about:?}");
        ensure!(world.executions(&database.target).await?.is_empty(), "{arn} has an execution");
        let schedule = [(SCHEDULE, FAR)];
        world.api().tag_database(arn, &schedule).await?;
        ensure!(database.snapshots(&world).is_empty());
    }
    Ok(())
}
