//! The local cloud with toy functions and toy jobs: what it does like AWS, before the real binaries
//! come into play.

mod arrays;
mod batch;
mod events;
mod functions;
mod machines;
mod rds;
mod storage;
mod tables;
mod template;

use std::future::Future;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use autodump_local::say::progress;
use autodump_local::{LocalCloud, Options, Stack};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// The cloud that all tests share.
pub(crate) struct Toy {
    pub(crate) cloud: LocalCloud,
    pub(crate) stack: Stack,
}

impl Toy {
    async fn start(directory: &Path) -> Result<Self> {
        let options = Options {
            dumper: Some(toy_job(directory)?),
            job_environment: vec![("EXTRA".into(), "more".into())],
            longest_wait: Some(Duration::from_millis(1500)),
            ..Options::new()
        };
        let cloud = LocalCloud::start(options).await?;
        let bucket = cloud.put_asset("toy.zip", toy_function()?).await?;
        let stack = cloud.deploy_template("toy", &template::template(&bucket, "toy.zip")).await?;
        Ok(Self { cloud, stack })
    }

    /// Runs a Python script beside this file with boto3 and the name of the stack's bucket.
    pub(crate) async fn boto3(&self, script: &str) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stub").join(script);
        let mut command = Command::new(self.cloud.python());
        command
            .arg(script)
            .arg(self.stack.bucket()?)
            .env("AWS_ENDPOINT_URL", self.cloud.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local");
        let run = tokio::task::spawn_blocking(move || command.output()).await??;
        ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        Ok(())
    }

    /// The physical name of the function with this logical id.
    pub(crate) fn function(&self, logical: &str) -> Result<String> {
        let all = self.stack.of_type("AWS::Lambda::Function");
        let found = all.iter().find(|name| name.contains(logical));
        found
            .map(|name| (*name).to_owned())
            .ok_or_else(|| anyhow::anyhow!("no {logical} in {all:?}"))
    }
}

fn toy_job(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("job.sh");
    std::fs::write(&path, include_str!("job.sh"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn toy_function() -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("bootstrap", zip::write::SimpleFileOptions::default())?;
    archive.write_all(include_bytes!("bootstrap.py"))?;
    Ok(archive.finish()?.into_inner())
}

/// Waits until a condition holds; an error that says what was waited for when it does not in time.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> bool,
) -> Result<()> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Where the tests are collected.
pub(crate) struct Trials {
    runtime: Arc<Runtime>,
    toy: Arc<Toy>,
    all: Vec<Trial>,
}

impl Trials {
    pub(crate) fn add<F>(&mut self, name: &str, test: impl FnOnce(Arc<Toy>) -> F + Send + 'static)
    where
        F: Future<Output = Result<()>>,
    {
        let (runtime, toy) = (Arc::clone(&self.runtime), Arc::clone(&self.toy));
        let run = move || runtime.block_on(test(toy)).map_err(|error| format!("{error:#}").into());
        self.all.push(Trial::test(name.to_owned(), run));
    }
}

/// Runs Python on the tests of the repaired moto.
fn python(interpreter: &Path, arguments: &[&str]) -> Result<()> {
    let run = Command::new(interpreter)
        .arg("-B")
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
        .env("TZ", "UTC")
        .output()?;
    if !run.status.success() {
        let (out, err) = (&run.stdout, &run.stderr);
        bail!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    arguments.test_threads.get_or_insert(4);
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let toy = match runtime.block_on(Toy::start(directory.path())) {
        Ok(toy) => toy,
        Err(error) => {
            progress(&format!("the local cloud does not start: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let mut trials = Trials { runtime, toy: Arc::new(toy), all: Vec::new() };
    functions::add(&mut trials);
    batch::add(&mut trials);
    arrays::add(&mut trials);
    machines::add(&mut trials);
    storage::add(&mut trials);
    tables::add(&mut trials);
    rds::add(&mut trials);
    events::add(&mut trials);
    let interpreter = trials.toy.cloud.python().to_owned();
    for (name, arguments) in [
        ("every repair of moto is still needed", ["test_shim.py"].as_slice()),
        ("the repaired moto keeps tables as DynamoDB does", ["-m", "unittest"].as_slice()),
    ] {
        let interpreter = interpreter.clone();
        trials.all.push(Trial::test(name, move || {
            python(&interpreter, arguments).map_err(|error| format!("{error:#}").into())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials.all);
    // Here the last handle goes, and with it everything that the cloud has started.
    drop(trials.toy);
    conclusion.exit_code()
}
