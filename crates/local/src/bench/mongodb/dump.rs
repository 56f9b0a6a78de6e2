//! One dump, end to end: AutoDump's, and mongodump's into an upload.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_documentdb::given;
use serde_json::json;
use tokio::process::Command;

use super::super::dumps::{BUCKET, bytes_of_dump, environment, timed};
use super::super::procfs::Usage;
use super::super::server::Server;
use super::super::services::Services;
use super::super::store::Store;
use super::source::{PASSWORD, Source, USER};
use crate::process::Processes;

/// The key of mongodump's archive.
const KEY: &str = "mongodump.archive";

/// One program's output into the upload: the upload's program, its text, bucket and key, then mongodump.
const PIPE: &str = r#"set -o pipefail
python=$1 upload=$2 bucket=$3 key=$4
shift 4
"$@" | "$python" -c "$upload" "$bucket" "$key""#;

/// What is dumped, and how.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) source: &'a Source,
    pub(super) database: &'a str,
    /// Of ours, such as `gzip:6`; the program's own choice when absent.
    pub(super) compression: Option<&'a str>,
    /// Whether mongodump compresses, which it does at level 6.
    pub(super) gzip: bool,
    /// Who reads for ours: `ranges` or `client`.
    pub(super) method: &'a str,
}

/// A run of our dumper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) wall: Duration,
    /// The dumper's process alone.
    pub(super) dumper: Usage,
    /// What its mongodump used, if it ran one.
    pub(super) mongodump: Usage,
    /// Of all its objects but the manifest.
    pub(super) bytes: u64,
    /// How many these are.
    pub(super) objects: usize,
}

/// A run of mongodump with the upload that it feeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) wall: Duration,
    /// mongodump's process alone.
    pub(super) mongodump: Usage,
    pub(super) bytes: u64,
}

/// What runs dumps.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    pub(super) dumper: PathBuf,
    pub(super) ca_bundle: PathBuf,
    pub(super) python: PathBuf,
    /// mongodump; absent where it cannot be had.
    pub(super) mongodb: Option<given::Tools>,
    pub(super) jobs: u16,
    pub(super) processes: &'a Processes,
    /// For logs and for mongodump's settings. Everybody may enter it.
    pub(super) directory: &'a Path,
}

impl Tools<'_> {
    /// Runs the dumper as Batch would, from its start to its end, into the sink or into a real server.
    pub(super) async fn ours(&self, job: Job<'_>, store: Option<&Store>) -> Result<Ours> {
        let secret = json!({
            "engine": "mongodb", "endpoint": "127.0.0.1", "port": job.source.port(),
            "username": USER, "password": PASSWORD, "databasename": job.database,
            "sslmode": "disable",
        });
        let mut tags = vec![("jobs", self.jobs.to_string()), ("method", job.method.to_owned())];
        tags.extend(job.compression.map(|compression| ("compression", compression.to_owned())));
        let server = Server::start(Services::with_tagged_database(&secret, &tags)).await?;
        let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(self.directory)?;
        let programs = self.mongodb.as_ref().map(|tools| tools.directory.display().to_string());
        let mut command = Command::new(&self.dumper);
        command
            .env_clear()
            .envs(environment(&server, &self.ca_bundle, Path::new("/usr/bin"), scratch.path())?)
            .envs(programs.map(|programs| ("AUTODUMP_MONGODB_BIN", programs)))
            .envs(store.map(Store::environment));
        let (wall, watch) = timed(self.processes, &mut command, &self.directory.join("dumper.log"))
            .await
            .with_context(|| format!("the dumper, {}", job.text()))?;
        ensure!(server.sink().open_uploads() == 0, "the dumper left an upload open");
        let objects = match store {
            Some(store) => store.objects()?,
            None => server.sink().take_objects(),
        };
        let bytes = bytes_of_dump(&objects)?;
        let (dumper, mongodump) = (watch.own(), watch.child("mongodump"));
        Ok(Ours { wall, dumper, mongodump, bytes, objects: objects.len() - 1 })
    }

    /// `mongodump --archive` into the upload. `None` where there is no mongodump.
    pub(super) async fn mongodump(&self, job: Job<'_>) -> Result<Option<Peer>> {
        let Some(mongodump) = self.mongodump_command(job)? else { return Ok(None) };
        let server = Server::start(Services::with_secrets(0)).await?;
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", PIPE, "bash"])
            .arg(&self.python)
            .args([include_str!("../upload_stream.py"), BUCKET, KEY])
            .arg(mongodump.get_program())
            .args(mongodump.get_args())
            .env_clear()
            .envs(server.environment());
        let log = self.directory.join("mongodump.log");
        let (wall, watch) = timed(self.processes, &mut command, &log)
            .await
            .with_context(|| format!("mongodump, {}", job.text()))?;
        let sent = server.sink().take_objects().remove(&format!("{BUCKET}/{KEY}"));
        let bytes = sent.context("mongodump's archive did not arrive")?;
        Ok(Some(Peer { wall, mongodump: watch.child("mongodump"), bytes }))
    }

    /// mongodump into a file. `false` where there is none.
    pub(super) async fn archive(&self, job: Job<'_>, file: &Path) -> Result<bool> {
        let Some(mongodump) = self.mongodump_command(job)? else { return Ok(false) };
        let mut command = Command::from(mongodump);
        command.stdout(std::fs::File::create(file)?).kill_on_drop(true);
        // Not by `output`, which would have the archive in memory.
        let child = command.stderr(std::process::Stdio::piped()).spawn()?;
        let done = child.wait_with_output().await?;
        ensure!(done.status.success(), "mongodump: {}", String::from_utf8_lossy(&done.stderr));
        Ok(true)
    }

    /// Stock `mongorestore` of a file into another server; both have the same user.
    pub(super) async fn restore(&self, file: &Path, into: &Source) -> Result<()> {
        let tools = self.mongodb.as_ref().context("no mongorestore")?;
        let mut command = Command::from(tools.command("mongorestore"));
        command.arg(self.settings(into)?).args(["--archive", "--stopOnError"]);
        command.stdin(std::fs::File::open(file)?).kill_on_drop(true);
        let done = command.output().await?;
        ensure!(done.status.success(), "mongorestore: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn mongodump_command(&self, job: Job<'_>) -> Result<Option<std::process::Command>> {
        let Some(tools) = &self.mongodb else { return Ok(None) };
        let mut command = tools.command("mongodump");
        command.arg(self.settings(job.source)?).arg("--archive").args(["--db", job.database]);
        command.arg(format!("--numParallelCollections={}", self.jobs));
        command.args(job.gzip.then_some("--gzip"));
        Ok(Some(command))
    }

    /// The option that names a file with the server, the user and the password.
    fn settings(&self, source: &Source) -> Result<String> {
        let file = self.directory.join(format!("tools-{}.yaml", source.port()));
        std::fs::write(&file, format!("uri: {}\n", json!(source.uri())))?;
        Ok(format!("--config={}", file.display()))
    }
}

impl Job<'_> {
    /// For messages.
    pub(super) fn text(&self) -> String {
        let compression = self.compression.unwrap_or("default compression");
        format!("{} of {}, {compression}", self.database, self.source.name())
    }
}
