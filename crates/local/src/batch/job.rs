//! A submitted job and what `DescribeJobs` tells of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::array::Place;
use super::definition::Definition;
use super::retry::Ending;
use crate::api::list_at;
use crate::{ACCOUNT, REGION};

/// A job as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its definition.
    pub definition: String,
    /// For a child of an array job: its index. Its id is the array's, a colon and the index.
    pub array_index: Option<u32>,
    /// For an array job: how many children it has.
    pub array_size: Option<usize>,
    /// `SUBMITTED`, `RUNNABLE`, `STARTING`, `RUNNING`, `SUCCEEDED` or `FAILED`; `PENDING` for an
    /// array job whose children have not all ended.
    pub status: String,
    /// Why it is in this status, when Batch would say so.
    pub status_reason: Option<String>,
    /// The id of the process of the running attempt.
    pub pid: Option<u32>,
    /// The environment of the definition with the overrides.
    pub environment: Vec<(String, String)>,
    /// The vCPUs and the MiB of memory that it asked for.
    pub size: (String, String),
    /// Its attempts, the running one included.
    pub attempts: Vec<AttemptView>,
}

impl JobView {
    /// The value of an environment variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// One attempt of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptView {
    /// Whether it has ended.
    pub ended: bool,
    /// The exit code, once it has ended and if it ever ran.
    pub exit_code: Option<i32>,
    /// The name of its log stream.
    pub log_stream: String,
    /// The file with its log.
    pub log: PathBuf,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) definition: Definition,
    pub(super) stop: watch::Sender<Option<String>>,
    submission: Value,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) status: &'static str,
    pub(super) status_reason: Option<String>,
    pub(super) pid: Option<u32>,
    created: i64,
    started: Option<i64>,
    stopped: Option<i64>,
    pub(super) attempts: Vec<Attempted>,
}

#[derive(Debug)]
pub(super) struct Attempted {
    started: i64,
    stopped: Option<i64>,
    ending: Option<Ending>,
    log_stream: String,
    log: PathBuf,
}

impl Job {
    /// A job of its own.
    pub(super) fn alone(definition: Definition, submission: Value) -> Self {
        Self::new(new_id(), Place::Alone, definition, submission)
    }

    /// An array of so many jobs.
    pub(super) fn array(size: u32, definition: &Definition, submission: &Value) -> Self {
        let id = new_id();
        let of = |id, place| Self::new(id, place, definition.clone(), submission.clone());
        let children = Place::children(size)
            .zip(0..size)
            .map(|(place, index)| Arc::new(of(format!("{id}:{index}"), place)))
            .collect();
        let parent = of(id, Place::Parent(children));
        parent.state().status = "PENDING";
        parent
    }

    fn new(id: String, place: Place, definition: Definition, submission: Value) -> Self {
        let state = State {
            status: "SUBMITTED",
            status_reason: None,
            pid: None,
            created: Utc::now().timestamp_millis(),
            started: None,
            stopped: None,
            attempts: Vec::new(),
        };
        Self {
            id,
            place,
            definition,
            stop: watch::Sender::new(None),
            submission,
            state: Mutex::new(state),
        }
    }

    /// The jobs of an array; none for another job.
    pub(super) fn children(&self) -> &[Arc<Self>] {
        match &self.place {
            Place::Parent(children) => children,
            Place::Alone | Place::Child { .. } => &[],
        }
    }

    /// The array that a child belongs to.
    pub(super) fn array_id(&self) -> Option<&str> {
        self.id.split_once(':').map(|(array, _)| array)
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:batch:{REGION}:{ACCOUNT}:job/{}", self.id)
    }

    pub(super) fn name(&self) -> &str {
        self.submission["jobName"].as_str().unwrap_or_default()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_attempt(&self, log_stream: String, log: PathBuf) {
        let now = Utc::now().timestamp_millis();
        let mut state = self.state();
        state.status = "STARTING";
        state.started = Some(now);
        state.attempts.push(Attempted {
            started: now,
            stopped: None,
            ending: None,
            log_stream,
            log,
        });
    }

    pub(super) fn is_running(&self, pid: u32) {
        let mut state = self.state();
        state.pid = Some(pid);
        state.status = "RUNNING";
    }

    pub(super) fn end_attempt(&self, ending: &Ending) {
        let now = Utc::now().timestamp_millis();
        let mut state = self.state();
        state.pid = None;
        if let Some(last) = state.attempts.last_mut() {
            last.stopped = Some(now);
            last.ending = Some(ending.clone());
        }
    }

    pub(super) fn finish(&self, status: &'static str, reason: Option<String>) {
        let mut state = self.state();
        state.status = status;
        state.status_reason = reason;
        state.stopped = Some(Utc::now().timestamp_millis());
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state().status, "SUCCEEDED" | "FAILED")
    }

    pub(super) fn view(&self) -> JobView {
        let state = self.state();
        let attempt = |attempted: &Attempted| AttemptView {
            ended: attempted.ending.is_some(),
            exit_code: attempted.ending.as_ref().and_then(|ending| ending.exit_code),
            log_stream: attempted.log_stream.clone(),
            log: attempted.log.clone(),
        };
        JobView {
            id: self.id.clone(),
            name: self.name().to_owned(),
            definition: self.definition.name.clone(),
            array_index: match self.place {
                Place::Child { index, .. } => Some(index),
                Place::Alone | Place::Parent(_) => None,
            },
            array_size: match &self.place {
                Place::Parent(children) => Some(children.len()),
                Place::Alone | Place::Child { .. } => None,
            },
            status: state.status.to_owned(),
            status_reason: state.status_reason.clone(),
            pid: state.pid,
            environment: self.definition.environment.clone(),
            size: (self.resource("VCPU"), self.resource("MEMORY")),
            attempts: state.attempts.iter().map(attempt).collect(),
        }
    }

    fn resource(&self, kind: &str) -> String {
        let found = self.definition.resources.iter().find(|resource| resource["type"] == kind);
        found.and_then(|resource| resource["value"].as_str()).unwrap_or_default().to_owned()
    }

    /// The job in the words of `DescribeJobs`.
    pub(super) fn describe(&self) -> Value {
        let state = self.state();
        let mut job = json!({
            "jobArn": self.arn(),
            "jobId": self.id,
            "jobName": self.name(),
            "jobQueue": self.submission["jobQueue"],
            "jobDefinition": self.definition.arn,
            "status": state.status,
            "createdAt": state.created,
            "attempts": state.attempts.iter().map(attempt_json).collect::<Vec<_>>(),
            "container": self.container_json(state.attempts.last()),
            "dependsOn": [],
            "parameters": {},
            "platformCapabilities": ["FARGATE"],
            "retryStrategy": self.definition.retry_value,
            "tags": self.submission["tags"].as_object().cloned().unwrap_or_default(),
            "isCancelled": false,
            "isTerminated": self.stop.borrow().is_some(),
        });
        set(&mut job, "statusReason", state.status_reason.clone());
        set(&mut job, "arrayProperties", self.place.describe());
        set(&mut job, "startedAt", state.started);
        set(&mut job, "stoppedAt", state.stopped);
        if let Some(seconds) = self.definition.timeout_seconds {
            job["timeout"] = json!({"attemptDurationSeconds": seconds});
        }
        job
    }

    fn container_json(&self, last: Option<&Attempted>) -> Value {
        let definition = &self.definition;
        let pair = |(name, value): &(String, String)| json!({"name": name, "value": value});
        let mut container = json!({
            "command": definition.container["command"].as_array().cloned().unwrap_or_default(),
            "environment": definition.environment.iter().map(pair).collect::<Vec<_>>(),
            "image": definition.container["image"],
            "mountPoints": list_at(&definition.container, "mountPoints"),
            "networkInterfaces": [],
            "resourceRequirements": definition.resources,
            "secrets": [],
            "ulimits": [],
            "volumes": list_at(&definition.container, "volumes"),
        });
        if let Some(last) = last {
            merge_end(&mut container, last);
        }
        container
    }
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn attempt_json(attempted: &Attempted) -> Value {
    let mut container = json!({"networkInterfaces": []});
    merge_end(&mut container, attempted);
    let mut attempt = json!({"container": container, "startedAt": attempted.started});
    set(&mut attempt, "stoppedAt", attempted.stopped);
    let reason = attempted.ending.as_ref().map(|ending| ending.status_reason.clone());
    set(&mut attempt, "statusReason", reason);
    attempt
}

fn merge_end(container: &mut Value, attempted: &Attempted) {
    let task = attempted.log_stream.rsplit('/').next().unwrap_or_default();
    container["taskArn"] = json!(format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/local/{task}"));
    container["logStreamName"] = json!(attempted.log_stream);
    if let Some(ending) = &attempted.ending {
        set(container, "exitCode", ending.exit_code);
        set(container, "reason", ending.reason.clone());
    }
}

/// Sets a key to a value, and leaves it out when there is none, as Batch does.
fn set(object: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[key] = value.into();
    }
}
