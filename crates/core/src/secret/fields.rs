//! The fields of a secret's JSON object.

use serde_json::{Map, Value};

use super::{Authentication, SslMode, wrong};
use crate::error::{Error, Result};
use crate::options::{self, DumpOptions, Selection, names};
use crate::pattern::{self, Pattern};

const EXAMPLE: &str = "Store it as key/value pairs: username, password, engine, \
    endpoint (or host), databasename (or dbname), and optionally port, sslmode, bucketname; for \
    MongoDB uri may stand for most of them";

/// The fields by name. Values of fields that are not asked for, and of the password, are in
/// no error.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn of(text: &str) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            _ => Err(wrong("the secret's value is no JSON object", EXAMPLE)),
        }
    }

    /// Whether a field is there and not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        match self.0.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
        }
    }

    /// The first of `names` that is there and not empty, trimmed.
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>> {
        Ok(self.named(names)?.map(|(_, text)| text))
    }

    /// The same with the name that it has.
    pub(super) fn named<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, String)>> {
        let Some(name) = names.iter().find(|name| self.has(name)) else { return Ok(None) };
        match self.0.get(*name) {
            Some(Value::String(text)) => Ok(Some((*name, text.trim().to_owned()))),
            _ => Err(no_text(name)),
        }
    }

    /// A text, or a truth value of JSON as `true` or `false`.
    pub(super) fn text_or_truth(&self, name: &str) -> Result<Option<String>> {
        match self.0.get(name) {
            Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
            _ => self.text(&[name]),
        }
    }

    pub(super) fn required(&self, names: &[&str]) -> Result<String> {
        self.text(names)?.ok_or_else(|| {
            wrong(format!("the secret has no field {}", names.join(" or ")), EXAMPLE)
        })
    }

    /// A password counts as it stands: spaces at its ends belong to it.
    pub(super) fn raw_required(&self, name: &str) -> Result<String> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_) | Value::Null) | None => {
                Err(wrong(format!("the secret has no field {name}"), EXAMPLE))
            }
            Some(_) => Err(no_text(name)),
        }
    }

    pub(super) fn port(&self) -> Result<Option<u16>> {
        let port = match self.0.get("port") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        };
        match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(wrong(
                format!("the secret's field port is {port:?}"),
                "Use a number from 1 to 65535",
            )),
        }
    }

    pub(super) fn sslmode(&self) -> Result<SslMode> {
        let Some(name) = self.text(&["sslmode", "tls"])? else { return Ok(SslMode::default()) };
        SslMode::ALL.into_iter().find(|mode| mode.as_str() == name).ok_or_else(|| {
            wrong(
                format!("the secret's field sslmode is {name:?}"),
                "Use disable, prefer, require, verify-ca or verify-full",
            )
        })
    }

    pub(super) fn authentication(&self) -> Result<Authentication> {
        match self.text(&["authentication"])?.as_deref() {
            None | Some("password") => Ok(Authentication::Password),
            Some("iam") => Ok(Authentication::Iam),
            Some(other) => Err(wrong(
                format!("the secret's field authentication is {other:?}"),
                "Use password or iam",
            )),
        }
    }

    /// All options that are there.
    pub(super) fn options(&self) -> Result<DumpOptions> {
        Ok(DumpOptions {
            compression: self.option(names::COMPRESSION, str::parse)?,
            jobs: self.option(names::JOBS, options::jobs)?,
            lock_timeout: self.option(names::LOCK_TIMEOUT, options::lock_timeout)?,
            all_databases: self.option(names::DATABASES, options::databases)?,
            globals: self.option(names::GLOBALS, options::yes_or_no)?,
            method: self.option(names::METHOD, options::method)?,
            read_preference: self.option(names::READ_PREFERENCE, str::parse)?,
            oplog: self.option(names::OPLOG, options::yes_or_no)?,
            selection: Selection {
                tables: self.patterns(names::TABLES, Pattern::table)?,
                exclude_tables: self.patterns(names::EXCLUDE_TABLES, Pattern::table)?,
                schemas: self.patterns(names::SCHEMAS, Pattern::schema)?,
                exclude_schemas: self.patterns(names::EXCLUDE_SCHEMAS, Pattern::schema)?,
                exclude_table_data: self.patterns(names::EXCLUDE_TABLE_DATA, Pattern::table)?,
                collections: self.patterns(names::COLLECTIONS, Pattern::collection)?,
                exclude_collections: self
                    .patterns(names::EXCLUDE_COLLECTIONS, Pattern::collection)?,
            },
        })
    }

    /// A text; a number or a truth value of JSON (`true` is `yes`) is taken for one.
    fn option<T>(&self, name: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>> {
        let value = match self.0.get(name) {
            Some(Value::Bool(true)) => "yes".to_owned(),
            Some(Value::Bool(false)) => "no".to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => match self.text(&[name])? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let reject = |reason| {
            let what = format!("the secret's field {name} with value {value:?} {reason}");
            wrong(what, "Correct the field, or leave it out")
        };
        read(&value).map(Some).map_err(reject)
    }

    /// A JSON array of patterns, or a text of patterns with white space between.
    fn patterns(
        &self,
        name: &str,
        read: fn(&str) -> Result<Pattern, String>,
    ) -> Result<Vec<Pattern>> {
        let reject = |reason: &str| {
            let hint = "Give a JSON array of patterns such as [\"app.*\"], or a text with spaces \
                        between them";
            wrong(format!("the secret's field {name} {reason}"), hint)
        };
        let words = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::String(text)) => pattern::words(text),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| reject("holds something else than texts"))?,
            Some(_) => return Err(reject("is neither an array nor a text")),
        };
        words.iter().map(|word| read(word).map_err(|reason| reject(&reason))).collect()
    }
}

fn no_text(name: &str) -> Error {
    wrong(format!("the secret's field {name} is no text"), EXAMPLE)
}
