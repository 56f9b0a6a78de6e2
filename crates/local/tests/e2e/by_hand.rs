//! Without AutoDump: what a manifest says is to be typed, typed as it stands.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::compare;
use autodump_local::postgres::{self, Postgres, fixtures};
use autodump_local::shell::Shell;

use crate::world::{Case, FAR, SCHEDULE, World, case};

pub(crate) const CASES: &[Case] = &[case!(the_manifests_own_commands_restore_everything)];

/// Into a server that has nothing: with `globals` the roles come with the backup.
async fn the_manifests_own_commands_restore_everything(world: Arc<World>) -> Result<()> {
    let database = "exotic – ünï 'x'";
    fixtures::exotic(&world.server, database)?;
    let tags = [(SCHEDULE, FAR), ("autodump:globals", "yes")];
    let target = world.secret("e2e/exotic", &world.value(database), &tags).await?;
    let run = world.run_now(&target).await?;
    world.succeeds_in(&run, "Backup complete").await?;

    let other = Postgres::start(&postgres::Options {
        bin: Some(world.server.bin().to_owned()),
        clients: Some(world.server.clients().to_owned()),
        ..postgres::Options::default()
    })?;
    let shell = Shell::new(&world.cloud, &other)?;
    let backup = world.one_backup(&target).await?;
    let commands = backup.manifest["restore"].as_array().context("no commands")?;
    ensure!(commands.len() == 5, "{commands:?}");
    let commands: Option<Vec<_>> = commands.iter().map(|command| command.as_str()).collect();
    let commands = commands.context("a command is no text")?;
    if let Err(error) = type_in(&shell, &commands) {
        // The jobs of pg_restore itself may block each other on partitioned tables: docs/restore.md.
        ensure!(format!("{error:#}").contains("deadlock detected"), error);
        other.sql("postgres", &format!(r#"DROP DATABASE "{database}""#))?;
        let create = commands.iter().position(|command| command.starts_with("createdb "));
        type_in(&shell, &commands[create.context("no createdb")?..])?;
    }
    let source = compare::fingerprint(&world.server, database)?;
    compare::assert_equal(&source, &compare::fingerprint(&other, database)?)?;
    compare::assert_equal(&schema(&world.server, database)?, &schema(&other, database)?)
}

fn type_in(shell: &Shell, commands: &[&str]) -> Result<()> {
    commands.iter().try_for_each(|command| shell.run(command).map(drop))
}

/// Without policies, whose roles `pg_dump` writes in the order of their OIDs; the fingerprint has
/// them.
fn schema(server: &Postgres, database: &str) -> Result<Vec<String>> {
    let mut lines = compare::schema_text(server, database)?;
    lines.retain(|line| !line.starts_with("CREATE POLICY "));
    Ok(lines)
}
