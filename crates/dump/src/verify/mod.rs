//! Whether a backup is what its manifest says.
//!
//! - `checksum`: every object is read once, and its length, SHA-256 and CRC64-NVME are compared.
//! - `archive`: the same, and in the same reading the table of contents is parsed, and every
//!   data file is decompressed to its end, each of its segments by itself; rows are counted,
//!   hashed and compared.
//! - `restore`: all this, and then the backup is restored into an empty database, where every
//!   relation has to be, and the rows of each table are read, hashed and compared.
//!
//! What is wrong with the backup is a problem in the result. An error says that it could not be
//! found out. Backups of tables: [`table`].

pub(crate) mod content;
pub(crate) mod found;
pub(crate) mod pieces;
mod result;
pub mod table;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{Content, DatabaseAccess, ObjectLocation, ObjectReader};
use autodump_core::verification::{Level, Verification};
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout};

use self::content::Files;
use self::found::Found;
use self::pieces::Room;
pub use self::result::write_result;

use self::watch::Watched;
pub use self::watch::{Event, Phase, Watcher};
use crate::engine::Postgres;
use crate::engine::postgres::toc::Toc;
use crate::engine::postgres::verify::{Trial, archive};
use crate::output::interrupted;
use crate::progress::mb_per_second;
use crate::restore::{Backup, SharedReader};
use crate::stop::StopFlag;

/// How long cleaning up may take after somebody asked to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How often progress is logged.
const PROGRESS: Duration = Duration::from_secs(30);
/// A manifest that is longer is none of ours.
const LONGEST: usize = 256 << 20;
/// The version of manifests that is understood.
const VERSION: u64 = 1;
pub(crate) const UNVERIFIED: &str = "before the backup was verified";

/// What is to be verified, and how.
#[derive(Debug)]
pub struct Verify<'a, R, A> {
    /// The engine: clients and servers, certificates, scratch directory.
    pub postgres: &'a Postgres,
    /// Where the backup is.
    pub reader: R,
    /// The backup's manifest.
    pub manifest: ObjectLocation,
    /// How far. [`Level::None`] reads the manifest alone.
    pub level: Level,
    /// A server to restore into, reached through any database of it: a new database
    /// `autodump_verify_<8 hexadecimal digits>` is made and dropped there. Without it a server
    /// of our own runs within the scratch directory.
    pub server: Option<Arc<A>>,
    /// Objects that are read at once, pieces that are decompressed at once, and connections to
    /// the database; 1 to 64.
    pub jobs: u16,
    /// The clock.
    pub now: fn() -> DateTime<Utc>,
}

/// Verifies a backup. An error means that it could not be done: nobody may read there, the
/// store or the server cannot be reached, there is no manifest (class verification), or `stop`
/// came to its end. Whatever happens, no program runs any more then, and no database or
/// directory that was made for it is left.
///
/// Call it from a thread that lives as long as the runtime: a server of our own ends with the
/// thread that started it. What is restored there runs as a role without special rights, unless
/// the backup has what only a superuser can restore: then, with the rights of whoever runs this
/// process, or of `postgres` or `nobody` where that is root. From the start of such a server on,
/// this process is not dumpable (`PR_SET_DUMPABLE`).
///
/// Subscriptions and event triggers are not restored. A manifest that is there and cannot be read
/// is a problem of the backup, unless a newer version wrote it.
///
/// Memory is bounded whatever the size of the backup: about 20 MiB for each job, besides the
/// table of contents.
pub async fn run<R: SharedReader, A: DatabaseAccess + 'static>(
    verify: &Verify<'_, R, A>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    run_inner(verify, Watched::default(), stop).await
}

/// The same, telling `watcher` how far it is.
pub async fn run_watched<R: SharedReader, A: DatabaseAccess + 'static>(
    verify: &Verify<'_, R, A>,
    watcher: Arc<dyn Watcher>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    run_inner(verify, Watched(Some(watcher)), stop).await
}

async fn run_inner<R: SharedReader, A: DatabaseAccess + 'static>(
    verify: &Verify<'_, R, A>,
    watched: Watched,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    let (raise, flag) = StopFlag::new();
    let mut work = pin!(verify.verification(watched, flag));
    let mut stop = pin!(stop);
    tokio::select! {
        biased;
        () = stop.as_mut() => {
            raise.send_replace(true);
            // What it comes to now does not matter, only that it cleans up.
            drop(timeout(GRACE, work).await);
            Err(interrupted(UNVERIFIED))
        }
        outcome = &mut work => outcome,
    }
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Verify<'_, R, A> {
    async fn verification(&self, watched: Watched, mut stop: StopFlag) -> Result<Verification> {
        let started_at = (self.now)();
        let found = Found::new(watched);
        let restored_into = {
            let toc = tokio::select! {
                biased;
                () = stop.raised() => return Err(interrupted(UNVERIFIED)),
                never = log_progress(&found) => match never {},
                outcome = self.read(&found) => outcome?,
            };
            match toc {
                Some((backup, toc)) if self.level == Level::Restore && found.nothing_wrong() => {
                    let (backup, toc, found) = (&backup, &toc, &found);
                    Some(Trial { verify: self, backup, toc, found }.run(stop).await?)
                }
                _ if self.level == Level::Restore => {
                    tracing::info!("what is damaged is not restored");
                    None
                }
                _ => None,
            }
        };
        let verification = found.into_verification(&self.manifest, self.level, started_at);
        Ok(Verification { finished_at: (self.now)(), restored_into, ..verification })
    }

    /// Reads the backup as far as the level asks for.
    async fn read(&self, found: &Found) -> Result<Option<(Backup, Toc)>> {
        let backup = match Backup::open(&self.reader, &self.manifest).await {
            Ok(backup) => backup,
            Err(error) if is_damaged(&self.reader, &self.manifest, &error).await? => {
                found.problem(error.what());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let objects = &backup.manifest.objects;
        found.tell(Event::Planned {
            objects: objects.len() as u64,
            bytes: objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes)),
        });
        found.tell(Event::Phase(Phase::Objects));
        let toc = {
            let room = Room::new(self.jobs);
            let files = Files { reader: &self.reader, backup: &backup, found, room };
            match self.level {
                Level::None => None,
                Level::Checksum => {
                    archive::compare(&files, self.jobs).await?;
                    None
                }
                Level::Archive | Level::Restore => archive::read(&files, self.jobs).await?,
            }
        };
        if self.level != Level::None {
            self.note_strangers(&backup).await;
        }
        Ok(toc.map(|toc| (backup, toc)))
    }

    /// Logs objects in the archive's directory that the manifest does not know: whoever
    /// restores without AutoDump copies them too, and `pg_restore` does not look at them.
    async fn note_strangers(&self, backup: &Backup) {
        let objects = &backup.manifest.objects;
        let known: BTreeSet<_> = objects.iter().map(|object| backup.location(object).key).collect();
        let mut archive = objects.iter().filter(|object| backup.file_name(object).is_some());
        let Some(here) = archive.next().map(|object| backup.location(object)) else { return };
        let Some((directory, _)) = here.key.rsplit_once('/') else { return };
        match self.reader.list(&here.bucket, &format!("{directory}/")).await {
            Ok(listed) => {
                for stranger in listed.iter().filter(|listed| !known.contains(&listed.key)) {
                    tracing::warn!(key = stranger.key, "the manifest does not know this object");
                }
            }
            Err(error) => tracing::info!(what = error.what(), "the archive is not listed"),
        }
    }
}

/// Whether a manifest could not be read because of what it says: it is there, and does not say
/// that another version wrote it.
async fn is_damaged<R: ObjectReader>(
    reader: &R,
    manifest: &ObjectLocation,
    error: &Error,
) -> Result<bool> {
    if error.class() != ErrorClass::Verification {
        return Ok(false);
    }
    let mut content = reader.get(manifest, None).await?;
    let mut bytes = Vec::new();
    while let Some(more) = content.next().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > LONGEST {
            return Ok(true);
        }
    }
    let value = serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null);
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    Ok(version.is_none_or(|version| version <= VERSION))
}

/// An error about what is around the backup.
pub(crate) fn unverified(what: impl Into<String>) -> Error {
    Error::new(
        ErrorClass::Engine,
        what,
        "It was not found out whether the backup can be restored: give a server to restore into \
         that has what it needs",
    )
}

/// Writes to the log how far the reading is, and never ends.
async fn log_progress(found: &Found) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(PROGRESS);
    ticks.tick().await;
    let mut before = (found.seen().bytes, Instant::now());
    loop {
        ticks.tick().await;
        let (seen, now) = (found.seen(), Instant::now());
        tracing::info!(
            objects = seen.objects,
            bytes = seen.bytes,
            mb_per_second = mb_per_second(seen.bytes - before.0, now - before.1),
            "verification in progress"
        );
        before = (seen.bytes, now);
    }
}
