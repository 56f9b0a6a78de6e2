//! The backups of one execution, verified.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use autodump_aws::config;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_core::pages::Pages;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::secret::EngineName;
use autodump_core::table::planner;
use autodump_core::tags::Kind;
use autodump_core::verification::Verification;
use autodump_core::{Error, ErrorClass, Result, layout};
use autodump_dump::object::{AnyManifest, read_any_manifest};
use autodump_dump::verify::{self, Verify, table, write_result};

use crate::engines;
use crate::environment::Variables;
use crate::environment::verify::Environment;
use crate::processors;
use crate::stop::or_stopped;

pub(crate) async fn run(
    variables: &Variables<'_>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let environment = Environment::read(variables)?;
    let config = config::load().await?;
    let store = S3Store::new(&config, environment.store_options.clone());
    let backups = or_stopped(stop.as_mut(), find(&store, &environment)).await?;
    let mut outcome = Outcome::default();
    for manifest in backups {
        match verified(&environment, &store, &manifest, stop.as_mut()).await {
            Ok(verification) => {
                log(&verification);
                if !verification.passed {
                    outcome.failed.push(verification.manifest.clone());
                }
                let written = write_result(&store, &manifest, &verification).await;
                outcome.note(written.map(drop), "the result of a verification was not written");
            }
            Err(error) if error.class() == ErrorClass::Interrupted => return Err(error),
            Err(error) => outcome.note(Err(error), "a backup could not be verified"),
        }
    }
    outcome.result()
}

async fn verified(
    environment: &Environment,
    store: &S3Store,
    manifest: &ObjectLocation,
    stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<Verification> {
    let (reader, manifest, level) = (store.clone(), manifest.clone(), environment.level);
    let jobs = u16::try_from(processors()).unwrap_or(u16::MAX).clamp(2, 16);
    let now = || SystemTime::now().into();
    if environment.is_of_table() {
        return table::run(&table::Verify { reader, manifest, level, jobs, now }, stop).await;
    }
    let bin = environment.postgres_bin.as_deref();
    // No certificate is checked: the only server is one of our own, on loopback.
    let engines = &engines::installed(bin, None, "", &environment.scratch);
    let server = None::<Arc<Access>>;
    let verify = Verify { engines, reader, manifest, level, server, jobs, now };
    verify::run(&verify, stop).await
}

/// The manifests of this execution. One that cannot be read is among them: whose it is, nobody
/// knows, but it is of this target's run, and a backup is damaged. The buckets that cannot be
/// looked at matter only if there is none elsewhere.
async fn find<R: ObjectReader>(
    store: &R,
    environment: &Environment,
) -> Result<Vec<ObjectLocation>> {
    let execution_arn = &environment.execution_arn;
    let prefixes = environment.runs();
    let mut found = Vec::new();
    let mut failure = None;
    for bucket in &environment.buckets {
        match manifests(store, bucket, &prefixes, execution_arn).await {
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
                "there is no backup of execution {execution_arn} below {} in {}",
                prefixes.join(" and "),
                environment.buckets.join(", ")
            ),
            "Look at the log of the dump, and at what deletes from the bucket",
        )),
    }
}

async fn manifests<R: ObjectReader>(
    store: &R,
    bucket: &str,
    prefixes: &[String],
    execution_arn: &str,
) -> Result<Vec<ObjectLocation>> {
    let mut found = Vec::new();
    let mut manifests = Vec::new();
    for prefix in prefixes {
        let mut pages = Pages::of(store, bucket, prefix);
        while let Some(page) = pages.next().await? {
            manifests.extend(page.into_iter().filter(|listed| is_manifest(&listed.key, prefix)));
        }
    }
    for listed in manifests {
        let location = ObjectLocation { bucket: bucket.to_owned(), key: listed.key };
        match read_any_manifest(store, &location).await.map(execution) {
            Ok(execution) if execution != execution_arn => {}
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

fn execution(manifest: AnyManifest) -> String {
    match manifest {
        AnyManifest::Database(manifest) => manifest.execution_arn,
        AnyManifest::Table(manifest) => manifest.execution_arn,
    }
}

impl Environment {
    fn is_of_table(&self) -> bool {
        Kind::of(&self.resource_arn) == Some(Kind::Table)
    }

    /// What the directories of all attempts of the run begin with. All attempts at a table share
    /// one. Of which engine a database is, its secret alone says, which is not read here.
    fn runs(&self) -> Vec<String> {
        let Self { resource_arn, start, execution_arn, .. } = self;
        if self.is_of_table() {
            return vec![planner::directory(resource_arn, *start, execution_arn)];
        }
        let of_engine = |engine: EngineName| {
            let any = layout::run_directory(engine.as_str(), resource_arn, *start, "");
            any.rsplit_once('-').map_or_else(String::new, |(run, _)| format!("{run}-"))
        };
        EngineName::ALL.into_iter().map(of_engine).collect()
    }
}

fn is_manifest(key: &str, prefix: &str) -> bool {
    let Some(rest) = key.strip_prefix(prefix) else { return false };
    let name = if prefix.ends_with('/') { Some(rest) } else { rest.split_once('/').map(|r| r.1) };
    name == Some(layout::MANIFEST)
}

fn log(verification: &Verification) {
    let Verification { manifest, level, passed, seen, .. } = verification;
    let problems = serde_json::to_string(&verification.problems).unwrap_or_default();
    let unchecked = serde_json::to_string(&verification.unchecked).unwrap_or_default();
    let seconds = (verification.finished_at - verification.started_at).num_seconds();
    tracing::info!(
        manifest,
        %level,
        passed,
        problems,
        unchecked,
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
