//! Compares what an export wrote with what it says of itself, and writes the manifest.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::arn::DatabaseArn;
use super::contents::Contents;
use super::follow;
use super::layout as below;
use super::lists::{Entry, Lists};
use super::manifest::{
    Data, ENGINE, ExportFacts, Skipped, SnapshotFacts, SnapshotManifest, Table, VERSION,
};
use super::options::Origin;
use super::plan::Plan;
use super::ports::{ExportTask, Snapshot, SnapshotService};
use super::restore::commands;
use super::run::{Run, Snapshots};
use super::stored;
use crate::error::{Error, ErrorClass, Result};
use crate::manifest::{Consistency, Engine, Target};
use crate::pages;
use crate::ports::{ObjectReader, ObjectWriter, Put};
use crate::tags::Format;

/// How many warnings the state machine is told; all are in the manifest.
const TOLD: usize = 20;
/// How many tables an error names.
const NAMED: usize = 3;
/// RDS makes a snapshot by itself once a day: an older one says that it does not any more.
const FRESH: Duration = Duration::hours(36);
/// The databases that engines make by themselves. RDS names them as left out where they are empty.
const DEFAULT_DATABASES: [&str; 4] = ["postgres", "template0", "template1", "rdsadmin"];

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Its manifest, as `s3://…`.
    pub manifest: String,
    /// How many tables and databases RDS left out, but for empty ones that engines make.
    pub skipped: usize,
    /// What RDS left out, and what else went wrong, in words: the first of them.
    pub warnings: Vec<String>,
}

/// What was exported, compared with the lists.
#[derive(Debug, Default)]
struct Compared {
    tables: Vec<Table>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// Writes the manifest, last, unless it is there. A table that RDS says it exported and that is
    /// not whole in the bucket is an error of class [`ErrorClass::Verification`]; one that RDS says
    /// it left out is a warning.
    pub async fn finish(&self, run: &Run, autodump_version: &str) -> Result<Finished> {
        let key = run.manifest_key();
        if !pages::exists(self.store, self.bucket, &key).await? {
            let manifest = self.manifest(run, autodump_version).await?;
            if stored::put_once(self.store, self.bucket, &key, &manifest).await? == Put::Written {
                return Ok(self.finished(&key, &manifest));
            }
        }
        let manifest = stored::read_version(self.store, self.bucket, &key, VERSION).await?;
        Ok(self.finished(&key, &manifest))
    }

    fn finished(&self, key: &str, manifest: &SnapshotManifest) -> Finished {
        Finished {
            manifest: format!("s3://{}/{key}", self.bucket),
            skipped: left_out(manifest).count(),
            warnings: told(manifest),
        }
    }

    async fn manifest(&self, run: &Run, autodump_version: &str) -> Result<SnapshotManifest> {
        let (target, plan, task) =
            (run.target()?, self.plan_of(run).await?, self.task_of(run).await?);
        if follow::check(&task)? != "complete" {
            let what = format!("the export task {} has not ended", task.name);
            return Err(Error::new(ErrorClass::Source, what, "Follow it until it is complete"));
        }
        // It may be gone by now, above all an automated one.
        let snapshot = self.service.snapshot(target.form, &plan.snapshot).await?;
        let directory = format!("{}{}", run.directory(), below::of_task(&plan.export_task));
        let contents = Contents::list(self.store, self.bucket, &directory).await?;
        let lists =
            Lists::read(self.store, self.bucket, &directory, &plan.export_task, &contents.files)
                .await?;
        let mut compared = compare(&directory, &contents, lists)?;
        compared.warnings.extend(task.warning.clone());
        let data = Data {
            bucket: self.bucket.to_owned(),
            prefix: directory,
            objects: contents.all().map(|(_, found)| found.objects).sum(),
            bytes: contents.all().map(|(_, found)| found.bytes).sum(),
        };
        Ok(written(&target, plan, &task, snapshot.as_ref(), data, compared, autodump_version))
    }
}

fn compare(directory: &str, contents: &Contents, lists: Lists) -> Result<Compared> {
    let directories = contents.directories();
    let mut compared = Compared { warnings: lists.warnings, ..Compared::default() };
    let mut seen = BTreeSet::new();
    let mut broken = Vec::new();
    for entry in lists.entries {
        let place = directories.of(&entry.target);
        seen.extend(place);
        if !entry.is_exported() {
            let Entry { target: name, status, warnings, .. } = entry;
            compared.skipped.push(Skipped { name, status, warnings });
            continue;
        }
        if place.is_none() && entry.is_empty {
            compared.tables.push(without_data(entry));
            continue;
        }
        let whole = place.and_then(|place| contents.found(place)).filter(|one| one.is_whole());
        let (Some(place), Some(found)) = (place, whole) else {
            broken.push(entry.target);
            continue;
        };
        compared.tables.push(Table {
            name: entry.target,
            directory: format!("{place}/"),
            objects: found.objects,
            bytes: found.bytes,
            warnings: entry.warnings,
        });
    }
    if !broken.is_empty() {
        let more = if broken.len() > NAMED { " …" } else { "" };
        let named = broken[..broken.len().min(NAMED)].join(", ");
        return Err(Error::new(
            ErrorClass::Verification,
            format!(
                "{} tables of the export {directory} are not whole, though RDS says that it \
                 wrote them, as {} is missing: {named}{more}",
                broken.len(),
                below::SUCCESS,
            ),
            "Find out who removed it; start another run",
        ));
    }
    let strangers = contents.all().map(|(place, _)| place).filter(|place| !seen.contains(place));
    compared.warnings.extend(
        strangers.map(|place| format!("{place}/ has data, and is in none of the export's lists")),
    );
    Ok(compared)
}

/// A table of which RDS says that it has no data, and of which it wrote nothing.
fn without_data(entry: Entry) -> Table {
    let mut warnings = entry.warnings;
    warnings.push("RDS says that it has 0 GB, and wrote no directory for it".to_owned());
    Table { name: entry.target, directory: String::new(), objects: 0, bytes: 0, warnings }
}

/// What is to be said of a snapshot that RDS should have replaced since.
fn stale(plan: &Plan, created_at: DateTime<Utc>) -> Option<String> {
    let old = plan.origin == Origin::Automated && plan.planned_at - created_at > FRESH;
    old.then(|| {
        format!(
            "the newest automated snapshot {} is of {created_at}: find out why RDS made none since",
            plan.snapshot
        )
    })
}

fn written(
    target: &DatabaseArn,
    plan: Plan,
    task: &ExportTask,
    snapshot: Option<&Snapshot>,
    data: Data,
    compared: Compared,
    autodump_version: &str,
) -> SnapshotManifest {
    let created = snapshot.and_then(|snapshot| snapshot.created).or(task.snapshot_time);
    let created_at = created.unwrap_or(plan.planned_at);
    let restore = commands(target, &plan, &data);
    let Compared { tables, skipped, mut warnings } = compared;
    warnings.extend(stale(&plan, created_at));
    SnapshotManifest {
        version: VERSION,
        target: Target { arn: plan.resource_arn, name: target.name.clone() },
        engine: Engine {
            name: ENGINE.to_owned(),
            server_version: plan.engine_version.clone(),
            client: "StartExportTask".to_owned(),
        },
        format: Format::Parquet,
        consistency: Consistency::Snapshot,
        scheduled_for: plan.scheduled_for,
        started_at: created_at,
        finished_at: task.ended.unwrap_or(created_at),
        tag_hash: plan.tag_hash,
        execution_arn: plan.execution_arn,
        autodump_version: autodump_version.to_owned(),
        snapshot: SnapshotFacts {
            arn: plan.snapshot_arn,
            origin: plan.origin,
            created_at,
            engine: plan.engine,
            engine_version: plan.engine_version,
            size_gib: snapshot.and_then(|snapshot| snapshot.size_gib),
        },
        export: ExportFacts {
            task: plan.export_task,
            only: plan.export_only,
            kms_key: task.kms_key.clone(),
        },
        data,
        tables,
        skipped,
        warnings,
        restore,
    }
}

/// What RDS left out, and somebody may miss.
fn left_out(manifest: &SnapshotManifest) -> impl Iterator<Item = &Skipped> {
    manifest.skipped.iter().filter(|one| !DEFAULT_DATABASES.contains(&one.name.as_str()))
}

/// What the state machine is told: what was left out first.
fn told(manifest: &SnapshotManifest) -> Vec<String> {
    let because = |warnings: &[String]| match warnings {
        [] => String::new(),
        all => format!(": {}", all.join("; ")),
    };
    let skipped = left_out(manifest)
        .map(|one| format!("RDS left out {}{}", one.name, because(&one.warnings)));
    let of_tables = manifest.tables.iter().filter(|table| !table.warnings.is_empty());
    let of_tables = of_tables.map(|one| format!("{}{}", one.name, because(&one.warnings)));
    let mut all: Vec<_> =
        skipped.chain(manifest.warnings.iter().cloned()).chain(of_tables).collect();
    if all.len() > TOLD {
        let more = all.len() - TOLD;
        all.truncate(TOLD);
        all.push(format!("and {more} more, which are in the manifest"));
    }
    all
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
