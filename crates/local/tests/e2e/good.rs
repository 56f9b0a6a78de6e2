//! Runs that make a backup.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_tag_becomes_a_restorable_backup),
    case!(a_password_of_odd_characters_works_and_is_shown_nowhere),
    case!(two_secrets_with_one_database_name_do_not_meet),
    case!(a_secret_name_of_512_characters_is_dumped),
    case!(two_hundred_and_fifty_secrets_are_all_scheduled),
    case!(a_secret_as_rds_writes_it_needs_only_tags),
];

/// The whole way: the tag's event, the scanner, the wait, the check, the next run, the dump.
async fn a_tag_becomes_a_restorable_backup(world: Arc<World>) -> Result<()> {
    world.small_database("good")?;
    let target = world.secret("e2e/good", &world.value("good"), &[]).await?;
    ensure!(world.executions(&target).await?.is_empty(), "an untagged secret is no target");
    world.api().tag_secret(&target.arn, &[(SCHEDULE, "- - - - -"), ("team", "shop")]).await?;
    let first = world.wait_for_executions(&target, 1).await?.remove(0);
    world.succeeds_in(&first, "Backup complete").await?;
    // The schedule comes every minute: one run is enough, the following one ends gracefully.
    world.api().untag_secret(&target.arn, &[SCHEDULE]).await?;
    let states = world.api().states_entered(&first.arn).await?;
    ensure!(
        states
            == [
                "Wait until the start",
                "Check the tags",
                "Tags unchanged?",
                "Schedule the next run",
                "Could the tags be checked?",
                "Is it a table?",
                "Dump the database",
                "Verify this backup?",
                "Replicate the table?",
                "Next run scheduled?",
                "Backup complete",
            ],
        "{states:?}"
    );
    world.one_backup_equals(&target, "good").await?;
    ensure!(world.verifications_of(&first).is_empty(), "verified, though no tag asks for it");
    let backup = world.one_backup(&target).await?;
    ensure!(backup.manifest["verify"] == "none", "{}", backup.manifest);
    if world.server.major()? >= 14 {
        ensure!(backup.manifest["method"]["kind"] == "ranges", "{}", backup.manifest["method"]);
    }
    let second = world.wait_for_executions(&target, 2).await?.remove(1);
    let ended = world.succeeds_in(&second, "Ended: tags changed or target gone").await?;
    let reason = ended.output["check"]["reason"].as_str().context("no reason in the output")?;
    ensure!(reason.contains(SCHEDULE), "{reason}");
    ensure!(world.backups(&target).await?.len() == 1, "the second run dumped as well");
    Ok(())
}

async fn a_password_of_odd_characters_works_and_is_shown_nowhere(world: Arc<World>) -> Result<()> {
    let password = r#" it's "odd" $HOME `id` * % %20 \ \\ : ; ä日本 "#;
    world.small_database("odd password")?;
    world.server.sql(
        "odd password",
        &format!(
            "CREATE ROLE \"odd role\" SUPERUSER LOGIN PASSWORD '{}'",
            password.replace('\'', "''")
        ),
    )?;
    let mut value = world.value("odd password");
    value["username"] = json!("odd role");
    value["password"] = json!(password);
    let target = world.secret("/e2e/odd-password", &value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_equals(&target, "odd password").await?;
    let history = serde_json::to_string(
        &world
            .api()
            .execution_history(&run.arn)
            .await?
            .iter()
            .map(|e| &e.event)
            .collect::<Vec<_>>(),
    )?;
    let log = world.job_log(&run);
    ensure!(log.contains("backup complete"), "{log}");
    for shown in [history, log] {
        ensure!(!shown.contains("it's") && !shown.contains("日本"), "a secret is shown: {shown}");
    }
    Ok(())
}

async fn two_secrets_with_one_database_name_do_not_meet(world: Arc<World>) -> Result<()> {
    world.small_database("app")?;
    let value = world.value("app");
    let prod = world.secret("prod/app", &value, &[(SCHEDULE, FAR)]).await?;
    let staging = world.secret("staging/app", &value, &[(SCHEDULE, FAR)]).await?;
    ensure!(prod.directory() != staging.directory());
    let runs = [world.run_now(&prod).await?, world.run_now(&staging).await?];
    ensure!(runs[0].name != runs[1].name);
    for run in &runs {
        world.succeeds_in(run, "Backup complete").await?;
    }
    world.one_backup_equals(&prod, "app").await?;
    ensure!(world.backups(&staging).await?.len() == 1);
    Ok(())
}

async fn a_secret_name_of_512_characters_is_dumped(world: Arc<World>) -> Result<()> {
    world.small_database("long")?;
    let name = format!("e2e/{}", "long/".repeat(102))[..512].to_owned();
    let target = world.secret(&name, &world.value("long"), &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_equals(&target, "long").await
}

/// Three pages of a listing. A bad one among them is reported by name and stops no other.
async fn two_hundred_and_fifty_secrets_are_all_scheduled(world: Arc<World>) -> Result<()> {
    let value = world.value("never dumped");
    let mut targets = Vec::new();
    for n in 0..250 {
        let tags = [(SCHEDULE, if n == 123 { "every day" } else { FAR })];
        targets.push(world.secret(&format!("e2e/many/{n}"), &value, &tags).await?);
    }
    let answers = world.cloud.fire_scan().await?;
    let report = answers.first().context("no answer of the scan")?;
    let count = |key: &str| report[key].as_u64().unwrap_or_default();
    ensure!(count("started") + count("alreadyThere") >= 249, "{report}");
    ensure!(count("failed") == 0 && count("rejected") >= 1, "{report}");
    let bad = targets[123].arn.as_str();
    let rejected = report["rejections"].as_array().into_iter().flatten();
    ensure!(rejected.clone().any(|one| one["resourceArn"] == bad), "{report}");
    let machine = world.stack.state_machine()?;
    let names = world.api().list_executions(machine).await?;
    let ours = names.iter().filter(|execution| execution.name.starts_with("e2e-many-")).count();
    ensure!(ours == 249, "{ours} executions");
    for target in targets {
        world.api().delete_secret(&target.arn, true).await?;
    }
    Ok(())
}

async fn a_secret_as_rds_writes_it_needs_only_tags(world: Arc<World>) -> Result<()> {
    world.small_database("rds")?;
    let value = json!({
        "engine": "postgres", "host": "localhost", "port": world.server.port(), "dbname": "rds",
        "username": "postgres", "password": "local", "dbInstanceIdentifier": "shop",
    });
    let target = world.secret("rds!db-shop", &value, &[(SCHEDULE, FAR)]).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.one_backup_equals(&target, "rds").await
}
