//! One dump, end to end: AutoDump's dumper, and the seed system's two commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{SecondsFormat, Utc};
use tokio::process::Command;

use super::database::Database;
use super::procfs::{Usage, Watch};
use super::server::Server;
use crate::process::Processes;

/// The bucket that everything goes to.
pub(super) const BUCKET: &str = "bench";

/// The key of the seed's file.
pub(super) const SEED_KEY: &str = "seed.dmp";

/// What runs a dump.
#[derive(Debug)]
pub(super) struct Dumps<'a> {
    pub(super) dumper: PathBuf,
    pub(super) ca_bundle: PathBuf,
    pub(super) python: PathBuf,
    pub(super) database: &'a Database,
    pub(super) server: &'a Server,
    pub(super) processes: &'a Processes,
    /// For logs and for the seed's file.
    pub(super) directory: &'a Path,
}

/// A run of our dumper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) wall: Duration,
    pub(super) dumper: Usage,
    pub(super) pg_dump: Usage,
    pub(super) dump_bytes: u64,
}

/// A run of the seed's way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed {
    pub(super) dump: Duration,
    pub(super) upload: Duration,
    pub(super) dump_bytes: u64,
}

impl Seed {
    pub(super) fn wall(&self) -> Duration {
        self.dump + self.upload
    }
}

impl Dumps<'_> {
    /// Runs the dumper as Batch would, from its start to its end.
    pub(super) async fn ours(&self) -> Result<Ours> {
        let log = self.directory.join("dumper.log");
        let mut command = Command::new(&self.dumper);
        let scratch = self.directory.join("scratch");
        std::fs::create_dir_all(&scratch)?;
        let programs = self.database.programs();
        let environment = environment(self.server, &self.ca_bundle, programs, &scratch)?;
        command.env_clear().envs(environment);
        let (wall, watch) =
            timed(self.processes, &mut command, &log).await.context("the dumper")?;
        ensure!(self.server.sink().open_uploads() == 0, "the dumper left an upload open");
        let objects = self.server.sink().take_objects();
        let dump_bytes = bytes_of_dump(&objects)?;
        Ok(Ours { wall, dumper: watch.own(), pg_dump: watch.child("pg_dump"), dump_bytes })
    }

    /// `pg_dump -Fc -O -Z 9` to a file, then the upload of the file.
    pub(super) async fn seed(&self) -> Result<Seed> {
        let file = self.directory.join("seed.dmp");
        let log = self.directory.join("seed.log");
        let mut command = Command::from(self.database.client("pg_dump"));
        command.args(["-Fc", "-O", "-Z", "9", "-f"]).arg(&file);
        let (dump, _) =
            timed(self.processes, &mut command, &log).await.context("the seed's pg_dump")?;
        let mut command = upload_of_file(&self.python, self.server, &file);
        let (upload, _) =
            timed(self.processes, &mut command, &log).await.context("the seed's upload")?;
        let dump_bytes = std::fs::metadata(&file)?.len();
        std::fs::remove_file(&file)?;
        let sent = self.server.sink().take_objects().remove(&format!("{BUCKET}/{SEED_KEY}"));
        ensure!(
            sent == Some(dump_bytes),
            "the seed's file has {dump_bytes} bytes, {sent:?} arrived"
        );
        Ok(Seed { dump, upload, dump_bytes })
    }
}

/// The command that uploads the seed's file as [`SEED_KEY`].
pub(super) fn upload_of_file(python: &Path, server: &Server, file: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-c", include_str!("upload.py")])
        .arg(file)
        .args([BUCKET, SEED_KEY])
        .env_clear()
        .envs(server.environment());
    command
}

/// The bytes of a run's objects without its manifest, which has to be there.
pub(super) fn bytes_of_dump(objects: &BTreeMap<String, u64>) -> Result<u64> {
    let (manifests, data): (Vec<_>, Vec<_>) =
        objects.iter().partition(|(key, _)| key.ends_with("/manifest.json"));
    ensure!(
        manifests.len() == 1 && !data.is_empty(),
        "the dumper should have written data and a manifest; it wrote {objects:?}"
    );
    Ok(data.into_iter().map(|(_, bytes)| bytes).sum())
}

/// What the dumper is told of a run on the first secret of `server`.
pub(super) fn environment(
    server: &Server,
    ca_bundle: &Path,
    programs: &Path,
    scratch: &Path,
) -> Result<Vec<(&'static str, String)>> {
    let (arn, hash) = server.services().first().context("the server has no secret")?;
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut all = server.environment();
    all.extend([
        ("AUTODUMP_BUCKET", BUCKET.to_owned()),
        ("AUTODUMP_TAG_PREFIX", "autodump".to_owned()),
        ("AUTODUMP_RESOURCE_ARN", arn),
        ("AUTODUMP_TAG_HASH", hash.to_string()),
        ("AUTODUMP_START", now),
        (
            "AUTODUMP_EXECUTION_ARN",
            "arn:aws:states:us-east-1:123456789012:execution:bench:run".to_owned(),
        ),
        ("AWS_BATCH_JOB_ID", uuid::Uuid::new_v4().to_string()),
        ("AWS_BATCH_JOB_ATTEMPT", "1".to_owned()),
        ("AUTODUMP_CA_BUNDLE", ca_bundle.display().to_string()),
        ("AUTODUMP_POSTGRES_BIN", programs.display().to_string()),
        ("AUTODUMP_SCRATCH", scratch.display().to_string()),
    ]);
    Ok(all)
}

/// Runs a program to its end, and watches it. It has to succeed; its output goes to `log`.
pub(super) async fn timed(
    processes: &Processes,
    command: &mut Command,
    log: &Path,
) -> Result<(Duration, Watch)> {
    let output = std::fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let began = Instant::now();
    let mut process = processes.spawn(command)?;
    let mut watch = Watch::new(process.pid());
    let mut ticks = tokio::time::interval(Watch::EVERY);
    let status = loop {
        tokio::select! {
            status = process.wait() => break status?,
            _ = ticks.tick() => watch.sample(),
        }
    };
    let wall = began.elapsed();
    if !status.success() {
        bail!("failed: {status}. Its output ends with: {}", super::tail(log));
    }
    Ok((wall, watch))
}
