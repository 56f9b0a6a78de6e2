//! The other ways to back up a table: a script with boto3, and dynamodump.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::super::dumps::timed;
use super::super::procfs::Usage;
use super::super::server::KEY;
use super::TABLE;
use super::ours::Job;
use crate::REGION;
use crate::process::Processes;

const DYNAMODUMP: &str =
    "from dynamodump import dynamodump; dynamodump.THREAD_START_DELAY = 0; dynamodump.main()";

/// A run of another way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) wall: Duration,
    /// Its process.
    pub(super) usage: Usage,
    /// Of all its files.
    pub(super) bytes: u64,
}

/// What runs the others. They write to local files, and upload nothing.
#[derive(Debug)]
pub(super) struct Peers<'a> {
    /// A Python with boto3 and zstandard.
    pub(super) python: PathBuf,
    /// A Python with dynamodump; absent where it is not installed.
    pub(super) dynamodump: Option<PathBuf>,
    pub(super) processes: &'a Processes,
    /// For logs and files.
    pub(super) directory: &'a Path,
}

impl Peers<'_> {
    /// `scan.py`, with a thread for each segment.
    pub(super) async fn boto3(&self, job: Job<'_>) -> Result<Peer> {
        let files = tempfile::Builder::new().prefix("boto3-").tempdir_in(self.directory)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-c", include_str!("scan.py"), TABLE, &job.segments.to_string()])
            .arg(files.path())
            .env_clear()
            .envs(environment())
            .env("AWS_ENDPOINT_URL_DYNAMODB", job.endpoint);
        let log = self.directory.join("boto3.log");
        let peer = self.run(&mut command, &log, files.path()).await.context("boto3's script")?;
        let said = std::fs::read_to_string(&log)?;
        let (items, wanted) = (said.trim().parse().ok(), job.totals.items);
        ensure!(items == Some(wanted), "boto3's script read {said:?} items, there are {wanted}");
        Ok(peer)
    }

    /// dynamodump, which knows no segments. It starts its 25 threads a second after each other before it reads; it is
    /// spared that. `None` where it is not installed.
    pub(super) async fn dynamodump(&self, port: u16, job: Job<'_>) -> Result<Option<Peer>> {
        let Some(python) = &self.dynamodump else { return Ok(None) };
        let files = tempfile::Builder::new().prefix("dynamodump-").tempdir_in(self.directory)?;
        let mut command = Command::new(python);
        command
            .args(["-c", DYNAMODUMP])
            .args(["--mode", "backup", "--region", REGION, "--host", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--accessKey", KEY, "--secretKey", KEY])
            .args(["--srcTable", TABLE, "--dumpPath"])
            .arg(files.path())
            .current_dir(files.path())
            .env_clear()
            .envs(environment());
        let log = self.directory.join("dynamodump.log");
        let data = files.path().join(TABLE).join("data");
        let peer = self.run(&mut command, &log, &data).await.context("dynamodump")?;
        let (items, wanted) = (items(&data)?, job.totals.items);
        ensure!(items == wanted, "dynamodump read {items} items, there are {wanted}");
        Ok(Some(peer))
    }

    async fn run(&self, command: &mut Command, log: &Path, files: &Path) -> Result<Peer> {
        let (wall, watch) = timed(self.processes, command, log).await?;
        let mut bytes = 0;
        for entry in std::fs::read_dir(files)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(Peer { wall, usage: watch.own(), bytes })
    }
}

fn environment() -> [(&'static str, &'static str); 6] {
    [
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ]
}

/// How many items are in dynamodump's files, each of which is an answer to a Scan.
fn items(data: &Path) -> Result<u64> {
    let mut all = 0;
    for entry in std::fs::read_dir(data)? {
        let page: Value = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
        all += page["Items"].as_array().map_or(0, Vec::len) as u64;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::items;

    #[test]
    fn items_of_all_files_are_counted() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("0001.json"), r#"{"Items": [{}, {}], "Count": 2}"#)
            .unwrap();
        std::fs::write(data.path().join("0002.json"), r#"{"Items": [{}], "Count": 1}"#).unwrap();
        assert_eq!(items(data.path()).unwrap(), 3);
        std::fs::write(data.path().join("0003.json"), "{").unwrap();
        assert!(items(data.path()).is_err());
    }
}
