//! Somebody or something ends the dumper.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use autodump_local::api::Execution;
use autodump_local::{JobView, Signal};

use crate::faults::in_the_middle;
use crate::world::{Case, FAR, SCHEDULE, Target, World, case, make_large_database};

pub(crate) const CASES: &[Case] = &[
    case!(a_dumper_asked_to_stop_leaves_nothing_and_is_started_again),
    case!(a_terminated_job_leaves_nothing_and_is_not_started_again),
    case!(a_stopped_execution_stops_its_dump),
    case!(a_killed_dumper_leaves_no_backup),
];

/// A dump that stands in the middle, and its job's id.
async fn halted(world: &World, name: &str) -> Result<(Target, Execution, String)> {
    let database = name.replace('/', " ");
    make_large_database(&world.server, &database)?;
    let target = world.secret(name, &world.value(&database), &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    let job = in_the_middle(world, &target, &run).await?;
    Ok((target, run, job))
}

async fn a_dumper_asked_to_stop_leaves_nothing_and_is_started_again(
    world: Arc<World>,
) -> Result<()> {
    let (target, run, job) = halted(&world, "e2e/sigterm").await?;
    let asked = Instant::now();
    world.cloud.signal_job(&job, Signal::Term)?;
    world.cloud.signal_job(&job, Signal::Continue)?;
    let ended = |job: &JobView| job.attempts.first().is_some_and(|one| one.exit_code.is_some());
    let view = world.wait_for_job(&run, ended).await?;
    ensure!(asked.elapsed() < Duration::from_secs(10), "{:?} to exit", asked.elapsed());
    ensure!(view.attempts[0].exit_code == Some(143), "{:?}", view.attempts);
    world.succeeds_in(&run, "Backup complete").await?;
    let uploads = world.api().open_uploads(world.bucket()?, &target.directory()).await?;
    ensure!(uploads.is_empty(), "open uploads: {uploads:?}");
    world.one_backup_equals(&target, "e2e sigterm").await
}

async fn a_terminated_job_leaves_nothing_and_is_not_started_again(world: Arc<World>) -> Result<()> {
    let (target, run, job) = halted(&world, "e2e/terminated").await?;
    world.cloud.terminate_job(&job, "the test wants it")?;
    world.cloud.signal_job(&job, Signal::Continue)?;
    world.fails_in(&run, "Failed: interrupted", &["the test wants it"]).await?;
    ensure!(world.jobs_of(&run)[0].attempts.len() == 1);
    world.nothing_is_left_but_the_next_run(&target).await
}

async fn a_stopped_execution_stops_its_dump(world: Arc<World>) -> Result<()> {
    let (target, run, job) = halted(&world, "e2e/stopped").await?;
    world.api().stop_execution(&run.arn).await?;
    world.cloud.signal_job(&job, Signal::Continue)?;
    let ended = world.wait_for_job(&run, |job| job.status == "FAILED").await?;
    ensure!(ended.attempts.len() == 1, "{:?}", ended.attempts);
    ensure!(world.end(&run).await?.status == "ABORTED");
    world.nothing_is_left_but_the_next_run(&target).await
}

/// What was sent stays as parts that are no object; the bucket's lifecycle removes them.
async fn a_killed_dumper_leaves_no_backup(world: Arc<World>) -> Result<()> {
    let (target, run, job) = halted(&world, "e2e/sigkill").await?;
    world.cloud.signal_job(&job, Signal::Kill)?;
    world.fails_in(&run, "Failed: dump job", &["137", "The next run is scheduled"]).await?;
    let objects = world.objects(&target).await?;
    ensure!(objects.is_empty(), "left behind: {objects:?}");
    world.next_run_waits(&target).await
}
