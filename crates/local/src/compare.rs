//! Whether a restored database holds what the dumped one held.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::postgres::Postgres;

/// How the lines of a [`fingerprint`] begin that say what the tables hold.
const CONTENT: [&str; 3] = ["[\"rows\"", "[\"sequence\"", "[\"large object\""];

/// Everything that is compared, a JSON array on a line for each thing: rows of every table by
/// number and hash, sequences, large objects, and the schema as the catalogue tells it. What is
/// left out, as `pg_dump` does not carry it, is said in `sql/fingerprint.sql`.
pub fn fingerprint(server: &Postgres, database: &str) -> Result<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/fingerprint.sql");
    let script = script.to_str().context("the path of the checkout is no UTF-8")?;
    let lines = server.psql(database, ["--tuples-only", "--no-align", "--file", script])?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// The lines of a fingerprint that tell rows, sequences and large objects: these are the same on
/// servers of different versions, 12 or newer.
#[must_use]
pub fn content(fingerprint: &[String]) -> Vec<String> {
    let tells_content = |line: &&String| CONTENT.iter().any(|start| line.starts_with(start));
    fingerprint.iter().filter(tells_content).cloned().collect()
}

/// The schema as `pg_dump` writes it, line by line, for databases on servers of one version. The
/// columns of a table are sorted, as an archive changes their order where a table was made first
/// and inherits later; lines that tell of the run, and owners, are left out.
pub fn schema_text(server: &Postgres, database: &str) -> Result<Vec<String>> {
    let output = server
        .client("pg_dump")
        .args(["--schema-only", "--no-owner", "--dbname", database])
        .output()
        .context("cannot run pg_dump")?;
    if !output.status.success() {
        bail!("pg_dump of {database} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(normalised(&String::from_utf8(output.stdout)?))
}

fn normalised(text: &str) -> Vec<String> {
    let of_the_run = |line: &str| {
        ["\\restrict ", "\\unrestrict ", "-- Dumped "].iter().any(|it| line.starts_with(it))
    };
    let mut lines = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for line in text.lines().filter(|line| !of_the_run(line)) {
        match &mut columns {
            Some(sorted) if line.starts_with("    ") => {
                sorted.push(line.strip_suffix(',').unwrap_or(line).to_owned());
            }
            _ => {
                let mut sorted = columns.take().unwrap_or_default();
                sorted.sort();
                lines.append(&mut sorted);
                if line.starts_with("CREATE ") && line.contains("TABLE ") && line.ends_with(" (") {
                    columns = Some(Vec::new());
                }
                lines.push(line.to_owned());
            }
        }
    }
    lines
}

/// Restores an archive into a new database with the stock `pg_restore` of `server`'s clients.
pub fn restore(server: &Postgres, archive: &Path, database: &str) -> Result<()> {
    server.create_database(database)?;
    let output = server
        .client("pg_restore")
        .args(["--exit-on-error", "--no-owner", "--jobs=2", "--dbname", database])
        .arg(archive)
        .output()
        .context("cannot run pg_restore")?;
    if !output.status.success() {
        bail!("pg_restore failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// An error that shows the first differences, unless both are equal.
pub fn assert_equal(source: &[String], restored: &[String]) -> Result<()> {
    if source.is_empty() {
        bail!("nothing was compared: the source's fingerprint is empty");
    }
    if source == restored {
        return Ok(());
    }
    let mut shown = difference(source, restored);
    if shown.is_empty() {
        let first = source.iter().zip(restored).find(|(one, other)| one != other);
        shown.extend(first.map(|(one, other)| format!("in another order: {one} is {other}")));
    }
    shown.truncate(10);
    bail!("the restored database differs:\n{}", shown.join("\n"))
}

/// The lines that are only in one of both, or more often there: `- ` before those of the source,
/// `+ ` before those of the restored.
#[must_use]
pub fn difference(source: &[String], restored: &[String]) -> Vec<String> {
    let mut surplus: BTreeMap<&str, i64> = BTreeMap::new();
    for line in source {
        *surplus.entry(line).or_default() += 1;
    }
    for line in restored {
        *surplus.entry(line).or_default() -= 1;
    }
    let missing = surplus.iter().filter(|(_, count)| **count > 0);
    let added = surplus.iter().filter(|(_, count)| **count < 0);
    missing
        .map(|(line, _)| format!("- {line}"))
        .chain(added.map(|(line, _)| format!("+ {line}")))
        .collect()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
