//! What the function `csv` is asked, and what it answers: `contract/csv.json`.

use autodump_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// What is to be done about an object that has come.
    Look {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// To convert a table.
    Convert {
        /// Which one.
        table: TableAt,
    },
}

impl Request {
    /// Reads an event. Anything else is an error of class [`ErrorClass::Configuration`].
    pub fn read(event: &Value) -> Result<Self> {
        Self::deserialize(event).map_err(|error| {
            Error::new(
                ErrorClass::Configuration,
                format!("the event is not that of the state machine: {error}"),
                "Send {\"action\": \"look\", \"bucket\": \"…\", \"key\": \"…\"}, or {\"action\": \
                 \"convert\", \"table\": {\"bucket\": \"…\", \"directory\": \"…\"}}",
            )
        })
    }
}

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableAt {
    /// The bucket.
    pub bucket: String,
    /// The directory that holds all of it, with a closing slash.
    pub directory: String,
}

/// What is to be done about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Looked {
    /// Nothing.
    Nothing {
        /// Why, as a sentence without a full stop.
        reason: String,
    },
    /// The function can convert the table.
    Function(Size),
    /// The table is for a job.
    Job(Size),
}

/// A table that is there whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Where it is.
    pub table: TableAt,
    /// Bytes of its files together.
    pub bytes: u64,
    /// How many they are.
    pub files: usize,
}

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Done {
    /// Its result is there now.
    Converted(Summary),
    /// Its result was there already.
    There(Summary),
    /// It may still be growing, and was not taken.
    Growing {
        /// Why, as a sentence without a full stop.
        reason: String,
    },
}

/// The answer to [`Request::Convert`]. That a conversion was stopped, because its time was over, is
/// one, and no error.
pub fn answer(outcome: Result<Done>) -> Result<Value> {
    match outcome {
        Err(error) if error.class() == ErrorClass::Interrupted => Ok(json!({"status": "too-slow"})),
        outcome => written(&outcome?),
    }
}

/// An answer as JSON.
pub fn written(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(|error| {
        let what = format!("the answer cannot be written: {error}");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })
}

/// A result in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The URI of its manifest.
    pub manifest: String,
    /// Rows of all files together.
    pub rows_in: u64,
    /// Rows of the CSV.
    pub rows_out: u64,
    /// Rows of the reject file.
    pub rejects: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../contract/csv.json")).unwrap()
    }

    #[test]
    fn the_events_are_the_contract() {
        let golden = golden();
        let Request::Look { bucket, key } = Request::read(&golden["look"]["event"]).unwrap() else {
            panic!("no look")
        };
        assert_eq!(bucket, "example-exports");
        assert!(key.ends_with("/1/_SUCCESS"), "{key}");
        let Request::Convert { table } = Request::read(&golden["convert"]["event"]).unwrap() else {
            panic!("no conversion")
        };
        assert_eq!(
            table,
            serde_json::from_value(golden["look"]["answers"][1]["table"].clone()).unwrap()
        );
    }

    #[test]
    fn the_answers_are_the_contract() {
        let golden = golden();
        let Request::Convert { table } = Request::read(&golden["convert"]["event"]).unwrap() else {
            panic!("no conversion")
        };
        let reason = golden["look"]["answers"][0]["reason"].as_str().unwrap().to_owned();
        let size = |bytes, files| Size { table: table.clone(), bytes, files };
        let looked = [
            Looked::Nothing { reason: reason.clone() },
            Looked::Function(size(2 << 20, 1)),
            Looked::Job(size(4 << 30, 2000)),
        ];
        assert_eq!(written(&looked).unwrap(), golden["look"]["answers"]);
        let manifest = golden["convert"]["answers"][0]["manifest"].as_str().unwrap().to_owned();
        let summary = Summary { manifest, rows_in: 1000, rows_out: 998, rejects: 2 };
        let stopped = Error::new(ErrorClass::Interrupted, "it was stopped", "Start it again");
        let outcomes = [
            Ok(Done::Converted(summary.clone())),
            Ok(Done::There(summary)),
            Ok(Done::Growing { reason }),
            Err(stopped),
        ];
        let answers: Vec<_> = outcomes.map(|outcome| answer(outcome).unwrap()).into();
        assert_eq!(Value::Array(answers), golden["convert"]["answers"]);
        let failed = Error::new(ErrorClass::Source, "it failed", "Look");
        assert_eq!(answer(Err(failed)).unwrap_err().class(), ErrorClass::Source);
    }

    #[test]
    fn anything_else_is_refused() {
        for (event, says) in [
            (json!({"action": "remove"}), "unknown variant `remove`"),
            (json!({"action": "look", "bucket": "b"}), "missing field `key`"),
            (json!({"bucket": "b", "key": "k"}), "missing field `action`"),
            (
                json!({"action": "convert", "table": {"bucket": "b", "directory": "d/", "x": 1}}),
                "unknown field `x`",
            ),
        ] {
            let error = Request::read(&event).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
        }
    }
}
