//! What the cases share, and what each of them says in one line.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use autodump_core::execution::{self, ExecutionInput};
use autodump_core::hash::TagHash;
use autodump_core::layout;
use autodump_core::tags::{Size, TagPrefix};
use autodump_local::api::{Api, Execution, ObjectInfo};
use autodump_local::postgres::{self, Postgres};
use autodump_local::{JobView, LocalCloud, Options, Stack, assembly, compare};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A case: its name, and what it does.
pub(crate) type Case =
    (&'static str, fn(Arc<World>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>);

/// Makes a [`Case`] of an async function, named as the function.
macro_rules! case {
    ($function:ident) => {
        (stringify!($function), |world| Box::pin($function(world)))
    };
}
pub(crate) use case;

/// How long an execution may take, three attempts of a job with all their retries included.
pub(crate) const LIMIT: Duration = Duration::from_secs(280);
/// A schedule that does not come while the tests run.
pub(crate) const FAR: &str = "17 4 1 1 -";
/// The tag that makes a target.
pub(crate) const SCHEDULE: &str = "autodump:start-schedule";

/// One cloud with the deployed stack, and one PostgreSQL with TLS.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cloud: LocalCloud,
    pub(crate) stack: Stack,
    pub(crate) server: Postgres,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let mut options = Options::new();
        let project = options.project.clone();
        let cdk_out = assembly::synthesise(&project)?;
        options.dumper = Some(assembly::dumper(&project)?);
        let server =
            Postgres::start(&postgres::Options { tls: true, ..postgres::Options::default() })?;
        let bundle = server.ca_bundle().context("the server has no certificate")?;
        options.job_environment = vec![
            ("AUTODUMP_CA_BUNDLE".to_owned(), bundle.display().to_string()),
            ("AUTODUMP_POSTGRES_BIN".to_owned(), server.bin().display().to_string()),
        ];
        options.most_jobs = 6;
        let cloud = LocalCloud::start(options).await?;
        let stack = cloud.deploy(cdk_out.path()).await?;
        Ok(Self { cloud, stack, server })
    }

    pub(crate) async fn stop(self) {
        self.cloud.stop().await;
    }

    pub(crate) fn api(&self) -> &Api {
        self.cloud.api()
    }

    pub(crate) fn bucket(&self) -> Result<&str> {
        self.stack.bucket()
    }

    /// A small database of many kinds of things, named `name`.
    pub(crate) fn small_database(&self, name: &str) -> Result<()> {
        make_database(&self.server, name, "0.01")
    }

    /// Creates a secret; its tags' event reaches the scanner.
    pub(crate) async fn secret(
        &self,
        name: &str,
        value: &Value,
        tags: &[(&str, &str)],
    ) -> Result<Target> {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let arn = self.api().create_secret(name, &text, tags).await?;
        Ok(Target { arn })
    }

    /// The executions of a target, the oldest first.
    pub(crate) async fn executions(&self, target: &Target) -> Result<Vec<Execution>> {
        // Start and digest follow the readable part of a name.
        let name = execution::name(&target.arn, &TagHash::from(String::new()), Utc::now());
        let readable = &name[..name.len() - "20261122T080000Z-0123456789abcdef0123".len()];
        let mut found = Vec::new();
        for listed in self.api().list_executions(self.stack.state_machine()?).await? {
            if !listed.name.starts_with(readable) {
                continue;
            }
            let execution = self.api().describe_execution(&listed.arn).await?;
            if execution.input["resourceArn"] == target.arn.as_str() {
                found.push(execution);
            }
        }
        found.reverse();
        Ok(found)
    }

    /// Waits until the target has at least `count` executions.
    pub(crate) async fn wait_for_executions(
        &self,
        target: &Target,
        count: usize,
    ) -> Result<Vec<Execution>> {
        let begun = Instant::now();
        loop {
            let found = self.executions(target).await?;
            if found.len() >= count {
                return Ok(found);
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "{} has {} executions, not {count}",
                target.arn,
                found.len()
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Starts a run of the target now, with the hash of its tags as they are. All else is as
    /// the scanner does it.
    pub(crate) async fn run_now(&self, target: &Target) -> Result<Execution> {
        self.start_at(target, Utc::now()).await
    }

    /// Starts a run of the target at `when`; returns it while it waits.
    pub(crate) async fn start_at(&self, target: &Target, when: DateTime<Utc>) -> Result<Execution> {
        let hash = self.hash(target).await?;
        let name = execution::name(&target.arn, &hash, when);
        let input = ExecutionInput::new(&target.arn, hash, when, Size::Small);
        let machine = self.stack.state_machine()?;
        let arn = self.api().start_execution(machine, &name, &serde_json::to_value(input)?).await?;
        self.api().describe_execution(&arn).await
    }

    async fn hash(&self, target: &Target) -> Result<TagHash> {
        let secret = self.api().describe_secret(&target.arn).await?;
        let tags = secret["Tags"].as_array().into_iter().flatten();
        let text = |tag: &Value, key: &str| tag[key].as_str().unwrap_or_default().to_owned();
        let tags = tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
        Ok(TagHash::of(&TagPrefix::default(), &tags))
    }

    pub(crate) async fn end(&self, execution: &Execution) -> Result<Execution> {
        self.api().wait_for_end(&execution.arn, LIMIT).await
    }

    /// The end of an execution that is to succeed in `state`.
    pub(crate) async fn succeeds_in(
        &self,
        execution: &Execution,
        state: &str,
    ) -> Result<Execution> {
        let ended = self.end(execution).await?;
        let states = self.api().states_entered(&execution.arn).await?;
        ensure!(
            ended.status == "SUCCEEDED" && states.last().is_some_and(|last| last == state),
            "{} in {states:?}: {:?} {:?}",
            ended.status,
            ended.error,
            ended.cause
        );
        Ok(ended)
    }

    /// The end of an execution that is to fail in `state`; returns its cause, which has to
    /// hold all of `words`.
    pub(crate) async fn fails_in(
        &self,
        execution: &Execution,
        state: &str,
        words: &[&str],
    ) -> Result<String> {
        let ended = self.end(execution).await?;
        let states = self.api().states_entered(&execution.arn).await?;
        let cause = ended.cause.unwrap_or_default();
        ensure!(
            ended.status == "FAILED" && states.last().is_some_and(|last| last == state),
            "{} in {states:?}: {:?} {cause}",
            ended.status,
            ended.error
        );
        for word in words {
            ensure!(cause.contains(word), "the cause does not say {word:?}: {cause}");
        }
        Ok(cause)
    }

    /// The jobs of an execution.
    pub(crate) fn jobs_of(&self, execution: &Execution) -> Vec<JobView> {
        let ours =
            |job: &JobView| job.variable("AUTODUMP_EXECUTION_ARN") == Some(execution.arn.as_str());
        self.cloud.jobs().into_iter().filter(ours).collect()
    }

    /// Waits for the job of an execution to satisfy `condition`.
    pub(crate) async fn wait_for_job(
        &self,
        execution: &Execution,
        condition: impl Fn(&JobView) -> bool,
    ) -> Result<JobView> {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if let Some(job) = self.jobs_of(execution).into_iter().find(|job| condition(job)) {
                return Ok(job);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the job of {} did not come to that: {:?}", execution.name, self.jobs_of(execution))
    }

    /// What the attempts of an execution's job have logged, all together.
    pub(crate) fn job_log(&self, execution: &Execution) -> String {
        let attempts = self.jobs_of(execution).into_iter().flat_map(|job| job.attempts);
        attempts.filter_map(|attempt| std::fs::read_to_string(attempt.log).ok()).collect()
    }

    /// What the scanner has logged so far.
    pub(crate) fn scanner_log(&self) -> Result<String> {
        let functions = self.stack.of_type("AWS::Lambda::Function");
        let scanner = functions.iter().find(|name| name.contains("Scanner"));
        Ok(self.cloud.function_log(scanner.context("the stack has no scanner")?))
    }

    pub(crate) async fn objects(&self, target: &Target) -> Result<Vec<ObjectInfo>> {
        self.api().list_objects(self.bucket()?, &target.directory()).await
    }

    pub(crate) async fn manifests(&self, target: &Target) -> Result<Vec<Value>> {
        let mut manifests = Vec::new();
        for object in self.objects(target).await? {
            if object.key.ends_with("/manifest.json") {
                let bytes = self.api().get_object(self.bucket()?, &object.key).await?;
                manifests.push(serde_json::from_slice(&bytes)?);
            }
        }
        Ok(manifests)
    }

    /// Asserts that exactly one backup of the target exists, restores it with the stock
    /// `pg_restore`, and compares the contents with those of `database`.
    pub(crate) async fn one_backup_equals(&self, target: &Target, database: &str) -> Result<()> {
        let manifests = self.manifests(target).await?;
        let [manifest] = manifests.as_slice() else { bail!("{} manifests", manifests.len()) };
        let objects = self.objects(target).await?;
        ensure!(objects.len() == 2, "data and manifest, but nothing else: {objects:?}");
        let object = &manifest["objects"][0];
        let key = object["key"].as_str().context("no key in the manifest")?;
        let data = self.api().get_object(self.bucket()?, key).await?;
        ensure!(object["bytes"] == data.len(), "{object}: {} bytes", data.len());
        ensure!(object["sha256"] == hex::encode(Sha256::digest(&data)), "SHA-256 of {object}");
        let archive = tempfile::NamedTempFile::new()?;
        std::fs::write(archive.path(), &data)?;
        let restored = format!("{database} restored");
        compare::restore(&self.server, archive.path(), &restored)?;
        let source = compare::fingerprint(&self.server, database)?;
        compare::assert_equal(&source, &compare::fingerprint(&self.server, &restored)?)
    }

    /// After a failure: no manifest, no data object, no open upload; the next run waits.
    pub(crate) async fn nothing_is_left_but_the_next_run(&self, target: &Target) -> Result<()> {
        self.nothing_is_left(target).await?;
        self.next_run_waits(target).await
    }

    pub(crate) async fn nothing_is_left(&self, target: &Target) -> Result<()> {
        let objects = self.objects(target).await?;
        ensure!(objects.is_empty(), "left behind: {objects:?}");
        let uploads = self.api().open_uploads(self.bucket()?, &target.directory()).await?;
        ensure!(uploads.is_empty(), "open uploads: {uploads:?}");
        Ok(())
    }

    pub(crate) async fn next_run_waits(&self, target: &Target) -> Result<()> {
        let executions = self.executions(target).await?;
        let waits = |execution: &Execution| {
            let when = execution.input["when"].as_str().and_then(|when| when.parse().ok());
            !execution.has_ended() && when.is_some_and(|when: DateTime<Utc>| when > Utc::now())
        };
        ensure!(executions.iter().any(waits), "no next run waits: {executions:?}");
        Ok(())
    }

    /// A secret's value for this server's `database`, as its superuser.
    pub(crate) fn value(&self, database: &str) -> Value {
        json!({
            "engine": "postgres", "endpoint": "localhost", "port": self.server.port(),
            "databasename": database, "username": "postgres", "password": "local",
        })
    }
}

/// A tagged secret.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) arn: String,
}

impl Target {
    /// Where its backups lie.
    pub(crate) fn directory(&self) -> String {
        format!("postgres/{}/", layout::target_directory(&self.arn))
    }
}

/// Makes a database with the demo's content, `scale` times 250 MB of it.
pub(crate) fn make_database(server: &Postgres, name: &str, scale: &str) -> Result<()> {
    server.sql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/demo.sql");
    let script = script.to_str().context("the path of the checkout is no UTF-8")?;
    server.psql(name, ["--output=/dev/null", &format!("--set=scale={scale}"), "--file", script])?;
    Ok(())
}

/// A database whose dump has several parts: 40 MB that do not compress.
pub(crate) fn make_large_database(server: &Postgres, name: &str) -> Result<()> {
    server.sql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
    server.sql(
        name,
        "CREATE TABLE noise AS SELECT n, decode(string_agg(md5(random()::text), ''), 'hex') AS b \
         FROM generate_series(1, 400) AS n, generate_series(1, 6400) AS k GROUP BY n",
    )?;
    Ok(())
}
