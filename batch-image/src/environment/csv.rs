//! The environment of a job that makes CSV of a table of Parquet.

use autodump_aws::s3::{KmsKey, Options};
use autodump_core::Result;
use autodump_parquet::request::TableAt;
use autodump_parquet::settings::{self, Settings};

use super::{Variables, wrong};

/// The environment of one job.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) settings: Settings,
    pub(crate) table: TableAt,
    pub(crate) store_options: Options,
}

impl Environment {
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        let [settings, table] = variables.all([settings::VARIABLE, "AUTODUMP_CSV_TABLE"])?;
        let settings = Settings::read(&settings)?;
        let bucket = settings.destination.bucket.clone();
        let kms_key = settings.kms_key_arn.clone().map(|key_arn| KmsKey { bucket, key_arn });
        Ok(Self {
            store_options: Options { kms_key, path_style: variables.path_style() },
            settings,
            table: serde_json::from_str(&table)
                .map_err(|error| wrong(format!("AUTODUMP_CSV_TABLE is {table:?}: {error}")))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Verb;
    use super::super::tests::{assert_names_of, assert_refused, read};
    use super::*;

    fn golden() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../contract/csv.json")).unwrap()
    }

    fn with_variables<T>(test: impl FnOnce(&BTreeMap<&str, &str>) -> T) -> T {
        let settings = golden()["settings"].to_string();
        let table = golden()["convert"]["event"]["table"].to_string();
        test(&BTreeMap::from([
            ("AUTODUMP_VERB", "csv"),
            ("AUTODUMP_CSV", settings.as_str()),
            ("AUTODUMP_CSV_TABLE", table.as_str()),
        ]))
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let environment = with_variables(|variables| read(variables, Environment::read)).unwrap();
        assert_eq!(environment.settings.destination.bucket, "example-results");
        assert_eq!(environment.table.bucket, "example-exports");
        assert!(environment.table.directory.ends_with("/shop/public.orders/"));
        assert_eq!(environment.store_options.kms_key.unwrap().bucket, "example-results");
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        let wrong = [
            ("AUTODUMP_CSV_TABLE", "{}", "AUTODUMP_CSV_TABLE is \"{}\": missing field `bucket`"),
            ("AUTODUMP_CSV_TABLE", " ", "the environment lacks AUTODUMP_CSV_TABLE"),
            ("AUTODUMP_CSV", "{}", "the settings AUTODUMP_CSV are not understood: missing field"),
        ];
        with_variables(|variables| assert_refused(variables, &wrong, Environment::read));
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        with_variables(|variables| {
            assert_names_of(&golden()["environment"]["job"], variables, |variables| {
                Verb::read(variables)?;
                Environment::read(variables)
            });
        });
    }
}
