//! Executions of state machines.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Api, list_at, text_at};

const POLL: Duration = Duration::from_millis(200);

/// One execution, as `DescribeExecution` tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// Its input; `Null` in lists.
    pub input: Value,
    /// Its output, once it succeeded; otherwise `Null`.
    pub output: Value,
    /// The error's name, once it failed.
    pub error: Option<String>,
    /// The error's cause, once it failed.
    pub cause: Option<String>,
}

impl Execution {
    fn read(value: &Value) -> Result<Self> {
        let optional = |key: &str| value[key].as_str().map(str::to_owned);
        Ok(Self {
            arn: text_at(value, "executionArn")?.to_owned(),
            name: text_at(value, "name")?.to_owned(),
            status: text_at(value, "status")?.to_owned(),
            input: nested(value, "input"),
            output: nested(value, "output"),
            error: optional("error"),
            cause: optional("cause"),
        })
    }

    /// Whether it has ended, well or not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status != "RUNNING"
    }
}

/// One event of an execution's history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Its number, from 1.
    pub id: u64,
    /// Its type, such as `TaskStateEntered`.
    pub kind: String,
    /// The state that it enters or leaves, when it does.
    pub state: Option<String>,
    /// The whole event.
    pub event: Value,
}

/// JSON inside a string.
fn nested(value: &Value, key: &str) -> Value {
    value[key].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

impl Api {
    /// Starts an execution; returns its ARN.
    pub async fn start_execution(
        &self,
        machine: &str,
        name: &str,
        input: &Value,
    ) -> Result<String> {
        let input = json!({"stateMachineArn": machine, "name": name, "input": input.to_string()});
        let output = self.call("AWSStepFunctions.StartExecution", &input).await?;
        Ok(text_at(&output, "executionArn")?.to_owned())
    }

    /// Stops an execution, and with it the Batch job that it waits for.
    pub async fn stop_execution(&self, execution: &str) -> Result<()> {
        let input = json!({"executionArn": execution});
        self.call("AWSStepFunctions.StopExecution", &input).await.map(drop)
    }

    /// All executions of a state machine, the newest first, without inputs and outputs.
    pub async fn list_executions(&self, machine: &str) -> Result<Vec<Execution>> {
        let mut all = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({"stateMachineArn": machine, "maxResults": 1000});
            if !token.is_null() {
                input["nextToken"] = token;
            }
            let page = self.call("AWSStepFunctions.ListExecutions", &input).await?;
            for item in list_at(&page, "executions") {
                all.push(Execution::read(item)?);
            }
            token = page["nextToken"].clone();
            if token.is_null() {
                return Ok(all);
            }
        }
    }

    /// One execution with input and, when it has ended, output or error.
    pub async fn describe_execution(&self, execution: &str) -> Result<Execution> {
        let input = json!({"executionArn": execution});
        let output = self.call("AWSStepFunctions.DescribeExecution", &input).await?;
        Execution::read(&output)
    }

    /// The history of an execution so far, from its start.
    pub async fn execution_history(&self, execution: &str) -> Result<Vec<HistoryEvent>> {
        let input = json!({"executionArn": execution, "maxResults": 1000});
        let output = self.call("AWSStepFunctions.GetExecutionHistory", &input).await?;
        Ok(list_at(&output, "events").iter().map(history_event).collect())
    }

    /// The names of the states that an execution has entered so far, in order.
    pub async fn states_entered(&self, execution: &str) -> Result<Vec<String>> {
        let events = self.execution_history(execution).await?;
        let entered = events.into_iter().filter(|event| event.kind.ends_with("StateEntered"));
        Ok(entered.filter_map(|event| event.state).collect())
    }

    /// Waits until an execution has ended; an error when that takes longer than `limit`.
    pub async fn wait_for_end(&self, execution: &str, limit: Duration) -> Result<Execution> {
        let begun = Instant::now();
        loop {
            let now = self.describe_execution(execution).await?;
            if now.has_ended() {
                return Ok(now);
            }
            if begun.elapsed() > limit {
                let states = self.states_entered(execution).await.unwrap_or_default();
                bail!("{execution} has not ended after {limit:?}; states so far: {states:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn history_event(event: &Value) -> HistoryEvent {
    let entered = event["stateEnteredEventDetails"]["name"].as_str();
    let exited = event["stateExitedEventDetails"]["name"].as_str();
    HistoryEvent {
        id: event["id"].as_u64().unwrap_or_default(),
        kind: event["type"].as_str().unwrap_or_default().to_owned(),
        state: entered.or(exited).map(str::to_owned),
        event: event.clone(),
    }
}
