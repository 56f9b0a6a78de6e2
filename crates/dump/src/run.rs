//! One dump: from a secret's value to a published manifest, or to nothing at all.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use autodump_core::hash::TagHash;
use autodump_core::manifest::{self, Manifest, Target};
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::tags::Format;
use autodump_core::verification::Level;
use autodump_core::{Error, ErrorClass, Result, layout};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use crate::engine::{Content, Engine, Order, described};
use crate::open_uploads::{OpenUploads, SharedStore};
use crate::output::{GRACE, interrupted};
use crate::progress::{Progress, mb_per_second};
use crate::publish::{Patience, begin_manifest, publish, stage_manifest};
use crate::stop::{Stop, StopFlag};
use crate::uploader::{Limits, Uploader};

/// What is to be dumped, and for whom.
#[derive(Debug, Clone)]
pub struct DumpJob {
    /// The tagged resource.
    pub resource_arn: String,
    /// The hash of the tags that are used.
    pub tag_hash: TagHash,
    /// When the run was to start.
    pub scheduled_for: DateTime<Utc>,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// The Batch job; no two attempts may have the same id and number.
    pub job: manifest::Job,
    /// The database, unless the options ask for all.
    pub database: String,
    /// What is dumped, and how.
    pub options: DumpOptions,
    /// How far the backup is to be verified afterwards, for the manifest.
    pub verify: Level,
    /// Where it goes.
    pub bucket: String,
    /// AutoDump's version, for the manifest.
    pub autodump_version: String,
}

/// How a dump is carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory, requests and parts; more memory for more jobs.
    pub limits: Limits,
    /// Connections that read at once unless the job says how many.
    pub jobs: u16,
    /// How often progress is logged.
    pub progress: Duration,
    /// How long the manifest is tried.
    pub patience: Patience,
    /// How long the dump may take to end its programs after somebody asked to stop. They get 2 s
    /// and are killed then: less would leave them dying when the dump has returned.
    pub child_grace: Duration,
    /// How long open uploads may take to be aborted after a failure.
    pub abort_limit: Duration,
    /// How long they may take after somebody asked to stop.
    pub abort_grace: Duration,
    /// How long publishing may go on after somebody asked to stop: it is nearly done then,
    /// and a backup is worth more than a second.
    pub publish_grace: Duration,
    /// The clock.
    pub now: fn() -> DateTime<Utc>,
}

impl Settings {
    /// The usual settings: 128 MiB, progress every 30 s, and all that follows a request to
    /// stop within 9 s.
    #[must_use]
    pub fn new(now: fn() -> DateTime<Utc>) -> Self {
        Self {
            limits: Limits::default(),
            jobs: default_jobs(),
            progress: Duration::from_secs(30),
            patience: Patience::default(),
            child_grace: GRACE + Duration::from_secs(1),
            abort_limit: Duration::from_mins(1),
            abort_grace: Duration::from_secs(4),
            publish_grace: Duration::from_secs(4),
            now,
        }
    }
}

/// Twice the processors that the process may use, since a connection also waits.
pub(crate) fn default_jobs() -> u16 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(2 * processors).unwrap_or(u16::MAX).clamp(2, 16)
}

/// Dumps, and returns the manifests that now prove the backups: one, or one for each database
/// where all are asked for. On any failure, and when `stop` comes to its end, every program
/// is ended, every upload is aborted, and nothing is left that looks like a backup. Of
/// several databases those that succeed are kept, and the error names the others.
pub async fn run<E: Engine, S: SharedStore, A: DatabaseAccess + 'static>(
    engine: &E,
    store: &S,
    access: &Arc<A>,
    job: &DumpJob,
    settings: &Settings,
    stop: impl Future<Output = ()> + Send,
) -> Result<Vec<Manifest>> {
    let stop = pin!(stop);
    let mut stop = Stop::new(stop);
    let dump = Dump { engine, store, access, job, settings };
    if job.options.all_databases != Some(true) {
        let manifest = dump.one(&job.database, Pin::new(&mut stop)).await?;
        return Ok(vec![manifest]);
    }
    let databases = engine.databases(access, &job.options);
    let databases = or_stop(Pin::new(&mut stop), databases).await??;
    let (mut manifests, mut failures) = (Vec::new(), Vec::new());
    for database in &databases {
        match dump.one(database, Pin::new(&mut stop)).await {
            Ok(manifest) => manifests.push(manifest),
            Err(error) if error.class() == ErrorClass::Interrupted => return Err(error),
            Err(error) => {
                tracing::error!(database, what = error.what(), "this database was not dumped");
                failures.push((database, error));
            }
        }
    }
    if failures.is_empty() { Ok(manifests) } else { Err(summary(databases.len(), failures)) }
}

/// One error for several: a retry is worth it when it is for one of them.
fn summary(all: usize, mut failures: Vec<(&String, Error)>) -> Error {
    failures.sort_by_key(|(_, error)| !error.class().is_retried());
    let each: Vec<_> =
        failures.iter().map(|(database, error)| format!("{database}: {}", error.what())).collect();
    let first = &failures[0].1;
    let what = format!("{} of {all} databases were not dumped: {}", each.len(), each.join("; "));
    Error::new(first.class(), what, first.hint())
}

/// The end of the time for aborting: early when somebody asks to stop, or has asked before.
async fn aborted_long_enough(stop: impl Future<Output = ()>, settings: &Settings) {
    let stopped = async {
        stop.await;
        sleep(settings.abort_grace).await;
    };
    tokio::select! {
        () = stopped => {}
        () = sleep(settings.abort_limit) => {}
    }
}

struct Dump<'a, E, S, A> {
    engine: &'a E,
    store: &'a S,
    access: &'a Arc<A>,
    job: &'a DumpJob,
    settings: &'a Settings,
}

impl<E: Engine, S: SharedStore, A: DatabaseAccess + 'static> Dump<'_, E, S, A> {
    async fn one(
        &self,
        database: &str,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Manifest> {
        let progress = Arc::new(Progress::default());
        let limits = self.settings.limits.for_jobs(self.jobs());
        let uploader = Uploader::new(self.store.clone(), limits, progress);
        let proof = OpenUploads::default();
        let outcome = self.published(database, &uploader, &proof, stop.as_mut()).await;
        // After a success nothing is open but what turned out not to be needed.
        let limit = aborted_long_enough(stop, self.settings).shared();
        tokio::join!(uploader.abort_open(limit.clone()), proof.abort_all(limit));
        outcome
    }

    /// The manifest is the only one of the uploads in `proof`: an engine that begins anew aborts all
    /// others.
    async fn published(
        &self,
        database: &str,
        uploader: &Arc<Uploader<S>>,
        proof: &OpenUploads<S::Upload>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Manifest> {
        let (job, started_at) = (self.job, (self.settings.now)());
        let order = self.order(database);
        tracing::info!(database, bucket = order.bucket, directory = order.directory, "dump begins");
        let beginning = begin_manifest(self.store, proof, order.location(layout::MANIFEST));
        let begun_manifest = or_stop(stop.as_mut(), beginning).await??;
        let mut content = self.content(&order, uploader, stop.as_mut()).await?;
        let objects = std::mem::take(&mut content.objects);
        let manifest = Manifest {
            version: 1,
            target: Target {
                arn: job.resource_arn.clone(),
                name: layout::resource_name(&job.resource_arn).to_owned(),
            },
            engine: manifest::Engine {
                name: self.engine.name().as_str().to_owned(),
                server_version: content.server_version,
                client: content.client,
            },
            database: database.to_owned(),
            format: Format::Native,
            consistency: content.consistency,
            snapshot: content.snapshot,
            method: content.method,
            scheduled_for: job.scheduled_for,
            started_at,
            finished_at: (self.settings.now)(),
            tag_hash: job.tag_hash.clone(),
            execution_arn: job.execution_arn.clone(),
            job: job.job.clone(),
            autodump_version: job.autodump_version.clone(),
            verify: job.verify,
            objects: objects.iter().map(described).collect(),
            tables: content.tables,
            restore: content.restore,
        };
        let staging = stage_manifest(begun_manifest, manifest_bytes(&manifest)?.into());
        let staged_manifest = or_stop(stop.as_mut(), staging).await??;
        let publishing = publish(uploader.open(), objects, staged_manifest, self.settings.patience);
        finish(stop, publishing, self.settings.publish_grace).await?;
        log_success(&manifest, &order, uploader.progress());
        Ok(manifest)
    }

    fn jobs(&self) -> u16 {
        self.job.options.jobs.unwrap_or(self.settings.jobs)
    }

    fn order(&self, database: &str) -> Order<A> {
        let job = self.job;
        let mut attempt = format!("{}:{}", job.job.id, job.job.attempt);
        if job.options.all_databases == Some(true) {
            attempt = layout::attempt_of_database(&attempt, database);
        }
        let (engine, arn) = (self.engine.name().as_str(), &job.resource_arn);
        Order {
            access: Arc::clone(self.access),
            database: database.to_owned(),
            options: DumpOptions { jobs: Some(self.jobs()), ..job.options.clone() },
            bucket: job.bucket.clone(),
            directory: layout::run_directory(engine, arn, job.scheduled_for, &attempt),
        }
    }

    /// Everything uploaded; the engine's programs have ended well then.
    async fn content(
        &self,
        order: &Order<A>,
        uploader: &Arc<Uploader<S>>,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Content<S::Upload>> {
        let (raise, flag) = StopFlag::new();
        let mut work = pin!(self.engine.dump(order, uploader, flag));
        tokio::select! {
            biased;
            () = stop => {
                raise.send_replace(true);
                // What it comes to now does not matter, only that its programs end.
                drop(timeout(self.settings.child_grace, work).await);
                Err(interrupted("before the dump was complete; nothing was kept"))
            }
            never = uploader.progress().log_every(self.settings.progress) => match never {},
            outcome = &mut work => outcome,
        }
    }
}

fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(manifest).map_err(|error| {
        let what = format!("the manifest cannot be written as JSON: {error}");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn log_success<A>(manifest: &Manifest, order: &Order<A>, progress: &Progress) {
    let time = (manifest.finished_at - manifest.started_at).to_std().unwrap_or_default();
    let bytes: u64 = manifest.objects.iter().map(|object| object.bytes).sum();
    tracing::info!(
        manifest = format!("s3://{}/{}{}", order.bucket, order.directory, layout::MANIFEST),
        objects = manifest.objects.len(),
        bytes,
        bytes_read = progress.read(),
        rows = manifest.tables.iter().map(|table| table.rows).sum::<u64>(),
        seconds = time.as_secs(),
        mb_per_second = mb_per_second(progress.read(), time),
        "backup complete"
    );
}

/// The work's outcome, unless `stop` comes first.
async fn or_stop<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = stop => Err(interrupted("before anything was published; nothing was kept")),
        done = work => Ok(done),
    }
}

/// Publishes. A request to stop is heard only after `grace`.
async fn finish(
    stop: Pin<&mut impl Future<Output = ()>>,
    publishing: impl Future<Output = Result<()>>,
    grace: Duration,
) -> Result<()> {
    let mut publishing = pin!(publishing);
    tokio::select! {
        biased;
        done = &mut publishing => return done,
        () = stop => {}
    }
    timeout(grace, publishing).await.unwrap_or_else(|_| {
        Err(interrupted("while the backup was being published; without a manifest it is none"))
    })
}
