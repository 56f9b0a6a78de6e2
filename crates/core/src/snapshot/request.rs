//! What the function of snapshots is asked: `contract/snapshots.json`.

use serde::Deserialize;
use serde_json::Value;

use super::run::Run;
use crate::error::{Error, ErrorClass, Result};
use crate::execution::ExecutionInput;
use crate::hash::TagHash;
use crate::tags::Kind;

/// One step, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To plan a run.
    Plan {
        /// The run.
        run: Run,
        /// The hash of the target's tags when the run was scheduled.
        tag_hash: TagHash,
    },
    /// Another step of a run.
    Step(Step, Run),
    /// An execution ended that leaves nothing in RDS.
    Ignored {
        /// Why, as a sentence without a full stop.
        reason: String,
    },
}

/// The steps after the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Asks for the snapshot.
    Make,
    /// Looks how far the snapshot is.
    Look,
    /// Asks for the export.
    Export,
    /// Looks how far the export is.
    Follow,
    /// Writes the manifest.
    Finish,
    /// Deletes snapshots that are too many.
    Prune,
    /// Removes what a stopped run left in RDS.
    Undo,
}

impl Request {
    /// Reads what the state machine sends, or `EventBridge` when an execution was stopped. Anything
    /// else is an error of class [`ErrorClass::Configuration`].
    pub fn read(event: &Value) -> Result<Self> {
        if event["source"] == "aws.states" {
            return stopped(&event["detail"]);
        }
        let mut event = event.clone();
        let members = event.as_object_mut();
        let action = members.and_then(|members| members.remove("action")).unwrap_or_default();
        if action == "plan" {
            let members = event.as_object_mut();
            let hash = members.and_then(|members| members.remove("tagHash")).unwrap_or_default();
            return Ok(Self::Plan { run: of(event)?, tag_hash: of(hash)? });
        }
        Ok(Self::Step(of(action)?, of(event)?))
    }
}

/// An execution that was aborted, timed out, or failed.
fn stopped(detail: &Value) -> Result<Request> {
    let text = |name: &str| detail[name].as_str().unwrap_or_default();
    let (execution_arn, status) = (text("executionArn"), text("status"));
    if matches!(status, "RUNNING" | "SUCCEEDED") {
        return Ok(Request::Ignored {
            reason: format!("the execution {execution_arn} is {status}"),
        });
    }
    let input: ExecutionInput = serde_json::from_str(text("input")).map_err(|error| {
        wrong(&format!("the input of {execution_arn} is none of a run: {error}"))
    })?;
    if Kind::of(&input.resource_arn) != Some(Kind::Database) {
        let reason = format!("{} is no database of RDS", input.resource_arn);
        return Ok(Request::Ignored { reason });
    }
    let run = serde_json::json!({
        "resourceArn": input.resource_arn,
        "start": input.when,
        "executionArn": execution_arn,
    });
    Ok(Request::Step(Step::Undo, of(run)?))
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))
}

fn wrong(why: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the event is not that of the state machine: {why}"),
        "Send {\"action\": \"…\", \"resourceArn\": \"…\", \"start\": \"…\", \"executionArn\": \
         \"…\"}, for a plan with \"tagHash\", or the event of an execution that was stopped",
    )
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
