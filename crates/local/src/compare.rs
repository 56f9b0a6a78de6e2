//! Whether a restored database holds what the dumped one held.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::postgres::Postgres;

/// Everything that is compared, a line for each thing: rows of every table by number and
/// hash, sequences, large objects, and the schema as the catalogue tells it.
pub fn fingerprint(server: &Postgres, database: &str) -> Result<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/fingerprint.sql");
    let script = script.to_str().context("the path of the checkout is no UTF-8")?;
    let lines = server.psql(database, ["--tuples-only", "--no-align", "--file", script])?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// Restores an archive into a new database with the stock `pg_restore` of `server`'s version.
pub fn restore(server: &Postgres, archive: &Path, database: &str) -> Result<()> {
    server.sql("postgres", &format!("CREATE DATABASE \"{database}\" TEMPLATE template0"))?;
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
    let missing =
        source.iter().filter(|line| !restored.contains(line)).map(|line| format!("- {line}"));
    let added =
        restored.iter().filter(|line| !source.contains(line)).map(|line| format!("+ {line}"));
    let shown: Vec<String> = missing.chain(added).take(10).collect();
    bail!("the restored database differs:\n{}", shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_difference_is_shown_and_nothing_is_not_equal_to_nothing() {
        assert!(assert_equal(&lines("a|1\nb|2"), &lines("a|1\nb|2")).is_ok());
        let error = assert_equal(&lines("a|1\nb|2"), &lines("a|1\nb|3")).unwrap_err().to_string();
        assert!(error.contains("- b|2") && error.contains("+ b|3"), "{error}");
        assert!(assert_equal(&[], &[]).is_err());
    }
}
