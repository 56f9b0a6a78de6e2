//! The environment of a job that dumps.

use std::path::PathBuf;

use autodump_aws::s3::Options;
use autodump_core::Result;
use autodump_core::hash::TagHash;
use autodump_core::manifest::Job;
use autodump_core::source::Source;
use autodump_core::tags::TagPrefix;
use chrono::{DateTime, Utc};

use super::{Variables, parsed};

/// The environment of one job.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) bucket: String,
    pub(crate) tag_prefix: TagPrefix,
    pub(crate) resource_arn: String,
    pub(crate) tag_hash: TagHash,
    pub(crate) start: DateTime<Utc>,
    pub(crate) execution_arn: String,
    pub(crate) job: Job,
    /// Which child of an array job this is.
    pub(crate) child: Option<u32>,
    pub(crate) sources: Vec<Source>,
    pub(crate) ca_bundle: PathBuf,
    pub(crate) postgres_bin: Option<String>,
    /// Where mongodump is; `None` in an image without it.
    pub(crate) mongodb_bin: Option<String>,
    pub(crate) scratch: PathBuf,
    pub(crate) store_options: Options,
}

impl Environment {
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        let [bucket, tag_prefix, resource_arn, tag_hash, start, execution_arn, id] = variables
            .all([
                "AUTODUMP_BUCKET",
                "AUTODUMP_TAG_PREFIX",
                "AUTODUMP_RESOURCE_ARN",
                "AUTODUMP_TAG_HASH",
                "AUTODUMP_START",
                "AUTODUMP_EXECUTION_ARN",
                "AWS_BATCH_JOB_ID",
            ])?;
        let attempt = variables.get("AWS_BATCH_JOB_ATTEMPT").unwrap_or_else(|| "1".to_owned());
        Ok(Self {
            tag_prefix: TagPrefix::new(&tag_prefix)?,
            resource_arn,
            tag_hash: TagHash::from(tag_hash),
            start: parsed("AUTODUMP_START", &start)?,
            execution_arn,
            child: variables
                .get("AWS_BATCH_JOB_ARRAY_INDEX")
                .map(|index| parsed("AWS_BATCH_JOB_ARRAY_INDEX", &index))
                .transpose()?,
            sources: variables.sources()?,
            job: Job { id, attempt: parsed("AWS_BATCH_JOB_ATTEMPT", &attempt)? },
            ca_bundle: variables.ca_bundle(),
            postgres_bin: variables.postgres_bin(),
            mongodb_bin: variables.mongodb_bin(),
            scratch: variables.scratch(),
            store_options: variables.store_options(&bucket),
            bucket,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodump_core::ErrorClass;

    use super::super::tests::{assert_names, assert_refused, read};
    use super::*;

    fn variables() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("AUTODUMP_BUCKET", "backups"),
            ("AUTODUMP_TAG_PREFIX", "autodump"),
            ("AUTODUMP_RESOURCE_ARN", "arn:aws:secretsmanager:eu-central-1:1:secret:app-AbCdEf"),
            ("AUTODUMP_TAG_HASH", "v1:00"),
            ("AUTODUMP_START", "2026-11-22T08:00:00Z"),
            ("AUTODUMP_EXECUTION_ARN", "arn:execution"),
            ("AWS_BATCH_JOB_ID", "job"),
            ("AWS_BATCH_JOB_ATTEMPT", "2"),
        ])
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let environment = read(&variables(), Environment::read).unwrap();
        assert_eq!(environment.job, Job { id: "job".to_owned(), attempt: 2 });
        assert_eq!((environment.child, environment.sources.len()), (None, 0));
        assert_eq!(environment.start.timestamp(), 1_795_334_400);
        assert_eq!(environment.ca_bundle.to_str(), Some("/etc/autodump/rds-ca-bundle.pem"));
        assert_eq!(environment.scratch, std::env::temp_dir());
        let options = environment.store_options;
        assert!(options.kms_key.is_none() && !options.path_style);
    }

    #[test]
    fn a_key_goes_with_our_bucket_and_an_endpoint_means_paths() {
        for endpoint in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let mut variables = variables();
            variables.extend([("AUTODUMP_KMS_KEY_ARN", "arn:key"), (endpoint, "http://x")]);
            let options = read(&variables, Environment::read).unwrap().store_options;
            let key = options.kms_key.unwrap();
            assert_eq!((key.bucket.as_str(), key.key_arn.as_str()), ("backups", "arn:key"));
            assert!(options.path_style);
        }
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let mut variables = variables();
        variables.remove("AUTODUMP_BUCKET");
        variables.insert("AUTODUMP_START", " ");
        let error = read(&variables, Environment::read).unwrap_err();
        assert_eq!(error.what(), "the environment lacks AUTODUMP_BUCKET, AUTODUMP_START");
        assert_eq!(error.class(), ErrorClass::Configuration);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        let wrong = [
            ("AUTODUMP_START", "tomorrow", "AUTODUMP_START is \"tomorrow\""),
            ("AWS_BATCH_JOB_ATTEMPT", "x", "AWS_BATCH_JOB_ATTEMPT is \"x\""),
            ("AWS_BATCH_JOB_ARRAY_INDEX", "-1", "AWS_BATCH_JOB_ARRAY_INDEX is \"-1\""),
            ("AUTODUMP_SOURCES", "[{}]", "AUTODUMP_SOURCES is not as it should be"),
        ];
        assert_refused(&variables(), &wrong, Environment::read);
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        assert_names("dumper", &variables(), Environment::read);
    }
}
