//! Backups that are verified after they were made.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use autodump_local::api::Execution;
use autodump_local::{Fault, FaultRule};
use serde_json::Value;

use crate::backups::Backup;
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_backup_is_verified_as_far_as_the_tag_says),
    case!(a_flipped_byte_is_found),
    case!(a_missing_object_is_found),
    case!(a_truncated_object_is_found),
    case!(a_verification_that_may_not_read_is_no_bad_backup),
    case!(a_verification_that_is_told_to_stop_is_started_again),
];

const VERIFY: &str = "autodump:verify";

/// The one result that lies beside a manifest.
pub(crate) async fn result_of(world: &World, backup: &Backup) -> Result<Value> {
    let directory = backup.key.strip_suffix("manifest.json").context("no manifest")?;
    let prefix = format!("{directory}verification-");
    let found = world.api().list_objects(world.bucket()?, &prefix).await?;
    let [one] = found.as_slice() else { bail!("{} results: {found:?}", found.len()) };
    let bytes = world.api().get_object(world.bucket()?, &one.key).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

async fn a_backup_is_verified_as_far_as_the_tag_says(world: Arc<World>) -> Result<()> {
    world.small_database("verified")?;
    let mut runs = Vec::new();
    for level in ["checksum", "archive", "restore"] {
        let tags = [(SCHEDULE, FAR), (VERIFY, level)];
        let name = format!("e2e/verified-{level}");
        let target = world.secret(&name, &world.value("verified"), &tags).await?;
        let planned = world.wait_for_executions(&target, 1).await?.remove(0);
        ensure!(planned.input["verify"] == level, "{}", planned.input);
        runs.push((level, world.run_now(&target).await?, target));
    }
    for (level, run, target) in runs {
        world.succeeds_in(&run, "Backup complete").await?;
        let states = world.api().states_entered(&run.arn).await?;
        let last = &states[states.len() - 6..];
        let expected = [
            "Dump the database",
            "Verify this backup?",
            "Verify the backup",
            "Replicate the table?",
            "Next run scheduled?",
            "Backup complete",
        ];
        ensure!(last == expected, "{states:?}");
        let backup = world.one_backup(&target).await?;
        ensure!(backup.manifest["verify"] == level, "{}", backup.manifest);
        let result = result_of(&world, &backup).await?;
        ensure!(result["level"] == level && result["passed"] == true, "{result}");
        ensure!(result["manifest"] == backup.url(&world)?, "{result}");
        ensure!(result["seen"]["objects"] == backup.keys().len(), "{result}");
        let rows = backup.manifest["tables"].as_array().context("no tables")?;
        let rows: u64 = rows.iter().filter_map(|table| table["rows"].as_u64()).sum();
        ensure!(level == "checksum" || result["seen"]["rows"] == rows, "{result}, not {rows} rows");
        ensure!((level == "restore") == result["restoredInto"].is_string(), "{result}");
        let jobs = world.verifications_of(&run);
        ensure!(jobs.len() == 1 && jobs[0].definition.ends_with("-verify"), "{jobs:?}");
    }
    Ok(())
}

/// A run whose verification is held where it begins to read, after the backup is complete.
async fn held(world: &World, name: &str, level: &str) -> Result<(Target, Execution, Backup, u64)> {
    let database = name.replace('/', " ");
    world.small_database(&database)?;
    let tags = [(SCHEDULE, FAR), (VERIFY, level)];
    let target = world.secret(name, &world.value(&database), &tags).await?;
    let hold = FaultRule::always("GetObject", &target.directory(), Fault::Hold);
    let hold = world.cloud.faults().add(hold.times(1));
    let run = world.run_now(&target).await?;
    let begun = std::time::Instant::now();
    while world.cloud.faults().count("GetObject", &target.directory()) == 0 {
        ensure!(begun.elapsed() < crate::world::LIMIT, "no verification begins to read");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let backup = world.one_backup(&target).await?;
    Ok((target, run, backup, hold))
}

/// The run fails as a bad backup, which stays, with a result that says what is wrong with it.
async fn is_found(
    world: &World,
    run: &Execution,
    backup: &Backup,
    hold: u64,
    words: &[&str],
) -> Result<()> {
    world.cloud.faults().remove(hold);
    let said = ["verification", "exit code 16", "The next run is scheduled"];
    world.fails_in(run, "Failed: verification", &said).await?;
    let job = world.verifications_of(run).pop().context("no verification")?;
    ensure!(job.attempts.len() == 1, "{:?}", job.attempts);
    let result = result_of(world, backup).await?;
    ensure!(result["passed"] == false, "{result}");
    let problems = result["problems"].to_string();
    for word in words {
        ensure!(problems.contains(word), "{problems}");
    }
    world.api().get_object(world.bucket()?, &backup.key).await.map(drop)
}

async fn a_flipped_byte_is_found(world: Arc<World>) -> Result<()> {
    let (_, run, backup, hold) = held(&world, "e2e/flipped", "checksum").await?;
    let key = backup.key_of("orders_2024")?;
    let mut data = world.api().get_object(world.bucket()?, key).await?.to_vec();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    world.api().put_object(world.bucket()?, key, data).await?;
    is_found(&world, &run, &backup, hold, &[key, "SHA-256"]).await
}

async fn a_missing_object_is_found(world: Arc<World>) -> Result<()> {
    let (_, run, backup, hold) = held(&world, "e2e/missing", "checksum").await?;
    let key = backup.key_of("customer")?;
    world.api().delete_object(world.bucket()?, key).await?;
    is_found(&world, &run, &backup, hold, &[key]).await
}

async fn a_truncated_object_is_found(world: Arc<World>) -> Result<()> {
    let (_, run, backup, hold) = held(&world, "e2e/truncated", "restore").await?;
    let key = backup.key_of("document")?;
    let data = world.api().get_object(world.bucket()?, key).await?;
    let shorter = data.slice(..data.len() - 10);
    world.api().put_object(world.bucket()?, key, shorter).await?;
    is_found(&world, &run, &backup, hold, &[key]).await
}

async fn a_verification_that_may_not_read_is_no_bad_backup(world: Arc<World>) -> Result<()> {
    world.small_database("e2e unread")?;
    let tags = [(SCHEDULE, FAR), (VERIFY, "checksum")];
    let target = world.secret("e2e/unread", &world.value("e2e unread"), &tags).await?;
    let denied = FaultRule::always("GetObject", &target.directory(), Fault::AccessDenied);
    let denied = world.cloud.faults().add(denied);
    let run = world.run_now(&target).await?;
    let said = ["The backup is complete", "not verified", "credentials", "exit code 11"];
    world.fails_in(&run, "Failed: not verified (credentials)", &said).await?;
    world.cloud.faults().remove(denied);
    world.one_backup_equals(&target, "e2e unread").await
}

async fn a_verification_that_is_told_to_stop_is_started_again(world: Arc<World>) -> Result<()> {
    let (target, run, backup, hold) = held(&world, "e2e/verify-stopped", "restore").await?;
    let job = world.verifications_of(&run).pop().context("no verification")?;
    world.cloud.signal_job(&job.id, autodump_local::Signal::Term)?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.cloud.faults().remove(hold);
    let job = world.verifications_of(&run).pop().context("no verification")?;
    let codes: Vec<_> = job.attempts.iter().map(|attempt| attempt.exit_code).collect();
    ensure!(codes == [Some(143), Some(0)], "{codes:?}: {}", world.verification_log(&run));
    ensure!(result_of(&world, &backup).await?["passed"] == true);
    world.nothing_is_open(&target).await
}
