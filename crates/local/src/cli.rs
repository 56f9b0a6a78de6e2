//! The command line: `up`, and a few calls to a cloud that is up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use autodump_local::api::Api;
use autodump_local::postgres::{self, Postgres};
use autodump_local::say::{progress, result};
use autodump_local::{LocalCloud, Options, REGION, Stack, assembly};
use chrono::Utc;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// The port that `up` takes and the other commands look at, unless told otherwise.
const PORT: u16 = 4599;

/// The local cloud: the real stack, functions and dumper on this machine, without an AWS account.
#[derive(Debug, Parser)]
#[command(name = "autodump-local", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the cloud, deploys the stack, and runs until Ctrl-C. Nothing is left running
    /// afterwards.
    Up(Up),
    /// Creates, tags, untags or deletes a secret in a running cloud.
    Secret {
        /// The port of the running cloud.
        #[arg(long, global = true, default_value_t = PORT)]
        port: u16,
        #[command(subcommand)]
        action: SecretAction,
    },
    /// Lists the executions of the stack's state machine, the newest first.
    Executions {
        /// The port of the running cloud.
        #[arg(long, default_value_t = PORT)]
        port: u16,
        /// The ARN of the state machine, as `up` prints it.
        state_machine: String,
    },
    /// Restores a backup, and waits for the end.
    Restore(Restore),
    /// Fires the periodic scan of a running cloud now.
    Scan {
        /// The port of the running cloud.
        #[arg(long, default_value_t = PORT)]
        port: u16,
    },
}

#[derive(Debug, Args)]
struct Up {
    /// The port of the endpoint.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The dumper; the one of scripts/build-assets when absent.
    #[arg(long)]
    dumper: Option<PathBuf>,
    /// Starts a private PostgreSQL too.
    #[arg(long)]
    postgres: bool,
    /// Where logs and unpacked functions go, and stay; a temporary directory when absent.
    #[arg(long)]
    work: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Restore {
    /// The port of the running cloud.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The ARN of the state machine of restores, as `up` prints it.
    state_machine: String,
    /// The URL of the backup's manifest.
    #[arg(long)]
    manifest: String,
    /// The name or ARN of the secret of the database to restore into.
    #[arg(long)]
    to: String,
    /// Options in JSON, as docs/restore.md has them.
    #[arg(long, default_value = "{}")]
    options: String,
}

#[derive(Debug, Subcommand)]
enum SecretAction {
    /// Creates a secret.
    Put {
        /// Its name.
        #[arg(long)]
        name: String,
        /// A file with its value, JSON as the dumper reads it.
        #[arg(long)]
        value_file: PathBuf,
        /// Tags of the form key=value.
        #[arg(long = "tag")]
        tags: Vec<String>,
    },
    /// Sets tags of a secret.
    Tag {
        /// Its name or ARN.
        #[arg(long)]
        name: String,
        /// Tags of the form key=value.
        #[arg(long = "tag", required = true)]
        tags: Vec<String>,
    },
    /// Removes tags from a secret.
    Untag {
        /// Its name or ARN.
        #[arg(long)]
        name: String,
        /// Names of tags.
        #[arg(long = "tag", required = true)]
        tags: Vec<String>,
    },
    /// Deletes a secret at once.
    Delete {
        /// Its name or ARN.
        #[arg(long)]
        name: String,
    },
}

/// Runs one command to its end.
pub(crate) fn run(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(up) => run_up(up).await,
            Command::Secret { port, action } => change_secret(&api(port), action).await,
            Command::Executions { port, state_machine } => {
                list_executions(&api(port), &state_machine).await
            }
            Command::Restore(restore) => start_restore(restore).await,
            Command::Scan { port } => {
                let answer =
                    api(port).rest("local", hyper::Method::POST, "/_autodump/fire", None).await?;
                result(&answer.to_string());
                Ok(())
            }
        }
    })
}

fn api(port: u16) -> Api {
    Api::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

async fn run_up(up: Up) -> Result<()> {
    let mut options = Options { port: Some(up.port), work: up.work, ..Options::new() };
    let dumper = match up.dumper {
        Some(path) => {
            path.canonicalize().with_context(|| format!("no dumper at {}", path.display()))?
        }
        None => assembly::dumper(&options.project)?,
    };
    options.dumper = Some(dumper);
    let server =
        if up.postgres { Some(Postgres::start(&postgres::Options::default())?) } else { None };
    options.job_environment = server.as_ref().map(assembly::job_environment).unwrap_or_default();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let started = async {
        progress("synthesising the stack");
        let cdk_out = assembly::synthesise(&options.project)?;
        let cloud = LocalCloud::start(options).await?;
        progress("deploying the stack");
        let stack = cloud.deploy(cdk_out.path()).await?;
        anyhow::Ok((cloud, stack))
    };
    let (cloud, stack) = tokio::select! {
        started = started => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    describe(&cloud, &stack, up.port, server.as_ref())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    progress("stopping");
    cloud.stop().await;
    Ok(())
}

fn describe(cloud: &LocalCloud, stack: &Stack, port: u16, server: Option<&Postgres>) -> Result<()> {
    result(&format!("endpoint       {}", cloud.endpoint()));
    result(&format!("region         {REGION}"));
    result(&format!("bucket         {}", stack.bucket()?));
    result(&format!("state machine  {}", stack.state_machine()?));
    result(&format!("restores       {}", stack.restore_state_machine()?));
    result(&format!("logs           {}", cloud.logs().display()));
    if let Some(server) = server {
        result(&format!(
            "postgres       127.0.0.1:{}, user postgres, password local",
            server.port()
        ));
    }
    explain(port, server.map_or(5432, Postgres::port), &cloud.endpoint(), stack)
}

/// Prints the commands that create and tag a secret, and those that show what comes of it.
fn explain(port: u16, database: u16, endpoint: &str, stack: &Stack) -> Result<()> {
    let (machine, bucket) = (stack.state_machine()?, stack.bucket()?);
    let restores = stack.restore_state_machine()?;
    result(&format!(
        r#"
Tag a secret, and its database is dumped at the next full minute:

  cat > secret.json <<'END'
  {{"engine": "postgres", "endpoint": "127.0.0.1", "port": {database}, "databasename": "postgres",
   "username": "postgres", "password": "local", "sslmode": "disable"}}
  END
  cargo run -p autodump-local -- secret put --port {port} --name demo/app \
    --value-file secret.json --tag 'autodump:start-schedule=- - - - -'

See what it does, and what it made:

  cargo run -p autodump-local -- executions --port {port} {machine}
  curl -s '{endpoint}/{bucket}?list-type=2'

Restore it into another database, one whose secret says that it may be:

  createdb --host 127.0.0.1 --port {database} --username postgres restored
  sed 's/"databasename": "postgres"/"databasename": "restored"/' secret.json > restored.json
  cargo run -p autodump-local -- secret put --port {port} --name demo/restored \
    --value-file restored.json --tag autodump:restore-target=yes
  cargo run -p autodump-local -- restore --port {port} {restores} \
    --manifest s3://{bucket}/postgres/…/manifest.json --to demo/restored

With the tag autodump:verify=restore, each backup is restored in a server of its own and compared;
what was found lies beside its manifest.

Stop it again:

  cargo run -p autodump-local -- secret untag --port {port} --name demo/app \
    --tag autodump:start-schedule

Any AWS client works too, with AWS_ENDPOINT_URL={endpoint}, AWS_REGION={REGION}
and any credentials. Ctrl-C ends the local cloud."#
    ));
    Ok(())
}

async fn change_secret(api: &Api, action: SecretAction) -> Result<()> {
    match action {
        SecretAction::Put { name, value_file, tags } => {
            let value = std::fs::read_to_string(&value_file)
                .with_context(|| format!("cannot read {}", value_file.display()))?;
            let arn = api.create_secret(&name, value.trim_end(), &pairs(&tags)?).await?;
            result(&arn);
            Ok(())
        }
        SecretAction::Tag { name, tags } => api.tag_secret(&name, &pairs(&tags)?).await,
        SecretAction::Untag { name, tags } => {
            let keys: Vec<&str> = tags.iter().map(String::as_str).collect();
            api.untag_secret(&name, &keys).await
        }
        SecretAction::Delete { name } => api.delete_secret(&name, true).await,
    }
}

/// How long a restore may take.
const RESTORE_LIMIT: Duration = Duration::from_hours(1);

async fn start_restore(restore: Restore) -> Result<()> {
    let options: Value = serde_json::from_str(&restore.options)
        .with_context(|| format!("the options {:?} are no JSON", restore.options))?;
    let input = json!({"manifest": restore.manifest, "to": restore.to, "options": options});
    let name = format!("restore-{}", Utc::now().format("%Y%m%dT%H%M%S%3fZ"));
    let api = api(restore.port);
    let arn = api.start_execution(&restore.state_machine, &name, &input).await?;
    progress(&format!("{name} runs"));
    let ended = api.wait_for_end(&arn, RESTORE_LIMIT).await?;
    if ended.status != "SUCCEEDED" {
        bail!("{name}: {} {}", ended.error.unwrap_or_default(), ended.cause.unwrap_or_default());
    }
    result("restored");
    Ok(())
}

fn pairs(tags: &[String]) -> Result<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    for tag in tags {
        let pair = tag.split_once('=');
        all.push(pair.with_context(|| format!("the tag {tag:?} must be of the form key=value"))?);
    }
    Ok(all)
}

async fn list_executions(api: &Api, machine: &str) -> Result<()> {
    for execution in api.list_executions(machine).await? {
        result(&format!("{:<10} {}", execution.status, execution.name));
    }
    Ok(())
}
