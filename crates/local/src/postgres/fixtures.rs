//! Databases that tests dump.

use std::path::Path;

use anyhow::{Context, Result};

use super::Postgres;

/// Makes a database that has something of everything that the server can hold, about 25 MB,
/// always the same (`sql/exotic.sql`). Works with servers of version 11 to 18.
pub fn exotic(server: &Postgres, database: &str) -> Result<()> {
    server.create_database(database)?;
    run(server, database, "exotic.sql", &[])
}

/// Adds a table of everyday rows to a database: `megabytes` MiB on disk, correct to some per cent
/// (`sql/large.sql`). Takes about 2 s for 100 MiB.
pub fn large_table(server: &Postgres, database: &str, table: &str, megabytes: u32) -> Result<()> {
    let (table, megabytes) = (format!("table={table}"), format!("mb={megabytes}"));
    run(server, database, "large.sql", &[&table, &megabytes])
}

fn run(server: &Postgres, database: &str, script: &str, variables: &[&str]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(script);
    let path = path.to_str().context("the path of the checkout is no UTF-8")?;
    let variables = variables.iter().flat_map(|variable| ["--set", variable]);
    server.psql(database, variables.chain(["--output=/dev/null", "--file", path]))?;
    Ok(())
}
