//! Databases that the cases dump.

use std::path::Path;

use anyhow::{Context, Result};
use autodump_local::postgres::Postgres;
use serde_json::{Value, json};

/// Makes a database with the demo's content, `scale` times 250 MB of it.
pub(crate) fn make_database(server: &Postgres, name: &str, scale: &str) -> Result<()> {
    server.create_database(name)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/demo.sql");
    let script = script.to_str().context("the path of the checkout is no UTF-8")?;
    server.psql(name, ["--output=/dev/null", &format!("--set=scale={scale}"), "--file", script])?;
    Ok(())
}

/// A database whose dump has several parts: 40 MB that do not compress, in rows short enough to lie
/// in the table's own pages.
pub(crate) fn make_large_database(server: &Postgres, name: &str) -> Result<()> {
    server.create_database(name)?;
    server.sql(
        name,
        "CREATE TABLE noise AS SELECT n, decode(string_agg(md5(random()::text), ''), 'hex') AS b \
         FROM generate_series(1, 21000) AS n, generate_series(1, 120) AS k GROUP BY n",
    )?;
    Ok(())
}

/// A secret's value for a database of a server without TLS, as its superuser.
pub(crate) fn plain_value(server: &Postgres, database: &str) -> Value {
    json!({
        "engine": "postgres", "endpoint": "localhost", "port": server.port(), "sslmode": "disable",
        "databasename": database, "username": "postgres", "password": server.password(),
    })
}
