//! One job of a run: it reads a range, or ends the run.

use std::future::pending;
use std::pin::pin;

use autodump_core::ports::{ObjectReader, ObjectWriter};
use autodump_core::table::manifest::TableManifest;
use autodump_core::table::plan::{Method, Scan};
use autodump_core::table::ports::TableReader;
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};

use super::exported::{Exported, exported};
use super::finish::{Finish, Found};
use super::range::{self, RangeJob};
use super::summary::summarise;
use crate::output::interrupted;
use crate::stop::unless_stopped;
use crate::sweep::sweep;

/// What a job does of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It reads this range, one of several: a child of an array job.
    Range(u32),
    /// It reads what no other job reads, looks whether all is there, and writes the manifest.
    Rest,
}

/// Does a job's part of a run. Gives the manifest if the run has come to its end with it.
///
/// It may be done again after any failure: what was read before is not read again. `stop` ends
/// it within seconds: with an error of class [`ErrorClass::Interrupted`] as long as there is no
/// manifest. A table that is not the one that was planned is of class
/// [`ErrorClass::Configuration`].
pub async fn run<T, S>(
    table: &T,
    store: &S,
    finish: &Finish<'_>,
    part: Part,
    now: impl Fn() -> DateTime<Utc> + Send + Sync,
    stop: impl Future<Output = ()> + Send,
) -> Result<Option<TableManifest>>
where
    T: TableReader,
    S: ObjectReader + ObjectWriter,
{
    let mut stop = pin!(stop);
    let when = "before the run came to its end; the next attempt goes on where it was";
    let work = to_the_manifest(table, store, finish, part, now);
    let done = unless_stopped(stop.as_mut(), || interrupted(when), work).await?;
    if done.is_some() && matches!(finish.plan.method, Method::Scan(_)) {
        tokio::select! {
            biased;
            () = stop => tracing::info!("asked to stop: the journals of this run stay in the bucket"),
            () = tidy(store, finish) => {}
        }
    }
    Ok(done)
}

async fn to_the_manifest<T, S>(
    table: &T,
    store: &S,
    finish: &Finish<'_>,
    part: Part,
    now: impl Fn() -> DateTime<Utc> + Send + Sync,
) -> Result<Option<TableManifest>>
where
    T: TableReader,
    S: ObjectReader + ObjectWriter,
{
    match (&finish.plan.method, part) {
        (Method::Scan(scan), Part::Range(range)) => {
            read(table, store, finish, scan, range).await?;
            Ok(None)
        }
        (Method::Scan(scan), Part::Rest) => {
            if scan.ranges == 1 {
                read(table, store, finish, scan, 0).await?;
            }
            let summary = summarise(store, finish.bucket, finish.directory, scan).await?;
            check_table(table, finish).await?;
            finish.run(store, Found::Scanned(&summary), now()).await.map(Some)
        }
        (Method::Export(_), Part::Rest) => {
            let found = exported(store, finish.bucket, finish.directory).await?;
            check_source(finish, &found)?;
            finish.run(store, Found::Exported(&found), now()).await.map(Some)
        }
        (Method::Export(_), Part::Range(range)) => Err(Error::new(
            ErrorClass::Internal,
            format!("there is no range {range} of an export"),
            "Report this: it is a fault of AutoDump",
        )),
    }
}

async fn read<T, S>(
    table: &T,
    store: &S,
    finish: &Finish<'_>,
    scan: &Scan,
    range: u32,
) -> Result<()>
where
    T: TableReader,
    S: ObjectReader + ObjectWriter,
{
    check_table(table, finish).await?;
    range::run(table, store, &job(finish, scan, range), pending()).await.map(drop)
}

/// Whether the table is still the one that was planned. One that is gone by the end was read
/// while it was there; nothing can be read of one that is gone before.
async fn check_table<T: TableReader>(table: &T, finish: &Finish<'_>) -> Result<()> {
    if finish.plan.table_id.is_none() {
        return Ok(());
    }
    finish.plan.check_table_id(table.id().await?.as_deref())
}

fn job(finish: &Finish<'_>, scan: &Scan, range: u32) -> RangeJob {
    RangeJob {
        bucket: finish.bucket.to_owned(),
        directory: finish.directory.to_owned(),
        scan: scan.clone(),
        range,
    }
}

fn check_source(finish: &Finish<'_>, found: &Exported) -> Result<()> {
    let planned = &finish.plan.resource_arn;
    if found.table_arn == *planned {
        return finish.plan.check_table_id(found.table_id.as_deref());
    }
    Err(Error::new(
        ErrorClass::Verification,
        format!("the export {} is of {}, not of {planned}", found.arn, found.table_arn),
        "Find out who else writes to this bucket, and start another run",
    ))
}

/// Removes the journals, whose pages are in the data objects. What cannot be removed is no
/// reason to call a backup a failure.
async fn tidy<S: ObjectReader + ObjectWriter>(store: &S, finish: &Finish<'_>) {
    let prefix = format!("{}state/", finish.directory);
    let is_journal = |key: &str| key.contains("/journal-");
    if let Err(error) = sweep(store, finish.bucket, &prefix, is_journal).await {
        tracing::warn!(what = error.what(), "the journals of this run stay in the bucket");
    }
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
