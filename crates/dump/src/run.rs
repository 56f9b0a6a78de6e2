//! One dump: from a secret's value to a published manifest, or to nothing at all.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use autodump_core::hash::TagHash;
use autodump_core::manifest::{self, Consistency, Manifest, Object, Target};
use autodump_core::ports::{ObjectLocation, Upload};
use autodump_core::secret::SecretValue;
use autodump_core::tags::Format;
use autodump_core::{Error, ErrorClass, Result, layout};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use chrono::{DateTime, Utc};
use tokio::time::{sleep, timeout};

use crate::child::Running;
use crate::engine::{Engine, Prepared};
use crate::open_uploads::{OpenUploads, SharedStore};
use crate::progress::{Progress, mb_per_second};
use crate::publish::{Patience, publish, stage_manifest};
use crate::stop::Stop;
use crate::transfer::{Limits, Source, Staged, Transfer};

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
    /// How to reach the database.
    pub secret: SecretValue,
    /// Where it goes unless the secret names another bucket.
    pub bucket: String,
    /// AutoDump's version, for the manifest.
    pub autodump_version: String,
}

impl DumpJob {
    fn location(&self, directory: &str, file: &str) -> ObjectLocation {
        let bucket = self.secret.bucket.as_ref().unwrap_or(&self.bucket).clone();
        ObjectLocation { bucket, key: format!("{directory}{file}") }
    }
}

/// How a dump is carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory, requests and parts.
    pub limits: Limits,
    /// How often progress is logged.
    pub progress: Duration,
    /// How long the manifest is tried.
    pub patience: Patience,
    /// How long the dump program may take to end when asked; then it is killed.
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
            progress: Duration::from_secs(30),
            patience: Patience::default(),
            child_grace: Duration::from_secs(3),
            abort_limit: Duration::from_mins(1),
            abort_grace: Duration::from_secs(4),
            publish_grace: Duration::from_secs(4),
            now,
        }
    }
}

/// Dumps, and returns the manifest that now proves the backup. On any failure, and when
/// `stop` comes to its end, the dump program is ended, every upload is aborted, and nothing
/// is left that looks like a backup.
pub async fn run<E: Engine, S: SharedStore>(
    engine: &E,
    store: &S,
    job: &DumpJob,
    settings: &Settings,
    stop: impl Future<Output = ()> + Send,
) -> Result<Manifest> {
    let open = OpenUploads::default();
    let dump = Dump { engine, store, job, settings, open: &open };
    let stop = pin!(stop);
    let mut stop = Stop::new(stop);
    let outcome = dump.run(Pin::new(&mut stop)).await;
    if outcome.is_err() {
        open.abort_all(aborted_long_enough(stop, settings)).await;
    }
    outcome
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

struct Dump<'a, E, S: SharedStore> {
    engine: &'a E,
    store: &'a S,
    job: &'a DumpJob,
    settings: &'a Settings,
    open: &'a OpenUploads<S::Upload>,
}

impl<E: Engine, S: SharedStore> Dump<'_, E, S> {
    async fn run(&self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Manifest> {
        let started_at = (self.settings.now)();
        let job = self.job;
        let prepared = or_stop(stop.as_mut(), self.engine.prepare(&job.secret)).await??;
        let attempt = format!("{}:{}", job.job.id, job.job.attempt);
        let (engine, arn) = (self.engine.name(), &job.resource_arn);
        let directory = layout::run_directory(engine, arn, job.scheduled_for, &attempt);
        let data = layout::data_file(&job.secret.database, prepared.extension);
        let data = job.location(&directory, &data);
        tracing::info!(
            server_version = prepared.server_version,
            client = prepared.client,
            bucket = data.bucket,
            key = data.key,
            "dump begins"
        );
        let staged = self.transfer(data, &prepared, stop.as_mut()).await?;
        let manifest = self.manifest(prepared, &staged, started_at);
        let location = job.location(&directory, layout::MANIFEST);
        let bytes = manifest_bytes(&manifest)?;
        let staging = stage_manifest(self.store, self.open, location, bytes.into());
        let staged_manifest = or_stop(stop.as_mut(), staging).await??;
        let publishing = publish(self.open, staged, staged_manifest, self.settings.patience);
        finish(stop, publishing, self.settings.publish_grace).await?;
        log_success(&manifest);
        Ok(manifest)
    }

    /// Everything the dump program writes, uploaded; the program has exited with 0 then.
    async fn transfer(
        &self,
        location: ObjectLocation,
        prepared: &Prepared,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Vec<Staged<S::Upload>>> {
        let progress = Arc::new(Progress::default());
        let begin = Transfer::begin(
            self.store,
            self.open,
            location,
            prepared.expected_bytes,
            self.settings.limits,
            Arc::clone(&progress),
        );
        let transfer = or_stop(stop.as_mut(), begin).await??;
        let mut child = prepared.command.start()?;
        let mut output = Output { child: &mut child, engine: self.engine };
        let outcome = tokio::select! {
            biased;
            () = stop => Err(interrupted("before the dump was complete; nothing was kept")),
            never = progress.log_every(self.settings.progress) => match never {},
            outcome = transfer.run(&mut output) => outcome,
        };
        if outcome.is_err() {
            child.stop(self.settings.child_grace).await;
        }
        outcome
    }

    fn manifest(
        &self,
        prepared: Prepared,
        staged: &[Staged<S::Upload>],
        started_at: DateTime<Utc>,
    ) -> Manifest {
        let job = self.job;
        let objects: Vec<_> = staged.iter().map(object).collect();
        Manifest {
            version: 1,
            target: Target {
                arn: job.resource_arn.clone(),
                name: layout::resource_name(&job.resource_arn).to_owned(),
            },
            engine: manifest::Engine {
                name: self.engine.name().to_owned(),
                server_version: prepared.server_version,
                client: prepared.client,
            },
            database: job.secret.database.clone(),
            format: Format::Native,
            consistency: Consistency::Snapshot,
            scheduled_for: job.scheduled_for,
            started_at,
            finished_at: (self.settings.now)(),
            tag_hash: job.tag_hash.clone(),
            execution_arn: job.execution_arn.clone(),
            job: job.job.clone(),
            autodump_version: job.autodump_version.clone(),
            restore: self.engine.restore_commands(&job.secret.database, &objects),
            objects,
        }
    }
}

fn object<U: Upload>(staged: &Staged<U>) -> Object {
    Object {
        bucket: staged.location.bucket.clone(),
        key: staged.location.key.clone(),
        bytes: staged.completion.bytes,
        sha256: hex::encode(staged.sha256),
        crc64nvme: BASE64_STANDARD.encode(staged.completion.crc64nvme.to_be_bytes()),
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

fn log_success(manifest: &Manifest) {
    let time = (manifest.finished_at - manifest.started_at).to_std().unwrap_or_default();
    for object in &manifest.objects {
        tracing::info!(
            bucket = object.bucket,
            key = object.key,
            bytes = object.bytes,
            sha256 = object.sha256,
            seconds = time.as_secs(),
            mb_per_second = mb_per_second(object.bytes, time),
            "backup complete"
        );
    }
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

fn interrupted(when: &str) -> Error {
    Error::new(
        ErrorClass::Interrupted,
        format!("somebody asked the dumper to stop (SIGTERM) {when}"),
        "Start the run again if that was not meant",
    )
}

/// A child's standard output as the source of a dump: it ends only when the child has
/// exited with 0.
struct Output<'a, E> {
    child: &'a mut Running,
    engine: &'a E,
}

impl<E: Engine> Source for Output<'_, E> {
    async fn read(&mut self, buffer: &mut BytesMut, limit: usize) -> Result<usize> {
        let length = self.child.read(buffer, limit).await.map_err(unreadable)?;
        if length > 0 {
            return Ok(length);
        }
        let exit = self.child.exit().await.map_err(unreadable)?;
        if exit.status.success() { Ok(0) } else { Err(self.engine.explain(&exit)) }
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("the dump program cannot be listened to: {error}"),
        "Start the run again, and report this if it repeats",
    )
    .caused_by(error)
}
