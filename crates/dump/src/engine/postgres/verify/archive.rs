//! The archive: its table of contents, and the data files that it names.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::Result;
use autodump_core::manifest::{MethodKind, Object};
use autodump_core::ports::ObjectReader;

use crate::codec::algorithm_of;
use crate::engine::postgres::directory::Directory;
use crate::engine::postgres::toc::{Entry, FILE_NAME, Toc};
use crate::restore::Backup;
use crate::rows::RowDigest;
use crate::verify::compare::{difference, read_all, shown};
use crate::verify::content::{File, Files, Held, Use};
use crate::verify::found::Found;
use crate::verify::pieces::Holds;

/// Reads and compares every object, and all data files to their ends. Returns the table of
/// contents if it is there.
pub(super) async fn read<R: ObjectReader>(
    files: &Files<'_, R>,
    directory: Directory<'_>,
    jobs: u16,
) -> Result<Option<Toc>> {
    let Files { backup, found, .. } = files;
    let mut plan = Plan::new(directory);
    let contents = plan.toc();
    let toc = match contents {
        Some(file) => understood(&files.read(&file).await?, found),
        None => None,
    };
    if let Some(toc) = &toc {
        plan.tables(toc, found);
        let lists = plan.lists(toc, found);
        for (list, held) in read_all(files, lists, jobs).await? {
            plan.large_objects(&list, &held, found);
        }
    }
    let tables = plan.tables.iter().map(|table| table.file.clone()).collect();
    let held = read_all(files, tables, jobs).await?;
    let digests = held.into_iter().map(|(_, held)| match held {
        Held::Rows(rows) => Some(rows),
        Held::Nothing | Held::Bytes(_) | Held::Archive(_) => None,
    });
    let tables: Vec<_> = plan.tables.iter().zip(digests).collect();
    if toc.is_some() {
        compare_tables(backup, &tables, found);
    }
    let rest = plan.others();
    read_all(files, rest, jobs).await?;
    Ok(toc)
}

fn understood(held: &Held, found: &Found) -> Option<Toc> {
    let Held::Bytes(bytes) = held else { return None };
    Toc::read(bytes).map_err(|unreadable| found.problem(unreadable.to_string())).ok()
}

/// The rows of a table.
struct Table<'a> {
    schema: String,
    name: String,
    /// The data file's name in the table of contents.
    file_name: String,
    file: File<'a>,
}

/// Which objects are read as what.
struct Plan<'a> {
    directory: Directory<'a>,
    /// Keys of objects that have been planned.
    planned: BTreeSet<&'a str>,
    tables: Vec<Table<'a>>,
    large_objects: Vec<File<'a>>,
}

impl<'a> Plan<'a> {
    const fn new(directory: Directory<'a>) -> Self {
        Self { directory, planned: BTreeSet::new(), tables: Vec::new(), large_objects: Vec::new() }
    }

    fn toc(&mut self) -> Option<File<'a>> {
        self.file(FILE_NAME, |_| Use::Keep)
    }

    /// Plans the data files of tables.
    fn tables(&mut self, toc: &Toc, found: &Found) {
        for entry in toc.table_data() {
            let Some(file_name) = file_name(entry) else { continue };
            let rows = |name: &str| Use::Decode(Holds::Rows(algorithm_of(name)));
            match self.file(&file_name, rows) {
                Some(file) => self.tables.push(Table {
                    schema: entry.schema().into_owned(),
                    name: entry.name().into_owned(),
                    file_name,
                    file,
                }),
                None => missing(entry, &file_name, found),
            }
        }
    }

    /// The files that list large objects.
    fn lists(&mut self, toc: &Toc, found: &Found) -> Vec<File<'a>> {
        let mut lists = Vec::new();
        for entry in toc.entries.iter().filter(|entry| !entry.is_table_data()) {
            let Some(file_name) = file_name(entry) else { continue };
            match self.file(&file_name, |_| Use::Keep) {
                Some(file) => lists.push(file),
                None => missing(entry, &file_name, found),
            }
        }
        lists
    }

    /// Plans the large objects of a list: lines of an OID, a space and the name of a file.
    fn large_objects(&mut self, list: &File<'a>, held: &Held, found: &Found) {
        let Held::Bytes(bytes) = held else { return };
        let name = list.objects.first().map_or("", |object| object.key.as_str());
        for line in String::from_utf8_lossy(bytes).lines() {
            let Some((_, file_name)) = line.split_once(' ') else {
                found.problem(format!("{name} has the line {line:?}, which names no large object"));
                continue;
            };
            let bytes = |name: &str| Use::Decode(Holds::Bytes(algorithm_of(name)));
            match self.file(file_name, bytes) {
                Some(file) => self.large_objects.push(file),
                None => {
                    found.problem(format!("{name} names {file_name}, which the manifest does not"));
                }
            }
        }
    }

    /// All that has not been planned yet, and the large objects.
    fn others(&mut self) -> Vec<File<'a>> {
        let mut all = std::mem::take(&mut self.large_objects);
        for object in &self.directory.backup.manifest.objects {
            if !self.planned.contains(object.key.as_str()) {
                if self.directory.file_name(object).is_some() {
                    tracing::info!(key = object.key, "the table of contents does not need this");
                }
                all.push(File { objects: vec![object], used: Use::Compare });
            }
        }
        all
    }

    fn file(&mut self, name: &str, used: impl FnOnce(&str) -> Use) -> Option<File<'a>> {
        let objects: Vec<&'a Object> = self.directory.data_file(name);
        let first = objects.first()?;
        let used = used(&first.key);
        self.planned.extend(objects.iter().map(|object| object.key.as_str()));
        Some(File { objects, used })
    }
}

fn file_name(entry: &Entry) -> Option<String> {
    let name = entry.file_name.as_deref().filter(|name| !name.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn missing(entry: &Entry, file_name: &str, found: &Found) {
    let kind = entry.desc.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    found.problem(format!(
        "the table of contents names {file_name} for {kind} {}, and the manifest does not",
        shown(&entry.schema(), &entry.name())
    ));
}

/// Compares the rows that were read with those of the manifest.
fn compare_tables(backup: &Backup, read: &[(&Table<'_>, Option<RowDigest>)], found: &Found) {
    let manifest = &backup.manifest;
    let mut unknown: BTreeMap<_, _> = read
        .iter()
        .map(|(table, rows)| ((table.schema.as_str(), table.name.as_str()), (table, rows)))
        .collect();
    for expected in &manifest.tables {
        let name = shown(&expected.schema, &expected.name);
        let key = (expected.schema.as_str(), expected.name.as_str());
        let Some((table, rows)) = unknown.remove(&key) else {
            found.problem(format!("the rows of table {name} are not in the archive"));
            continue;
        };
        let keys = table.file.objects.iter().map(|object| &object.key);
        if !keys.eq(&expected.keys) {
            found.problem(format!(
                "the rows of table {name} are in {} by the table of contents, and in other \
                 objects by the manifest",
                table.file_name
            ));
        }
        let Some(rows) = rows else { continue };
        found.table(rows.rows);
        if let Some(difference) = difference(rows, expected) {
            found.problem(format!("the data of table {name} have {difference}"));
        }
    }
    for (table, rows) in unknown.into_values() {
        found.table(rows.map_or(0, |rows| rows.rows));
        if manifest.method.kind == MethodKind::Ranges && !is_by_client(&table.file_name) {
            let name = shown(&table.schema, &table.name);
            found.problem(format!("the manifest does not know how many rows table {name} has"));
        }
    }
}

/// `pg_dump` names its data files by numbers.
fn is_by_client(file_name: &str) -> bool {
    let number = file_name.strip_suffix(".dat").unwrap_or(file_name);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
