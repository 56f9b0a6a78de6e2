//! S3, Step Functions or Secrets Manager fail in the middle of a run.

use std::sync::Arc;

use anyhow::{Result, ensure};
use autodump_core::layout;
use autodump_local::api::Execution;
use autodump_local::{Fault, FaultRule};
use chrono::{TimeDelta, Utc};

use crate::databases::make_large_database;
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_part_that_s3_refuses_leaves_nothing),
    case!(a_completion_that_s3_refuses_leaves_nothing),
    case!(a_manifest_that_s3_refuses_leaves_nothing),
    case!(completions_that_s3_takes_late_are_a_backup),
    case!(storms_are_sat_out),
    case!(answers_that_are_lost_cost_nothing),
    case!(connections_that_break_cost_nothing),
    case!(a_bucket_that_denies_us_is_not_tried_again),
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

async fn a_manifest_that_s3_refuses_leaves_nothing(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| {
        FaultRule::always("CreateMultipartUpload", key, Fault::InternalError)
            .ending_with("/manifest.json")
    };
    let (target, run) = run_with(&world, "e2e/manifest-refused", rule).await?;
    fails_as_destination(&world, &target, &run).await
}

/// The completions of the data and that of the manifest are refused a few times.
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

/// Every kind of request is told to slow down, and again when it comes back too soon.
async fn storms_are_sat_out(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| FaultRule::always("UploadPart", key, Fault::SlowDown).times(6);
    let (target, run) = run_with(&world, "e2e/storm", rule).await?;
    for operation in ["CreateMultipartUpload", "CompleteMultipartUpload"] {
        let storm = FaultRule::always(operation, &target.directory(), Fault::SlowDown).times(2);
        let _ = world.cloud.faults().add(storm);
    }
    succeeds_at_once(&world, &target, &run).await
}

/// S3 has taken it, but nobody hears so: a part is sent again, and a completion asked for again
/// finds its object there.
async fn answers_that_are_lost_cost_nothing(world: Arc<World>) -> Result<()> {
    let rule =
        |key: &str| FaultRule::always("UploadPart", key, Fault::LoseAnswer).starting_at(2).times(2);
    let (target, run) = run_with(&world, "e2e/lost-answers", rule).await?;
    let lost = FaultRule::always("CompleteMultipartUpload", &target.directory(), Fault::LoseAnswer);
    let _ = world.cloud.faults().add(lost.ending_with("/manifest.json").times(1));
    succeeds_at_once(&world, &target, &run).await
}

async fn connections_that_break_cost_nothing(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| FaultRule::always("UploadPart", key, Fault::Cut).times(3);
    let (target, run) = run_with(&world, "e2e/resets", rule).await?;
    succeeds_at_once(&world, &target, &run).await
}

/// By the first attempt, in spite of faults that were met.
async fn succeeds_at_once(world: &World, target: &Target, run: &Execution) -> Result<()> {
    world.succeeds_in(run, "Backup complete").await?;
    let attempts = world.jobs_of(run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 1, "{attempts} attempts");
    let met = world.cloud.faults().seen(&target.directory());
    ensure!(met.iter().filter(|request| request.faulted).count() >= 3, "{met:?}");
    world.nothing_is_open(target).await?;
    world.one_backup_equals(target, &layout::resource_name(&target.arn).replace('/', " ")).await
}

async fn a_bucket_that_denies_us_is_not_tried_again(world: Arc<World>) -> Result<()> {
    let rule = |key: &str| FaultRule::always("CreateMultipartUpload", key, Fault::AccessDenied);
    let (target, run) = run_with(&world, "e2e/denied", rule).await?;
    world.fails_in(&run, "Failed: credentials", &["exit code 11"]).await?;
    let attempts = world.jobs_of(&run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 1, "{attempts} attempts, though a retry does not help");
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
