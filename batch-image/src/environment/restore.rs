//! The environment of a job that restores.

use std::path::PathBuf;

use autodump_aws::s3::Options;
use autodump_core::Result;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;

use super::{Variables, wrong};

/// The environment of one job.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) manifest: ObjectLocation,
    /// The ARN or name of the secret of the database that is restored into.
    pub(crate) to: String,
    pub(crate) options: RestoreOptions,
    pub(crate) ca_bundle: PathBuf,
    pub(crate) postgres_bin: Option<String>,
    pub(crate) scratch: PathBuf,
    pub(crate) store_options: Options,
}

impl Environment {
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        let [manifest, to] = variables.all(["AUTODUMP_MANIFEST", "AUTODUMP_TO"])?;
        let options = variables.get("AUTODUMP_RESTORE").unwrap_or_else(|| "{}".to_owned());
        Ok(Self {
            manifest: location(&manifest).ok_or_else(|| {
                wrong(format!("AUTODUMP_MANIFEST is {manifest:?}, not s3://bucket/key"))
            })?,
            to,
            options: RestoreOptions::parse(&options)?,
            ca_bundle: variables.ca_bundle(),
            postgres_bin: variables.postgres_bin(),
            scratch: variables.scratch(),
            store_options: Options { kms_key: None, path_style: variables.path_style() },
        })
    }
}

fn location(uri: &str) -> Option<ObjectLocation> {
    let (bucket, key) = uri.trim().strip_prefix("s3://")?.split_once('/')?;
    let whole = !bucket.is_empty() && !key.is_empty();
    whole.then(|| ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Verb;
    use super::super::tests::{assert_names, assert_refused, read};
    use super::*;

    fn variables() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("AUTODUMP_VERB", "restore"),
            ("AUTODUMP_MANIFEST", "s3://backups/postgres/app/manifest.json"),
            ("AUTODUMP_TO", "staging/app"),
            ("AUTODUMP_RESTORE", "{\"jobs\": 3}"),
        ])
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let environment = read(&variables(), Environment::read).unwrap();
        let ObjectLocation { bucket, key } = environment.manifest;
        assert_eq!((bucket.as_str(), key.as_str()), ("backups", "postgres/app/manifest.json"));
        assert_eq!((environment.to.as_str(), environment.options.jobs), ("staging/app", Some(3)));
        let mut variables = variables();
        variables.remove("AUTODUMP_RESTORE");
        let environment = read(&variables, Environment::read).unwrap();
        assert_eq!(environment.options, RestoreOptions::default());
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        let wrong = [
            ("AUTODUMP_MANIFEST", "backups/manifest.json", "AUTODUMP_MANIFEST is \"backups/"),
            ("AUTODUMP_MANIFEST", "s3://backups", "not s3://bucket/key"),
            ("AUTODUMP_MANIFEST", "s3:///key", "not s3://bucket/key"),
            ("AUTODUMP_RESTORE", "{\"job\": 3}", "unknown field `job`"),
            ("AUTODUMP_TO", "", "the environment lacks AUTODUMP_TO"),
        ];
        assert_refused(&variables(), &wrong, Environment::read);
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        assert_names("restore", &variables(), |variables| {
            Verb::read(variables)?;
            Environment::read(variables)
        });
    }
}
