//! What an export wrote: `<database>/<schema>.<table>/<batch>/part-….parquet`, and `_SUCCESS`
//! where a batch is whole.

use std::collections::BTreeMap;

use super::layout::SUCCESS;
use crate::error::Result;
use crate::pages::Pages;
use crate::ports::ObjectReader;

/// The objects of an export, counted by table. It takes memory for tables and batches, not for
/// objects.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// By the table's directory, such as `shop/public.orders`.
    tables: BTreeMap<String, Found>,
    /// The names of the objects that are of no table: the export's own lists.
    pub(super) files: Vec<String>,
}

/// The objects of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Data objects.
    pub(super) objects: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Of each batch, whether it is whole.
    batches: BTreeMap<String, bool>,
}

impl Found {
    /// Whether there is a batch, and each of them is whole.
    pub(super) fn is_whole(&self) -> bool {
        !self.batches.is_empty() && self.batches.values().all(|whole| *whole)
    }
}

impl Contents {
    /// Lists what is in `directory`, page by page.
    pub(super) async fn list(
        store: &impl ObjectReader,
        bucket: &str,
        directory: &str,
    ) -> Result<Self> {
        let mut contents = Self::default();
        let mut pages = Pages::of(store, bucket, directory);
        while let Some(page) = pages.next().await? {
            for object in page {
                contents.add(&object.key[directory.len()..], object.bytes);
            }
        }
        Ok(contents)
    }

    fn add(&mut self, path: &str, bytes: u64) {
        let parts: Vec<_> = path.split('/').collect();
        let [database, table, batch @ .., name] = &parts[..] else {
            self.files.push(path.to_owned());
            return;
        };
        let found = self.tables.entry(format!("{database}/{table}")).or_default();
        let whole = found.batches.entry(batch.join("/")).or_default();
        if *name == SUCCESS {
            *whole = true;
        } else {
            found.objects += 1;
            found.bytes += bytes;
        }
    }

    /// The directories by the names of their tables, as [`Directories::of`] finds them.
    pub(super) fn directories(&self) -> Directories<'_> {
        let mut exact = BTreeMap::new();
        let mut others: BTreeMap<_, Option<&str>> = BTreeMap::new();
        for directory in self.tables.keys() {
            let (database, table) = directory.split_once('/').unwrap_or((directory, ""));
            exact.insert(format!("{database}.{table}"), directory.as_str());
            let plain = without_hash(table);
            let twice = [table, plain].map(|name| {
                name.strip_prefix(database).filter(|rest| rest.starts_with('.')).map(|_| name)
            });
            let mut names = vec![format!("{database}.{plain}")];
            names.extend(twice.into_iter().flatten().map(str::to_owned));
            names.sort_unstable();
            names.dedup();
            for name in names {
                // A name that two directories could have is none's.
                let one = others.entry(name).or_insert(Some(directory.as_str()));
                if *one != Some(directory.as_str()) {
                    *one = None;
                }
            }
        }
        Directories { exact, others }
    }

    /// What is in a directory.
    pub(super) fn found(&self, directory: &str) -> Option<&Found> {
        self.tables.get(directory)
    }

    /// All directories.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Found)> {
        self.tables.iter().map(|(directory, found)| (directory.as_str(), found))
    }
}

/// Which directory a table has.
#[derive(Debug)]
pub(super) struct Directories<'a> {
    exact: BTreeMap<String, &'a str>,
    others: BTreeMap<String, Option<&'a str>>,
}

impl<'a> Directories<'a> {
    /// The directory of a table by its name in the lists: `<database>.<schema>.<table>`, or
    /// `<database>.<table>` without schemas, whose directory has the database twice. RDS writes
    /// some characters as `_`, and a hash behind some names.
    pub(super) fn of(&self, target: &str) -> Option<&'a str> {
        let odd = |c: char| matches!(c, '\\' | '`' | '"' | ' ');
        let name: String = target.chars().map(|c| if odd(c) { '_' } else { c }).collect();
        self.exact.get(&name).copied().or_else(|| self.others.get(&name).copied().flatten())
    }
}

/// The name without the `_` and 16 upper-case hexadecimal digits that RDS may have added.
fn without_hash(table: &str) -> &str {
    let is_hash = |text: &str| {
        text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    };
    match table.rsplit_once('_') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => table,
    }
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
