//! A server of MongoDB's protocol, or a cursor in it, comes in the way of a dump. Each case has a server of its own.

use std::sync::Arc;

use anyhow::{Result, ensure};
use autodump_local::mongodb::Mongodb;

use crate::halted::{Halted, halted_with};
use crate::world::{Case, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_mongodb_killed_in_the_middle_leaves_nothing),
    case!(a_cursor_of_mongodb_that_is_lost_does_not_cost_the_backup),
    case!(a_connection_to_mongodb_that_breaks_does_not_cost_the_backup),
    case!(a_cursor_that_mongodump_loses_is_read_by_the_next_attempt),
];

/// A server with a large database `name`, whose dump stands in the middle of it.
async fn with_own_server(
    world: &Arc<World>,
    name: &str,
    tags: &[(&str, &str)],
) -> Result<Option<(Mongodb, Halted)>> {
    let Some(server) = Mongodb::start(false)? else { return Ok(None) };
    world.fill(&server, "noise", name)?;
    let secret = format!("e2e/{name}");
    let halted = halted_with(world, &secret, &server.value(name), server.port(), tags).await?;
    Ok(Some((server, halted)))
}

fn exit_codes(world: &World, halted: &Halted) -> Vec<Option<i32>> {
    let jobs = world.jobs_of(&halted.run);
    jobs.iter().flat_map(|job| &job.attempts).map(|attempt| attempt.exit_code).collect()
}

async fn a_mongodb_killed_in_the_middle_leaves_nothing(world: Arc<World>) -> Result<()> {
    let started = with_own_server(&world, "mongo-killed", &[]).await?;
    let Some((mut server, halted)) = started else { return Ok(()) };
    server.kill();
    halted.tap.open();
    let said = ["source", "exit code 12", "The next run is scheduled"];
    world.fails_in(&halted.run, "Failed: source", &said).await?;
    ensure!(exit_codes(&world, &halted) == [Some(12); 3], "{:?}", exit_codes(&world, &halted));
    world.nothing_is_left_but_the_next_run(&halted.target).await
}

/// As a server that has been started again does, or an administrator: error 43.
async fn a_cursor_of_mongodb_that_is_lost_does_not_cost_the_backup(
    world: Arc<World>,
) -> Result<()> {
    let started = with_own_server(&world, "mongo-cursor", &[]).await?;
    let Some((server, halted)) = started else { return Ok(()) };
    server.faults().forget_at_get_more(1);
    let before = server.faults().get_mores();
    finish(&world, &server, halted, "mongo-cursor").await?;
    ensure!(server.faults().get_mores() > before, "no cursor was lost");
    Ok(())
}

async fn a_connection_to_mongodb_that_breaks_does_not_cost_the_backup(
    world: Arc<World>,
) -> Result<()> {
    let started = with_own_server(&world, "mongo-broken", &[]).await?;
    let Some((server, halted)) = started else { return Ok(()) };
    server.faults().drop_at_get_more(1);
    let before = server.faults().get_mores();
    finish(&world, &server, halted, "mongo-broken").await?;
    ensure!(server.faults().get_mores() > before, "no connection was broken");
    Ok(())
}

/// Whether another cursor goes on or the dump is started again: in the end there is one backup.
async fn finish(world: &World, server: &Mongodb, halted: Halted, database: &str) -> Result<()> {
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    world.nothing_is_open(&halted.target).await?;
    world.one_backup_of_mongodb_equals(server, &halted.target, database).await
}

async fn a_cursor_that_mongodump_loses_is_read_by_the_next_attempt(
    world: Arc<World>,
) -> Result<()> {
    let tags = [("autodump:method", "client")];
    let started = with_own_server(&world, "mongo-client-cursor", &tags).await?;
    let Some((server, halted)) = started else { return Ok(()) };
    if !server.has_tools() {
        halted.tap.open();
        return Ok(());
    }
    server.faults().forget_at_get_more(1);
    halted.tap.open();
    world.succeeds_in(&halted.run, "Backup complete").await?;
    let codes = exit_codes(&world, &halted);
    ensure!(codes.len() == 2 && codes[0] != Some(0) && codes[1] == Some(0), "{codes:?}");
    world.nothing_is_open(&halted.target).await?;
    world.one_backup_of_mongodb_equals(&server, &halted.target, "mongo-client-cursor").await
}
