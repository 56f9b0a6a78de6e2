//! One process of a function: started, given one event after the other, ended.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::runtime_api::{Answer, Invocation, RuntimeApi};
use crate::process::{Owned, Processes};

/// How long a process may take before it asks for its first event, as on AWS.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A running function process.
#[derive(Debug)]
pub(crate) struct Instance {
    process: Owned,
    api: RuntimeApi,
}

/// What starts a function's process.
#[derive(Debug)]
pub(crate) struct Program<'p> {
    pub(crate) bootstrap: &'p Path,
    pub(crate) environment: &'p [(String, String)],
    pub(crate) log: &'p Path,
}

impl Instance {
    /// Starts the process; it has not asked for an event yet.
    pub(crate) async fn start(program: &Program<'_>, processes: &Processes) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        let log = std::fs::File::options().create(true).append(true).open(program.log)?;
        let mut command = Command::new(program.bootstrap);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TZ", ":UTC")
            .env("LANG", "en_US.UTF-8")
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .current_dir(program.bootstrap.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = processes.spawn(&mut command)?;
        Ok(Self { process, api })
    }

    /// Gives the process one event and waits for the answer. Past the time limit the process is
    /// ended.
    pub(crate) async fn invoke(
        &mut self,
        id: &str,
        arn: &str,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Answer> {
        let (taken, mut was_taken) = oneshot::channel();
        let (answer, mut answered) = oneshot::channel();
        let function_arn = arn.to_owned();
        let event =
            Invocation { id: id.to_owned(), payload, function_arn, timeout: limit, taken, answer };
        self.api.hand_over(event).await?;
        tokio::select! {
            biased;
            _ = &mut was_taken => {}
            status = self.process.wait() => return Ok(self.ended(id, &format!("{}", status?))),
            () = tokio::time::sleep(INIT_LIMIT) => return Ok(self.too_late(id, INIT_LIMIT)),
        }
        tokio::select! {
            biased;
            Ok(answer) = &mut answered => Ok(answer),
            status = self.process.wait() => Ok(self.ended(id, &format!("{}", status?))),
            () = tokio::time::sleep(limit) => Ok(self.too_late(id, limit)),
        }
    }

    /// Whether the process can take another event.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    fn ended(&self, id: &str, status: &str) -> Answer {
        if let Some(error) = self.api.init_error() {
            return Answer::Failure(error);
        }
        let message = format!("RequestId: {id} Error: Runtime exited with error: {status}");
        Answer::Failure(
            json!({"errorType": "Runtime.ExitError", "errorMessage": message}).to_string().into(),
        )
    }

    fn too_late(&mut self, id: &str, limit: Duration) -> Answer {
        crate::process::signal(self.process.pid(), crate::process::Signal::Kill);
        let message = format!(
            "RequestId: {id} Error: Task timed out after {:.2} seconds",
            limit.as_secs_f64()
        );
        Answer::Failure(
            json!({"errorType": "Sandbox.Timedout", "errorMessage": message}).to_string().into(),
        )
    }
}
