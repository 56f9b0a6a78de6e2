//! What the rows of a table have to be: a JSON Schema (draft 2020-12) that describes a row as an
//! object, as far as a row of a table needs one.

mod bound;
mod form;
mod keywords;
mod read;
mod rule;

use autodump_core::{Error, ErrorClass, Result};

pub(crate) use self::rule::Rule;
use crate::column::Column;

/// The schema of a table, understood.
#[derive(Debug, Clone)]
pub struct TableSchema {
    /// What is known of columns, by name; each once.
    properties: Vec<(String, Rule)>,
    /// Columns that must be there.
    required: Vec<String>,
    /// Whether there may be columns without rules.
    additional: bool,
    /// Of the text that it was read of.
    sha256: [u8; 32],
}

impl TableSchema {
    /// Reads one. An error of class [`ErrorClass::Configuration`] says what is wrong with it:
    /// keywords that are not supported are refused, and none is left out of account.
    pub fn read(json: &[u8]) -> Result<Self> {
        read::schema(json).map_err(|what| {
            Error::new(ErrorClass::Configuration, what, "Correct the table schema (docs/csv.md)")
        })
    }

    /// SHA-256 of the text that it was read of, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        hex::encode(self.sha256)
    }

    /// The rules in the order of a file's columns, which must be those that the schema allows.
    pub(crate) fn for_columns(&self, columns: &[Column], uri: &str) -> Result<Vec<Rule>> {
        let differs = |what: String| {
            let hint = "Correct the table schema, or what writes the file";
            Error::new(ErrorClass::Verification, format!("{uri} {what}"), hint)
        };
        let lacks = |name: &&String| !columns.iter().any(|found| found.info.name == **name);
        if let Some(missing) = self.required.iter().find(lacks) {
            return Err(differs(format!(
                "lacks column {missing}, which the table schema requires"
            )));
        }
        let rule = |column: &Column| {
            let name = &column.info.name;
            match self.properties.iter().find(|(known, _)| known == name) {
                Some((_, rule)) => rule.of_column(column).map_err(|(has, wants)| {
                    differs(format!("has column {name} as {has}, the table schema as {wants}"))
                }),
                None if self.additional => Ok(Rule::default()),
                None => Err(differs(format!(
                    "has column {name}, which the table schema has not, nor additionalProperties"
                ))),
            }
        };
        columns.iter().map(rule).collect()
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
