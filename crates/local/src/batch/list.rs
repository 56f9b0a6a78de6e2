//! `ListJobs`: a queue's jobs, or an array's children, page by page.

use std::sync::Arc;

use serde_json::{Value, json};

use super::array::Place;
use super::job::Job;

const MOST_RESULTS: usize = 100;

/// Answers `ListJobs` from all jobs there are. As with Batch, a request for a queue or an array that
/// names no status gets those that run; children are listed for their array only.
pub(super) fn list<'a>(jobs: impl Iterator<Item = &'a Arc<Job>>, input: &Value) -> Value {
    let array = input["arrayJobId"].as_str();
    let asks_for_something = array.is_some() || !input["jobQueue"].is_null();
    let status = input["jobStatus"].as_str().or(asks_for_something.then_some("RUNNING"));
    let mut found: Vec<&Arc<Job>> = jobs
        .filter(|job| job.array_id() == array)
        .filter(|job| status.is_none_or(|wanted| job.state().status == wanted))
        .collect();
    found.sort_by_key(|job| match job.place {
        Place::Child { index, .. } => index,
        Place::Alone | Place::Parent(_) => 0,
    });
    let number = |key: &str| input[key].as_u64().and_then(|number| usize::try_from(number).ok());
    let most = number("maxResults").unwrap_or(MOST_RESULTS).clamp(1, MOST_RESULTS);
    let first: usize = input["nextToken"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let page: Vec<Value> = found
        .iter()
        .skip(first)
        .take(if asks_for_something { most } else { usize::MAX })
        .map(|job| summary(job))
        .collect();
    let next = first + page.len();
    let mut answer = json!({"jobSummaryList": page});
    if next < found.len() {
        answer["nextToken"] = json!(next.to_string());
    }
    answer
}

/// What a listing tells of a job.
fn summary(job: &Job) -> Value {
    const KEYS: [&str; 9] = [
        "jobId",
        "jobArn",
        "jobName",
        "jobDefinition",
        "status",
        "statusReason",
        "createdAt",
        "startedAt",
        "stoppedAt",
    ];
    let all = job.describe();
    let mut summary: Value = KEYS
        .into_iter()
        .filter(|key| !all[*key].is_null())
        .map(|key| (key, all[key].clone()))
        .collect();
    if !all["arrayProperties"].is_null() {
        summary["arrayProperties"] = match &job.place {
            Place::Parent(children) => json!({"size": children.len()}),
            Place::Alone | Place::Child { .. } => all["arrayProperties"].clone(),
        };
    }
    if !all["container"]["exitCode"].is_null() {
        summary["container"] = json!({"exitCode": all["container"]["exitCode"]});
    }
    summary
}
