//! S3 fails, or somebody ends the dumper or its program, in the middle of a dump of MongoDB's protocol.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::mongodb::Mongodb;
use autodump_local::{Fault, FaultRule, JobView, Signal};
use rustix::process::{Pid, kill_process};

use crate::halted::{Halted, halted_with, hardly_begun_with};
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(parts_of_mongodb_that_s3_refuses_leave_nothing),
    case!(a_manifest_of_mongodb_that_s3_refuses_leaves_nothing),
    case!(storms_are_sat_out_by_a_dump_of_mongodb),
    case!(a_dumper_of_mongodb_asked_to_stop_leaves_nothing_and_is_started_again),
    case!(a_killed_dumper_of_mongodb_leaves_no_backup_and_is_started_again),
    case!(a_killed_mongodump_leaves_nothing),
];

/// A run of a large database of its own that meets these faults: their operations, what the keys end with, from which
/// request on, and how many.
async fn run_with(
    world: &Arc<World>,
    server: &Mongodb,
    database: &str,
    rules: impl Fn(&str) -> Vec<FaultRule>,
) -> Result<(crate::world::Target, autodump_local::api::Execution)> {
    world.fill(server, "noise", database)?;
    let (name, value) = (format!("e2e/{database}"), server.value(database));
    let target = world.secret(&name, &value, &[(SCHEDULE, FAR)]).await?;
    for rule in rules(&target.directory()) {
        let _ = world.cloud.faults().add(rule);
    }
    let run = world.run_now(&target).await?;
    Ok((target, run))
}

/// Of a server that all cases share.
async fn refused(
    world: &Arc<World>,
    database: &str,
    rules: impl Fn(&str) -> Vec<FaultRule>,
) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let (target, run) = run_with(world, server, database, rules).await?;
    let said = ["destination", "exit code 13", "The next run is scheduled"];
    world.fails_in(&run, "Failed: destination", &said).await?;
    let attempts = world.jobs_of(&run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 3, "{attempts} attempts, not 3");
    world.shows_no_password(&run).await?;
    world.nothing_is_left_but_the_next_run(&target).await
}

async fn parts_of_mongodb_that_s3_refuses_leave_nothing(world: Arc<World>) -> Result<()> {
    let rules =
        |key: &str| vec![FaultRule::always("UploadPart", key, Fault::InternalError).starting_at(3)];
    refused(&world, "mongo-part-refused", rules).await
}

async fn a_manifest_of_mongodb_that_s3_refuses_leaves_nothing(world: Arc<World>) -> Result<()> {
    let rules = |key: &str| {
        let rule = FaultRule::always("CreateMultipartUpload", key, Fault::InternalError);
        vec![rule.ending_with("/manifest.json")]
    };
    refused(&world, "mongo-manifest-refused", rules).await
}

async fn storms_are_sat_out_by_a_dump_of_mongodb(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let database = "mongo-storm";
    let rules = |key: &str| {
        vec![
            FaultRule::always("UploadPart", key, Fault::SlowDown).times(2),
            FaultRule::always("UploadPart", key, Fault::Cut).starting_at(4).times(1),
            FaultRule::always("CreateMultipartUpload", key, Fault::SlowDown).times(1),
        ]
    };
    let (target, run) = run_with(&world, server, database, rules).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let attempts = world.jobs_of(&run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 1, "{attempts} attempts");
    let met = world.cloud.faults().seen(&target.directory());
    ensure!(met.iter().filter(|request| request.faulted).count() >= 3, "{met:?}");
    world.nothing_is_open(&target).await?;
    world.one_backup_of_mongodb_equals(server, &target, database).await
}

/// A dump that stands in the middle of its documents.
async fn in_the_middle(world: &Arc<World>, server: &Mongodb, database: &str) -> Result<Halted> {
    world.fill(server, "noise", database)?;
    let (name, value) = (format!("e2e/{database}"), server.value(database));
    halted_with(world, &name, &value, server.port(), &[]).await
}

/// The end of a job's first attempt.
async fn first_end(world: &World, halted: &Halted) -> Result<Option<i32>> {
    let ended = |job: &JobView| job.attempts.first().is_some_and(|one| one.exit_code.is_some());
    Ok(world.wait_for_job(&halted.run, ended).await?.attempts[0].exit_code)
}

async fn a_dumper_of_mongodb_asked_to_stop_leaves_nothing_and_is_started_again(
    world: Arc<World>,
) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let halted = in_the_middle(&world, server, "mongo-sigterm").await?;
    world.cloud.signal_job(&halted.job, Signal::Term)?;
    let code = first_end(&world, &halted).await?;
    ensure!(code == Some(143), "{code:?}");
    world.nothing_is_left(&halted.target).await?;
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.nothing_is_open(&halted.target).await?;
    world.one_backup_of_mongodb_equals(server, &halted.target, "mongo-sigterm").await
}

/// What was sent stays as parts that are no object; the bucket's lifecycle removes them.
async fn a_killed_dumper_of_mongodb_leaves_no_backup_and_is_started_again(
    world: Arc<World>,
) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let halted = in_the_middle(&world, server, "mongo-sigkill").await?;
    world.cloud.signal_job(&halted.job, Signal::Kill)?;
    let code = first_end(&world, &halted).await?;
    ensure!(code == Some(137), "{code:?}");
    let objects = world.objects(&halted.target).await?;
    ensure!(objects.is_empty(), "left behind: {objects:?}");
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.one_backup_of_mongodb_equals(server, &halted.target, "mongo-sigkill").await
}

async fn a_killed_mongodump_leaves_nothing(world: Arc<World>) -> Result<()> {
    let Some(server) = world.mongodb.as_ref().filter(|server| server.has_tools()) else {
        return Ok(());
    };
    world.fill(server, "noise", "mongo-child")?;
    let (value, tags) = (server.value("mongo-child"), [("autodump:method", "client")]);
    let halted = hardly_begun_with(&world, "e2e/mongo-child", &value, server.port(), &tags).await?;
    for id in halted.children(&world, "mongodump").await? {
        let id = Pid::from_raw(id).context("an id")?;
        kill_process(id, rustix::process::Signal::KILL)?;
    }
    halted.tap.open();
    world.fails_in(&halted.run, "Failed: engine", &["exit code 14"]).await?;
    let log = world.job_log(&halted.run);
    ensure!(log.contains("mongodump") && log.contains("signal"), "{log}");
    world.shows_no_password(&halted.run).await?;
    world.nothing_is_left_but_the_next_run(&halted.target).await
}
