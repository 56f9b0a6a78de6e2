//! One attempt of a job: the dumper as a process in the place of a container.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::sync::watch;

use super::retry::Ending;
use crate::process::{Owned, Processes, Signal, signal};

/// How long a job that is terminated may take to end by itself, as on Fargate.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const EXITED: &str = "Essential container in task exited";
const TOO_LONG: &str = "Job attempt duration exceeded timeout";
const NOT_STARTED: &str = "Task failed to start";

/// What one attempt needs.
pub(crate) struct Attempt<'a> {
    pub(crate) program: Option<&'a Path>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: PathBuf,
    pub(crate) limit: Option<Duration>,
    pub(crate) stop: watch::Receiver<Option<String>>,
}

impl Attempt<'_> {
    /// Starts the process; an error says why Batch would not get the container to run.
    pub(crate) fn start(&self, processes: &Processes) -> Result<Owned> {
        let program = self.program.context("the local cloud was started without a dumper")?;
        if let Some(parent) = self.log.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let log = std::fs::File::create(&self.log)?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/nonexistent")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        processes.spawn(&mut command)
    }

    /// Waits for the end of a started attempt; ends it when it is terminated or takes too long.
    pub(crate) async fn finish(&mut self, mut process: Owned) -> Ending {
        let limit = self.limit.unwrap_or(Duration::MAX);
        let status_reason = tokio::select! {
            status = process.wait() => return ended(status, EXITED),
            reason = stopped(&mut self.stop) => reason,
            () = tokio::time::sleep(limit) => TOO_LONG.to_owned(),
        };
        signal(process.pid(), Signal::Term);
        if let Ok(status) = tokio::time::timeout(STOP_LIMIT, process.wait()).await {
            return ended(status, &status_reason);
        }
        signal(process.pid(), Signal::Kill);
        let status = process.wait().await;
        ended(status, &status_reason)
    }
}

/// Waits until a job is terminated; returns the reason that was given.
pub(crate) async fn stopped(stop: &mut watch::Receiver<Option<String>>) -> String {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "the local cloud has stopped".to_owned(),
    }
}

/// The end of an attempt whose container never ran.
pub(crate) fn not_started(error: &anyhow::Error) -> Ending {
    Ending {
        exit_code: None,
        reason: Some(format!("CannotStartContainerError: {error:#}")),
        status_reason: NOT_STARTED.to_owned(),
    }
}

fn ended(status: Result<ExitStatus>, status_reason: &str) -> Ending {
    match status {
        Ok(status) => Ending {
            exit_code: Some(exit_code(status)),
            reason: None,
            status_reason: status_reason.to_owned(),
        },
        Err(error) => not_started(&error),
    }
}

/// The exit code of a container: that of its process, or 128 and the signal that ended it.
fn exit_code(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    }
}
