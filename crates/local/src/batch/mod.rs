//! Batch: jobs as processes, with the retry strategy, the time limits and the words of the service.

mod array;
mod attempt;
mod definition;
mod job;
mod list;
mod retry;
mod scratch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

pub use job::{AttemptView, JobView};

use crate::api::{Api, list_at};
use crate::http::{self, Body, ServiceError};
use crate::process::{Processes, Signal, signal};
use crate::{ACCOUNT, REGION};
use array::Place;
use attempt::{Attempt, not_started, stopped};
use job::Job;
use retry::Ending;
use scratch::Scratch;

/// The pause before another attempt; Batch takes some seconds more.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_NAME: usize = 128;

/// What all jobs share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) dumper: Option<PathBuf>,
    pub(crate) endpoint: String,
    /// Variables on top of those of the definition and the overrides, for things that the image
    /// would hold.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) logs: PathBuf,
    pub(crate) most_jobs: usize,
    pub(crate) processes: Processes,
}

/// The job queue of the local cloud and all jobs that were ever in it.
#[derive(Debug)]
pub(crate) struct Batch {
    moto: Api,
    settings: Settings,
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    slots: Semaphore,
    refusals: Mutex<Vec<(String, u32)>>,
}

impl Batch {
    pub(crate) fn new(moto: Api, settings: Settings) -> Self {
        let slots = Semaphore::new(settings.most_jobs);
        Self { moto, settings, jobs: Mutex::default(), slots, refusals: Mutex::default() }
    }

    /// Whether a path is one of Batch's operations that are served here.
    pub(crate) fn serves(method: &Method, path: &str) -> bool {
        let ours = [
            "/v1/submitjob",
            "/v1/describejobs",
            "/v1/terminatejob",
            "/v1/canceljob",
            "/v1/listjobs",
        ];
        method == Method::POST && ours.contains(&path)
    }

    /// Answers one request.
    pub(crate) async fn answer(self: &Arc<Self>, path: &str, input: &Value) -> Response<Body> {
        let answer = match path {
            "/v1/submitjob" => self.submit(input).await,
            "/v1/describejobs" => Ok(self.describe(input)),
            "/v1/listjobs" => list::list(self.jobs().values(), input),
            _ => self.terminate(input),
        };
        match answer {
            Ok(value) => http::json(StatusCode::OK, &value),
            Err(error) => error.response(),
        }
    }

    async fn submit(self: &Arc<Self>, input: &Value) -> Result<Value, ServiceError> {
        let name = input["jobName"].as_str().unwrap_or_default();
        if !is_job_name(name) {
            let message = format!(
                "Job name {name:?} must be 1 to 128 of letters, digits, '-' and '_', no '-' or '_' first"
            );
            return Err(ServiceError::client("ClientException", message));
        }
        self.check_queue(input["jobQueue"].as_str().unwrap_or_default()).await?;
        let definition = definition::resolve(&self.moto, input).await?;
        let size = array::size(input)
            .map_err(|error| ServiceError::client("ClientException", format!("{error:#}")))?;
        let job = Arc::new(match size {
            Some(size) => Job::array(size, &definition, input),
            None => Job::alone(definition, input.clone()),
        });
        let answer = json!({"jobArn": job.arn(), "jobName": name, "jobId": job.id});
        for job in [&job].into_iter().chain(job.children()) {
            self.jobs().insert(job.id.clone(), Arc::clone(job));
        }
        tokio::spawn(Arc::clone(self).run_all(job));
        Ok(answer)
    }

    /// Runs a job, or all of an array.
    async fn run_all(self: Arc<Self>, job: Arc<Job>) {
        if job.children().is_empty() {
            return self.run(job).await;
        }
        let runs = job.children().iter().cloned().map(|child| Arc::clone(&self).run(child));
        runs.collect::<JoinSet<()>>().join_all().await;
        array::finish(&job, job.children());
    }

    async fn check_queue(&self, wanted: &str) -> Result<(), ServiceError> {
        let found =
            self.moto.rest("batch", Method::POST, "/v1/describejobqueues", Some(&json!({}))).await;
        let found = found.map_err(|error| ServiceError::internal(&error))?;
        let known = list_at(&found, "jobQueues")
            .iter()
            .any(|queue| queue["jobQueueName"] == wanted || queue["jobQueueArn"] == wanted);
        if known {
            return Ok(());
        }
        Err(ServiceError::client("ClientException", format!("Job queue {wanted} does not exist")))
    }

    fn describe(&self, input: &Value) -> Value {
        let jobs = self.jobs();
        let wanted = list_at(input, "jobs").iter().filter_map(Value::as_str);
        let found = wanted.filter_map(|id| jobs.get(id.rsplit('/').next().unwrap_or(id)));
        json!({"jobs": found.map(|job| job.describe()).collect::<Vec<_>>()})
    }

    fn terminate(&self, input: &Value) -> Result<Value, ServiceError> {
        let id = input["jobId"].as_str().unwrap_or_default();
        let reason = input["reason"].as_str().unwrap_or("Terminated");
        if !self.terminate_job(id, reason) {
            return Err(ServiceError::client(
                "ClientException",
                format!("Job {id} does not exist"),
            ));
        }
        Ok(json!({}))
    }

    /// Ends a job, or all of an array, as `TerminateJob` does; false when there is no such job.
    pub(crate) fn terminate_job(&self, id: &str, reason: &str) -> bool {
        let job = self.jobs().get(id).cloned();
        if let Some(job) = &job {
            for job in [job].into_iter().chain(job.children()) {
                job.stop.send_replace(Some(reason.to_owned()));
            }
        }
        job.is_some()
    }

    /// Lets the next `times` attempts fail before the process starts, as when an image cannot be
    /// pulled: those of jobs with a variable whose value contains `text`.
    pub(crate) fn refuse_next(&self, text: &str, times: u32) {
        self.refusals().push((text.to_owned(), times));
    }

    fn is_refused(&self, job: &Job) -> bool {
        let variables = &job.definition.environment;
        let has = |text: &str| variables.iter().any(|(_, value)| value.contains(text));
        let mut refusals = self.refusals();
        match refusals.iter_mut().find(|(text, left)| *left > 0 && has(text)) {
            Some((_, left)) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Vec<(String, u32)>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All jobs, in no order that means anything.
    pub(crate) fn views(&self) -> Vec<JobView> {
        self.jobs().values().map(|job| job.view()).collect()
    }

    /// Sends a signal to the process of a job's running attempt.
    pub(crate) fn signal_job(&self, id: &str, sent: Signal) -> Result<()> {
        let job = self.jobs().get(id).cloned().ok_or_else(|| anyhow!("no job {id}"))?;
        let pid = job.state().pid.ok_or_else(|| anyhow!("job {id} has no running attempt"))?;
        signal(pid, sent);
        Ok(())
    }

    async fn run(self: Arc<Self>, job: Arc<Job>) {
        let mut stop = job.stop.subscribe();
        for number in 1.. {
            job.state().status = "RUNNABLE";
            let turn = tokio::select! {
                biased;
                reason = stopped(&mut stop) => return job.finish("FAILED", Some(reason)),
                turn = self.turn(&job) => turn,
            };
            let ending = self.run_attempt(&job, number).await;
            drop(turn);
            job.end_attempt(&ending);
            let reason = Some(ending.status_reason.clone());
            let terminated = stop.borrow().clone();
            if terminated.is_some() {
                return job.finish("FAILED", terminated);
            }
            if ending.exit_code == Some(0) {
                return job.finish("SUCCEEDED", reason);
            }
            if !job.definition.retry.again(number, &ending) {
                return job.finish("FAILED", reason);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Waits until a job may run: for its turn in its array, and for a place among all jobs.
    async fn turn<'a>(
        &'a self,
        job: &'a Job,
    ) -> Result<(Option<SemaphorePermit<'a>>, SemaphorePermit<'a>), AcquireError> {
        let gate = match &job.place {
            Place::Child { gate, .. } => Some(gate.acquire().await?),
            Place::Alone | Place::Parent(_) => None,
        };
        Ok((gate, self.slots.acquire().await?))
    }

    async fn run_attempt(&self, job: &Job, number: u32) -> Ending {
        let log_stream =
            format!("{}/default/{}", job.definition.name, uuid::Uuid::new_v4().simple());
        let log = self.settings.logs.join("batch").join(&log_stream);
        job.begin_attempt(log_stream, log.clone());
        let scratch = match Scratch::of(&job.definition.container) {
            Ok(scratch) => scratch,
            Err(error) => return not_started(&error),
        };
        let mut attempt = Attempt {
            program: self.settings.dumper.as_deref(),
            environment: self.environment(job, number, scratch.as_ref()),
            log,
            limit: job.definition.timeout_seconds.map(Duration::from_secs),
            stop: job.stop.subscribe(),
        };
        if self.is_refused(job) {
            return not_started(&anyhow!("refused by the local cloud on request"));
        }
        let ending = match attempt.start(&self.settings.processes) {
            Ok(process) => {
                job.is_running(process.pid());
                attempt.finish(process).await
            }
            Err(error) => not_started(&error),
        };
        if let Some(scratch) = scratch {
            scratch.remove().await;
        }
        ending
    }

    /// What the container would find: Fargate's and Batch's own variables, the image's, the
    /// definition's and the overrides; later ones win.
    fn environment(
        &self,
        job: &Job,
        number: u32,
        scratch: Option<&Scratch>,
    ) -> Vec<(String, String)> {
        let own = [
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_EXECUTION_ENV", format!("AWS_ECS_FARGATE_local_{ACCOUNT}")),
            ("AWS_ENDPOINT_URL", self.settings.endpoint.clone()),
            ("AWS_BATCH_JOB_ID", job.id.clone()),
            ("AWS_BATCH_JOB_ATTEMPT", number.to_string()),
            ("AWS_BATCH_JQ_NAME", "local".to_owned()),
            ("AWS_BATCH_CE_NAME", "local".to_owned()),
        ];
        let own = own.into_iter().chain(job.place.variables());
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let image = self.settings.environment.iter().cloned();
        let given = job.definition.environment.iter().cloned();
        // The definition names the place in the container, which is not there on this machine.
        let scratch = scratch
            .map(|scratch| ("AUTODUMP_SCRATCH".to_owned(), scratch.path().display().to_string()));
        own.chain(image).chain(given).chain(scratch).collect()
    }

    /// Whether every job has ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs().values().all(|job| job.has_ended())
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_job_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}
