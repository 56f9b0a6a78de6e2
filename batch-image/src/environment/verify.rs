//! The environment of a job that verifies.

use std::path::PathBuf;

use autodump_aws::s3::Options;
use autodump_core::Result;
use autodump_core::verification::Level;
use chrono::{DateTime, Utc};

use super::{Variables, parsed, wrong};

/// The environment of one job.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Where backups may be, the construct's own bucket first; at least one.
    pub(crate) buckets: Vec<String>,
    pub(crate) resource_arn: String,
    pub(crate) start: DateTime<Utc>,
    pub(crate) execution_arn: String,
    pub(crate) level: Level,
    pub(crate) postgres_bin: Option<String>,
    pub(crate) scratch: PathBuf,
    pub(crate) store_options: Options,
}

impl Environment {
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        let [buckets, resource_arn, start, execution_arn, level] = variables.all([
            "AUTODUMP_BUCKETS",
            "AUTODUMP_RESOURCE_ARN",
            "AUTODUMP_START",
            "AUTODUMP_EXECUTION_ARN",
            "AUTODUMP_VERIFY",
        ])?;
        let buckets: Vec<_> = buckets.split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            store_options: variables.store_options(buckets.first().map_or("", String::as_str)),
            buckets,
            resource_arn,
            start: parsed("AUTODUMP_START", &start)?,
            execution_arn,
            level: level
                .parse()
                .map_err(|reason| wrong(format!("AUTODUMP_VERIFY is {level:?}, which {reason}")))?,
            postgres_bin: variables.postgres_bin(),
            scratch: variables.scratch(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Verb;
    use super::super::tests::{assert_names, assert_refused, read};
    use super::*;

    fn variables() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("AUTODUMP_VERB", "verify"),
            ("AUTODUMP_BUCKETS", "backups  others"),
            ("AUTODUMP_RESOURCE_ARN", "arn:aws:secretsmanager:eu-central-1:1:secret:app-AbCdEf"),
            ("AUTODUMP_START", "2026-11-22T08:00:00Z"),
            ("AUTODUMP_EXECUTION_ARN", "arn:execution"),
            ("AUTODUMP_VERIFY", "archive"),
            ("AUTODUMP_KMS_KEY_ARN", "arn:key"),
            ("AUTODUMP_SCRATCH", "/scratch"),
        ])
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let environment = read(&variables(), Environment::read).unwrap();
        assert_eq!(environment.buckets, ["backups", "others"]);
        assert_eq!(environment.level, Level::Archive);
        assert_eq!(environment.scratch.to_str(), Some("/scratch"));
        assert_eq!(environment.store_options.kms_key.unwrap().bucket, "backups");
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        let wrong = [
            ("AUTODUMP_VERIFY", "full", "AUTODUMP_VERIFY is \"full\", which is no level"),
            ("AUTODUMP_START", "now", "AUTODUMP_START is \"now\""),
            ("AUTODUMP_BUCKETS", " ", "the environment lacks AUTODUMP_BUCKETS"),
        ];
        assert_refused(&variables(), &wrong, Environment::read);
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        assert_names("verify", &variables(), |variables| {
            Verb::read(variables)?;
            Environment::read(variables)
        });
    }
}
