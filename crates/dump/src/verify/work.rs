//! What an engine is given to verify, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use autodump_core::Result;
use autodump_core::ports::{DatabaseAccess, ObjectLocation};
use autodump_core::secret::EngineName;
use autodump_core::verification::Level;
use tokio::time::Instant;

use super::UNVERIFIED;
use super::content::Files;
use super::found::Found;
use crate::output::interrupted;
use crate::progress::mb_per_second;
use crate::restore::same_engine;
use crate::stop::StopFlag;

/// How often progress is logged.
const PROGRESS: Duration = Duration::from_secs(30);

/// A backup that an engine verifies. Its manifest was read, and is one of this engine.
#[derive(Debug)]
pub struct VerifyWork<'a, R, A> {
    /// Its objects, and where it is noted what is wrong with them.
    pub(crate) files: Files<'a, R>,
    /// Where its manifest is.
    pub(crate) manifest: &'a ObjectLocation,
    /// How far: archive or restore.
    pub(crate) level: Level,
    /// A server to restore into.
    pub(crate) server: Option<&'a Arc<A>>,
    /// How much is done at once.
    pub(crate) jobs: u16,
}

/// What an engine tried besides reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// The version of the server that the backup was restored into.
    pub restored_into: Option<String>,
    /// What of the level was not looked at: sentences without their full stops.
    pub unchecked: Vec<String>,
}

impl<R: Sync, A: DatabaseAccess> VerifyWork<'_, R, A> {
    /// The outcome of reading something, with progress in the log. It is dropped when `stop` is raised.
    pub(crate) async fn reading<T>(
        &self,
        stop: &mut StopFlag,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            never = log_progress(self.files.found) => match never {},
            outcome = work => outcome,
        }
    }

    /// Whether the backup, which was read, is to be restored: that is asked for, and nothing wrong
    /// was found. A server of another engine than `backup` is an error of class configuration.
    pub(crate) async fn is_to_be_restored(
        &self,
        stop: &mut StopFlag,
        backup: EngineName,
    ) -> Result<bool> {
        if self.level != Level::Restore {
            return Ok(false);
        }
        if !self.files.found.nothing_wrong() {
            tracing::info!("what is damaged is not restored");
            return Ok(false);
        }
        if let Some(server) = self.server {
            let secret = self.reading(stop, server.secret()).await?;
            same_engine(backup, secret.engine)?;
        }
        Ok(true)
    }
}

/// Writes to the log how far the reading is, and never ends.
pub(super) async fn log_progress(found: &Found) -> std::convert::Infallible {
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
