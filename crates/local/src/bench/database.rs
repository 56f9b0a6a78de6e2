//! The benchmark's own database server, and its data.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::rows::TABLES;
use crate::postgres::{Options, Postgres};

const NAME: &str = "bench";
/// The password of the superuser.
pub(super) const PASSWORD: &str = "bench";

/// As many sessions load at a time.
const SESSIONS: u64 = 2;

/// A server with one database. Dropping it removes both.
#[derive(Debug)]
pub(super) struct Database {
    postgres: Postgres,
}

impl Database {
    /// Starts a server that loads fast: nothing of it needs to outlive a crash.
    pub(super) fn start() -> Result<Self> {
        let postgres = server_for_loading(None)?;
        postgres.sql("postgres", &format!("CREATE DATABASE {NAME}"))?;
        Ok(Self { postgres })
    }

    /// `PostgreSQL`'s major version.
    pub(super) fn major(&self) -> Result<u32> {
        self.postgres.major()
    }

    /// The directory of the client programs.
    pub(super) fn programs(&self) -> &Path {
        self.postgres.bin()
    }

    /// A client program that finds this database.
    pub(super) fn client(&self, program: &str) -> Command {
        let mut command = self.postgres.client(program);
        command.env("PGDATABASE", NAME).env("PGSSLMODE", "disable");
        command
    }

    /// The value of a secret for the dumper.
    pub(super) fn secret(&self) -> Value {
        secret(self.postgres.port(), NAME)
    }

    /// The size of the database on disk in bytes.
    pub(super) fn size(&self) -> Result<u64> {
        let size = self.postgres.sql(NAME, "SELECT pg_database_size(current_database())")?;
        size.parse().with_context(|| format!("the database's size is {size:?}"))
    }

    /// Adds `count` shards of `shard_bytes` each, numbered from `first`, two at a time. A shard is one set of tables.
    /// Returns the bytes of the rows as `COPY` writes them, which is what `pg_dump` reads, compresses and writes.
    pub(super) async fn add_shards(&self, first: u64, count: u64, shard_bytes: u64) -> Result<u64> {
        let mut bytes = 0;
        let end = first + count;
        let mut next = first;
        while next < end {
            let together = next..end.min(next + SESSIONS);
            next = together.end;
            let sessions: Vec<_> = together
                .map(|shard| {
                    let psql = self.client("psql");
                    tokio::task::spawn_blocking(move || add_shard(psql, shard, shard_bytes))
                })
                .collect();
            for session in sessions {
                bytes += session.await??;
            }
        }
        Ok(bytes)
    }
}

/// A server that loads fast: it need not outlive a crash. `bin` is where its programs are; the newest that is
/// installed when absent.
pub(super) fn server_for_loading(bin: Option<PathBuf>) -> Result<Postgres> {
    let mut postgres =
        Postgres::start(&Options { bin, password: PASSWORD.to_owned(), ..Options::default() })?;
    for setting in
        ["wal_level = minimal", "max_wal_senders = 0", "max_wal_size = '8GB'", "autovacuum = off"]
    {
        postgres.sql("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
    }
    postgres.restart()?;
    Ok(postgres)
}

/// The value of a secret for the dumper. The server is on loopback and has no certificate, so no TLS.
pub(super) fn secret(port: u16, database: &str) -> Value {
    json!({
        "engine": "postgres",
        "endpoint": "127.0.0.1",
        "port": port,
        "username": "postgres",
        "password": PASSWORD,
        "databasename": database,
        "sslmode": "disable",
    })
}

/// One shard in one transaction. Its tables are new in it, so the server need not log their rows.
fn add_shard(mut psql: Command, shard: u64, shard_bytes: u64) -> Result<u64> {
    let mut child = psql
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start psql")?;
    let input = child.stdin.take().context("psql has no input")?;
    let written = write_shard(&mut BufWriter::with_capacity(256 << 10, input), shard, shard_bytes);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("psql could not load the data: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(written?)
}

fn write_shard(out: &mut impl Write, shard: u64, shard_bytes: u64) -> std::io::Result<u64> {
    let mut bytes = 0;
    writeln!(out, "BEGIN;")?;
    for (number, table) in (0..).zip(&TABLES) {
        let name = format!("{}_{shard}", table.name);
        writeln!(out, "CREATE TABLE {name} ({});", table.columns)?;
        writeln!(out, "COPY {name} FROM STDIN WITH (FREEZE);")?;
        bytes += table.write_rows(out, shard_bytes * table.percent / 100, shard * 16 + number)?;
        writeln!(out, "\\.")?;
    }
    writeln!(out, "COMMIT;")?;
    out.flush()?;
    Ok(bytes)
}
