//! The local cloud as a whole: started, used, stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::CSV_BUCKET;
use crate::api::Api;
use crate::batch::{self, Batch, JobView};
use crate::deploy::{self, Stack};
use crate::events::Events;
use crate::front::faults::Faults;
use crate::front::{Door, Front};
use crate::lambda::{self, Answer, Lambda};
use crate::moto::Moto;
use crate::process::{Processes, Signal};
use crate::python;
use crate::rds::Rds;
use crate::say::progress;

/// How a local cloud is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The checkout: `target` and `node_modules` are looked for here.
    pub project: PathBuf,
    /// The port of the front door; any free one when absent.
    pub port: Option<u16>,
    /// The program that runs as the Batch job; without it, jobs fail to start.
    pub dumper: Option<PathBuf>,
    /// Variables for jobs that stand for what the image would hold, such as `AUTODUMP_CA_BUNDLE`.
    pub job_environment: Vec<(String, String)>,
    /// How many jobs run at the same time; further ones wait.
    pub most_jobs: usize,
    /// The longest that a `Wait` for a number of seconds takes in a state machine, whatever it
    /// says; as long as it says when absent. Waits until a moment are never shortened.
    pub longest_wait: Option<Duration>,
    /// Where logs and unpacked functions go; a temporary directory when absent.
    pub work: Option<PathBuf>,
}

impl Options {
    /// The options that fit this checkout.
    #[must_use]
    pub fn new() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self {
            project: project.canonicalize().unwrap_or(project),
            port: None,
            dumper: None,
            job_environment: Vec::new(),
            most_jobs: 4,
            longest_wait: None,
            work: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A running local cloud. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct LocalCloud {
    options: Options,
    port: u16,
    api: Api,
    front: Arc<Front>,
    processes: Processes,
    logs: PathBuf,
    python: PathBuf,
    servers: JoinSet<()>,
    _moto: Moto,
    _work: Option<TempDir>,
}

impl LocalCloud {
    /// Starts moto and the front door, with nothing deployed yet.
    pub async fn start(options: Options) -> Result<Self> {
        let (work, guard) = work_directory(options.work.as_deref())?;
        let logs = work.join("logs");
        std::fs::create_dir_all(&logs)?;
        let processes = Processes::default();
        let python = python::environment(&options.project.join("target")).await?;
        let door = Door::open(options.port).await?;
        let port = door.port;
        let moto = Moto::start(&python, port, options.longest_wait, &logs, &processes).await?;
        let bare = Api::over(moto.upstream().clone());
        deploy::bootstrap(&bare).await?;
        bare.create_bucket(CSV_BUCKET).await?;
        let front = Arc::new(front(&options, &moto, port, &work, &processes));
        let servers = door.serve(&front);
        let api = Api::new(([127, 0, 0, 1], port).into());
        Ok(Self {
            options,
            port,
            api,
            front,
            processes,
            logs,
            python,
            servers,
            _moto: moto,
            _work: guard,
        })
    }

    /// Deploys the one stack of a synthesised app with `cdk deploy`, and starts its rules. Only one
    /// deployment per cloud works.
    pub async fn deploy(&self, cdk_out: &Path) -> Result<Stack> {
        let stack =
            deploy::with_cdk(&self.api, self.port, &self.options.project, cdk_out, &self.logs)
                .await?;
        self.front.events.load().await?;
        Ok(stack)
    }

    /// Deploys a template as it is, and starts its rules. Code of functions must lie in the asset
    /// bucket already.
    pub async fn deploy_template(&self, name: &str, template: &Value) -> Result<Stack> {
        self.api.create_stack(name, &template.to_string()).await?;
        self.front.events.load().await?;
        deploy::describe(&self.api, name).await
    }

    /// Stores an asset that a template's function refers to; returns the bucket.
    pub async fn put_asset(&self, key: &str, body: Vec<u8>) -> Result<String> {
        let bucket = deploy::asset_bucket();
        self.api.put_object(&bucket, key, body).await?;
        Ok(bucket)
    }

    /// The client of this cloud.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The endpoint for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory with the logs: `moto.log`, `cdk.log`, `lambda/<function>.log`, `batch/<log
    /// stream>`.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The Python that moto runs in, with the AWS CLI beside it.
    #[must_use]
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// The rules that make requests fail, and the requests seen.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.front.faults
    }

    /// RDS, for tests to say how things go there.
    #[must_use]
    pub fn rds(&self) -> &Rds {
        &self.front.rds
    }

    /// All Batch jobs so far.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobView> {
        self.front.batch.views()
    }

    /// Sends a signal to the process of a job's running attempt; an error when it has none.
    pub fn signal_job(&self, id: &str, signal: Signal) -> Result<()> {
        self.front.batch.signal_job(id, signal)
    }

    /// Ends a job as `TerminateJob` does; an error when there is no such job.
    pub fn terminate_job(&self, id: &str, reason: &str) -> Result<()> {
        if !self.front.batch.terminate_job(id, reason) {
            bail!("no job {id}");
        }
        Ok(())
    }

    /// Lets the next `times` attempts of jobs fail before they start, as when an image cannot be
    /// pulled: those of jobs with a variable whose value contains `text`, such as the secret's ARN.
    pub fn refuse_attempts(&self, text: &str, times: u32) {
        self.front.batch.refuse_next(text, times);
    }

    /// Whether no job waits or runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.front.batch.is_idle()
    }

    /// Fires the schedules of the stack now; returns what the functions answered. An error when one
    /// failed.
    pub async fn fire_scan(&self) -> Result<Vec<Value>> {
        self.front.events.fire_schedules().await
    }

    /// Publishes an event to the rules of the stack.
    pub fn publish(&self, event: &Value) {
        self.front.events.publish(event);
    }

    /// Invokes a function, given by name or ARN. The inner error is the function's own.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Result<Value, Value>> {
        let answer = self.front.lambda.invoke(function, event.to_string().into()).await?;
        Ok(match answer {
            Answer::Success(body) => Ok(serde_json::from_slice(&body)?),
            Answer::Failure(body) => Err(serde_json::from_slice(&body)?),
        })
    }

    /// What a function has logged so far.
    #[must_use]
    pub fn function_log(&self, function: &str) -> String {
        let path = self.logs.join("lambda").join(format!("{function}.log"));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Ends everything that was started, jobs included.
    pub async fn stop(mut self) {
        self.shut();
        // The processes are dead; this lets their tasks notice before the directory goes.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn shut(&mut self) {
        self.front.events.stop();
        self.front.rds.stop();
        self.servers.abort_all();
        self.processes.kill_all();
    }
}

impl Drop for LocalCloud {
    fn drop(&mut self) {
        self.shut();
    }
}

fn front(options: &Options, moto: &Moto, port: u16, work: &Path, processes: &Processes) -> Front {
    let backend = Api::over(moto.upstream().clone());
    let endpoint = format!("http://127.0.0.1:{port}");
    let logs = work.join("logs");
    let functions = lambda::Settings {
        endpoint: endpoint.clone(),
        asset_bucket: deploy::asset_bucket(),
        directory: work.join("functions"),
        logs: logs.clone(),
        processes: processes.clone(),
    };
    let jobs = batch::Settings {
        dumper: options.dumper.clone(),
        endpoint,
        environment: options.job_environment.clone(),
        logs,
        most_jobs: options.most_jobs,
        processes: processes.clone(),
    };
    let lambda = Arc::new(Lambda::new(backend.clone(), functions));
    let door = Api::new(([127, 0, 0, 1], port).into());
    Front {
        rds: Rds::new(door, backend.clone()),
        moto: moto.upstream().clone(),
        batch: Arc::new(Batch::new(backend.clone(), jobs)),
        events: Arc::new(Events::new(backend, Arc::clone(&lambda))),
        lambda,
        faults: Faults::default(),
    }
}

fn work_directory(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(path) = wanted {
        std::fs::create_dir_all(path)?;
        return Ok((path.canonicalize()?, None));
    }
    let directory = tempfile::Builder::new().prefix("autodump-local-").tempdir()?;
    progress(&format!("logs and functions of the local cloud: {}", directory.path().display()));
    Ok((directory.path().to_owned(), Some(directory)))
}
