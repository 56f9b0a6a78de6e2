//! A function's program, run alone against a Runtime API.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::procfs::{Usage, usage};
use super::server::Server;
use crate::lambda::{Answer, Invocation, RuntimeApi};
use crate::process::{Owned, Processes};

/// As long as Lambda lets a function run at most.
const LIMIT: Duration = Duration::from_mins(15);

/// As long as Lambda lets a process take before its first request.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A function's program and where it may write its log.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) name: &'static str,
    pub(super) bootstrap: PathBuf,
    pub(super) server: &'a Server,
    pub(super) processes: &'a Processes,
    pub(super) directory: &'a Path,
}

/// One event handled by a fresh process.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) result: Value,
    pub(super) wall: Duration,
    pub(super) usage: Usage,
}

/// A process that has an event waiting for it.
struct Started {
    process: Owned,
    began: Instant,
    taken: oneshot::Receiver<()>,
    answered: oneshot::Receiver<Answer>,
    _api: RuntimeApi,
}

impl Program<'_> {
    /// From the start of the process until it asks for its first event.
    pub(super) async fn start_to_ready(&self) -> Result<Duration> {
        let mut started = self.start("{}").await?;
        self.taken(&mut started).await?;
        Ok(started.began.elapsed())
    }

    /// Lets a fresh process handle one event, and reads what it took before it is ended. Includes its start.
    pub(super) async fn handle(&self, event: &'static str) -> Result<Handled> {
        let mut started = self.start(event).await?;
        self.taken(&mut started).await?;
        let answer = tokio::select! {
            answer = &mut started.answered => answer?,
            status = started.process.wait() => return Err(self.ended(status?)),
        };
        let wall = started.began.elapsed();
        let usage =
            usage(started.process.pid()).with_context(|| format!("{} has gone", self.name))?;
        match answer {
            Answer::Success(result) => {
                Ok(Handled { result: serde_json::from_slice(&result)?, wall, usage })
            }
            Answer::Failure(error) => {
                bail!("{} failed: {}", self.name, String::from_utf8_lossy(&error))
            }
        }
    }

    async fn start(&self, event: &'static str) -> Result<Started> {
        let api = RuntimeApi::start().await?;
        let (taken, was_taken) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        api.hand_over(Invocation {
            id: uuid::Uuid::new_v4().to_string(),
            payload: Bytes::from_static(event.as_bytes()),
            function_arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{}", self.name),
            timeout: LIMIT,
            taken,
            answer,
        })
        .await?;
        let log = std::fs::File::create(self.log())?;
        let mut command = Command::new(&self.bootstrap);
        command
            .env_clear()
            .envs(self.environment())
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let began = Instant::now();
        let process = self.processes.spawn(&mut command)?;
        Ok(Started { process, began, taken: was_taken, answered, _api: api })
    }

    async fn taken(&self, started: &mut Started) -> Result<()> {
        tokio::select! {
            biased;
            Ok(()) = &mut started.taken => Ok(()),
            status = started.process.wait() => Err(self.ended(status?)),
            () = tokio::time::sleep(INIT_LIMIT) => {
                bail!("{} did not ask for an event within {INIT_LIMIT:?}", self.name)
            }
        }
    }

    fn ended(&self, status: ExitStatus) -> anyhow::Error {
        let end = super::tail(&self.log());
        anyhow!("{} ended before it answered ({status}). Its log ends with: {end}", self.name)
    }

    fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = self.server.environment();
        all.extend([
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
            ("AUTODUMP_NAME", "bench".to_owned()),
            ("AUTODUMP_TAG_PREFIX", "autodump".to_owned()),
            (
                "AUTODUMP_STATE_MACHINE_ARN",
                "arn:aws:states:us-east-1:123456789012:stateMachine:bench".to_owned(),
            ),
        ]);
        all
    }
}
