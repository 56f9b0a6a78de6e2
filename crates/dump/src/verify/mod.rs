//! Whether a backup is what its manifest says.
//!
//! - `checksum`: every object is read once, and its length, SHA-256 and CRC64-NVME are compared.
//! - `archive`: the same, and in the same reading all that the engine's format has is decompressed
//!   to its end and understood; rows are counted, hashed and compared.
//! - `restore`: all this, and then the backup is restored into an empty database, and what is
//!   there is compared.
//!
//! Here is what all engines have in common, and `checksum`; the other two are
//! [`Engine::verify`]. What is wrong with the backup is a problem in the result. An error says that
//! it could not be found out. Backups of tables: [`table`].

pub(crate) mod compare;
pub(crate) mod content;
pub(crate) mod found;
pub(crate) mod pieces;
mod result;
pub mod table;
pub(crate) mod watch;
mod work;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{Content, DatabaseAccess, ObjectLocation, ObjectReader};
use autodump_core::verification::{Level, Verification};
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use self::content::Files;
use self::found::Found;
use self::pieces::Room;
pub use self::result::write_result;
use self::watch::Watched;
pub use self::watch::{Event, Phase, Watcher};
use self::work::log_progress;
pub use self::work::{Tried, VerifyWork};
use crate::engine::{AnyEngine, Engine, Engines};
use crate::output::interrupted;
use crate::restore::{Backup, SharedReader};
use crate::stop::StopFlag;

/// How long cleaning up may take after somebody asked to stop.
const GRACE: Duration = Duration::from_secs(20);
/// A manifest that is longer is none of ours.
const LONGEST: usize = 256 << 20;
/// The version of manifests that is understood.
const VERSION: u64 = 1;
pub(crate) const UNVERIFIED: &str = "before the backup was verified";

/// What is to be verified, and how.
#[derive(Debug)]
pub struct Verify<'a, R, A> {
    /// The engines that are installed.
    pub engines: &'a Engines,
    /// Where the backup is.
    pub reader: R,
    /// The backup's manifest.
    pub manifest: ObjectLocation,
    /// How far. [`Level::None`] reads the manifest alone.
    pub level: Level,
    /// A server to restore into, reached through any database of it: a new database
    /// `autodump_verify_<8 hexadecimal digits>` is made and dropped there. Without it a server
    /// of our own runs within the scratch directory, where the engine has one.
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
/// thread that started it. From the start of such a server on, this process is not dumpable
/// (`PR_SET_DUMPABLE`).
///
/// A manifest that is there and cannot be read is a problem of the backup, unless a newer version
/// wrote it.
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
    async fn verification(&self, watched: Watched, stop: StopFlag) -> Result<Verification> {
        let started_at = (self.now)();
        let found = Found::new(watched);
        let Tried { restored_into, unchecked } = self.tried(&found, stop).await?;
        let verification = found.into_verification(&self.manifest, self.level, started_at);
        Ok(Verification { finished_at: (self.now)(), restored_into, unchecked, ..verification })
    }

    /// Looks at the backup as far as the level asks for.
    async fn tried(&self, found: &Found, mut stop: StopFlag) -> Result<Tried> {
        let opened = tokio::select! {
            biased;
            () = stop.raised() => return Err(interrupted(UNVERIFIED)),
            opened = self.open(found) => opened?,
        };
        let Some((backup, engine)) = opened else { return Ok(Tried::default()) };
        let files =
            Files { reader: &self.reader, backup: &backup, found, room: Room::new(self.jobs) };
        let work = VerifyWork {
            files,
            manifest: &self.manifest,
            level: self.level,
            server: self.server.as_ref(),
            jobs: self.jobs,
        };
        match self.level {
            Level::None => {}
            Level::Checksum => {
                work.reading(&mut stop, compare::compare(&work.files, self.jobs)).await?;
            }
            Level::Archive | Level::Restore => return Box::pin(engine.verify(&work, stop)).await,
        }
        Ok(Tried::default())
    }

    /// Reads the manifest; nothing where that is damaged.
    async fn open(&self, found: &Found) -> Result<Option<(Backup, AnyEngine<'_>)>> {
        let backup = match Backup::open(&self.reader, &self.manifest).await {
            Ok(backup) => backup,
            Err(error) if is_damaged(&self.reader, &self.manifest, &error).await? => {
                found.problem(error.what());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let engine = self.engines.named(&backup.manifest.engine.name)?;
        match engine.check(&backup) {
            Ok(()) => {}
            Err(error) if error.class() == ErrorClass::Verification => {
                found.problem(error.what());
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let objects = &backup.manifest.objects;
        found.tell(Event::Planned {
            objects: objects.len() as u64,
            bytes: objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes)),
        });
        found.tell(Event::Phase(Phase::Objects));
        if self.level != Level::None {
            self.note_strangers(&backup).await;
        }
        Ok(Some((backup, engine)))
    }

    /// Logs objects that the manifest does not know in directories beside it: whoever restores
    /// without AutoDump copies such a directory as it is.
    async fn note_strangers(&self, backup: &Backup) {
        let objects = backup.manifest.objects.iter().map(|object| backup.location(object));
        let known: BTreeSet<_> = objects.map(|at| (at.bucket, at.key)).collect();
        let directory = |key: &str| key.rfind('/').map_or(0, |slash| slash + 1);
        let here = &self.manifest.key[..directory(&self.manifest.key)];
        let directories: BTreeSet<_> =
            known.iter().map(|(bucket, key)| (bucket, &key[..directory(key)])).collect();
        for (bucket, directory) in directories.into_iter().filter(|(_, path)| *path != here) {
            let listed = match self.reader.list(bucket, directory).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::info!(what = error.what(), "the archive is not listed");
                    continue;
                }
            };
            for key in listed.into_iter().map(|listed| listed.key) {
                if !known.contains(&(bucket.clone(), key.clone())) {
                    tracing::warn!(key, "the manifest does not know this object");
                }
            }
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
