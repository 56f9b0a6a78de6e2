//! What is found out before anything is changed.

use std::collections::BTreeSet;
use std::path::Path;

use autodump_core::ports::DatabaseAccess;
use autodump_core::restore::RestoreOptions;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};
use tempfile::TempDir;

use super::client::unusable;
use super::contents::Contents;
use super::loads::{Loads, files, loads};
use super::rest::Wanted;
use super::restorer::Restorer;
use super::select::{Chosen, choose, hollow};
use super::target::Target;
use super::there::{There, look};
use crate::engine::Postgres;
use crate::engine::postgres::directory::Directory;
use crate::engine::postgres::spool::TOC;
use crate::engine::postgres::toc::Section;
use crate::engine::postgres::version::major;
use crate::restore::{Backup, Phase, Plan, RestoreWork, SharedReader};

/// What a restore goes by.
pub(super) struct Found<'a> {
    pub(super) contents: Contents,
    pub(super) restorer: Restorer<'a>,
    /// With the table of contents.
    pub(super) scratch: TempDir,
    pub(super) there: There,
    pub(super) loads: Loads,
    /// What `pg_restore` reads by itself.
    pub(super) files: Vec<Wanted>,
    pub(super) plan: Plan,
}

/// Looks at backup and database. Nothing is changed.
pub(super) async fn find<'a, R: SharedReader, A: DatabaseAccess>(
    restore: &RestoreWork<'_, R, A>,
    target: &Target<'a, A>,
) -> Result<Found<'a>> {
    let RestoreWork { backup, reader, options, .. } = restore;
    let directory = Directory::of(backup)?;
    let toc = directory.table_of_contents(*reader).await?;
    let contents = Contents::read(&toc)?;
    let Chosen { ids, needed, left_out } = choose(&contents, options)?;
    let ids = without_left_out(&contents, ids, options);
    let restorer = restorer(target.postgres, backup).await?;
    let scratch = scratch(target.postgres.scratch(), &toc)?;
    let secret = target.secret().await?;
    let there = look(target, options, &secret.database, &contents, ids, &needed).await?;

    let loads = loads(directory, &contents, &there.ids)?;
    let files = files(directory, scratch.path(), &contents, &loads.others)?;
    let mut remarks = left_out;
    remarks.extend_from_slice(&there.remarks);
    if !options.schema_only && !options.data_only {
        remarks.extend(hollow(&contents, &there.ids, &needed));
    }
    remarks.extend(older(backup, &contents, &there));
    let plan = Plan {
        engine: EngineName::Postgres,
        host: secret.host,
        database: secret.database,
        server_version: there.server.version.clone(),
        client: format!("pg_restore {}", restorer.version()),
        jobs: options.jobs.unwrap_or_else(crate::run::default_jobs),
        phases: phases(options, &there.dropped, &loads),
        dropped: there.dropped_names.clone(),
        bytes: loads.tables.iter().map(|table| table.bytes).sum(),
        tables: loads.tables.iter().map(|table| table.planned()).collect(),
        remarks,
    };
    Ok(Found { contents, restorer, scratch, there, loads, files, plan })
}

/// The `pg_restore` that reads this backup.
async fn restorer<'a>(postgres: &'a Postgres, backup: &Backup) -> Result<Restorer<'a>> {
    let client = backup.manifest.engine.client.as_str();
    let version = client.strip_prefix("pg_dump ").unwrap_or(client);
    let archive = major(version).ok_or_else(|| {
        Error::new(
            ErrorClass::Verification,
            format!("the manifest says that {client:?} made the backup, which is not understood"),
            "Use the commands in the manifest",
        )
    })?;
    postgres.restorer(archive, version).await
}

/// A directory with the table of contents.
fn scratch(parent: &Path, toc: &[u8]) -> Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("autodump-")
        .tempdir_in(parent)
        .map_err(|error| unusable(parent, error))?;
    let path = directory.path().join(TOC);
    std::fs::write(&path, toc).map_err(|error| unusable(&path, error))?;
    Ok(directory)
}

/// Those of `ids`, or of all, that the options do not leave out.
fn without_left_out(
    contents: &Contents,
    ids: Option<BTreeSet<i32>>,
    options: &RestoreOptions,
) -> BTreeSet<i32> {
    let mut ids = ids.unwrap_or_else(|| contents.items.iter().map(|item| item.id).collect());
    ids.retain(|id| !is_left_out(contents, *id, options));
    ids
}

/// What is never restored, and what the options leave out. The comment on an extension comes
/// with the extension, and only its owner may set it, who on a managed server is somebody else.
fn is_left_out(contents: &Contents, id: i32, options: &RestoreOptions) -> bool {
    let Some(item) = contents.item(id) else { return true };
    if item.kind == "COMMENT" && item.name.starts_with("EXTENSION ") {
        return true;
    }
    if item.kind == "DATABASE" || item.kind == "DATABASE PROPERTIES" {
        return true;
    }
    let large_object = item.is_large_object() || item.name.starts_with("LARGE OBJECT");
    if options.schema_only {
        return item.section == Section::Data || large_object;
    }
    options.data_only && item.section != Section::Data && !large_object
}

/// What is to be said of a server that is older than the one that was dumped.
fn older(backup: &Backup, contents: &Contents, there: &There) -> Option<String> {
    let is_older = contents.server_major.is_some_and(|major| major > there.server.major);
    is_older.then(|| {
        format!(
            "the backup is of PostgreSQL {}, and the server is older: {}",
            backup.manifest.engine.server_version, there.server.version
        )
    })
}

fn phases(options: &RestoreOptions, dropped: &BTreeSet<i32>, loads: &Loads) -> Vec<Phase> {
    let schema = !options.data_only;
    [
        (!dropped.is_empty(), Phase::Clean),
        (schema, Phase::PreData),
        (!loads.pieces.is_empty(), Phase::Rows),
        (!loads.others.is_empty(), Phase::OtherData),
        (schema, Phase::PostData),
    ]
    .into_iter()
    .filter_map(|(needed, phase)| needed.then_some(phase))
    .collect()
}
