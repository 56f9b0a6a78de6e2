//! The state machine of restores, and verification, with backups of MongoDB's protocol.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Execution;
use autodump_local::mongodb::Mongodb;
use autodump_local::{Fault, FaultRule, compare};
use serde_json::{Value, json};

use crate::backups::Backup;
use crate::verifications::result_of;
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_restore_fills_another_database_of_mongodb),
    case!(a_database_of_mongodb_that_is_not_empty_is_left_alone),
    case!(collections_of_mongodb_are_chosen_at_a_restore),
    case!(a_backup_of_mongodb_is_not_restored_into_postgresql),
    case!(a_backup_of_mongodb_is_verified_as_far_as_the_tag_says),
    case!(a_flipped_byte_in_an_archive_of_mongodb_is_found),
];

impl World {
    /// The backup of a new database with this content, made now.
    async fn dumped_from(&self, server: &Mongodb, content: &str, database: &str) -> Result<Backup> {
        self.fill(server, content, database)?;
        let name = format!("e2e/{database}");
        let target = self.secret(&name, &server.uri_value(database), &[(SCHEDULE, FAR)]).await?;
        let run = self.run_now(&target).await?;
        self.succeeds_in(&run, "Backup complete").await?;
        self.one_backup(&target).await
    }

    /// Restores into a database for which a secret is made.
    async fn restored_into(
        &self,
        value: &Value,
        name: &str,
        backup: &Backup,
        options: &Value,
    ) -> Result<Execution> {
        let secret = format!("into/{name}");
        self.secret(&secret, value, &[("autodump:restore-target", "yes")]).await?;
        let input = json!({"manifest": backup.url(self)?, "to": secret, "options": options});
        let machine = self.stack.restore_state_machine()?;
        let arn = self.api().start_execution(machine, name, &input).await?;
        self.api().describe_execution(&arn).await
    }
}

async fn a_restore_fills_another_database_of_mongodb(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let backup = world.dumped_from(server, "exotic", "mongo-restorable").await?;
    let source = world.held_by(server, "mongo-restorable")?;
    let (fields, uri) = (server.value("mongo-restored"), server.uri_value("mongo-restored-too"));
    for (value, name) in [(fields, "mongo-restored"), (uri, "mongo-restored-too")] {
        let run = world.restored_into(&value, name, &backup, &json!({})).await?;
        world.succeeds_in(&run, "Restore complete").await?;
        compare::assert_equal(&source, &world.held_by(server, name)?)?;
        world.shows_no_password(&run).await?;
    }
    Ok(())
}

async fn a_database_of_mongodb_that_is_not_empty_is_left_alone(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let backup = world.dumped_from(server, "small", "mongo-into-full").await?;
    world.fill(server, "one", "mongo-full")?;
    let before = world.held_by(server, "mongo-full")?;
    let value = server.value("mongo-full");
    let run = world.restored_into(&value, "mongo-full", &backup, &json!({})).await?;
    let said = ["configuration", "exit code 10"];
    world.fails_in(&run, "Failed: configuration", &said).await?;
    let log = world.job_log(&run);
    ensure!(log.contains("not empty") && log.contains("mine"), "{log}");
    compare::assert_equal(&before, &world.held_by(server, "mongo-full")?)
}

async fn collections_of_mongodb_are_chosen_at_a_restore(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let backup = world.dumped_from(server, "small", "mongo-in-parts").await?;
    let value = server.value("mongo-part");
    let options = json!({"tables": ["customer"]});
    let run = world.restored_into(&value, "mongo-part", &backup, &options).await?;
    world.succeeds_in(&run, "Restore complete").await?;
    let mut expected = world.held_by(server, "mongo-in-parts")?;
    expected.retain(|line| line.contains("\"customer\""));
    ensure!(expected.len() > 2000, "{} lines", expected.len());
    compare::assert_equal(&expected, &world.held_by(server, "mongo-part")?)
}

async fn a_backup_of_mongodb_is_not_restored_into_postgresql(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    let backup = world.dumped_from(server, "small", "mongo-elsewhere").await?;
    world.server.create_database("mongo elsewhere")?;
    let value = world.value("mongo elsewhere");
    let run = world.restored_into(&value, "mongo-elsewhere", &backup, &json!({})).await?;
    world.fails_in(&run, "Failed: configuration", &["exit code 10"]).await?;
    let log = world.job_log(&run);
    ensure!(log.contains("mongodb") && log.contains("postgres"), "{log}");
    Ok(())
}

/// No server of MongoDB's is in the image: at level restore the result says what was not tried.
async fn a_backup_of_mongodb_is_verified_as_far_as_the_tag_says(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    world.fill(server, "exotic", "mongo-verified")?;
    let mut runs = Vec::new();
    for level in ["checksum", "archive", "restore"] {
        let tags = [(SCHEDULE, FAR), ("autodump:verify", level)];
        let name = format!("e2e/mongo-verified-{level}");
        let target = world.secret(&name, &server.value("mongo-verified"), &tags).await?;
        runs.push((level, world.run_now(&target).await?, target));
    }
    for (level, run, target) in runs {
        world.succeeds_in(&run, "Backup complete").await?;
        let backup = world.one_backup(&target).await?;
        ensure!(backup.manifest["verify"] == level, "{}", backup.manifest);
        let result = result_of(&world, &backup).await?;
        ensure!(result["level"] == level && result["passed"] == true, "{result}");
        ensure!(result["seen"]["objects"] == backup.keys().len(), "{result}");
        let tables = backup.manifest["tables"].as_array().context("no collections")?;
        let rows: u64 = tables.iter().filter_map(|table| table["rows"].as_u64()).sum();
        ensure!(level == "checksum" || result["seen"]["rows"] == rows, "{result}, not {rows}");
        ensure!(result["restoredInto"].is_null(), "{result}");
        let unchecked = result["unchecked"].as_array().map_or(0, Vec::len);
        ensure!((level == "restore") == (unchecked > 0), "{result}");
        world.shows_no_password(&run).await?;
    }
    Ok(())
}

async fn a_flipped_byte_in_an_archive_of_mongodb_is_found(world: Arc<World>) -> Result<()> {
    let Some(server) = &world.mongodb else { return Ok(()) };
    world.fill(server, "small", "mongo-flipped")?;
    let tags = [(SCHEDULE, FAR), ("autodump:verify", "archive")];
    let value = server.value("mongo-flipped");
    let target = world.secret("e2e/mongo-flipped", &value, &tags).await?;
    let hold = FaultRule::always("GetObject", &target.directory(), Fault::Hold);
    let hold = world.cloud.faults().add(hold.times(1));
    let run = world.run_now(&target).await?;
    let begun = std::time::Instant::now();
    while world.cloud.faults().count("GetObject", &target.directory()) == 0 {
        ensure!(begun.elapsed() < crate::world::LIMIT, "no verification begins to read");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let backup = world.one_backup(&target).await?;
    let key = backup.keys()[0];
    let mut data = world.api().get_object(world.bucket()?, key).await?.to_vec();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    world.api().put_object(world.bucket()?, key, data).await?;
    world.cloud.faults().remove(hold);
    let said = ["verification", "exit code 16", "The next run is scheduled"];
    world.fails_in(&run, "Failed: verification", &said).await?;
    let result = result_of(&world, &backup).await?;
    ensure!(result["passed"] == false, "{result}");
    ensure!(result["problems"].to_string().contains(key), "{result}");
    world.api().get_object(world.bucket()?, &backup.key).await.map(drop)
}
