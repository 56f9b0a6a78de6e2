//! What the dumper is told, by name in `contract/environment.json`.

use std::path::PathBuf;

use autodump_aws::s3::{KmsKey, Options};
use autodump_core::hash::TagHash;
use autodump_core::manifest::Job;
use autodump_core::tags::TagPrefix;
use autodump_core::{Error, ErrorClass, Result};
use chrono::{DateTime, Utc};

const CA_BUNDLE: &str = "/etc/autodump/rds-ca-bundle.pem";

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
    pub(crate) ca_bundle: PathBuf,
    pub(crate) postgres_bin: Option<String>,
    kms_key_arn: Option<String>,
    has_endpoint: bool,
}

impl Environment {
    /// Reads it through `variable`. An empty variable counts as none. The error names
    /// everything that is missing, not only the first.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = [
            "AUTODUMP_BUCKET",
            "AUTODUMP_TAG_PREFIX",
            "AUTODUMP_RESOURCE_ARN",
            "AUTODUMP_TAG_HASH",
            "AUTODUMP_START",
            "AUTODUMP_EXECUTION_ARN",
            "AWS_BATCH_JOB_ID",
        ];
        let missing: Vec<_> =
            required.into_iter().filter(|name| variable(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(wrong(format!("the environment lacks {}", missing.join(", "))));
        }
        let get = |name: &str| variable(name).unwrap_or_default();
        let attempt = variable("AWS_BATCH_JOB_ATTEMPT").unwrap_or_else(|| "1".to_owned());
        Ok(Self {
            bucket: get("AUTODUMP_BUCKET"),
            tag_prefix: TagPrefix::new(&get("AUTODUMP_TAG_PREFIX"))?,
            resource_arn: get("AUTODUMP_RESOURCE_ARN"),
            tag_hash: TagHash::from(get("AUTODUMP_TAG_HASH")),
            start: parsed("AUTODUMP_START", &get("AUTODUMP_START"))?,
            execution_arn: get("AUTODUMP_EXECUTION_ARN"),
            job: Job {
                id: get("AWS_BATCH_JOB_ID"),
                attempt: parsed("AWS_BATCH_JOB_ATTEMPT", &attempt)?,
            },
            ca_bundle: variable("AUTODUMP_CA_BUNDLE")
                .unwrap_or_else(|| CA_BUNDLE.to_owned())
                .into(),
            postgres_bin: variable("AUTODUMP_POSTGRES_BIN"),
            kms_key_arn: variable("AUTODUMP_KMS_KEY_ARN"),
            has_endpoint: ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
                .iter()
                .any(|name| variable(name).is_some()),
        })
    }

    /// The key is for AutoDump's own bucket: one that a secret names has its own settings.
    pub(crate) fn store_options(&self) -> Options {
        let kms_key = self.kms_key_arn.clone().map(|key_arn| {
            let bucket = self.bucket.clone();
            KmsKey { bucket, key_arn }
        });
        Options { kms_key, path_style: self.has_endpoint }
    }
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| wrong(format!("{name} is {value:?}")))
}

fn wrong(what: String) -> Error {
    Error::new(
        ErrorClass::Configuration,
        what,
        "Start the dumper through AutoDump's state machine, which sets its environment",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    fn read(variables: &BTreeMap<&str, &str>) -> Result<Environment> {
        Environment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let environment = read(&variables()).unwrap();
        assert_eq!(environment.job, Job { id: "job".to_owned(), attempt: 2 });
        assert_eq!(environment.start.timestamp(), 1_795_334_400);
        assert_eq!(environment.ca_bundle.to_str(), Some(CA_BUNDLE));
        let options = environment.store_options();
        assert!(options.kms_key.is_none() && !options.path_style);
    }

    #[test]
    fn a_key_goes_with_our_bucket_and_an_endpoint_means_paths() {
        for endpoint in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let mut variables = variables();
            variables.extend([("AUTODUMP_KMS_KEY_ARN", "arn:key"), (endpoint, "http://x")]);
            let options = read(&variables).unwrap().store_options();
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
        let error = read(&variables).unwrap_err();
        assert_eq!(error.what(), "the environment lacks AUTODUMP_BUCKET, AUTODUMP_START");
        assert_eq!(error.class(), ErrorClass::Configuration);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        for (name, value) in [("AUTODUMP_START", "tomorrow"), ("AWS_BATCH_JOB_ATTEMPT", "x")] {
            let mut variables = variables();
            variables.insert(name, value);
            let error = read(&variables).unwrap_err();
            assert!(error.what().contains(&format!("{name} is \"{value}\"")), "{error}");
        }
    }

    /// Every name that is read is in the contract, and the other way round.
    #[test]
    fn the_names_are_those_of_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../contract/environment.json")).unwrap();
        let mut named: Vec<_> = golden["dumper"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|names| names.as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        named.sort();
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let variables = variables();
        Environment::read(|name| {
            asked.borrow_mut().insert(name.to_owned());
            variables.get(name).map(|value| (*value).to_owned())
        })
        .unwrap();
        let sdk = |name: &String| name.starts_with("AWS_ENDPOINT_URL");
        let asked: Vec<_> = asked.into_inner().into_iter().filter(|name| !sdk(name)).collect();
        assert_eq!(asked, named);
    }
}
