//! `ListJobs`: a queue's jobs, or an array's children, page by page.

use std::sync::Arc;

use serde_json::{Value, json};

use super::array::Place;
use super::job::Job;
use crate::api::list_at;
use crate::http::ServiceError;

const MOST_RESULTS: usize = 100;

/// Answers `ListJobs` from all jobs there are. As with Batch, a request for a queue or an array that
/// names no status gets those that run, unless it names jobs: then it gets them in any status.
/// Children are listed for their array only, whatever they are named.
pub(super) fn list<'a>(
    jobs: impl Iterator<Item = &'a Arc<Job>>,
    input: &Value,
) -> Result<Value, ServiceError> {
    let array = input["arrayJobId"].as_str();
    let asks_for_something = array.is_some() || !input["jobQueue"].is_null();
    let name = Name::asked(input)?.filter(|_| array.is_none());
    let status = input["jobStatus"].as_str().or(asks_for_something.then_some("RUNNING"));
    let mut found: Vec<&Arc<Job>> = jobs
        .filter(|job| job.array_id() == array)
        .filter(|job| match &name {
            Some(name) => name.is_of(job.name()),
            None => status.is_none_or(|wanted| job.state().status == wanted),
        })
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
    Ok(answer)
}

/// The filter `JOB_NAME`.
#[derive(Debug, PartialEq)]
enum Name {
    Is(String),
    BeginsWith(String),
}

impl Name {
    /// The one filter of a request. Another one than `JOB_NAME` is refused: it is not served here.
    fn asked(input: &Value) -> Result<Option<Self>, ServiceError> {
        let [filter] = list_at(input, "filters") else {
            return match list_at(input, "filters").len() {
                0 => Ok(None),
                more => Err(refused(&format!("{more} filters at once"))),
            };
        };
        match (filter["name"].as_str(), list_at(filter, "values")) {
            (Some("JOB_NAME"), [Value::String(value)]) => {
                let value = value.to_lowercase();
                Ok(Some(match value.strip_suffix('*') {
                    Some(beginning) => Self::BeginsWith(beginning.to_owned()),
                    None => Self::Is(value),
                }))
            }
            _ => Err(refused(&format!("the filter {filter}"))),
        }
    }

    fn is_of(&self, job: &str) -> bool {
        let job = job.to_lowercase();
        match self {
            Self::Is(name) => job == *name,
            Self::BeginsWith(beginning) => job.starts_with(beginning.as_str()),
        }
    }
}

fn refused(what: &str) -> ServiceError {
    ServiceError::client("ClientException", format!("The local cloud does not serve {what}"))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::definition::Definition;
    use super::super::retry::RetryStrategy;
    use super::*;

    fn definition() -> Definition {
        Definition {
            arn: "arn:definition".to_owned(),
            name: "dump".to_owned(),
            environment: Vec::new(),
            resources: Vec::new(),
            container: json!({}),
            retry_value: Value::Null,
            retry: RetryStrategy::read(&Value::Null).expect("none is one"),
            timeout_seconds: None,
        }
    }

    /// A job alone in each status, and an array of two.
    fn jobs() -> Vec<Arc<Job>> {
        let submission = |name: &str| json!({"jobName": name, "jobQueue": "q"});
        let mut jobs = Vec::new();
        for (name, status) in
            [("orders-1", "SUCCEEDED"), ("Orders-10", "FAILED"), ("orders-2", "RUNNING")]
        {
            let job = Job::alone(definition(), submission(name));
            job.state().status = status;
            jobs.push(Arc::new(job));
        }
        let array = Arc::new(Job::array(2, &definition(), &submission("orders-1-read")));
        jobs.extend(array.children().iter().cloned());
        jobs.push(array);
        jobs
    }

    fn names(jobs: &[Arc<Job>], input: &Value) -> Vec<String> {
        let Ok(answer) = list(jobs.iter(), input) else { panic!("{input} was refused") };
        let each = list_at(&answer, "jobSummaryList").iter();
        each.map(|job| job["jobName"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn named(name: &str) -> Value {
        json!({"jobQueue": "q", "filters": [{"name": "JOB_NAME", "values": [name]}]})
    }

    #[test]
    fn a_name_finds_jobs_in_any_status() {
        let jobs = jobs();
        assert_eq!(names(&jobs, &named("orders-1")), ["orders-1"]);
        assert_eq!(names(&jobs, &named("ORDERS-1*")), ["orders-1", "Orders-10", "orders-1-read"]);
        assert_eq!(names(&jobs, &named("orders-3*")), Vec::<String>::new());
        let mut with_status = named("orders-1");
        with_status["jobStatus"] = json!("RUNNING");
        assert_eq!(names(&jobs, &with_status), ["orders-1"], "the status is ignored");
    }

    #[test]
    fn without_a_name_the_status_decides() {
        let jobs = jobs();
        assert_eq!(names(&jobs, &json!({"jobQueue": "q"})), ["orders-2"]);
        let failed = json!({"jobQueue": "q", "jobStatus": "FAILED"});
        assert_eq!(names(&jobs, &failed), ["Orders-10"]);
    }

    #[test]
    fn children_are_found_by_their_array_and_not_by_name() {
        let jobs = jobs();
        let array = jobs.last().expect("the array").id.clone();
        let mut children = named("orders-2");
        children["arrayJobId"] = json!(array);
        children["jobStatus"] = json!("SUBMITTED");
        assert_eq!(names(&jobs, &children), ["orders-1-read", "orders-1-read"]);
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let jobs = jobs();
        let filter = json!({"name": "JOB_NAME", "values": ["a"]});
        for filters in [
            json!([{"name": "JOB_DEFINITION", "values": ["a"]}]),
            json!([{"name": "JOB_NAME", "values": []}]),
            json!([filter, filter]),
        ] {
            assert!(list(jobs.iter(), &json!({"jobQueue": "q", "filters": filters})).is_err());
        }
    }
}
