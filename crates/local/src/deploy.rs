//! Deployment of the synthesised stack with the CDK's own command, and what it made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::api::Api;
use crate::{ACCOUNT, REGION};

const STATE_MACHINE: &str = "AWS::StepFunctions::StateMachine";
/// What is in the logical ids of the state machines that are not that of dumps.
const RESTORES: &str = "RestoreStateMachine";
const UNDOES: &str = "UndoStateMachine";
const CONVERSIONS: &str = "CsvStateMachine";

/// What a deployment made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its outputs by name.
    pub outputs: BTreeMap<String, String>,
    resources: Vec<(String, String, String)>,
}

impl Stack {
    /// The physical ids of all resources of a type, such as `AWS::StepFunctions::StateMachine`.
    #[must_use]
    pub fn of_type(&self, kind: &str) -> Vec<&str> {
        let fits = self.resources.iter().filter(|(_, known, _)| known == kind);
        fits.map(|(_, _, physical)| physical.as_str()).collect()
    }

    /// The physical id of the only resource of a type.
    pub fn the(&self, kind: &str) -> Result<&str> {
        match self.of_type(kind).as_slice() {
            [only] => Ok(only),
            all => Err(anyhow!(
                "the stack {} has {} resources of type {kind}, not one",
                self.name,
                all.len()
            )),
        }
    }

    /// The ARN of the state machine of dumps: the one that is none of the others.
    pub fn state_machine(&self) -> Result<&str> {
        let others = [RESTORES, UNDOES, CONVERSIONS];
        self.machine("dumps", |logical| !others.iter().any(|name| logical.contains(name)))
    }

    /// The ARN of the state machine of restores.
    pub fn restore_state_machine(&self) -> Result<&str> {
        self.machine("restores", |logical| logical.contains(RESTORES))
    }

    /// The ARN of the state machine that removes what stopped runs of snapshots have left.
    pub fn undo_state_machine(&self) -> Result<&str> {
        self.machine("undoing", |logical| logical.contains(UNDOES))
    }

    /// The ARN of the state machine that makes CSV of exports.
    pub fn csv_state_machine(&self) -> Result<&str> {
        self.machine("conversions", |logical| logical.contains(CONVERSIONS))
    }

    /// The only one whose logical id fits.
    fn machine(&self, of: &str, fits: impl Fn(&str) -> bool) -> Result<&str> {
        let fitting =
            |(logical, kind, _): &&(String, String, String)| kind == STATE_MACHINE && fits(logical);
        let found: Vec<_> = self.resources.iter().filter(fitting).collect();
        let [(_, _, arn)] = found.as_slice() else {
            bail!("the stack {} has {} state machines of {of}, not one", self.name, found.len());
        };
        Ok(arn)
    }

    /// The name of the bucket that backups go to.
    pub fn bucket(&self) -> Result<&str> {
        self.the("AWS::S3::Bucket")
    }
}

/// The bucket that the CDK puts assets into.
pub(crate) fn asset_bucket() -> String {
    format!("cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")
}

/// Makes what `cdk bootstrap` would have made, as far as a deployment looks at it.
pub(crate) async fn bootstrap(api: &Api) -> Result<()> {
    api.create_bucket(&asset_bucket()).await?;
    let parameter =
        json!({"Name": "/cdk-bootstrap/hnb659fds/version", "Type": "String", "Value": "30"});
    api.call("AmazonSSM.PutParameter", &parameter).await.map(drop)
}

/// Deploys the one stack of a synthesised app.
pub(crate) async fn with_cdk(
    api: &Api,
    port: u16,
    project: &Path,
    cdk_out: &Path,
    logs: &Path,
) -> Result<Stack> {
    let name = stack_name(cdk_out)?;
    let cdk = cdk_program(project)?;
    let log_path = logs.join("cdk.log");
    let log = std::fs::File::create(&log_path)?;
    let mut command = Command::new(cdk);
    command
        .arg("deploy")
        .arg("--app")
        .arg(cdk_out)
        .args(["--require-approval", "never", "--no-notices", "--progress", "events", "--all"])
        // Not 127.0.0.1: the bucket goes before the name.
        .env("AWS_ENDPOINT_URL", format!("http://localhost:{port}"))
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("CDK_DISABLE_VERSION_CHECK", "1")
        .env_remove("AWS_PROFILE")
        .current_dir(project)
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let status = command.status().await?;
    if !status.success() {
        let text = std::fs::read_to_string(&log_path).unwrap_or_default();
        bail!("cdk deploy of {} failed ({status}):\n{text}", cdk_out.display());
    }
    describe(api, &name).await
}

/// What a deployed stack consists of.
pub(crate) async fn describe(api: &Api, name: &str) -> Result<Stack> {
    let outputs = api.stack_outputs(name).await?.into_iter().collect();
    let resources = api.stack_resources(name).await?;
    Ok(Stack { name: name.to_owned(), outputs, resources })
}

fn cdk_program(project: &Path) -> Result<PathBuf> {
    let program = project.join("node_modules/.bin/cdk");
    if !program.exists() {
        bail!("{} is missing: run `pnpm install` in {}", program.display(), project.display());
    }
    Ok(program)
}

/// The name of the only stack in a cloud assembly.
fn stack_name(cdk_out: &Path) -> Result<String> {
    let path = cdk_out.join("manifest.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("{} is no synthesised app: {} is missing", cdk_out.display(), path.display())
    })?;
    let manifest: Value = serde_json::from_str(&text)?;
    let artifacts = manifest["artifacts"].as_object().cloned().unwrap_or_default();
    let mut stacks =
        artifacts.iter().filter(|(_, artifact)| artifact["type"] == "aws:cloudformation:stack");
    match (stacks.next(), stacks.next()) {
        (Some((id, artifact)), None) => {
            Ok(artifact["properties"]["stackName"].as_str().unwrap_or(id).to_owned())
        }
        (None, _) => bail!("{} holds no stack", cdk_out.display()),
        _ => bail!("{} holds more than one stack; the local cloud deploys one", cdk_out.display()),
    }
}
