//! Runs as an operator sees them: executions of the state machine, and their jobs.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::Result;
use crate::execution::ExecutionInput;

/// How far an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// It waits for its time, or works.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub status: RunStatus,
    /// When it began, which is long before its dump does.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// What it was started with; `None` where that is not a run's.
    pub input: Option<ExecutionInput>,
    /// Why it failed, in words.
    pub cause: Option<String>,
}

/// Some of the executions of a state machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunPage {
    /// The newest first, without their inputs and causes.
    pub runs: Vec<Run>,
    /// What to ask for next; `None` on the last page.
    pub next: Option<String>,
}

/// Executions, looked at and stopped.
pub trait Runs: Send + Sync {
    /// The execution with this ARN.
    fn run(&self, arn: &str) -> impl Future<Output = Result<Run>> + Send;

    /// A page of a state machine's executions of this status, those that began last first. Those
    /// that ended more than 90 days ago are not kept.
    fn page(
        &self,
        state_machine: &str,
        status: RunStatus,
        token: Option<String>,
    ) -> impl Future<Output = Result<RunPage>> + Send;

    /// The text of the definition that an execution follows.
    fn definition(&self, arn: &str) -> impl Future<Output = Result<String>> + Send;

    /// Stops it. One that has ended already stays as it is, without an error.
    fn stop(&self, arn: &str, cause: &str) -> impl Future<Output = Result<()>> + Send;
}

/// A job of Batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunJob {
    /// Its id.
    pub id: String,
    /// Its name, which begins with that of its execution.
    pub name: String,
    /// Whether it has ended, one way or another.
    pub ended: bool,
}

/// Jobs, looked at and ended.
pub trait RunJobs: Send + Sync {
    /// The jobs in a queue whose names begin with `name`.
    fn named(&self, queue: &str, name: &str) -> impl Future<Output = Result<Vec<RunJob>>> + Send;

    /// The jobs with these ids, as they are now.
    fn described(&self, ids: &[String]) -> impl Future<Output = Result<Vec<RunJob>>> + Send;

    /// Ends it, and all children if it is an array job. One that has ended already stays as it
    /// is, without an error.
    fn terminate(&self, id: &str, reason: &str) -> impl Future<Output = Result<()>> + Send;

    /// The environment that the newest active revision of a job definition gives its jobs.
    fn environment(
        &self,
        definition: &str,
    ) -> impl Future<Output = Result<Vec<(String, String)>>> + Send;
}
