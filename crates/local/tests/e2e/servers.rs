//! The database's server, or somebody in it, comes in the way of a dump.

use std::sync::Arc;

use anyhow::{Result, ensure};
use autodump_local::postgres::{self, Ending, Postgres};
use serde_json::json;

use crate::databases::{make_large_database, plain_value};
use crate::halted::{Halted, halted, halted_with, hardly_begun_with};
use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_server_killed_in_the_middle_leaves_nothing),
    case!(a_server_restarted_in_the_middle_is_dumped_by_the_next_attempt),
    case!(a_server_restarted_under_pg_dump_is_dumped_by_the_next_attempt),
    case!(a_connection_that_is_ended_does_not_cost_the_backup),
    case!(a_statement_that_is_cancelled_does_not_cost_the_backup),
    case!(a_password_rotated_in_the_middle_does_not_cost_the_backup),
    case!(timeouts_of_the_database_do_not_end_a_dump),
    case!(a_lock_is_waited_for_as_long_as_the_tag_says),
];

/// A server of its own with a large database, whose dump stands in the middle.
async fn with_own_server(world: &Arc<World>, name: &str) -> Result<(Postgres, Halted)> {
    let server = Postgres::start(&postgres::Options::default())?;
    make_large_database(&server, "doomed")?;
    let value = plain_value(&server, "doomed");
    let halted = halted_with(world, name, &value, server.port(), &[]).await?;
    Ok((server, halted))
}

async fn a_server_killed_in_the_middle_leaves_nothing(world: Arc<World>) -> Result<()> {
    let (mut server, halted) = with_own_server(&world, "e2e/server-killed").await?;
    server.stop(Ending::Kill)?;
    halted.tap.open();
    let said = ["source", "exit code 12", "The next run is scheduled"];
    world.fails_in(&halted.run, "Failed: source", &said).await?;
    let attempts = world.jobs_of(&halted.run).first().map_or(0, |job| job.attempts.len());
    ensure!(attempts == 3, "{attempts} attempts, not 3");
    world.nothing_is_left_but_the_next_run(&halted.target).await
}

async fn a_server_restarted_in_the_middle_is_dumped_by_the_next_attempt(
    world: Arc<World>,
) -> Result<()> {
    let (server, halted) = with_own_server(&world, "e2e/server-restarted").await?;
    is_dumped_by_the_next_attempt(&world, server, halted).await
}

async fn a_server_restarted_under_pg_dump_is_dumped_by_the_next_attempt(
    world: Arc<World>,
) -> Result<()> {
    let server = Postgres::start(&postgres::Options::default())?;
    make_large_database(&server, "doomed")?;
    let value = plain_value(&server, "doomed");
    let halted =
        hardly_begun_with(&world, "e2e/restarted-early", &value, server.port(), &[]).await?;
    halted.children(&world, "pg_dump").await?;
    is_dumped_by_the_next_attempt(&world, server, halted).await
}

async fn is_dumped_by_the_next_attempt(
    world: &World,
    mut server: Postgres,
    halted: Halted,
) -> Result<()> {
    server.restart()?;
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    let codes: Vec<_> =
        world.jobs_of(&halted.run)[0].attempts.iter().map(|one| one.exit_code).collect();
    ensure!(codes == [Some(12), Some(0)], "{codes:?}");
    world.nothing_is_open(&halted.target).await?;
    let backup = world.one_backup(&halted.target).await?;
    world.restores_by_hand(&backup, &server, "again").await?;
    let rows = "SELECT count(*), md5(string_agg(md5(b), '' ORDER BY n)) FROM noise";
    ensure!(server.sql("doomed", rows)? == server.sql("again", rows)?);
    Ok(())
}

/// An administrator ends the connection that reads rows. Whether another one reads them again or the
/// dump is started again: in the end there is one backup.
async fn a_connection_that_is_ended_does_not_cost_the_backup(world: Arc<World>) -> Result<()> {
    let halted = halted(&world, "e2e/backend-ended").await?;
    interfere(&world, &halted, "pg_terminate_backend")?;
    finish(&world, halted).await
}

async fn a_statement_that_is_cancelled_does_not_cost_the_backup(world: Arc<World>) -> Result<()> {
    let halted = halted(&world, "e2e/backend-cancelled").await?;
    interfere(&world, &halted, "pg_cancel_backend")?;
    finish(&world, halted).await
}

fn interfere(world: &World, halted: &Halted, function: &str) -> Result<()> {
    let readers = halted.readers(&world.server)?;
    ensure!(readers > 0, "nobody reads rows");
    let query = format!("SELECT {function}(pid) {} LIMIT 1", halted.copying());
    ensure!(world.server.sql("postgres", &query)? == "t");
    Ok(())
}

async fn finish(world: &World, halted: Halted) -> Result<()> {
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.nothing_is_open(&halted.target).await?;
    world.one_backup_equals(&halted.target, &halted.database).await
}

/// The password changes while rows are read, and the connection that reads them is ended: the one in
/// its place needs the new password, and so do the roles (`globals`).
async fn a_password_rotated_in_the_middle_does_not_cost_the_backup(
    world: Arc<World>,
) -> Result<()> {
    let database = "e2e rotated";
    make_large_database(&world.server, database)?;
    world.server.sql("postgres", "CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'old-one'")?;
    let mut value = world.value(database);
    value["username"] = json!("rotated");
    value["password"] = json!("old-one");
    let tags = [("autodump:globals", "yes")];
    let halted = halted_with(&world, "e2e/rotated", &value, world.server.port(), &tags).await?;
    world.server.sql("postgres", "ALTER ROLE rotated PASSWORD 'new-one'")?;
    value["password"] = json!("new-one");
    value["port"] = json!(halted.tap.port);
    world.api().put_secret_value(&halted.target.arn, &value.to_string()).await?;
    interfere(&world, &halted, "pg_terminate_backend")?;
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    let log = world.job_log(&halted.run);
    ensure!(world.jobs_of(&halted.run)[0].attempts.len() == 1, "{log}");
    ensure!(
        !log.contains("old-one") && !log.contains("new-one"),
        "a password is in the log: {log}"
    );
    world.one_backup_equals(&halted.target, database).await
}

/// Each of them would end a dump that did not set it for itself: the tap holds statements and
/// transactions for longer.
async fn timeouts_of_the_database_do_not_end_a_dump(world: Arc<World>) -> Result<()> {
    let database = "e2e timeouts";
    make_large_database(&world.server, database)?;
    for setting in ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"] {
        world
            .server
            .sql("postgres", &format!("ALTER DATABASE \"{database}\" SET {setting} = 700"))?;
    }
    let value = world.value(database);
    let halted = halted_with(&world, "e2e/timeouts", &value, world.server.port(), &[]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    let log = world.job_log(&halted.run);
    ensure!(world.jobs_of(&halted.run)[0].attempts.len() == 1, "{log}");
    Ok(())
}

/// Somebody changes a table's definition and does not come to an end.
async fn a_lock_is_waited_for_as_long_as_the_tag_says(world: Arc<World>) -> Result<()> {
    world.small_database("e2e locked")?;
    let mut changing = world
        .server
        .client("psql")
        .args(["-X", "-d", "e2e locked", "-c", "BEGIN", "-c"])
        .args(["ALTER TABLE shop.customer ADD COLUMN extra int", "-c", "SELECT pg_sleep(600)"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                AND relation = to_regclass('shop.customer')";
    while world.server.sql("e2e locked", held)? == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let tags = [(SCHEDULE, FAR), ("autodump:lock-timeout", "1s")];
    let target = world.secret("e2e/locked", &world.value("e2e locked"), &tags).await?;
    let run = world.run_now(&target).await?;
    let failed = world.fails_in(&run, "Failed: source", &["exit code 12"]).await;
    changing.kill()?;
    changing.wait()?;
    failed?;
    let log = world.job_log(&run);
    ensure!(log.contains("lock-timeout") && log.contains("customer"), "{log}");
    world.nothing_is_left_but_the_next_run(&target).await
}
