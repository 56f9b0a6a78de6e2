//! What a restore is asked to do: `contract/restore-input.json`.

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorClass, Result};
use crate::options;
use crate::pattern::Pattern;

/// How a backup is restored, as the command line and the restore's state machine say it. In
/// JSON every field may be missing; a field that is not known is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own, as pg_restore's")]
pub struct RestoreOptions {
    /// Connections that load rows at once, 1 to 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u16>,
    /// Only these tables, or collections: patterns as they were written. What they mean depends on
    /// the engine: [`Self::table_patterns`], [`Self::collection_patterns`].
    #[serde(deserialize_with = "table_texts", skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Only what is in these schemas.
    #[serde(with = "schemas", skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Pattern>,
    /// No rows.
    pub schema_only: bool,
    /// Nothing but rows.
    pub data_only: bool,
    /// The restoring role owns everything.
    pub no_owner: bool,
    /// No `GRANT` and `REVOKE`.
    pub no_privileges: bool,
    /// Make the database first.
    pub create: bool,
    /// Drop what is there first.
    pub clean: bool,
    /// Restore although the database is not empty.
    pub allow_non_empty: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl RestoreOptions {
    /// Reads the JSON text of options, and checks them.
    pub fn parse(text: &str) -> Result<Self> {
        understood::<Self>(text)?.checked()
    }

    /// The same, or an error of class [`ErrorClass::Configuration`] where they do not go
    /// together.
    pub fn checked(self) -> Result<Self> {
        if let Some(jobs) = self.jobs {
            options::jobs(&jobs.to_string())
                .map_err(|reason| wrong(format!("jobs is {jobs}, which {reason}"), "Correct it"))?;
        }
        if self.schema_only && self.data_only {
            return Err(wrong(
                "a restore of the schema alone and of the data alone was asked for",
                "Leave out one of the two, or both",
            ));
        }
        if self.data_only && (self.clean || self.create) {
            return Err(wrong(
                "a restore of the data alone neither drops nor creates anything",
                "Leave out clean and create",
            ));
        }
        Ok(self)
    }

    /// The patterns of `tables` where they are PostgreSQL's. One that is none is an error of class
    /// [`ErrorClass::Configuration`].
    pub fn table_patterns(&self) -> Result<Vec<Pattern>> {
        patterns(&self.tables, Pattern::table)
    }

    /// The same for collections of MongoDB, whose names may have dots.
    pub fn collection_patterns(&self) -> Result<Vec<Pattern>> {
        patterns(&self.tables, Pattern::collection)
    }
}

/// A pattern of tables or of collections as it was written, where it is one for some engine. The
/// error is a sentence fragment.
pub fn table_text(text: &str) -> Result<String, String> {
    // Every pattern of tables is one of collections.
    Pattern::collection(text).map(|pattern| pattern.to_string())
}

fn patterns(texts: &[String], read: fn(&str) -> Result<Pattern, String>) -> Result<Vec<Pattern>> {
    let error = |reason| {
        let what = format!("one of the restore's tables {reason}");
        wrong(what, "Write names that have special characters in double quotes")
    };
    texts.iter().map(|text| read(text).map_err(error)).collect()
}

/// The options of a restore in JSON text, which are not checked yet.
pub(crate) fn understood<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        wrong(
            format!("the options of the restore are not understood: {error}"),
            "Write them as docs/restore.md has them",
        )
    })
}

pub(crate) fn wrong(what: impl Into<String>, hint: &str) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

fn write<S: Serializer>(patterns: &[Pattern], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(patterns.iter().map(ToString::to_string))
}

fn table_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    read(deserializer, table_text)
}

fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let error = |reason| de::Error::custom(format!("one {reason}"));
    texts.iter().map(|text| read(text).map_err(error)).collect()
}

mod schemas {
    use super::{Deserializer, Pattern, Result, Serializer};

    pub(super) fn serialize<S: Serializer>(patterns: &[Pattern], s: S) -> Result<S::Ok, S::Error> {
        super::write(patterns, s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Pattern>, D::Error> {
        super::read(d, Pattern::schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/restore-input.json")).unwrap();
        let options = &golden["largest"]["options"];
        let read = RestoreOptions::parse(&options.to_string()).unwrap();
        assert_eq!((read.jobs, read.no_owner, read.clean), (Some(4), true, false));
        assert_eq!(serde_json::to_value(&read).unwrap(), *options);
        assert_eq!(RestoreOptions::parse("{}").unwrap(), RestoreOptions::default());
    }

    #[test]
    fn what_a_name_means_depends_on_the_engine() {
        let options = RestoreOptions::parse(r#"{"tables": ["logs.2026.01", "App.a"]}"#).unwrap();
        let collections = options.collection_patterns().unwrap();
        assert_eq!(collections[0].name_regex(), "(?s)^(logs\\.2026\\.01)$");
        let error = options.table_patterns().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("\"logs.2026.01\" with more than one dot"), "{error}");
        let tables = ["app", "app.a", "\"A\".\"b.c\"", "größe*"].map(str::to_owned).to_vec();
        for text in &tables {
            assert_eq!(table_text(text), Ok(text.clone()));
        }
        let options = RestoreOptions { tables, ..RestoreOptions::default() };
        assert_eq!(options.table_patterns().unwrap()[1].schema_regex(), Some("^(app)$"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, says) in [
            ("{", "are not understood"),
            ("{\"noowner\": true}", "unknown field `noowner`"),
            ("{\"jobs\": 0}", "jobs is 0, which is no number of connections"),
            ("{\"jobs\": 65}", "allowed are 1 to 64"),
            ("{\"tables\": [\"a.\\\"b\"]}", "a quote that does not end"),
            ("{\"schemas\": [\"a.b\"]}", "the name of a schema has no dot"),
            ("{\"schemaOnly\": true, \"dataOnly\": true}", "the data alone was asked for"),
            ("{\"dataOnly\": true, \"clean\": true}", "neither drops nor creates"),
        ] {
            let error = RestoreOptions::parse(text).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }
}
