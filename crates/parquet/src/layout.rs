//! Which objects of a listing are the files of which table, and whether a table is there whole.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use autodump_core::ports::Listed;
use serde::Deserialize;

/// The object that marks a directory as written to its end.
pub const SUCCESS: &str = "_SUCCESS";
const EXTENSION: &str = ".parquet";

/// How tables lie below a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// As RDS exports: `…/<export-id>/<database>/<schema>.<table>/<batch>/part-….gz.parquet`, with
    /// a `_SUCCESS` in each batch. Older exports have no batches; some tables of an export may be
    /// of the one kind, and some of the other.
    Rds,
    /// Each directory with files `*.parquet` is a table. A `_SUCCESS` beside them says that they
    /// are all there.
    Plain,
}

/// The files of a table, and where its result belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The directory that holds all of it, with a closing slash.
    pub directory: String,
    /// What tells it from the others, for its result: `<export-id>/<database>/<schema>.<table>`
    /// with [`Layout::Rds`], the last name of the directory with [`Layout::Plain`].
    pub name: String,
    /// In the order in which they are read: by batch, part and key.
    pub files: Vec<Listed>,
    /// Directories of it that have no `_SUCCESS`: they may still be growing.
    pub growing: Vec<String>,
    /// How it was found.
    pub(crate) layout: Layout,
}

impl Table {
    /// Whether every directory of it has its `_SUCCESS`. One that has not is not to be taken.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.growing.is_empty()
    }

    /// Whether an object of this key is one of its files.
    pub(crate) fn has_place_for(&self, key: &str) -> bool {
        let place = self.layout.place(key);
        place.is_some_and(|place| place.directory == self.directory && place.file != SUCCESS)
    }

    /// Why it is not to be taken yet, as a sentence without a full stop; `None` where every
    /// directory of it has its `_SUCCESS`.
    #[must_use]
    pub fn why_growing(&self, bucket: &str) -> Option<String> {
        let (directory, growing) = (&self.directory, self.growing.first()?);
        Some(format!(
            "s3://{bucket}/{directory} may still be growing: s3://{bucket}/{growing}/_SUCCESS is \
             missing"
        ))
    }
}

/// Where an object is within its table.
struct Place<'a> {
    /// The table's directory, with a closing slash.
    directory: &'a str,
    /// What follows it up to the file's name: a batch, or nothing.
    batch: &'a str,
    file: &'a str,
}

impl Layout {
    /// The directory of the table that an object belongs to, with a closing slash: what is to be
    /// listed when its `_SUCCESS` has come. `None` for an object of no table.
    #[must_use]
    pub fn directory_of(self, key: &str) -> Option<&str> {
        self.place(key).map(|place| place.directory)
    }

    /// Whether a table may be in this very directory, with its closing slash.
    #[must_use]
    pub fn is_of_table(self, directory: &str) -> bool {
        let batch = if self == Self::Rds { "1/" } else { "" };
        let key = format!("{directory}{batch}{SUCCESS}");
        directory.ends_with('/') && self.directory_of(&key) == Some(directory)
    }

    /// The name of a table without what tells one export from another:
    /// `<database>/<schema>.<table>` with [`Layout::Rds`].
    #[must_use]
    pub fn stem(self, name: &str) -> &str {
        match self {
            Self::Rds => name.split_once('/').map_or(name, |(_, stem)| stem),
            Self::Plain => name,
        }
    }

    /// The tables of a listing, by directory. Objects that are neither files of Parquet nor
    /// `_SUCCESS` belong to none, nor do those that Spark and others hide by a first `_` or `.`.
    #[must_use]
    pub fn tables(self, listed: &[Listed]) -> Vec<Table> {
        let mut found: BTreeMap<&str, Found<'_>> = BTreeMap::new();
        for object in listed {
            let Some(place) = self.place(&object.key) else { continue };
            let table = found.entry(place.directory).or_default();
            if place.file == SUCCESS {
                table.marked.insert(place.batch);
            } else {
                table.files.push((place, object));
            }
        }
        found.into_iter().map(|(directory, found)| self.table(directory, found)).collect()
    }

    /// The table of a directory in which nothing was found.
    pub(crate) fn without_files(self, directory: &str) -> Table {
        self.table(directory, Found::default())
    }

    fn place(self, key: &str) -> Option<Place<'_>> {
        let (directory, file) = key.rsplit_once('/')?;
        let hidden = file.starts_with(['_', '.']);
        if file != SUCCESS && (hidden || !file.ends_with(EXTENSION)) {
            return None;
        }
        match self {
            Self::Plain => {
                let directory = &key[..=directory.len()];
                Some(Place { directory, batch: "", file })
            }
            Self::Rds => {
                let (above, last) = directory.rsplit_once('/')?;
                let numbered = last.bytes().all(|byte| byte.is_ascii_digit());
                let (table, batch) =
                    if !numbered && last.contains('.') { (directory, "") } else { (above, last) };
                let named = table.rsplit('/').next().is_some_and(|name| name.contains('.'));
                let deep = table.split('/').count() >= 3;
                let directory = &key[..=table.len()];
                (named && deep).then_some(Place { directory, batch, file })
            }
        }
    }

    fn table(self, directory: &str, found: Found<'_>) -> Table {
        let Found { marked, mut files } = found;
        files.sort_by(|(a, _), (b, _)| in_order(a, b));
        let batches: BTreeSet<_> = files.iter().map(|(place, _)| place.batch).collect();
        let growing = batches.difference(&marked).map(|batch| format!("{directory}{batch}"));
        let growing = growing.map(|name| name.trim_end_matches('/').to_owned()).collect();
        let files = files.into_iter().map(|(_, object)| object.clone()).collect();
        let (directory, name) = (directory.to_owned(), self.name(directory));
        Table { directory, name, files, growing, layout: self }
    }

    fn name(self, directory: &str) -> String {
        let parts: Vec<_> = directory.trim_end_matches('/').rsplit('/').collect();
        let depth = if self == Self::Rds { 3 } else { 1 };
        let mut parts: Vec<_> = parts.into_iter().take(depth).collect();
        parts.reverse();
        parts.join("/")
    }
}

#[derive(Default)]
struct Found<'a> {
    /// Batches with a `_SUCCESS`.
    marked: BTreeSet<&'a str>,
    files: Vec<(Place<'a>, &'a Listed)>,
}

fn in_order(a: &Place<'_>, b: &Place<'_>) -> Ordering {
    let batch = natural(a.batch).cmp(&natural(b.batch));
    let part = || part_number(a.file).cmp(&part_number(b.file));
    batch.then_with(part).then_with(|| a.file.cmp(b.file))
}

/// Numbers come before texts, and by their value.
fn natural(text: &str) -> (bool, u128, &str) {
    match text.parse::<u128>() {
        Ok(number) if !text.starts_with('+') => (false, number, text),
        _ => (true, 0, text),
    }
}

/// The number of `part-00012-…`; files without one come last.
fn part_number(file: &str) -> (bool, u128) {
    let rest = file.strip_prefix("part-").unwrap_or_default();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().map_or((true, 0), |number| (false, number))
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
