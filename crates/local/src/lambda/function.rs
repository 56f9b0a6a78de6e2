//! A function of the deployed stack: its configuration, its program and its warm processes.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Settings;
use super::instance::{Instance, Program};
use super::runtime_api::Answer;
use crate::api::{Api, text_at};
use crate::{ACCOUNT, REGION};

/// How many processes of one function run at the same time; further invocations wait.
const MOST_INSTANCES: usize = 8;

#[derive(Debug)]
pub(crate) struct Function {
    arn: String,
    bootstrap: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    timeout: Duration,
    slots: Semaphore,
    warm: Mutex<Vec<Instance>>,
}

impl Function {
    /// Reads the function's configuration from moto and unpacks its code from the asset bucket.
    pub(crate) async fn load(moto: &Api, name: &str, settings: &Settings) -> Result<Self> {
        let path = format!("/2015-03-31/functions/{}", crate::api::encode(name));
        let found = moto.rest("lambda", hyper::Method::GET, &path, None).await?;
        let configuration = &found["Configuration"];
        check_machine(name, configuration)?;
        let location = text_at(&found["Code"], "Location")?;
        let key = location.rsplit('/').next().unwrap_or_default();
        let zip = moto.get_object(&settings.asset_bucket, key).await?;
        let directory = settings.directory.join(name);
        let bootstrap =
            unpack(zip, &directory).with_context(|| format!("the code of {name} ({key})"))?;
        let logs = settings.logs.join("lambda");
        std::fs::create_dir_all(&logs)?;
        Ok(Self {
            arn: text_at(configuration, "FunctionArn")?.to_owned(),
            bootstrap,
            environment: environment(name, configuration, settings),
            log: logs.join(format!("{name}.log")),
            timeout: Duration::from_secs(configuration["Timeout"].as_u64().unwrap_or(3)),
            slots: Semaphore::new(MOST_INSTANCES),
            warm: Mutex::new(Vec::new()),
        })
    }

    /// Runs one event in a warm process, or in a new one when none is free.
    pub(crate) async fn invoke(&self, payload: Bytes, settings: &Settings) -> Result<Answer> {
        let _slot = self.slots.acquire().await?;
        let mut instance = match self.take_warm() {
            Some(instance) => instance,
            None => self.start(settings).await?,
        };
        let id = uuid::Uuid::new_v4().to_string();
        let answer = instance.invoke(&id, &self.arn, payload, self.timeout).await?;
        if instance.is_running() {
            self.warm().push(instance);
        }
        Ok(answer)
    }

    async fn start(&self, settings: &Settings) -> Result<Instance> {
        let program =
            Program { bootstrap: &self.bootstrap, environment: &self.environment, log: &self.log };
        Instance::start(&program, &settings.processes).await
    }

    fn take_warm(&self) -> Option<Instance> {
        let mut warm = self.warm();
        while let Some(mut instance) = warm.pop() {
            if instance.is_running() {
                return Some(instance);
            }
        }
        None
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses code for another kind of processor, and anything but a program that brings its own
/// runtime.
fn check_machine(name: &str, configuration: &Value) -> Result<()> {
    let runtime = configuration["Runtime"].as_str().unwrap_or_default();
    if !runtime.starts_with("provided.") {
        bail!("function {name} has runtime {runtime:?}; the local cloud runs provided.* only");
    }
    let here = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let built_for = configuration["Architectures"][0].as_str().unwrap_or("x86_64");
    if built_for != here {
        bail!(
            "function {name} is built for {built_for}, this machine is {here}: \
             synthesise the stack for {here}"
        );
    }
    Ok(())
}

fn environment(name: &str, configuration: &Value, settings: &Settings) -> Vec<(String, String)> {
    let text = |value: &str| value.to_owned();
    let memory = configuration["MemorySize"].as_u64().unwrap_or(128).to_string();
    let mut all = vec![
        (text("AWS_REGION"), text(REGION)),
        (text("AWS_DEFAULT_REGION"), text(REGION)),
        (text("AWS_ACCESS_KEY_ID"), text("local")),
        (text("AWS_SECRET_ACCESS_KEY"), text("local")),
        (text("AWS_SESSION_TOKEN"), text("local")),
        (text("AWS_ENDPOINT_URL"), settings.endpoint.clone()),
        (text("AWS_LAMBDA_FUNCTION_NAME"), text(name)),
        (text("AWS_LAMBDA_FUNCTION_VERSION"), text("$LATEST")),
        (text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), memory),
        (text("AWS_LAMBDA_LOG_GROUP_NAME"), format!("/aws/lambda/{name}")),
        (text("AWS_LAMBDA_LOG_STREAM_NAME"), text("local")),
        (text("AWS_LAMBDA_INITIALIZATION_TYPE"), text("on-demand")),
        (text("AWS_EXECUTION_ENV"), format!("AWS_Lambda_local_{ACCOUNT}")),
        (text("_HANDLER"), text(configuration["Handler"].as_str().unwrap_or("bootstrap"))),
    ];
    let variables = configuration["Environment"]["Variables"].as_object();
    for (key, value) in variables.into_iter().flatten() {
        all.push((key.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    all
}

/// Writes the zip's `bootstrap` into a directory and makes it executable.
fn unpack(zip: Bytes, directory: &Path) -> Result<PathBuf> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip))?;
    let mut program = Vec::new();
    archive
        .by_name("bootstrap")
        .context("the zip has no file bootstrap")?
        .read_to_end(&mut program)?;
    std::fs::create_dir_all(directory)?;
    let path = directory.join("bootstrap");
    std::fs::write(&path, program)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
