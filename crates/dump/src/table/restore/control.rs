//! Calls of the control plane, and the waiting that goes with them.

use std::time::Duration;

use autodump_core::table::calls::{self, NOT_FOUND};
use autodump_core::table::ports::{Called, TableService};
use autodump_core::{Error, ErrorClass, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::steps::{Service, Step};

/// How long a table may take until it is active.
pub(super) const PATIENCE: Duration = Duration::from_hours(1);
/// The first pause between two looks at it, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// How long a change that comes too early is tried again.
const TOO_EARLY: Duration = Duration::from_mins(10);
/// How long it may take until rights that depend on a table's tags are those of tags that were set
/// just now.
pub(super) const SETTLING: Duration = Duration::from_mins(2);

/// Waits until the table and its indexes are active.
pub(super) async fn active(service: &impl TableService, table: &str) -> Result<()> {
    active_within(service, table, PATIENCE).await
}

/// The same with less patience. An error of class [`ErrorClass::Destination`] says that it has
/// ended.
pub(super) async fn active_within(
    service: &impl TableService,
    table: &str,
    patience: Duration,
) -> Result<()> {
    let start = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        let called = service.dynamodb("DescribeTable", json!({"TableName": table})).await?;
        let status = match called {
            // Said for a moment of a table that was made just now.
            Called::Refused { code, .. } if code == NOT_FOUND => "not there".to_owned(),
            called => status(&calls::answer("DescribeTable", table, called)?["Table"]),
        };
        match status.as_str() {
            "ACTIVE" => return Ok(()),
            "CREATING" | "UPDATING" | "not there" => {}
            other => return Err(unusable(table, other)),
        }
        if start.elapsed() >= patience {
            let minutes = patience.as_secs() / 60;
            let what = format!("the table {table} is still {status} after {minutes} minutes");
            let hint = "Look at it in the console, and try again when it is active";
            return Err(Error::new(ErrorClass::Destination, what, hint));
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// The table's own status, or that of an index that is not active yet.
fn status(table: &Value) -> String {
    let of = |value: &Value| value.as_str().unwrap_or("UNKNOWN").to_owned();
    let own = of(&table["TableStatus"]);
    let indexes = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    let busy = |index: &&Value| index["IndexStatus"] != "ACTIVE" && !index["IndexStatus"].is_null();
    match indexes.into_iter().find(busy) {
        Some(index) if own == "ACTIVE" => of(&index["IndexStatus"]),
        _ => own,
    }
}

fn unusable(table: &str, status: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the table {table} is {status}, and cannot be written"),
        "Find out why, or restore into a table of another name",
    )
}

/// What became of a step.
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// The service does not know it.
    Unknown,
}

/// Does a step; tries again what comes too early, and until `settled` what the role may not do.
pub(super) async fn apply(
    service: &impl TableService,
    table: &str,
    step: &Step,
    settled: Instant,
) -> Result<Outcome> {
    let start = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        let called = match step.service {
            Service::DynamoDb => service.dynamodb(step.operation, step.input.clone()).await,
            Service::AutoScaling => service.auto_scaling(step.operation, step.input.clone()).await,
        };
        match called {
            Ok(Called::Answered(_)) => return Ok(Outcome::Done),
            Ok(Called::Refused { code, .. }) if calls::is_unsupported(&code) => {
                return Ok(Outcome::Unknown);
            }
            Ok(Called::Refused { code, .. })
                if is_too_early(&code) && start.elapsed() <= TOO_EARLY => {}
            Ok(Called::Refused { code, message }) => {
                return Err(calls::refusal(step.operation, table, &code, &message));
            }
            Err(error) if error.class() == ErrorClass::Credentials && Instant::now() < settled => {}
            Err(error) => return Err(error),
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

fn is_too_early(code: &str) -> bool {
    matches!(
        code,
        "ResourceInUseException"
            | "LimitExceededException"
            | "ContinuousBackupsUnavailableException"
            | "ConcurrentUpdateException"
            | "ConcurrentModificationException"
    )
}

/// Whether the table has an item.
pub(super) async fn has_items(service: &impl TableService, table: &str) -> Result<bool> {
    let mut input = json!({"TableName": table, "Limit": 1, "ConsistentRead": true});
    loop {
        let called = service.dynamodb("Scan", input.clone()).await?;
        let answer = calls::answer("Scan", table, called)?;
        if answer["Count"].as_u64().unwrap_or_default() > 0 {
            return Ok(true);
        }
        // Without a filter a page without items is the last; but the service decides.
        match answer.get("LastEvaluatedKey").filter(|key| !key.is_null()) {
            Some(key) => input["ExclusiveStartKey"] = key.clone(),
            None => return Ok(false),
        }
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
