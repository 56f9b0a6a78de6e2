//! Somebody or something ends the dumper, or a program of its.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use autodump_local::{JobView, Signal};
use rustix::process::{Pid, kill_process};

use crate::halted::{halted, hardly_begun};
use crate::world::{Case, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_dumper_asked_to_stop_leaves_nothing_and_is_started_again),
    case!(a_terminated_job_leaves_nothing_and_is_not_started_again),
    case!(a_stopped_execution_stops_its_dump),
    case!(a_killed_dumper_leaves_no_backup_and_is_started_again),
    case!(a_killed_pg_dump_leaves_nothing),
];

async fn a_dumper_asked_to_stop_leaves_nothing_and_is_started_again(
    world: Arc<World>,
) -> Result<()> {
    let halted = halted(&world, "e2e/sigterm").await?;
    let asked = Instant::now();
    world.cloud.signal_job(&halted.job, Signal::Term)?;
    let ended = |job: &JobView| job.attempts.first().is_some_and(|one| one.exit_code.is_some());
    let view = world.wait_for_job(&halted.run, ended).await?;
    ensure!(asked.elapsed() < Duration::from_secs(10), "{:?} to exit", asked.elapsed());
    ensure!(view.attempts[0].exit_code == Some(143), "{:?}", view.attempts);
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.nothing_is_open(&halted.target).await?;
    world.one_backup_equals(&halted.target, &halted.database).await
}

async fn a_terminated_job_leaves_nothing_and_is_not_started_again(world: Arc<World>) -> Result<()> {
    let halted = halted(&world, "e2e/terminated").await?;
    world.cloud.terminate_job(&halted.job, "the test wants it")?;
    world.fails_in(&halted.run, "Failed: interrupted", &["the test wants it"]).await?;
    ensure!(world.jobs_of(&halted.run)[0].attempts.len() == 1);
    world.nothing_is_left_but_the_next_run(&halted.target).await
}

async fn a_stopped_execution_stops_its_dump(world: Arc<World>) -> Result<()> {
    let halted = halted(&world, "e2e/stopped").await?;
    world.api().stop_execution(&halted.run.arn).await?;
    let ended = world.wait_for_job(&halted.run, |job| job.status == "FAILED").await?;
    ensure!(ended.attempts.len() == 1, "{:?}", ended.attempts);
    ensure!(world.end(&halted.run).await?.status == "ABORTED");
    world.nothing_is_left_but_the_next_run(&halted.target).await
}

/// What was sent stays as parts that are no object; the bucket's lifecycle removes them. The
/// server sees that nobody reads any more, and the second attempt makes the backup.
async fn a_killed_dumper_leaves_no_backup_and_is_started_again(world: Arc<World>) -> Result<()> {
    let halted = halted(&world, "e2e/sigkill").await?;
    world.cloud.signal_job(&halted.job, Signal::Kill)?;
    let ended = |job: &JobView| job.attempts.first().is_some_and(|one| one.exit_code.is_some());
    let view = world.wait_for_job(&halted.run, ended).await?;
    ensure!(view.attempts[0].exit_code == Some(137), "{:?}", view.attempts);
    let objects = world.objects(&halted.target).await?;
    ensure!(objects.is_empty(), "left behind: {objects:?}");
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.one_backup_equals(&halted.target, &halted.database).await
}

async fn a_killed_pg_dump_leaves_nothing(world: Arc<World>) -> Result<()> {
    let halted = hardly_begun(&world, "e2e/pg-dump-killed").await?;
    for id in halted.children(&world, "pg_dump").await? {
        kill_process(Pid::from_raw(id).expect("an id"), rustix::process::Signal::KILL)?;
    }
    world.fails_in(&halted.run, "Failed: engine", &["exit code 14"]).await?;
    let log = world.job_log(&halted.run);
    ensure!(log.contains("pg_dump") && log.contains("signal"), "{log}");
    world.nothing_is_left_but_the_next_run(&halted.target).await
}
