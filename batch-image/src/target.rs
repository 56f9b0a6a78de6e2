//! From a tagged secret to what is to be dumped.

use autodump_aws::secrets::Secrets;
use autodump_core::hash::TagHash;
use autodump_core::ports::{SecretReader, TargetSource};
use autodump_core::secret::SecretValue;
use autodump_core::{Error, ErrorClass, Result, tags};
use autodump_dump::run::DumpJob;

use crate::environment::Environment;

/// Reads tags and value of the secret. Tags that changed in the moments since the state
/// machine looked at them do not stop the dump, if they are still right: the manifest then
/// has the hash of the tags that were used.
pub(crate) async fn job(secrets: &Secrets, environment: &Environment) -> Result<DumpJob> {
    let arn = &environment.resource_arn;
    let resource = secrets.find(arn).await.map_err(refused)?.ok_or_else(|| {
        wrong(format!("the secret {arn} is not there any more"), "Remove the run, or restore it")
    })?;
    let prefix = &environment.tag_prefix;
    match tags::parse(prefix, &resource.tags) {
        Some(Ok(_)) => {}
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
    }
    let tag_hash = TagHash::of(prefix, &resource.tags);
    if tag_hash != environment.tag_hash {
        tracing::warn!(
            planned = environment.tag_hash.as_str(),
            now = tag_hash.as_str(),
            "the tags changed after they were checked; dumping with the tags as they are now"
        );
    }
    let secret = SecretValue::parse(&secrets.value(arn).await?)?;
    Ok(DumpJob {
        resource_arn: resource.arn,
        tag_hash,
        scheduled_for: environment.start,
        execution_arn: environment.execution_arn.clone(),
        job: environment.job.clone(),
        secret,
        bucket: environment.bucket.clone(),
        autodump_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The job's role may look at a secret only while it bears the schedule tag, so a secret
/// that lost its tag, or was deleted, is refused rather than missing.
fn refused(error: Error) -> Error {
    if error.class() != ErrorClass::Credentials {
        return error;
    }
    Error::new(
        error.class(),
        error.what(),
        "The schedule tag was removed meanwhile, or the secret was deleted, or its resource \
         policy or KMS key refuses the job's role",
    )
}

fn wrong(what: String, hint: &str) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}
