//! A backup, restored into the database of a secret.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use autodump_aws::config::SdkConfig;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::{Error, Result};
use autodump_dump::progress::mb_per_second;
use autodump_dump::restore::{self, Event, Log, Restore, Watcher};

use crate::engines;
use crate::environment::restore::Environment;
use crate::refusal;

/// How often progress is logged.
const PROGRESS: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    environment: Environment,
    config: SdkConfig,
    reader: S3Store,
    stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let options = environment.options.of_database()?;
    let secrets = Secrets::new(&config);
    let bin = environment.postgres_bin.as_deref();
    let engines = engines::installed(bin, None, environment.ca_bundle, environment.scratch);
    let progress = Arc::new(Progress::default());
    let restore = Restore {
        engines: &engines,
        reader,
        access: Arc::new(Target(Access::new(secrets, environment.to, config))),
        manifest: environment.manifest,
        options,
        watcher: Arc::clone(&progress) as Arc<dyn Watcher>,
    };
    let begun = Instant::now();
    let restored = tokio::select! {
        restored = restore::run(&restore, stop) => restored?,
        never = progress.log_every(PROGRESS) => match never {},
    };
    let time = begun.elapsed();
    tracing::info!(
        manifest = format!("s3://{}/{}", restore.manifest.bucket, restore.manifest.key),
        host = restored.plan.host,
        database = restored.plan.database,
        dry_run = restored.dry_run,
        tables = restored.tables,
        rows = restored.rows,
        bytes = restored.bytes,
        seconds = time.as_secs(),
        mb_per_second = mb_per_second(restored.bytes, time),
        "restore complete"
    );
    Ok(())
}

/// The database that is restored into.
#[derive(Debug)]
struct Target(Access);

impl DatabaseAccess for Target {
    async fn secret(&self) -> Result<SecretValue> {
        self.0.secret().await.map_err(refused)
    }
}

/// The job's role may read a secret only if it says that its database may be restored into.
fn refused(error: Error) -> Error {
    refusal::explained(
        error,
        "A restore may write only into a database whose secret bears the tag restore-target of \
         AutoDump's prefix, with the exact value yes; look also at the secret's resource policy \
         and its KMS key",
    )
}

/// How far the restore is.
#[derive(Debug, Default)]
struct Progress {
    bytes: AtomicU64,
    all: AtomicU64,
}

impl Watcher for Progress {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => self.all.store(plan.bytes, Ordering::Relaxed),
            Event::Read(bytes) => {
                self.bytes.fetch_add(*bytes, Ordering::Relaxed);
            }
            Event::TakenBack(bytes) => {
                self.bytes.fetch_sub(*bytes, Ordering::Relaxed);
            }
            _ => {}
        }
        Log.note(event);
    }
}

impl Progress {
    /// Writes to the log every `interval`, and never ends. The speed is that of the last
    /// interval.
    async fn log_every(&self, interval: Duration) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(interval);
        ticks.tick().await;
        let mut before = (0, Instant::now());
        loop {
            ticks.tick().await;
            let now = (self.bytes.load(Ordering::Relaxed), Instant::now());
            tracing::info!(
                bytes = now.0,
                of = self.all.load(Ordering::Relaxed),
                mb_per_second = mb_per_second(now.0.saturating_sub(before.0), now.1 - before.1),
                "restore in progress"
            );
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;

    use super::*;

    #[test]
    fn a_secret_that_is_refused_may_lack_its_tag() {
        let error = |class| refused(Error::new(class, "cannot read the value", "Ask"));
        assert!(error(ErrorClass::Credentials).hint().contains("restore-target"));
        assert_eq!(error(ErrorClass::Source).hint(), "Ask");
    }

    #[test]
    fn progress_is_what_was_read_and_not_taken_back() {
        let progress = Progress::default();
        for event in [Event::Read(10), Event::Read(5), Event::TakenBack(7)] {
            progress.note(&event);
        }
        assert_eq!(progress.bytes.into_inner(), 8);
    }
}
