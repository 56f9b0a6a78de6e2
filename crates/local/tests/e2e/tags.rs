//! Tags that change while a run waits.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use chrono::{Timelike, Utc};

use crate::world::{Case, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(changed_tags_end_the_old_run_and_the_new_one_dumps),
    case!(a_removed_tag_ends_the_run),
    case!(a_deleted_secret_ends_the_run),
    case!(tags_changed_to_and_fro_dump_exactly_once),
];

const ENDED: &str = "Ended: tags changed or target gone";

/// A daily schedule whose next start is 20 to 80 seconds ahead.
fn soon() -> String {
    let start = Utc::now() + chrono::Duration::seconds(80);
    format!("{} {} - - -", start.minute(), start.hour())
}

async fn waiting(world: &World, name: &str, database: &str) -> Result<(Target, Execution)> {
    world.small_database(database)?;
    let schedule = soon();
    let target = world.secret(name, &world.value(database), &[(SCHEDULE, &schedule)]).await?;
    let execution = world.wait_for_executions(&target, 1).await?.remove(0);
    Ok((target, execution))
}

/// The run has ended gracefully, and its output says why in these words.
async fn ends_saying(world: &World, run: &Execution, words: &str) -> Result<()> {
    let ended = world.succeeds_in(run, ENDED).await?;
    ensure!(ended.output["check"]["execute"] == false, "{}", ended.output);
    let reason = ended.output["check"]["reason"].as_str().context("no reason in the output")?;
    ensure!(reason.contains(words), "the reason does not say {words:?}: {reason}");
    Ok(())
}

async fn changed_tags_end_the_old_run_and_the_new_one_dumps(world: Arc<World>) -> Result<()> {
    let (target, old) = waiting(&world, "e2e/changed", "changed").await?;
    world.api().tag_secret(&target.arn, &[("autodump:size", "medium")]).await?;
    let new = world.wait_for_executions(&target, 2).await?.remove(1);
    ensure!(old.input["when"] == new.input["when"] && old.name != new.name);
    ends_saying(&world, &old, "not those this run was planned with").await?;
    world.succeeds_in(&new, "Backup complete").await?;
    world.one_backup_equals(&target, "changed").await?;
    let job = world.jobs_of(&new).pop().context("the new run has no job")?;
    ensure!(job.size == ("2".to_owned(), "4096".to_owned()), "{:?}", job.size);
    world.next_run_waits(&target).await
}

async fn a_removed_tag_ends_the_run(world: Arc<World>) -> Result<()> {
    let (target, run) = waiting(&world, "e2e/untagged", "untagged").await?;
    world.api().untag_secret(&target.arn, &[SCHEDULE]).await?;
    ends_saying(&world, &run, SCHEDULE).await?;
    ensure!(world.jobs_of(&run).is_empty());
    ensure!(world.executions(&target).await?.len() == 1, "a next run was scheduled");
    world.nothing_is_left(&target).await
}

async fn a_deleted_secret_ends_the_run(world: Arc<World>) -> Result<()> {
    let at_once = deleted(&world, "e2e/deleted", "deleted", true);
    let scheduled = deleted(&world, "e2e/to-be-deleted", "to be deleted", false);
    tokio::try_join!(at_once, scheduled).map(drop)
}

async fn deleted(world: &World, name: &str, database: &str, at_once: bool) -> Result<()> {
    let (target, run) = waiting(world, name, database).await?;
    world.api().delete_secret(&target.arn, at_once).await?;
    ends_saying(world, &run, "deletion").await?;
    ensure!(world.executions(&target).await?.len() == 1, "a next run was scheduled");
    world.nothing_is_left(&target).await
}

async fn tags_changed_to_and_fro_dump_exactly_once(world: Arc<World>) -> Result<()> {
    let (target, first) = waiting(&world, "e2e/to-and-fro", "to and fro").await?;
    world.api().tag_secret(&target.arn, &[("autodump:size", "large")]).await?;
    let second = world.wait_for_executions(&target, 2).await?.remove(1);
    world.api().untag_secret(&target.arn, &["autodump:size"]).await?;
    ends_saying(&world, &second, "not those this run was planned with").await?;
    world.succeeds_in(&first, "Backup complete").await?;
    let same_start = |run: &&Execution| run.input["when"] == first.input["when"];
    let runs = world.executions(&target).await?;
    ensure!(runs.iter().filter(same_start).count() == 2, "{runs:?}");
    world.one_backup_equals(&target, "to and fro").await
}
