//! Executions of Step Functions, for operators.

use autodump_core::runs::{Run, RunPage, RunStatus, Runs};
use autodump_core::{Error, Result};
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use chrono::Utc;

use crate::config::short_requests;
use crate::failure::failure;

/// The most executions that a page of a listing has.
const PAGE: i32 = 1000;

/// The executions of one account and region.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    client: Client,
}

impl StepFunctions {
    /// Uses these settings of the process.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config =
            aws_sdk_sfn::config::Builder::from(config).timeout_config(short_requests()).build();
        Self { client: Client::from_conf(config) }
    }
}

impl Runs for StepFunctions {
    async fn run(&self, arn: &str) -> Result<Run> {
        let answer = self.client.describe_execution().execution_arn(arn).send().await;
        let run =
            answer.map_err(|error| refused(&format!("cannot look at execution {arn}"), error))?;
        Ok(Run {
            arn: run.execution_arn,
            name: run.name.unwrap_or_default(),
            status: status(&run.status),
            started: time(run.start_date),
            ended: run.stop_date.map(time),
            input: run.input.and_then(|text| serde_json::from_str(&text).ok()),
            cause: run.cause,
        })
    }

    async fn page(
        &self,
        state_machine: &str,
        wanted: RunStatus,
        token: Option<String>,
    ) -> Result<RunPage> {
        let request = self
            .client
            .list_executions()
            .state_machine_arn(state_machine)
            .status_filter(filter(wanted))
            .max_results(PAGE)
            .set_next_token(token);
        let what = format!("cannot list the executions of {state_machine}");
        let page = request.send().await.map_err(|error| refused(&what, error))?;
        let runs = page.executions.into_iter().map(|run| Run {
            arn: run.execution_arn,
            name: run.name,
            status: status(&run.status),
            started: time(run.start_date),
            ended: run.stop_date.map(time),
            input: None,
            cause: None,
        });
        Ok(RunPage { runs: runs.collect(), next: page.next_token })
    }

    async fn definition(&self, arn: &str) -> Result<String> {
        let request = self.client.describe_state_machine_for_execution().execution_arn(arn);
        let answer = request.send().await;
        let what = format!("cannot look at the state machine of execution {arn}");
        Ok(answer.map_err(|error| refused(&what, error))?.definition)
    }

    async fn stop(&self, arn: &str, cause: &str) -> Result<()> {
        let request = self.client.stop_execution().execution_arn(arn);
        let done = request.error("AutoDump.Cancelled").cause(cause).send().await;
        done.map(drop).map_err(|error| refused(&format!("cannot stop execution {arn}"), error))
    }
}

fn status(status: &ExecutionStatus) -> RunStatus {
    match status {
        ExecutionStatus::Succeeded => RunStatus::Succeeded,
        ExecutionStatus::Failed => RunStatus::Failed,
        ExecutionStatus::TimedOut => RunStatus::TimedOut,
        ExecutionStatus::Aborted => RunStatus::Aborted,
        // It may also wait for a redrive.
        _ => RunStatus::Running,
    }
}

const fn filter(status: RunStatus) -> ExecutionStatus {
    match status {
        RunStatus::Running => ExecutionStatus::Running,
        RunStatus::Succeeded => ExecutionStatus::Succeeded,
        RunStatus::Failed => ExecutionStatus::Failed,
        RunStatus::TimedOut => ExecutionStatus::TimedOut,
        RunStatus::Aborted => ExecutionStatus::Aborted,
    }
}

fn time(at: DateTime) -> chrono::DateTime<Utc> {
    chrono::DateTime::from_timestamp(at.secs(), at.subsec_nanos()).unwrap_or_default()
}

fn refused<E>(what: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    failure(
        what,
        error,
        "You need states:DescribeExecution, ListExecutions, DescribeStateMachineForExecution and \
         StopExecution",
        "Look at the ARN and at the region",
    )
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
