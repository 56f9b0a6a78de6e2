//! What RDS writes of an export beside its data: `export_info_<task>.json`, and the tables in
//! `export_tables_info_<task>_from_<n>_to_<m>.json`, some of them in each.

use serde::Deserialize;
use serde_json::Value;

use super::layout as below;
use super::stored;
use crate::error::{Error, ErrorClass, Result};
use crate::ports::ObjectReader;

const COMPLETE: &str = "COMPLETE";

/// What an export says of itself.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Its tables, and what else it names, in the order of the lists.
    pub(super) entries: Vec<Entry>,
    /// What it says of the whole.
    pub(super) warnings: Vec<String>,
}

/// A table, or a database that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `<database>.<schema>.<table>`, or a part of it.
    pub(super) target: String,
    /// As RDS has it; empty where it has none.
    pub(super) status: String,
    /// What RDS says of it.
    pub(super) warnings: Vec<String>,
    /// Whether RDS says that it has no data.
    pub(super) is_empty: bool,
}

impl Entry {
    /// Whether all of it was written. Else it was left out.
    pub(super) fn is_exported(&self) -> bool {
        self.status == COMPLETE
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    export_task_identifier: String,
    status: String,
    #[serde(default)]
    warning_message: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tables {
    per_table_status: Vec<Table>,
}

/// Of each table there is much more: the columns, and when it was read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    target: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default, rename = "sizeGB")]
    size_gb: Option<f64>,
    #[serde(default)]
    warning_message: Value,
}

impl Lists {
    /// Reads the lists that a task wrote into `directory`, among whose files these are: their
    /// names, without the directory. Lists that are missing, of another task, or of one that has
    /// not ended well, are an error of class [`ErrorClass::Verification`].
    pub(super) async fn read(
        store: &impl ObjectReader,
        bucket: &str,
        directory: &str,
        task: &str,
        files: &[String],
    ) -> Result<Self> {
        let name = below::info(task);
        if !files.contains(&name) {
            return Err(odd(format!("the export {directory} has no {name}")));
        }
        let info: Info = stored::read(store, bucket, &format!("{directory}{name}")).await?;
        if info.export_task_identifier != task || info.status != COMPLETE {
            let (of, status) = (&info.export_task_identifier, &info.status);
            return Err(odd(format!("{directory}{name} is of the task {of}, which is {status}")));
        }
        let mut lists = Self { warnings: words(&info.warning_message), ..Self::default() };
        for name in ordered(directory, task, files)? {
            let tables: Tables = stored::read(store, bucket, &format!("{directory}{name}")).await?;
            lists.entries.extend(tables.per_table_status.into_iter().map(Entry::from));
        }
        Ok(lists)
    }
}

impl From<Table> for Entry {
    fn from(table: Table) -> Self {
        let Table { target, status, size_gb, warning_message } = table;
        Self {
            target,
            status: status.unwrap_or_default(),
            warnings: words(&warning_message),
            is_empty: size_gb == Some(0.0),
        }
    }
}

/// The names of the lists of tables, by the number of their first table. None may be missing in
/// between.
fn ordered(directory: &str, task: &str, files: &[String]) -> Result<Vec<String>> {
    let prefix = below::lists(task);
    let range = |name: &str| -> Option<(u64, u64)> {
        let (from, to) = name.strip_prefix(&prefix)?.strip_suffix(".json")?.split_once("_to_")?;
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    let mut lists: Vec<_> =
        files.iter().filter_map(|name| range(name).map(|range| (range, name))).collect();
    lists.sort_unstable();
    if lists.is_empty() {
        return Err(odd(format!("the export {directory} has no {prefix}….json")));
    }
    let mut next = 1;
    for ((from, to), _) in &lists {
        if *from > next {
            let what = format!("the export {directory} has no list of its tables from {next} on");
            return Err(odd(what));
        }
        next = to + 1;
    }
    Ok(lists.into_iter().map(|(_, name)| name.clone()).collect())
}

/// A warning is a text or several of them.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(words).collect(),
        other => vec![other.to_string()],
    }
}

fn odd(what: String) -> Error {
    Error::new(
        ErrorClass::Verification,
        what,
        "Look at the export in the bucket; start another run",
    )
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
