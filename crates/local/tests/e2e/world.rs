//! What the cases share, and what each of them says in one line.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use autodump_core::execution::{self, ExecutionInput};
use autodump_core::hash::TagHash;
use autodump_core::layout;
use autodump_core::tags::{self, Kind, Size, TagPrefix};
use autodump_core::verification::Level;
use autodump_local::api::{Api, Execution};
use autodump_local::mongodb::Mongodb;
use autodump_local::postgres::{self, Postgres};
use autodump_local::{JobView, LocalCloud, Options, Stack, assembly};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{OnceCell, RwLock};

use crate::databases::make_database;

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
/// What state machines wait at most between looks at what takes minutes on AWS.
const LONGEST_WAIT: Duration = Duration::from_millis(1500);
/// A schedule that does not come while the tests run.
pub(crate) const FAR: &str = "17 4 1 1 -";
/// The tag that makes a target.
pub(crate) const SCHEDULE: &str = "autodump:start-schedule";

/// One cloud with the deployed stack, and one PostgreSQL with TLS; beside it one server of MongoDB's
/// protocol, where it can be had.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cloud: LocalCloud,
    pub(crate) stack: Stack,
    pub(crate) server: Postgres,
    pub(crate) mongodb: Option<Mongodb>,
    /// Where stock `mongorestore` restores into, once a case wants it.
    pub(crate) other_mongodb: OnceCell<Option<Mongodb>>,
    /// The authorities that jobs trust.
    _trusted: TempDir,
    /// Whoever changes what concerns all databases of RDS takes it alone.
    pub(crate) rds: RwLock<()>,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let mut options = Options::new();
        let project = options.project.clone();
        let cdk_out = assembly::synthesise(&project)?;
        options.dumper = Some(assembly::dumper(&project)?);
        let server =
            Postgres::start(&postgres::Options { tls: true, ..postgres::Options::default() })?;
        let mongodb = Mongodb::start(true)?;
        let trusted = tempfile::tempdir()?;
        options.job_environment = job_environment(&server, mongodb.as_ref(), &trusted)?;
        options.most_jobs = 6;
        options.longest_wait = Some(LONGEST_WAIT);
        let cloud = LocalCloud::start(options).await?;
        let stack = cloud.deploy(cdk_out.path()).await?;
        let (other_mongodb, rds) = (OnceCell::new(), RwLock::default());
        Ok(Self { cloud, stack, server, mongodb, other_mongodb, _trusted: trusted, rds })
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
        let engine = if value["engine"] == "mongodb" { "mongodb" } else { "postgres" };
        Ok(Target { engine, ..Target::of(arn) })
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

    /// Starts a run of the target now, with the input that its tags as they are ask for. All
    /// else is as the scanner does it.
    pub(crate) async fn run_now(&self, target: &Target) -> Result<Execution> {
        self.start_at(target, Utc::now()).await
    }

    /// Starts a run of the target at `when`; returns it while it waits.
    pub(crate) async fn start_at(&self, target: &Target, when: DateTime<Utc>) -> Result<Execution> {
        let (prefix, tags) = (TagPrefix::default(), self.tags(target).await?);
        let hash = TagHash::of(&prefix, &tags);
        let kind = Kind::of(&target.arn).context("a target of no kind")?;
        let (size, verify) = match tags::parse(&prefix, kind, &tags) {
            Some(Ok(spec)) => (spec.size, spec.verification_of(when)),
            _ => (Size::Small, Level::None),
        };
        let name = execution::name(&target.arn, &hash, when);
        let input = ExecutionInput::new(&target.arn, hash, when, size, verify);
        let machine = self.stack.state_machine()?;
        let arn = self.api().start_execution(machine, &name, &serde_json::to_value(input)?).await?;
        self.api().describe_execution(&arn).await
    }

    async fn tags(&self, target: &Target) -> Result<BTreeMap<String, String>> {
        if target.is_database() {
            return self.tables_of(target).await?.database_tags(&target.arn).await;
        }
        let described = if target.is_table() {
            let asked = json!({"ResourceArn": target.arn});
            self.tables_of(target)
                .await?
                .call("DynamoDB_20120810.ListTagsOfResource", &asked)
                .await?
        } else {
            self.api().describe_secret(&target.arn).await?
        };
        let tags = described["Tags"].as_array().into_iter().flatten();
        let text = |tag: &Value, key: &str| tag[key].as_str().unwrap_or_default().to_owned();
        Ok(tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect())
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
            "{} in {states:?}: {:?} {:?}\n{}{}",
            ended.status,
            ended.error,
            ended.cause,
            self.job_log(execution),
            self.verification_log(execution)
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

    /// The dump of an execution, or the restore: a job named as the execution.
    pub(crate) fn jobs_of(&self, execution: &Execution) -> Vec<JobView> {
        self.jobs_named(&execution.name)
    }

    /// The verification of an execution.
    pub(crate) fn verifications_of(&self, execution: &Execution) -> Vec<JobView> {
        self.jobs_named(&format!("{}-verify", execution.name))
    }

    fn jobs_named(&self, name: &str) -> Vec<JobView> {
        self.cloud.jobs().into_iter().filter(|job| job.name == name).collect()
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
        logged(self.jobs_of(execution))
    }

    /// What the attempts of an execution's verification have logged.
    pub(crate) fn verification_log(&self, execution: &Execution) -> String {
        logged(self.verifications_of(execution))
    }

    /// What the scanner has logged so far.
    pub(crate) fn scanner_log(&self) -> Result<String> {
        let functions = self.stack.of_type("AWS::Lambda::Function");
        let scanner = functions.iter().find(|name| name.contains("Scanner"));
        Ok(self.cloud.function_log(scanner.context("the stack has no scanner")?))
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

/// A tagged secret, table or database of RDS.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) arn: String,
    engine: &'static str,
}

impl Target {
    /// What this ARN is of; of a secret it is taken to be one of PostgreSQL.
    pub(crate) fn of(arn: impl Into<String>) -> Self {
        let arn = arn.into();
        let engine = match Kind::of(&arn) {
            Some(Kind::Table) => "dynamodb",
            Some(Kind::Database) => "rds",
            _ => "postgres",
        };
        Self { arn, engine }
    }

    /// Where its backups lie.
    pub(crate) fn directory(&self) -> String {
        format!("{}/{}/", self.engine, layout::target_directory(&self.arn))
    }

    pub(crate) fn is_table(&self) -> bool {
        Kind::of(&self.arn) == Some(Kind::Table)
    }

    pub(crate) fn is_database(&self) -> bool {
        Kind::of(&self.arn) == Some(Kind::Database)
    }
}

/// What the image would hold for jobs that reach both servers.
fn job_environment(
    server: &Postgres,
    mongodb: Option<&Mongodb>,
    trusted: &TempDir,
) -> Result<Vec<(String, String)>> {
    let mut all = assembly::job_environment(server);
    let Some(mongodb) = mongodb else { return Ok(all) };
    let bundle = server.ca_bundle().context("no authority of PostgreSQL")?;
    let mut authorities = std::fs::read_to_string(bundle)?;
    authorities.push_str(mongodb.ca_pem().context("no authority of MongoDB's server")?);
    let bundle = trusted.path().join("bundle.pem");
    std::fs::write(&bundle, authorities)?;
    all.retain(|(name, _)| name != "AUTODUMP_CA_BUNDLE");
    all.push(("AUTODUMP_CA_BUNDLE".to_owned(), bundle.display().to_string()));
    all.push(("AUTODUMP_MONGODB_BIN".to_owned(), mongodb.programs().display().to_string()));
    Ok(all)
}

fn logged(jobs: Vec<JobView>) -> String {
    let attempts = jobs.into_iter().flat_map(|job| job.attempts);
    attempts.filter_map(|attempt| std::fs::read_to_string(attempt.log).ok()).collect()
}
