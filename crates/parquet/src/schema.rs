//! What the rows of a table have to be.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use autodump_core::{Error, ErrorClass, Result};
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::column::Column;
use crate::number::Number;
use crate::text::Bad;
use crate::typed::Type;

/// The schema of a table, as JSON: `{"columns": [{"name": "id", "type": "integer", "min": 1}]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// Every column of the table, in any order.
    pub columns: Vec<ColumnSchema>,
}

/// What the values of a column have to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// The column's name.
    pub name: String,
    /// Its type. The column is of it in the file, or its texts can be read as it.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Type>,
    /// Whether it may be NULL.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// A regular expression that matches somewhere in every text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The least number, the first date or time, or of other texts the fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest, last or most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
}

const fn yes() -> bool {
    true
}

/// What is looked at in every value of a column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    not_null: bool,
    /// The type that the text has to be read as.
    kind: Option<Type>,
    pattern: Option<Regex>,
    min: Option<Bound>,
    max: Option<Bound>,
}

#[derive(Debug, Clone)]
enum Bound {
    Number(Number),
    Text(String),
    Length(u64),
}

/// A schema that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Rules(Vec<(ColumnSchema, Rule)>);

impl TableSchema {
    /// Reads one. An error of class [`ErrorClass::Configuration`] says what is wrong with it.
    pub fn read(json: &[u8]) -> Result<Self> {
        let schema: Self = serde_json::from_slice(json)
            .map_err(|error| wrong(format!("the table schema is not understood: {error}")))?;
        schema.rules()?;
        Ok(schema)
    }

    pub(crate) fn rules(&self) -> Result<Rules> {
        let mut names = BTreeSet::new();
        let rules = self.columns.iter().map(|column| {
            if !names.insert(&column.name) {
                return Err(wrong(format!("the table schema has column {} twice", column.name)));
            }
            Ok((column.clone(), column.rule()?))
        });
        rules.collect::<Result<_>>().map(Rules)
    }
}

impl ColumnSchema {
    fn rule(&self) -> Result<Rule> {
        let pattern = self.pattern.as_deref().map(Regex::new).transpose().map_err(|error| {
            wrong(format!("the pattern of column {} is no expression: {error}", self.name))
        })?;
        let (min, max) = (self.bound(self.min.as_ref())?, self.bound(self.max.as_ref())?);
        Ok(Rule { not_null: !self.nullable, kind: self.kind, pattern, min, max })
    }

    fn bound(&self, value: Option<&Value>) -> Result<Option<Bound>> {
        let Some(value) = value else { return Ok(None) };
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let bound = match self.kind {
            Some(Type::Integer | Type::Decimal | Type::Float) => {
                Number::read(text.as_bytes()).map(Bound::Number)
            }
            Some(kind @ (Type::Date | Type::Time | Type::Timestamp)) => {
                kind.fits(text.as_bytes()).then(|| Bound::Text(text.clone()))
            }
            _ => text.parse().ok().map(Bound::Length),
        };
        let needs = "has a min or max that is none of its type";
        bound.map(Some).ok_or_else(|| wrong(format!("column {} {needs}: {text}", self.name)))
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorClass::Configuration, what, "Correct the table schema")
}

impl Rules {
    /// The rules in the order of a file's columns, which must be those of the schema.
    pub(crate) fn for_columns(&self, columns: &[Column], uri: &str) -> Result<Vec<Rule>> {
        let differs = |what: String| {
            let hint = "Correct the table schema, or what writes the file";
            Error::new(ErrorClass::Verification, format!("{uri} {what}"), hint)
        };
        for (column, _) in &self.0 {
            if !columns.iter().any(|found| found.info.name == column.name) {
                return Err(differs(format!("lacks column {} of the table schema", column.name)));
            }
        }
        let rule = |column: &Column| {
            let name = &column.info.name;
            let found = self.0.iter().find(|(schema, _)| schema.name == *name);
            let (_, rule) = found
                .ok_or_else(|| differs(format!("has column {name}, the table schema has not")))?;
            let mut rule = rule.clone();
            if let Some(wanted) = rule.kind {
                let kind = Type::of(column);
                if kind == wanted {
                    // The file says so itself.
                    rule.kind = None;
                } else if kind != Type::String {
                    let (has, wants) = (kind.name(), wanted.name());
                    let what = format!("has column {name} as {has}, the table schema as {wants}");
                    return Err(differs(what));
                }
            }
            Ok(rule)
        };
        columns.iter().map(rule).collect()
    }
}

impl Rule {
    /// Looks at a value's text, or at NULL.
    pub(crate) fn check(&self, text: Option<&[u8]>) -> Result<(), Bad> {
        let Some(text) = text else {
            return if self.not_null { Err("is NULL".to_owned()) } else { Ok(()) };
        };
        if let Some(kind) = self.kind.filter(|kind| !kind.fits(text)) {
            return Err(format!("is no {}: {}", kind.name(), shown(text)));
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            return Err(format!("does not match {pattern}: {}", shown(text)));
        }
        if self.min.as_ref().is_some_and(|min| min.against(text) == Some(Ordering::Less)) {
            return Err(format!("is below its minimum: {}", shown(text)));
        }
        if self.max.as_ref().is_some_and(|max| max.against(text) == Some(Ordering::Greater)) {
            return Err(format!("is above its maximum: {}", shown(text)));
        }
        Ok(())
    }
}

impl Bound {
    /// How a text stands to it; nothing where it is not a number.
    fn against(&self, text: &[u8]) -> Option<Ordering> {
        match self {
            Self::Number(bound) => Number::read(text).map(|number| number.cmp(bound)),
            Self::Text(bound) => Some(text.cmp(bound.as_bytes())),
            Self::Length(bound) => {
                let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
                Some((text.iter().filter(begins).count() as u64).cmp(bound))
            }
        }
    }
}

/// The beginning of a text, for a person.
fn shown(text: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MOST)]);
    let start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
