//! One dump, end to end: AutoDump's, the seed system's, and `pg_dump -Fd -j` with an upload of its directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::super::dumps::{BUCKET, SEED_KEY, bytes_of_dump, environment, timed, upload_of_file};
use super::super::procfs::{Usage, own_cpu_s};
use super::super::server::Server;
use super::super::services::Services;
use super::super::store::Store;
use super::cluster::Cluster;
use crate::process::Processes;

/// What is dumped, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) database: &'a str,
    /// Where the server is reached, if not at its own port.
    pub(super) port: Option<u16>,
    pub(super) jobs: u16,
    /// Such as `gzip:1`; the program's own choice when absent.
    pub(super) compression: Option<&'a str>,
}

/// A run of our dumper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) wall: Duration,
    /// The dumper's process alone.
    pub(super) dumper: Usage,
    /// What its `pg_dump` used.
    pub(super) pg_dump: Usage,
    /// Of all its objects but the manifest.
    pub(super) bytes: u64,
    /// How many these are.
    pub(super) objects: usize,
    /// The processor time of the servers that it wrote to, which are in this process.
    pub(super) sink_cpu_s: f64,
}

/// A run of another way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) dump: Duration,
    pub(super) upload: Duration,
    pub(super) bytes: u64,
}

impl Peer {
    pub(super) fn wall(&self) -> Duration {
        self.dump + self.upload
    }
}

/// What runs dumps and restores.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    pub(super) dumper: PathBuf,
    pub(super) ca_bundle: PathBuf,
    pub(super) python: PathBuf,
    /// The command line; absent where it is not built.
    pub(super) cli: Option<PathBuf>,
    pub(super) processes: &'a Processes,
    /// For logs, and for what the other ways write.
    pub(super) directory: &'a Path,
}

impl Tools<'_> {
    /// Runs the dumper as Batch would, from its start to its end, into the sink or into a real server.
    pub(super) async fn ours(&self, job: Job<'_>, store: Option<&Store>) -> Result<Ours> {
        let secret = job.cluster.secret(job.database, job.port);
        let mut tags = vec![("jobs", job.jobs.to_string())];
        tags.extend(job.compression.map(|compression| ("compression", compression.to_owned())));
        let server = Server::start(Services::with_tagged_database(&secret, &tags)).await?;
        let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(self.directory)?;
        let mut command = Command::new(&self.dumper);
        command
            .env_clear()
            .envs(environment(&server, &self.ca_bundle, job.cluster.programs(), scratch.path())?)
            .envs(store.map(Store::environment));
        let before = own_cpu_s();
        let (wall, watch) = timed(self.processes, &mut command, &self.log("dumper"))
            .await
            .with_context(|| format!("the dumper, {}", job.text()))?;
        let sink_cpu_s = own_cpu_s() - before;
        ensure!(server.sink().open_uploads() == 0, "the dumper left an upload open");
        let objects = match store {
            Some(store) => store.objects()?,
            None => server.sink().take_objects(),
        };
        let (dumper, pg_dump) = (watch.own(), watch.child("pg_dump"));
        let bytes = bytes_of_dump(&objects)?;
        Ok(Ours { wall, dumper, pg_dump, bytes, objects: objects.len() - 1, sink_cpu_s })
    }

    /// `pg_dump -Fc -O -Z 9` to a file, then the upload of the file.
    pub(super) async fn seed(&self, cluster: &Cluster, database: &str) -> Result<Peer> {
        let file = self.directory.join("seed.dmp");
        let mut command = Command::from(cluster.client("pg_dump", database, None));
        command.args(["-Fc", "-O", "-Z", "9", "-f"]).arg(&file);
        let dump = self.run(&mut command, "the seed's pg_dump").await?;
        let server = Server::start(Services::with_secrets(0)).await?;
        let mut command = upload_of_file(&self.python, &server, &file);
        let upload = self.run(&mut command, "the seed's upload").await?;
        let bytes = std::fs::metadata(&file)?.len();
        std::fs::remove_file(&file)?;
        let sent = server.sink().take_objects().remove(&format!("{BUCKET}/{SEED_KEY}"));
        ensure!(sent == Some(bytes), "the seed's file has {bytes} bytes, {sent:?} arrived");
        Ok(Peer { dump, upload, bytes })
    }

    /// `pg_dump -Fd -j` to a directory, then the upload of the directory.
    pub(super) async fn directory(&self, job: Job<'_>) -> Result<Peer> {
        let directory = self.directory.join("directory");
        let dump = self.archive(job, &directory).await?;
        let server = Server::start(Services::with_secrets(0)).await?;
        let mut command = Command::new(&self.python);
        command
            .args(["-c", include_str!("../upload_directory.py")])
            .arg(&directory)
            .args([BUCKET, "directory/"])
            .env_clear()
            .envs(server.environment());
        let upload = self.run(&mut command, "the upload of the directory").await?;
        let mut bytes = 0;
        for entry in std::fs::read_dir(&directory)? {
            bytes += entry?.metadata()?.len();
        }
        std::fs::remove_dir_all(&directory)?;
        let sent: u64 = server.sink().take_objects().values().sum();
        ensure!(sent == bytes, "the directory has {bytes} bytes, {sent} arrived");
        Ok(Peer { dump, upload, bytes })
    }

    /// `pg_dump -Fd -j` to a new directory.
    pub(super) async fn archive(&self, job: Job<'_>, directory: &Path) -> Result<Duration> {
        let mut command = Command::from(job.cluster.client("pg_dump", job.database, job.port));
        command.arg("-Fd").arg(format!("-j{}", job.jobs));
        command.args(job.compression.map(compress)).arg("-f").arg(directory);
        self.run(&mut command, "pg_dump -Fd").await
    }

    /// Runs a program to its end, and returns how long it took.
    pub(super) async fn run(&self, command: &mut Command, what: &str) -> Result<Duration> {
        let ran = timed(self.processes, command, &self.log("other")).await;
        Ok(ran.with_context(|| what.to_owned())?.0)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

impl Job<'_> {
    /// For messages.
    pub(super) fn text(&self) -> String {
        let compression = self.compression.unwrap_or("default compression");
        format!("{}, {} jobs, {compression}", self.database, self.jobs)
    }
}

/// `pg_dump`'s option for it. Only a newer one knows names; all know gzip's levels.
fn compress(compression: &str) -> String {
    match compression.strip_prefix("gzip:") {
        Some(level) => format!("-Z{level}"),
        None => format!("--compress={compression}"),
    }
}

#[cfg(test)]
mod tests {
    use super::compress;

    #[test]
    fn gzip_is_asked_for_as_every_version_knows_it() {
        assert_eq!(compress("gzip:1"), "-Z1");
        assert_eq!(compress("zstd:1"), "--compress=zstd:1");
        assert_eq!(compress("lz4"), "--compress=lz4");
    }
}
