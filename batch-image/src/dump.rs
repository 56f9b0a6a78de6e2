//! From a tagged secret to a backup in a bucket.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use autodump_aws::config;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::hash::TagHash;
use autodump_core::ports::{DatabaseAccess, TargetSource};
use autodump_core::secret::SecretValue;
use autodump_core::tags::{DumpSpec, Kind, Options};
use autodump_core::{Error, ErrorClass, Result, tags};
use autodump_dump::run::{self, DumpJob, Settings};

use crate::engines;
use crate::environment::Variables;
use crate::environment::dump::Environment;
use crate::refusal;
use crate::stop::or_stopped;
use crate::table;

pub(crate) async fn run(
    variables: &Variables<'_>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let environment = Environment::read(variables)?;
    if Kind::of(&environment.resource_arn) == Some(Kind::Table) {
        return table::run(&environment, stop).await;
    }
    let config = config::load().await?;
    let secrets = Secrets::new(&config);
    let arn = environment.resource_arn.as_str();
    let access = Arc::new(Access::new(secrets.clone(), arn, config.clone()));
    let asking = async {
        let (spec, tag_hash) = asked(&secrets, &environment).await?;
        let secret = access.secret().await?;
        Ok((secret.engine, job(&spec, tag_hash, secret, &environment)?))
    };
    let (engine, job) = or_stopped(stop.as_mut(), asking).await?;
    let store = S3Store::new(&config, environment.store_options);
    let settings = Settings::new(|| SystemTime::now().into());
    let Environment { postgres_bin, mongodb_bin, ca_bundle, scratch, .. } = environment;
    let (postgres_bin, mongodb_bin) = (postgres_bin.as_deref(), mongodb_bin.as_deref());
    let engines = engines::installed(postgres_bin, mongodb_bin, ca_bundle, scratch);
    let engine = engines.of(engine);
    Box::pin(run::run(&engine, &store, &access, &job, &settings, stop)).await?;
    Ok(())
}

/// What the tags ask for. Tags that changed in the moments since the state machine looked at
/// them do not stop the dump, if they are still right: the manifest then has the hash of the
/// tags that were used.
async fn asked(secrets: &Secrets, environment: &Environment) -> Result<(DumpSpec, TagHash)> {
    let arn = &environment.resource_arn;
    let resource = secrets.find(arn).await.map_err(refused)?.ok_or_else(|| {
        wrong(format!("the secret {arn} is not there any more"), "Remove the run, or restore it")
    })?;
    let prefix = &environment.tag_prefix;
    let spec = match tags::parse(prefix, Kind::Secret, &resource.tags) {
        Some(Ok(spec)) => spec,
        Some(Err(reasons)) => {
            let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
            return Err(wrong(reasons.join("; "), "Correct the secret's tags"));
        }
        None => {
            let key = prefix.schedule_key();
            return Err(wrong(
                format!("the secret {arn} has no tag {key} any more"),
                "Tag it again",
            ));
        }
    };
    let tag_hash = TagHash::of(prefix, &resource.tags);
    if tag_hash != environment.tag_hash {
        tracing::warn!(
            planned = environment.tag_hash.as_str(),
            now = tag_hash.as_str(),
            "the tags changed after they were checked; dumping with the tags as they are now"
        );
    }
    Ok((spec, tag_hash))
}

/// Options of the tags and of the secret that the engine has not, or that do not go together,
/// are an error.
fn job(
    spec: &DumpSpec,
    tag_hash: TagHash,
    secret: SecretValue,
    environment: &Environment,
) -> Result<DumpJob> {
    let Options::Dump(options) = spec.options.clone() else {
        let what = format!("{} is no secret", environment.resource_arn);
        return Err(wrong(what, "Dump secrets alone"));
    };
    let options = options.or(secret.options.clone()).checked_for(secret.engine)?;
    if options.all_databases != Some(true) {
        secret.named_database()?;
    }
    Ok(DumpJob {
        resource_arn: environment.resource_arn.clone(),
        tag_hash,
        scheduled_for: environment.start,
        execution_arn: environment.execution_arn.clone(),
        job: environment.job.clone(),
        database: secret.database,
        verify: spec.verification_of(environment.start),
        options,
        bucket: secret.bucket.unwrap_or_else(|| environment.bucket.clone()),
        autodump_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The job's role may look at a secret only while it bears the schedule tag, so a secret
/// that lost its tag, or was deleted, is refused rather than missing.
fn refused(error: Error) -> Error {
    refusal::explained(
        error,
        "The schedule tag was removed meanwhile, or the secret was deleted, or its resource \
         policy or KMS key refuses the job's role",
    )
}

fn wrong(what: String, hint: &str) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}
