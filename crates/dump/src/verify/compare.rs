//! What was read, compared with what the manifest says.

use autodump_core::Result;
use autodump_core::manifest::Table;
use autodump_core::ports::ObjectReader;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::content::{File, Files, Held, Use};
use crate::rows::RowDigest;

/// Reads and compares every object.
pub(super) async fn compare<R: ObjectReader>(files: &Files<'_, R>, jobs: u16) -> Result<()> {
    let objects = files.backup.manifest.objects.iter();
    let all = objects.map(|object| File { objects: vec![object], used: Use::Compare });
    read_all(files, all.collect(), jobs).await?;
    Ok(())
}

/// Reads files, several at a time; returns them in their order.
pub(crate) async fn read_all<'a, R: ObjectReader>(
    files: &Files<'_, R>,
    all: Vec<File<'a>>,
    jobs: u16,
) -> Result<Vec<(File<'a>, Held)>> {
    let jobs = usize::from(jobs.max(1));
    let mut waiting = all.into_iter().enumerate();
    let (mut reading, mut done) = (FuturesUnordered::new(), Vec::new());
    loop {
        while reading.len() < jobs
            && let Some((number, file)) = waiting.next()
        {
            reading.push(read_one(files, number, file));
        }
        let Some(read) = reading.next().await else { break };
        done.push(read?);
    }
    done.sort_by_key(|(number, ..)| *number);
    Ok(done.into_iter().map(|(_, file, held)| (file, held)).collect())
}

async fn read_one<'a, R: ObjectReader>(
    files: &Files<'_, R>,
    number: usize,
    file: File<'a>,
) -> Result<(usize, File<'a>, Held)> {
    let held = files.read(&file).await?;
    Ok((number, file, held))
}

/// In what rows are not those of the manifest.
pub(crate) fn difference(rows: &RowDigest, expected: &Table) -> Option<String> {
    difference_of(rows, expected.rows, &expected.hash)
}

/// The same for so many rows with this hash.
pub(crate) fn difference_of(rows: &RowDigest, expected: u64, hash: &str) -> Option<String> {
    if rows.rows != expected {
        return Some(format!("{} rows, not {expected}", rows.rows));
    }
    let found = rows.hex();
    (found != hash).then(|| format!("{expected} rows with the hash {found}, not {hash}"))
}

/// A name for people.
pub(crate) fn shown(schema: &str, name: &str) -> String {
    if schema.is_empty() { name.to_owned() } else { format!("{schema}.{name}") }
}
