//! The synthesised app that the local cloud deploys, and the built parts that it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::postgres::Postgres;

/// The context of the local stack. Nothing is looked up, so any VPC will do; the image is
/// never pulled, as jobs run as processes.
const CONTEXT: [&str; 10] = [
    "vpcId=vpc-0123456789abcdef0",
    "privateSubnetIds=subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "availabilityZones=us-east-1a,us-east-1b",
    "bucketName=autodump-local",
    "image=autodump.local/dumper:1",
    "scanIntervalMinutes=1",
    "snapshots=true",
    "csvBucketName=autodump-local-csv",
    // So a table that is still quick to make is large.
    "csvFunctionLimitMebibytes=1",
    SOURCES,
];

/// Another region, in which another account shows its tables by a role. Neither has to exist.
const SOURCES: &str = r#"sources=[{"region":"eu-west-1","roleArn":"arn:aws:iam::222233334444:role/AutoDumpSource","externalId":"local-cloud"}]"#;

/// This machine's name in the folders of built parts.
#[must_use]
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// The dumper that ships. An error says how to build it.
pub fn dumper(project: &Path) -> Result<PathBuf> {
    built(project, &format!("batch-image/bin/{}/dumper", architecture()))
}

/// What the image would hold for jobs that reach this server: the certificates that they trust, and
/// the programs of PostgreSQL.
#[must_use]
pub fn job_environment(server: &Postgres) -> Vec<(String, String)> {
    let mut directories = vec![server.bin(), server.clients()];
    directories.dedup();
    let directories: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
    let programs = ("AUTODUMP_POSTGRES_BIN".to_owned(), directories.join(":"));
    let bundle = server.ca_bundle();
    let bundle = bundle.map(|path| ("AUTODUMP_CA_BUNDLE".to_owned(), path.display().to_string()));
    bundle.into_iter().chain([programs]).collect()
}

/// Synthesises the deployable app with the functions that ship into a folder of its own, which
/// goes when it is dropped. Takes some seconds.
pub fn synthesise(project: &Path) -> Result<TempDir> {
    for function in functions(project)? {
        built(project, &format!("assets/{}/{function}.zip", architecture()))?;
    }
    let cdk = project.join("node_modules/.bin/cdk");
    if !cdk.exists() {
        bail!("no {}: run pnpm install", cdk.display());
    }
    let output = tempfile::Builder::new().prefix("autodump-cdk-out-").tempdir()?;
    let mut command = Command::new(cdk);
    command.current_dir(project).args(["synth", "--quiet", "--output"]).arg(output.path());
    command.args(["-c", &format!("architecture={}", architecture())]);
    for setting in CONTEXT {
        command.args(["-c", setting]);
    }
    let done = command.output().context("cannot run cdk synth")?;
    if !done.status.success() {
        bail!("cdk synth failed: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(output)
}

/// The names of the functions: those of the binaries of `handlers`.
fn functions(project: &Path) -> Result<Vec<String>> {
    let directory = project.join("handlers/src/bin");
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        names.push(name.with_context(|| format!("no binary: {}", path.display()))?.to_owned());
    }
    names.sort();
    Ok(names)
}

fn built(project: &Path, part: &str) -> Result<PathBuf> {
    let path = project.join(part);
    if !path.exists() {
        bail!("no {}: run scripts/build-assets", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::functions;

    #[test]
    fn every_binary_of_the_handlers_is_a_function() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let found = functions(&project).expect("the handlers are there");
        assert!(found.iter().any(|name| name == "scanner"), "{found:?}");
        assert!(found.iter().any(|name| name == "hash"), "{found:?}");
    }
}
