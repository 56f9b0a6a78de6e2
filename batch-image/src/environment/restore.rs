//! The environment of a job that restores.

use std::path::PathBuf;

use autodump_aws::s3::Options;
use autodump_core::ports::ObjectLocation;
use autodump_core::source::Source;
use autodump_core::tags::TagPrefix;
use autodump_core::{Error, ErrorClass, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::Variables;
use super::restore_options::GivenOptions;

/// The environment of one job.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) manifest: ObjectLocation,
    /// The ARN or name of the secret of the database that is restored into, or of the table.
    pub(crate) to: String,
    pub(crate) options: GivenOptions,
    pub(crate) tag_prefix: TagPrefix,
    pub(crate) sources: Vec<Source>,
    pub(crate) ca_bundle: PathBuf,
    pub(crate) postgres_bin: Option<String>,
    pub(crate) scratch: PathBuf,
    pub(crate) store_options: Options,
}

/// The input of an execution, as `contract/restore-input.json` has it. A field that is not known
/// is an error: overlooked, it would let more be restored than was asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    manifest: Value,
    to: Value,
    /// `null` is given, and no object.
    #[serde(default = "no_options")]
    options: Value,
    /// The size of the job, which the state machine has seen to.
    #[serde(rename = "job", default)]
    _job: IgnoredAny,
}

fn no_options() -> Value {
    Value::Object(Map::new())
}

impl Environment {
    pub(crate) fn read(variables: &Variables<'_>) -> Result<Self> {
        let [text, tag_prefix] = variables.all(["AUTODUMP_RESTORE", "AUTODUMP_TAG_PREFIX"])?;
        let input: Input = serde_json::from_str(&text).map_err(|error| {
            wrong(format!("the input of the restore (AUTODUMP_RESTORE) is not understood: {error}"))
        })?;
        let Input { manifest, to, options, .. } = input;
        let location = manifest.as_str().and_then(location).ok_or_else(|| {
            wrong(format!("manifest is {manifest}, not a text of the form s3://bucket/key"))
        })?;
        // Without its value: what is no name may hold a password.
        let to = to.as_str().filter(|to| !to.trim().is_empty()).ok_or_else(|| {
            wrong(
                "to is empty or no text; it is the ARN or the name of a secret, or of a table"
                    .to_owned(),
            )
        })?;
        // Serde takes an array for options as well, and an empty one for none.
        let Value::Object(options) = options else {
            return Err(wrong(format!("options is {options}, not an object")));
        };
        Ok(Self {
            manifest: location,
            to: to.to_owned(),
            options: GivenOptions::new(options)?,
            tag_prefix: TagPrefix::new(&tag_prefix)?,
            sources: variables.sources()?,
            ca_bundle: variables.ca_bundle(),
            postgres_bin: variables.postgres_bin(),
            scratch: variables.scratch(),
            store_options: Options { kms_key: None, path_style: variables.path_style() },
        })
    }
}

fn wrong(what: String) -> Error {
    Error::new(
        ErrorClass::Configuration,
        what,
        "Correct the input of the execution: it has manifest and to, and may have options and job; \
         what is to be restored and how, such as tables or clean, is a field of options",
    )
}

fn location(uri: &str) -> Option<ObjectLocation> {
    let (bucket, key) = uri.trim().strip_prefix("s3://")?.split_once('/')?;
    let whole = !bucket.is_empty() && !key.is_empty();
    whole.then(|| ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodump_core::restore::RestoreOptions;
    use serde_json::json;

    use super::super::Verb;
    use super::super::tests::{assert_names, assert_refused, read};
    use super::*;

    const MANIFEST: &str = "s3://backups/postgres/app/manifest.json";

    fn variables(input: &str) -> BTreeMap<&str, &str> {
        BTreeMap::from([
            ("AUTODUMP_VERB", "restore"),
            ("AUTODUMP_TAG_PREFIX", "autodump"),
            ("AUTODUMP_RESTORE", input),
        ])
    }

    fn environment(input: &Value) -> Result<Environment> {
        read(&variables(&input.to_string()), Environment::read)
    }

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../contract/restore-input.json")).unwrap()
    }

    #[test]
    fn the_environment_of_a_job_is_read() {
        let input = json!({"manifest": MANIFEST, "to": "staging/app", "options": {"jobs": 3}});
        let read = environment(&input).unwrap();
        let ObjectLocation { bucket, key } = read.manifest;
        assert_eq!((bucket.as_str(), key.as_str()), ("backups", "postgres/app/manifest.json"));
        assert_eq!(read.to, "staging/app");
        assert_eq!(read.options.of_database().unwrap().jobs, Some(3));
        assert_eq!((read.tag_prefix.as_str(), read.sources.len()), ("autodump", 0));
    }

    #[test]
    fn the_inputs_of_the_contract_are_read() {
        let smallest = environment(&golden()["smallest"]).unwrap();
        assert_eq!(smallest.options.of_database().unwrap(), RestoreOptions::default());
        let largest = golden()["largest"].take();
        let read = environment(&largest).unwrap();
        assert_eq!(read.to, largest["to"].as_str().unwrap());
        let options = read.options.of_database().unwrap();
        assert_eq!(serde_json::to_value(options).unwrap(), largest["options"]);
        let table = golden()["table"].take();
        let read = environment(&table).unwrap();
        assert_eq!(read.to, table["to"].as_str().unwrap());
        let options = read.options.of_table().unwrap();
        assert_eq!(serde_json::to_value(options).unwrap(), table["options"]);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_value() {
        let with = |field: &str, value: Value| {
            let mut input = json!({"manifest": MANIFEST, "to": "staging/app"});
            input[field] = value;
            input
        };
        for (input, says) in [
            (with("option", json!({"tables": ["a"]})), "unknown field `option`"),
            (with("Options", json!({})), "unknown field `Options`"),
            (with("manifest", json!("https://x/y")), "manifest is \"https://x/y\", not a text of"),
            (with("manifest", json!("s3://backups")), "the form s3://bucket/key"),
            (with("manifest", json!("s3:///key")), "the form s3://bucket/key"),
            (with("manifest", json!(7)), "manifest is 7, not a text"),
            (with("to", json!("")), "to is empty or no text"),
            (with("to", json!({"arn": "x"})), "to is empty or no text"),
            (with("options", Value::Null), "options is null, not an object"),
            (with("options", json!([])), "options is [], not an object"),
            (with("options", json!("clean")), "options is \"clean\", not an object"),
            (with("options", json!({"job": 3})), "unknown field `job`"),
            (json!({"to": "x"}), "missing field `manifest`"),
            (json!({"manifest": MANIFEST}), "missing field `to`"),
            (json!("x"), "(AUTODUMP_RESTORE) is not understood"),
        ] {
            let error = environment(&input).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{input}: {error}");
        }
        let wrong = [
            ("AUTODUMP_RESTORE", "", "the environment lacks AUTODUMP_RESTORE"),
            ("AUTODUMP_RESTORE", "{", "(AUTODUMP_RESTORE) is not understood"),
            ("AUTODUMP_TAG_PREFIX", "", "the environment lacks AUTODUMP_TAG_PREFIX"),
            ("AUTODUMP_SOURCES", "[{}]", "AUTODUMP_SOURCES is not as it should be"),
        ];
        let smallest = golden()["smallest"].to_string();
        assert_refused(&variables(&smallest), &wrong, Environment::read);
    }

    #[test]
    fn every_option_beside_the_options_is_refused_and_told_its_place() {
        for kind in ["largest", "table"] {
            for (option, value) in golden()[kind]["options"].as_object().unwrap() {
                let mut input = golden()["smallest"].take();
                input[option] = value.clone();
                let error = environment(&input).unwrap_err();
                assert!(error.what().contains(&format!("unknown field `{option}`")), "{error}");
                assert!(error.hint().contains("is a field of options"), "{error}");
            }
        }
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        let input = golden()["smallest"].to_string();
        assert_names("restore", &variables(&input), |variables| {
            Verb::read(variables)?;
            Environment::read(variables)
        });
    }
}
