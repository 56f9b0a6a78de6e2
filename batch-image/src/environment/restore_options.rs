//! The options of a restore, of which it is not known yet what it is of.

use autodump_core::restore::RestoreOptions;
use autodump_core::table::restore::TableRestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use serde_json::{Map, Value};

/// An option that both kinds have.
const OF_BOTH: &str = "dryRun";

/// Options that are right for one kind of backup at least.
#[derive(Debug)]
pub(crate) struct GivenOptions(Map<String, Value>);

impl GivenOptions {
    /// An error of class [`ErrorClass::Configuration`] for what neither a database nor a table
    /// has.
    pub(crate) fn new(given: Map<String, Value>) -> Result<Self> {
        let given = Self(given);
        if given.names(is_of_tables).is_empty() {
            RestoreOptions::parse(&given.text())?;
        } else {
            TableRestoreOptions::parse(&given.text())?;
        }
        Ok(given)
    }

    /// For the backup of a database.
    pub(crate) fn of_database(&self) -> Result<RestoreOptions> {
        let foreign = self.names(is_of_tables);
        if foreign.is_empty() {
            return RestoreOptions::parse(&self.text());
        }
        Err(other_kind("a database", &foreign))
    }

    /// For the backup of a table.
    pub(crate) fn of_table(&self) -> Result<TableRestoreOptions> {
        let foreign = self.names(|name| name != OF_BOTH && !is_of_tables(name));
        if foreign.is_empty() {
            return TableRestoreOptions::parse(&self.text());
        }
        Err(other_kind("a DynamoDB table", &foreign))
    }

    /// The names of what is given and `wanted`, sorted.
    fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut names: Vec<_> =
            self.0.keys().map(String::as_str).filter(|name| wanted(name)).collect();
        names.sort_unstable();
        names
    }

    fn text(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}

fn is_of_tables(name: &str) -> bool {
    TableRestoreOptions::OWN.contains(&name)
}

fn other_kind(what: &str, foreign: &[&str]) -> Error {
    let names = foreign.join(", ");
    Error::new(
        ErrorClass::Configuration,
        format!("the backup is of {what}, which the options do not fit: {names}"),
        "Leave them out of the input's options, or name another manifest",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(options: &Value) -> Result<GivenOptions> {
        GivenOptions::new(options.as_object().unwrap().clone())
    }

    #[test]
    fn options_fit_the_kind_of_the_backup_or_are_named() {
        let of_table = given(&json!({"workers": 3, "intoExisting": true, "dryRun": true})).unwrap();
        assert_eq!(of_table.of_table().unwrap().workers, Some(3));
        let error = of_table.of_database().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().ends_with("do not fit: intoExisting, workers"), "{error}");

        let of_database = given(&json!({"clean": true, "dryRun": true})).unwrap();
        assert!(of_database.of_database().unwrap().clean);
        let error = of_database.of_table().unwrap_err();
        assert!(error.what().ends_with("a DynamoDB table, which the options do not fit: clean"));

        for options in [json!({}), json!({"dryRun": true})] {
            let of_both = given(&options).unwrap();
            let dry = of_both.of_database().unwrap().dry_run;
            assert_eq!(
                (of_both.of_table().unwrap().dry_run, options["dryRun"] == true),
                (dry, dry)
            );
        }
    }

    #[test]
    fn what_neither_kind_has_is_refused_before_the_kind_is_known() {
        for (options, says) in [
            (json!({"job": 3}), "unknown field `job`"),
            (json!({"jobs": 65}), "allowed are 1 to 64"),
            (json!({"jobs": 3, "workers": 3}), "unknown field `jobs`"),
            (json!({"workers": 0}), "0 workers"),
            (json!({"method": "scan"}), "unknown variant `scan`"),
        ] {
            let error = given(&options).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.to_string().contains(says), "{options}: {error}");
        }
    }
}
