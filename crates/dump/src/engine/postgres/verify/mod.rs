//! Whether a backup of PostgreSQL can be restored.
//!
//! - `archive`: the table of contents is parsed, and every data file is decompressed to its end,
//!   each of its segments by itself; rows are counted, hashed and compared.
//! - `restore`: then the backup is restored into an empty database, where every relation has to
//!   be, and the rows of each table are read, hashed and compared.
//!
//! Subscriptions and event triggers are not restored.

mod altered;
mod archive;
mod database;
mod extensions;
mod meaning;
mod needs;
mod privileges;
mod programs;
mod readable;
mod restored;
mod server;
mod trial;

use autodump_core::Result;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;

use self::trial::Trial;
use super::directory::Directory;
use crate::engine::Postgres;
use crate::restore::SharedReader;
use crate::stop::StopFlag;
use crate::verify::{Tried, VerifyWork};

/// Reads the archive, and restores it where that is asked for.
///
/// A server of our own ends with the thread that started it. What is restored there runs as a
/// role without special rights, unless the backup has what only a superuser can restore: then,
/// with the rights of whoever runs this process, or of `postgres` or `nobody` where that is root.
/// From the start of such a server on, this process is not dumpable (`PR_SET_DUMPABLE`).
pub(super) async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
    postgres: &Postgres,
    work: &VerifyWork<'_, R, A>,
    mut stop: StopFlag,
) -> Result<Tried> {
    let directory = Directory::of(work.files.backup)?;
    let reading = archive::read(&work.files, directory, work.jobs);
    let toc = work.reading(&mut stop, reading).await?;
    let is_restored = work.is_to_be_restored(&mut stop, EngineName::Postgres).await?;
    let Some(toc) = toc.filter(|_| is_restored) else { return Ok(Tried::default()) };
    let version = Trial { postgres, work, directory, toc: &toc }.run(stop).await?;
    Ok(Tried { restored_into: Some(version), ..Tried::default() })
}
