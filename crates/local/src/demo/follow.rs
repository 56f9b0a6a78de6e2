//! Follows an execution on the terminal, state by state.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::line;
use crate::api::Execution;
use crate::{LocalCloud, Stack};

const POLL: Duration = Duration::from_millis(250);
const START_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_mins(5);

/// The first execution of a target, by a part of its ARN, once the tag's event has started it.
pub(super) async fn first(cloud: &LocalCloud, stack: &Stack, target: &str) -> Result<Execution> {
    let begun = Instant::now();
    while begun.elapsed() < START_LIMIT {
        if let Some(execution) = waiting(cloud, stack, target).await?.pop() {
            line(&format!("{} after {:.1} s", execution.name, begun.elapsed().as_secs_f64()));
            line(&format!("input {}", execution.input));
            return Ok(execution);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("no execution {} s after tagging", START_LIMIT.as_secs())
}

/// The running executions of a target, by a part of its ARN, with their inputs.
pub(super) async fn waiting(
    cloud: &LocalCloud,
    stack: &Stack,
    target: &str,
) -> Result<Vec<Execution>> {
    let mut running = Vec::new();
    for execution in cloud.api().list_executions(stack.state_machine()?).await? {
        if !execution.has_ended() {
            running.push(cloud.api().describe_execution(&execution.arn).await?);
        }
    }
    running.retain(|one| one.input["resourceArn"].as_str().is_some_and(|arn| arn.contains(target)));
    Ok(running)
}

/// Prints every state when it is entered, until the execution has ended; an error unless it ends
/// well.
pub(super) async fn to_its_end(cloud: &LocalCloud, execution: &Execution) -> Result<()> {
    let begun = Instant::now();
    let mut shown = 0;
    while begun.elapsed() < END_LIMIT {
        let now = cloud.api().describe_execution(&execution.arn).await?;
        let states = cloud.api().states_entered(&execution.arn).await?;
        for state in states.iter().skip(shown) {
            line(&format!("{:6.1} s  {state}", begun.elapsed().as_secs_f64()));
        }
        shown = states.len();
        if now.has_ended() {
            line(&format!("{:6.1} s  {}", begun.elapsed().as_secs_f64(), now.status));
            if now.status == "SUCCEEDED" {
                return Ok(());
            }
            let (error, cause) = (now.error.unwrap_or_default(), now.cause.unwrap_or_default());
            bail!("the execution ended {}: {error} {cause}", now.status);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("the execution has not ended after {} s", END_LIMIT.as_secs())
}
