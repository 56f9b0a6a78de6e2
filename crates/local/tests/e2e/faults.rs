//! S3 and the server fail in the middle of a dump.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use autodump_local::postgres::{self, Ending, Postgres};
use autodump_local::{Fault, FaultRule, Signal};
use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::world::{Case, FAR, SCHEDULE, Target, World, case, make_large_database};

pub(crate) const CASES: &[Case] = &[
    case!(a_part_that_s3_refuses_leaves_nothing),
    case!(a_completion_that_s3_refuses_leaves_nothing),
    case!(a_manifest_that_s3_refuses_leaves_nothing),
    case!(completions_that_s3_takes_late_are_a_backup),
    case!(a_bucket_that_denies_us_is_not_tried_again),
    case!(a_server_killed_in_the_middle_leaves_nothing),
    case!(a_failed_reschedule_still_dumps_and_fails_at_the_end),
    case!(tags_that_cannot_be_checked_fail_without_a_dump),
];

/// A target with a dump of several parts, whose S3 requests fail by `rule`.
async fn run_with(
    world: &World,
    name: &str,
    rule: impl FnOnce(&str) -> FaultRule,
) -> Result<(Target, Execution)> {
    let database = name.replace('/', " ");
    make_large_database(&world.server, &database)?;
    let target = world.secret(name, &world.value(&database), &[(SCHEDULE, FAR)]).await?;
    let _ = world.cloud.faults().add(rule(&target.directory()));
    let run = world.run_now(&target).await?;
    Ok((target, run))
}

async fn fails_as_destination(world: &World, target: &Target, run: &Execution) -> Result<()> {
    let said = ["destination", "exit code 13", "The next run is scheduled"];
    world.fails_in(run, "Failed: destination", &said).await?;
    let attempts = world.jobs_of(run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 3, "{attempts} attempts, not 3");
    world.nothing_is_left_but_the_next_run(target).await
}

async fn a_part_that_s3_refuses_leaves_nothing(world: Arc<World>) -> Result<()> {
    let rule =
        |key: &str| FaultRule::always("UploadPart", key, Fault::InternalError).starting_at(3);
    let (target, run) = run_with(&world, "e2e/part-refused", rule).await?;
    fails_as_destination(&world, &target, &run).await
}

/// Denied, because what S3 is only too busy for is tried again for minutes (the next case but
/// one, and the tests of `autodump-dump`).
async fn a_completion_that_s3_refuses_leaves_nothing(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| FaultRule::always("CompleteMultipartUpload", key, Fault::AccessDenied);
    let (target, run) = run_with(&world, "e2e/completion-refused", rule).await?;
    let said = ["credentials", "exit code 11", "The next run is scheduled"];
    world.fails_in(&run, "Failed: credentials", &said).await?;
    world.nothing_is_left_but_the_next_run(&target).await
}

/// The second upload that is begun is the manifest's.
async fn a_manifest_that_s3_refuses_leaves_nothing(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| {
        FaultRule::always("CreateMultipartUpload", key, Fault::InternalError).starting_at(2)
    };
    let (target, run) = run_with(&world, "e2e/manifest-refused", rule).await?;
    fails_as_destination(&world, &target, &run).await
}

/// The first completion is the data's, the second the manifest's: both are refused a few times.
async fn completions_that_s3_takes_late_are_a_backup(world: Arc<World>) -> Result<()> {
    let rule =
        |key: &str| FaultRule::always("CompleteMultipartUpload", key, Fault::SlowDown).times(4);
    let (target, run) = run_with(&world, "e2e/completed-late", rule).await?;
    let again = FaultRule::always("CompleteMultipartUpload", &target.directory(), Fault::Cut);
    let _ = world.cloud.faults().add(again.starting_at(6).times(2));
    world.succeeds_in(&run, "Backup complete").await?;
    let refused = world.cloud.faults().seen(&target.directory());
    ensure!(refused.iter().filter(|request| request.faulted).count() >= 5, "{refused:?}");
    world.one_backup_equals(&target, "e2e completed-late").await
}

async fn a_bucket_that_denies_us_is_not_tried_again(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| FaultRule::always("CreateMultipartUpload", key, Fault::AccessDenied);
    let (target, run) = run_with(&world, "e2e/denied", rule).await?;
    world.fails_in(&run, "Failed: credentials", &["exit code 11"]).await?;
    let attempts = world.jobs_of(&run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 1, "{attempts} attempts, though a retry does not help");
    world.nothing_is_left_but_the_next_run(&target).await
}

async fn a_server_killed_in_the_middle_leaves_nothing(world: Arc<World>) -> Result<()> {
    let mut server = Postgres::start(&postgres::Options::default())?;
    make_large_database(&server, "doomed")?;
    let value = json!({
        "engine": "postgres", "endpoint": "localhost", "port": server.port(), "sslmode": "disable",
        "databasename": "doomed", "username": "postgres", "password": "local",
    });
    let target = world.secret("e2e/server-killed", &value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    let job = in_the_middle(&world, &target, &run).await?;
    server.stop(Ending::Kill)?;
    world.cloud.signal_job(&job, Signal::Continue)?;
    let said = ["source", "exit code 12", "The next run is scheduled"];
    world.fails_in(&run, "Failed: source", &said).await?;
    world.nothing_is_left_but_the_next_run(&target).await
}

async fn a_failed_reschedule_still_dumps_and_fails_at_the_end(world: Arc<World>) -> Result<()> {
    world.small_database("no reschedule")?;
    let value = world.value("no reschedule");
    let target = world.secret("e2e/no-reschedule", &value, &[(SCHEDULE, FAR)]).await?;
    world.wait_for_executions(&target, 1).await?;
    let run = world.start_at(&target, Utc::now() + TimeDelta::seconds(5)).await?;
    let rule = FaultRule::always("StartExecution", &target.arn, Fault::AccessDenied);
    let rule = world.cloud.faults().add(rule);
    let state = "Failed: dumped, but the next run is not scheduled";
    let said = ["The backup is complete", "NOT scheduled", "periodic scan"];
    world.fails_in(&run, state, &said).await?;
    world.cloud.faults().remove(rule);
    world.one_backup_equals(&target, "no reschedule").await
}

async fn tags_that_cannot_be_checked_fail_without_a_dump(world: Arc<World>) -> Result<()> {
    let value = world.value("never dumped");
    let target = world.secret("e2e/unchecked", &value, &[(SCHEDULE, FAR)]).await?;
    world.wait_for_executions(&target, 1).await?;
    let run = world.start_at(&target, Utc::now() + TimeDelta::seconds(5)).await?;
    let rule = FaultRule::always("DescribeSecret", &target.arn, Fault::AccessDenied);
    let _ = world.cloud.faults().add(rule);
    let said = ["nothing was dumped", "NOT scheduled", "AccessDenied"];
    world.fails_in(&run, "Failed: tags could not be checked", &said).await?;
    ensure!(world.jobs_of(&run).is_empty());
    // The run that the tag's event had started waits on.
    world.nothing_is_left_but_the_next_run(&target).await
}

/// Waits until the first part of a dump has been sent, and halts the dumper there, so that
/// `pg_dump` is stuck in the middle; returns the job's id.
pub(crate) async fn in_the_middle(
    world: &World,
    target: &Target,
    run: &Execution,
) -> Result<String> {
    let job = world.wait_for_job(run, |job| job.pid.is_some()).await?;
    for _ in 0..3_000 {
        if world.cloud.faults().count("UploadPart", &target.directory()) > 0 {
            world.cloud.signal_job(&job.id, Signal::Stop)?;
            return Ok(job.id);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None.context("no part was sent within 30 s")
}
