//! What the program is told, by name in `contract/environment.json` and `contract/csv.json`.

use std::path::PathBuf;
use std::str::FromStr;

use autodump_aws::s3::{KmsKey, Options};
use autodump_core::source::{self, Source};
use autodump_core::{Error, ErrorClass, Result};

pub(crate) mod csv;
pub(crate) mod dump;
pub(crate) mod restore;
mod restore_options;
pub(crate) mod verify;

const CA_BUNDLE: &str = "/etc/autodump/rds-ca-bundle.pem";

/// The variables of the process, or of a test.
pub(crate) struct Variables<'a>(pub(crate) &'a dyn Fn(&str) -> Option<String>);

/// What the program is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Dump,
    Verify,
    Restore,
    Csv,
}

impl Verb {
    /// Dumps where nothing else is asked for.
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        match variables.get("AUTODUMP_VERB").as_deref() {
            None | Some("dump") => Ok(Self::Dump),
            Some("verify") => Ok(Self::Verify),
            Some("restore") => Ok(Self::Restore),
            Some("csv") => Ok(Self::Csv),
            Some(other) => Err(wrong(format!(
                "AUTODUMP_VERB is {other:?}; it is dump, verify, restore or csv"
            ))),
        }
    }

    /// What it does, as a noun.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::Verify => "verification",
            Self::Restore => "restore",
            Self::Csv => "conversion",
        }
    }
}

impl Variables<'_> {
    /// A variable. An empty one counts as none.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    /// The values of these variables. The error names everything that is missing, not only
    /// the first.
    fn all<const N: usize>(&self, names: [&str; N]) -> Result<[String; N]> {
        let missing: Vec<_> = names.into_iter().filter(|name| self.get(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(wrong(format!("the environment lacks {}", missing.join(", "))));
        }
        Ok(names.map(|name| self.get(name).unwrap_or_default()))
    }

    /// Further regions and accounts with tables.
    fn sources(&self) -> Result<Vec<Source>> {
        self.get(source::VARIABLE).map_or_else(|| Ok(Vec::new()), |text| source::parse(&text))
    }

    fn scratch(&self) -> PathBuf {
        self.get("AUTODUMP_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from)
    }

    fn ca_bundle(&self) -> PathBuf {
        self.get("AUTODUMP_CA_BUNDLE").unwrap_or_else(|| CA_BUNDLE.to_owned()).into()
    }

    fn postgres_bin(&self) -> Option<String> {
        self.get("AUTODUMP_POSTGRES_BIN")
    }

    /// The image sets it always; the directory is empty where it has no tools of MongoDB.
    fn mongodb_bin(&self) -> Option<String> {
        self.get("AUTODUMP_MONGODB_BIN")
    }

    /// How the store is set up: the key is for `bucket`, since others have their own settings.
    fn store_options(&self, bucket: &str) -> Options {
        let kms_key = self
            .get("AUTODUMP_KMS_KEY_ARN")
            .map(|key_arn| KmsKey { bucket: bucket.to_owned(), key_arn });
        Options { kms_key, path_style: self.path_style() }
    }

    /// Servers other than AWS know buckets by path alone.
    fn path_style(&self) -> bool {
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| self.get(name).is_some())
    }
}

fn parsed<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| wrong(format!("{name} is {value:?}")))
}

fn wrong(what: String) -> Error {
    Error::new(
        ErrorClass::Configuration,
        what,
        "Start the job through AutoDump's state machines, which set its environment",
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Debug;

    use super::*;

    /// Reads something of these variables.
    pub(super) fn read<T>(
        variables: &BTreeMap<&str, &str>,
        read: impl FnOnce(&Variables<'_>) -> T,
    ) -> T {
        read(&Variables(&|name| variables.get(name).map(|value| (*value).to_owned())))
    }

    /// Every name that `read` asks for is in that section of the contract, and the other way
    /// round.
    pub(super) fn assert_names<T>(
        section: &str,
        variables: &BTreeMap<&str, &str>,
        read: impl FnOnce(&Variables<'_>) -> Result<T>,
    ) {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/environment.json")).unwrap();
        assert_names_of(&golden[section], variables, read);
    }

    /// The same with the section itself.
    pub(super) fn assert_names_of<T>(
        section: &serde_json::Value,
        variables: &BTreeMap<&str, &str>,
        read: impl FnOnce(&Variables<'_>) -> Result<T>,
    ) {
        let lists = section.as_object().unwrap().values();
        let names = lists.flat_map(|names| names.as_array().unwrap());
        let expected: BTreeSet<_> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
        let asked = RefCell::new(BTreeSet::new());
        let variable = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            variables.get(name).map(|value| (*value).to_owned())
        };
        assert!(read(&Variables(&variable)).is_ok());
        let mut asked = asked.into_inner();
        asked.retain(|name| !name.starts_with("AWS_ENDPOINT_URL"));
        assert_eq!(asked, expected);
    }

    /// With any one of `wrong` (a variable, its value, what is said) `environment` is an error.
    pub(super) fn assert_refused<T: Debug>(
        variables: &BTreeMap<&str, &str>,
        wrong: &[(&str, &str, &str)],
        environment: impl Fn(&Variables<'_>) -> Result<T>,
    ) {
        for &(name, value, says) in wrong {
            let mut variables = variables.clone();
            variables.insert(name, value);
            let error = read(&variables, &environment).unwrap_err();
            assert!(error.what().contains(says), "{error}");
        }
    }

    #[test]
    fn the_verb_is_known_or_refused() {
        for (value, verb) in [
            ("", Verb::Dump),
            ("dump", Verb::Dump),
            ("verify", Verb::Verify),
            ("restore", Verb::Restore),
            ("csv", Verb::Csv),
        ] {
            let variables = BTreeMap::from([("AUTODUMP_VERB", value)]);
            assert_eq!(read(&variables, Verb::read).unwrap(), verb);
        }
        assert_eq!(read(&BTreeMap::new(), Verb::read).unwrap(), Verb::Dump);
        let error = read(&BTreeMap::from([("AUTODUMP_VERB", "Dump")]), Verb::read).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert_eq!(error.what(), "AUTODUMP_VERB is \"Dump\"; it is dump, verify, restore or csv");
    }
}
