//! The servers that are dumped: of which version, with which databases, and how they are loaded.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::super::database::{PASSWORD, secret, server_for_loading};
use super::super::rows::TABLES;
use crate::postgres::Postgres;

/// As many sessions load at a time.
const SESSIONS: usize = 2;

/// The index of the kind of rows that the one large table has: log lines.
const LARGE: usize = 2;

/// A role that may read everything and needs no password, for readers that know no authentication.
pub(super) const READER: &str = "bench_reader";

/// A table that is to be made: its name, which kind of rows it has and how many bytes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    name: String,
    kind: usize,
    bytes: u64,
}

/// One table with 80 percent of `bytes`, and one of each other kind.
pub(super) fn one_large(bytes: u64) -> Vec<Contents> {
    let large = |kind| kind == LARGE;
    let table = |kind: usize| Contents {
        name: TABLES[kind].name.to_owned(),
        kind,
        bytes: bytes * if large(kind) { 80 } else { 5 } / 100,
    };
    (0..TABLES.len()).map(table).collect()
}

/// That many tables of all kinds, the n-th a n-th of the first.
pub(super) fn many(tables: u64, bytes: u64) -> Vec<Contents> {
    let parts = |n: u64| 1_000_000 / n;
    let all: u64 = (1..=tables).map(parts).sum();
    let table = |n: u64| {
        let kind = usize::try_from(n).unwrap_or_default() % TABLES.len();
        let bytes = bytes * parts(n) / all;
        Contents { name: format!("{}_{n}", TABLES[kind].name), kind, bytes }
    };
    (1..=tables).map(table).collect()
}

/// A server of one version. Dropping it removes it with its databases.
#[derive(Debug)]
pub(super) struct Cluster {
    postgres: Postgres,
    major: u32,
}

impl Cluster {
    /// Starts a server that loads fast. `bin` is where its programs are; the newest that is installed when absent.
    pub(super) fn start(bin: Option<PathBuf>) -> Result<Self> {
        let postgres = server_for_loading(bin)?;
        let major = postgres.major()?;
        let cluster = Self { postgres, major };
        cluster.admit_reader()?;
        Ok(cluster)
    }

    fn admit_reader(&self) -> Result<()> {
        let file = self.sql("postgres", "SHOW hba_file")?;
        let rules = std::fs::read_to_string(&file)?;
        std::fs::write(&file, format!("host all {READER} 127.0.0.1/32 trust\n{rules}"))?;
        self.sql("postgres", &format!("CREATE ROLE {READER} LOGIN IN ROLE pg_read_all_data"))?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        Ok(())
    }

    /// The major version.
    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// Whether its client programs compress with zstd.
    pub(super) fn has_zstd(&self) -> Result<bool> {
        let directory = tempfile::tempdir()?;
        let mut command = self.client("pg_dump", "postgres", None);
        command.args(["-Fd", "--compress=zstd:1", "-f"]).arg(directory.path().join("probe"));
        Ok(command.output().context("cannot run pg_dump")?.status.success())
    }

    /// The port on loopback.
    pub(super) fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// The directory of the client programs.
    pub(super) fn programs(&self) -> &Path {
        self.postgres.bin()
    }

    /// A client program that finds this database, by another port if one is given.
    pub(super) fn client(&self, program: &str, database: &str, port: Option<u16>) -> Command {
        let mut command = self.postgres.client(program);
        command.env("PGDATABASE", database).env("PGSSLMODE", "disable");
        if let Some(port) = port {
            command.env("PGPORT", port.to_string());
        }
        command
    }

    /// The value of a secret for the dumper.
    pub(super) fn secret(&self, database: &str, port: Option<u16>) -> Value {
        secret(port.unwrap_or(self.port()), database)
    }

    /// The superuser's URL of a database, without the password.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port())
    }

    /// The superuser's password.
    pub(super) fn password() -> &'static str {
        PASSWORD
    }

    /// Runs SQL, all statements in one connection.
    pub(super) fn sql(&self, database: &str, statements: &str) -> Result<String> {
        self.postgres.sql(database, statements)
    }

    /// From now on the server writes what a server with a standby or with backups writes.
    pub(super) fn log_as_usual(&mut self) -> Result<()> {
        for setting in ["wal_level = replica", "max_wal_size = '2GB'"] {
            self.sql("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
        }
        self.postgres.restart()
    }

    /// Makes a new, empty database in the place of an older one.
    pub(super) fn create(&self, database: &str) -> Result<()> {
        self.sql("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
        self.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"))?;
        self.sql("postgres", "CHECKPOINT")?;
        Ok(())
    }

    /// The bytes of a database on disk.
    pub(super) fn size(&self, database: &str) -> Result<u64> {
        let size = self.sql(database, "SELECT pg_database_size(current_database())")?;
        size.parse().with_context(|| format!("the database's size is {size:?}"))
    }

    /// Makes a database with these tables, the largest first. Returns the bytes of the rows as `COPY` writes them.
    pub(super) async fn load(&self, database: &str, mut tables: Vec<Contents>) -> Result<u64> {
        self.create(database)?;
        tables.sort_by_key(|table| table.bytes);
        let queue = Arc::new(Mutex::new(tables));
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let (psql, queue) = (self.client("psql", database, None), Arc::clone(&queue));
                tokio::task::spawn_blocking(move || fill(psql, &queue))
            })
            .collect();
        let mut bytes = 0;
        for session in sessions {
            bytes += session.await??;
        }
        self.sql(database, "ANALYZE")?;
        self.sql(database, "CHECKPOINT")?;
        Ok(bytes)
    }
}

/// Loads one table after the other, until there is none left.
fn fill(mut psql: Command, queue: &Mutex<Vec<Contents>>) -> Result<u64> {
    let mut child = psql
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start psql")?;
    let written = write_tables(&mut child, queue);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("psql could not load the data: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    written
}

fn write_tables(child: &mut Child, queue: &Mutex<Vec<Contents>>) -> Result<u64> {
    let input = child.stdin.take().context("psql has no input")?;
    let mut out = BufWriter::with_capacity(256 << 10, input);
    let mut bytes = 0;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(table) = next else { break };
        bytes += write_table(&mut out, &table)?;
    }
    out.flush()?;
    Ok(bytes)
}

/// One transaction: the table is new in it, so the server need not log its rows.
fn write_table(out: &mut impl Write, table: &Contents) -> std::io::Result<u64> {
    let (kind, name) = (&TABLES[table.kind], &table.name);
    writeln!(out, "BEGIN;\nCREATE TABLE {name} ({});", kind.columns)?;
    writeln!(out, "COPY {name} FROM STDIN WITH (FREEZE);")?;
    let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    let bytes = kind.write_rows(out, table.bytes, seed)?;
    writeln!(out, "\\.")?;
    if kind.columns.starts_with("id ") {
        writeln!(out, "ALTER TABLE {name} ADD PRIMARY KEY (id);")?;
    }
    writeln!(out, "COMMIT;")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_has_four_fifths() {
        let tables = one_large(1_000_000);
        let mut sizes: Vec<u64> = tables.iter().map(|table| table.bytes).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [50_000, 50_000, 50_000, 50_000, 800_000]);
    }

    #[test]
    fn many_tables_are_uneven_and_have_names_of_their_own() {
        let tables = many(200, 1_000_000_000);
        let names: std::collections::BTreeSet<&str> =
            tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names.len(), 200);
        let all: u64 = tables.iter().map(|table| table.bytes).sum();
        assert!((999_900_000..=1_000_000_000).contains(&all), "{all}");
        assert!(tables[0].bytes > 150 * tables[199].bytes);
    }
}
