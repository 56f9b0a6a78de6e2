//! What the restore of a table is asked to do: `table` in `contract/restore-input.json`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::restore::{understood, wrong};

/// The most workers.
pub const MOST_WORKERS: u16 = 1_000;
/// What stands for a key that AWS owns, where a key of KMS may be named.
pub const AWS_OWNED: &str = "aws-owned";
/// The key that AWS manages for DynamoDB in each account and region: its alias.
pub const AWS_MANAGED: &str = "alias/aws/dynamodb";

/// Who writes the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// DynamoDB, where it can and the data are large; else AutoDump.
    #[default]
    Auto,
    /// AutoDump.
    Write,
    /// DynamoDB.
    Import,
}

impl FromStr for Method {
    type Err = String;

    /// The error is a sentence fragment that says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "write" => Ok(Self::Write),
            "import" => Ok(Self::Import),
            _ => Err("is no method: allowed are auto, import and write".to_owned()),
        }
    }
}

/// How a table is restored, as the command line and the restore's state machine say it. In JSON
/// every field may be missing; a field that is not known is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TableRestoreOptions {
    /// Write into a table that has items.
    pub into_existing: bool,
    /// Delete the items of such a table that are not in the backup.
    pub mirror: bool,
    /// Who writes the items.
    pub method: Method,
    /// How many write at once, 1 to [`MOST_WORKERS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u16>,
    /// The most write units a second of all workers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_rate: Option<u32>,
    /// What encrypts a table that is made: a key of KMS, [`AWS_MANAGED`] among them, or
    /// [`AWS_OWNED`]; else the key of the backup's table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl TableRestoreOptions {
    /// The fields in JSON that the options of databases do not have.
    pub const OWN: [&'static str; 6] =
        ["intoExisting", "mirror", "method", "workers", "maxWriteRate", "kmsKey"];

    /// Reads the JSON text of options, and checks them.
    pub fn parse(text: &str) -> Result<Self> {
        understood::<Self>(text)?.checked()
    }

    /// The same, or an error of class [`Configuration`](crate::ErrorClass::Configuration) where a value is not allowed.
    pub fn checked(self) -> Result<Self> {
        if let Some(workers) = self.workers.filter(|n| !(1..=MOST_WORKERS).contains(n)) {
            let what = format!("{workers} workers were asked for");
            return Err(wrong(what, &format!("Use 1 to {MOST_WORKERS}")));
        }
        if self.max_write_rate == Some(0) {
            let what = "a rate of 0 write units a second was asked for";
            return Err(wrong(what, "Use 1 or more, or leave it out"));
        }
        if self.kms_key.as_deref().is_some_and(|key| key.trim().is_empty()) {
            let hint = format!("Name a key, or write {AWS_OWNED}");
            return Err(wrong("the name of the KMS key is empty", &hint));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn the_options_are_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../../contract/restore-input.json")).unwrap();
        let options = &golden["table"]["options"];
        let read = TableRestoreOptions::parse(&options.to_string()).unwrap();
        assert_eq!((read.into_existing, read.method), (true, Method::Import));
        assert!(read.mirror);
        assert_eq!((read.workers, read.max_write_rate), (Some(64), Some(500)));
        assert_eq!(serde_json::to_value(&read).unwrap(), *options);
        let mut own: Vec<_> = options.as_object().unwrap().keys().map(String::as_str).collect();
        own.retain(|name| golden["largest"]["options"].get(name).is_none());
        own.sort_unstable();
        let mut expected = TableRestoreOptions::OWN;
        expected.sort_unstable();
        assert_eq!(own, expected);
        assert_eq!(TableRestoreOptions::parse("{}").unwrap(), TableRestoreOptions::default());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, says) in [
            ("{", "are not understood"),
            ("{\"into_existing\": true}", "unknown field `into_existing`"),
            ("{\"jobs\": 4}", "unknown field `jobs`"),
            ("{\"method\": \"scan\"}", "unknown variant `scan`"),
            ("{\"workers\": 0}", "0 workers were asked for"),
            ("{\"workers\": 1001}", "Use 1 to 1000"),
            ("{\"maxWriteRate\": 0}", "a rate of 0"),
            ("{\"maxWriteRate\": 1.5}", "are not understood"),
            ("{\"kmsKey\": \" \"}", "the KMS key is empty"),
        ] {
            let error = TableRestoreOptions::parse(text).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_method_is_one_of_three() {
        assert_eq!("import".parse(), Ok(Method::Import));
        assert!("export".parse::<Method>().unwrap_err().contains("allowed are auto"));
    }
}
