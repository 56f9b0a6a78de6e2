//! The backups of one execution, verified.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use autodump_aws::config;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::secret::EngineName;
use autodump_core::verification::Verification;
use autodump_core::{Error, ErrorClass, Result, layout};
use autodump_dump::engine::Postgres;
use autodump_dump::restore::read_manifest;
use autodump_dump::verify::{self, Verify, write_result};

use crate::environment::Variables;
use crate::environment::verify::Environment;
use crate::processors;
use crate::stop::or_stopped;

/// There is one engine, and none has servers of its own to verify against but this.
const ENGINE: EngineName = EngineName::Postgres;

pub(crate) async fn run(
    variables: &Variables<'_>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let environment = Environment::read(variables)?;
    let config = config::load().await?;
    let store = S3Store::new(&config, environment.store_options.clone());
    let backups = or_stopped(stop.as_mut(), find(&store, &environment)).await?;
    let bin = environment.postgres_bin.as_deref();
    // No certificate is checked: the only server is one of our own, on loopback.
    let postgres = Postgres::new(bin, "", &environment.scratch);
    let mut outcome = Outcome::default();
    for manifest in backups {
        let verify = Verify {
            postgres: &postgres,
            reader: store.clone(),
            manifest,
            level: environment.level,
            server: None::<Arc<Access>>,
            jobs: u16::try_from(processors()).unwrap_or(u16::MAX).clamp(2, 16),
            now: || SystemTime::now().into(),
        };
        match verify::run(&verify, stop.as_mut()).await {
            Ok(verification) => {
                log(&verification);
                if !verification.passed {
                    outcome.failed.push(verification.manifest.clone());
                }
                let written = write_result(&store, &verify.manifest, &verification).await;
                outcome.note(written.map(drop), "the result of a verification was not written");
            }
            Err(error) if error.class() == ErrorClass::Interrupted => return Err(error),
            Err(error) => outcome.note(Err(error), "a backup could not be verified"),
        }
    }
    outcome.result()
}

/// The manifests of this execution. One that cannot be read is among them: whose it is, nobody
/// knows, but it is of this target's run, and a backup is damaged. The buckets that cannot be
/// looked at matter only if there is none elsewhere.
async fn find<R: ObjectReader>(
    store: &R,
    environment: &Environment,
) -> Result<Vec<ObjectLocation>> {
    let Environment { resource_arn, start, execution_arn, .. } = environment;
    let prefix = runs(&layout::run_directory(ENGINE.as_str(), resource_arn, *start, ""));
    let mut found = Vec::new();
    let mut failure = None;
    for bucket in &environment.buckets {
        match manifests(store, bucket, &prefix, execution_arn).await {
            Ok(manifests) => found.extend(manifests),
            Err(error) => {
                tracing::warn!(bucket, what = error.what(), "this bucket cannot be looked at");
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        _ if !found.is_empty() => Ok(found),
        Some(error) => Err(error),
        None => Err(Error::new(
            ErrorClass::Verification,
            format!(
                "there is no backup of execution {execution_arn} below {prefix} in {}",
                environment.buckets.join(", ")
            ),
            "Look at the log of the dump, and at what deletes from the bucket",
        )),
    }
}

async fn manifests<R: ObjectReader>(
    store: &R,
    bucket: &str,
    prefix: &str,
    execution_arn: &str,
) -> Result<Vec<ObjectLocation>> {
    let mut found = Vec::new();
    for listed in store.list(bucket, prefix).await? {
        if !is_manifest(&listed.key, prefix) {
            continue;
        }
        let location = ObjectLocation { bucket: bucket.to_owned(), key: listed.key };
        match read_manifest(store, &location).await {
            Ok(manifest) if manifest.execution_arn != execution_arn => {}
            Ok(_) => found.push(location),
            Err(error) if error.class() == ErrorClass::Verification => {
                tracing::error!(what = error.what(), "a manifest of this start is broken");
                found.push(location);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What the directories of all attempts of a run begin with, from that of any attempt.
fn runs(directory: &str) -> String {
    directory.rsplit_once('-').map_or_else(String::new, |(run, _)| format!("{run}-"))
}

fn is_manifest(key: &str, prefix: &str) -> bool {
    let rest = key.strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, name)| name == layout::MANIFEST)
}

fn log(verification: &Verification) {
    let Verification { manifest, level, passed, seen, .. } = verification;
    let problems = serde_json::to_string(&verification.problems).unwrap_or_default();
    let seconds = (verification.finished_at - verification.started_at).num_seconds();
    tracing::info!(
        manifest,
        %level,
        passed,
        problems,
        objects = seen.objects,
        bytes = seen.bytes,
        tables = seen.tables,
        rows = seen.rows,
        restored_into = verification.restored_into,
        seconds,
        "verification complete"
    );
}

/// What came of all backups.
#[derive(Debug, Default)]
struct Outcome {
    /// Manifests of those that are not what they should be.
    failed: Vec<String>,
    /// The first thing that could not be done.
    error: Option<Error>,
}

impl Outcome {
    fn note(&mut self, done: Result<()>, failed: &str) {
        if let Err(error) = done {
            tracing::error!(class = %error.class(), what = error.what(), "{failed}");
            self.error.get_or_insert(error);
        }
    }

    /// A backup that is not what it should be is worse than anything that was not found out.
    fn result(self) -> Result<()> {
        if !self.failed.is_empty() {
            return Err(Error::new(
                ErrorClass::Verification,
                format!("not what its manifest says is {}", self.failed.join(" and ")),
                "Read the problems in verification-….json beside the manifest; use another backup, \
                 and find out what changed this one",
            ));
        }
        self.error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
