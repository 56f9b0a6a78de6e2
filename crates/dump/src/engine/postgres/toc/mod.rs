//! The table of contents of an archive in directory format: the file `toc.dat`.
//!
//! The format is `pg_dump`'s own (`WriteHead` and `WriteToc` in PostgreSQL's
//! `src/bin/pg_dump/pg_backup_archiver.c`) and not documented elsewhere. Read and written are
//! the archive versions 1.14 (PostgreSQL 12 to 15), 1.15 (16) and 1.16 (17 and 18). What is
//! read and written again is the same, byte for byte.

mod read;
#[cfg(test)]
pub(crate) mod samples;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;

use autodump_core::{Error, ErrorClass, Result};

pub use self::read::Unreadable;

/// The file's name in the archive.
pub const FILE_NAME: &str = "toc.dat";

/// The object identifier of the catalogue `pg_class`.
const PG_CLASS: u32 = 1259;

/// A text in the encoding of the database, or NULL: `pg_dump` tells it from an empty one.
pub type Text = Option<Vec<u8>>;

/// A table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toc {
    /// What is said once.
    pub header: Header,
    /// In the order in which `pg_dump` has written them.
    pub entries: Vec<Entry>,
}

/// A version of the archive format that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.14, of PostgreSQL 12 to 15.
    V1_14,
    /// 1.15, of PostgreSQL 16: the header names a compression algorithm.
    V1_15,
    /// 1.16, of PostgreSQL 17 and 18: entries have a relkind.
    V1_16,
}

/// What is said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the archive format.
    pub version: Version,
    /// How `pg_dump` was told to compress: in 1.14 the level (−1 for the usual one), later the
    /// algorithm (0 none, 1 gzip, 2 LZ4, 3 Zstandard). `pg_restore` goes by the data files'
    /// names.
    pub compression: i32,
    /// When the dump began, in the local time of the client, as C's `struct tm`: second,
    /// minute, hour, day, month from 0, year since 1900, daylight saving time.
    pub created: [i32; 7],
    /// The name of the database.
    pub database: Text,
    /// The server's version.
    pub server_version: Text,
    /// The version of `pg_dump`.
    pub client_version: Text,
}

/// When an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// With what it belongs to: comments, grants.
    None,
    /// Before the data: definitions.
    PreData,
    /// Data: rows, large objects, positions of sequences.
    Data,
    /// After the data: indexes, constraints, triggers.
    PostData,
}

/// One object, or the data of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number within the archive, from 1.
    pub dump_id: i32,
    /// Whether it has data: a file of its own.
    pub had_dumper: bool,
    /// The object identifier of the catalogue that has the object; 0 where there is none.
    pub catalogue: u32,
    /// The object's identifier in that catalogue. That of the table, for its data.
    pub oid: u32,
    /// The object's name, without schema.
    pub tag: Text,
    /// Its kind, such as `TABLE`, `TABLE DATA`, `SEQUENCE SET`.
    pub desc: Text,
    /// When it is restored.
    pub section: Section,
    /// The SQL that makes it.
    pub defn: Text,
    /// The SQL that drops it.
    pub drop_stmt: Text,
    /// The `COPY` statement that loads its data.
    pub copy_stmt: Text,
    /// Its schema.
    pub namespace: Text,
    /// Its tablespace; empty for the database's own.
    pub tablespace: Text,
    /// Its table access method.
    pub tableam: Text,
    /// Its `pg_class.relkind` where it is a `TABLE`, else 0. Only from 1.16.
    pub relkind: i32,
    /// The role that owns it.
    pub owner: Text,
    /// `false`: tables with OIDs are gone.
    pub with_oids: Text,
    /// The dump ids that come first. There need not be entries with these ids.
    pub dependencies: Vec<i32>,
    /// The name of the file with its data, without the extension of its compression.
    /// Empty where it has none.
    pub file_name: Text,
}

/// The rows of a table that come from elsewhere than `pg_dump`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableData {
    /// The table's object identifier. It has an entry of kind `TABLE`.
    pub table: u32,
    /// What loads the rows, in the encoding of the archive, as `pg_dump` writes it:
    /// `COPY schema.table (a, b) FROM stdin;` and a newline; without columns
    /// `COPY schema.table  FROM stdin;`. Generated columns are left out.
    pub copy_stmt: Vec<u8>,
    /// The file's name, without the extension of its compression.
    pub file_name: String,
}

impl Toc {
    /// Reads `toc.dat`. Memory is bounded by the length of `bytes`.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        read::toc(bytes)
    }

    /// The bytes of `toc.dat`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        write::toc(self)
    }

    /// The entries of tables: partitioned ones and partitions, but not foreign tables.
    pub fn tables(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_table())
    }

    /// The entries of tables' rows.
    pub fn table_data(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_table_data())
    }

    /// The encoding of the texts and of the data, by PostgreSQL's name for it, such as `UTF8`.
    #[must_use]
    pub fn encoding(&self) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.is("ENCODING"))?;
        let statement = std::str::from_utf8(entry.defn.as_deref()?).ok()?;
        let (_, quoted) = statement.split_once("client_encoding = '")?;
        quoted.split_once('\'').map(|(name, _)| name)
    }

    /// Adds an entry `TABLE DATA` for each of `data`, as `pg_dump` would: after those that are
    /// there, before all else that comes with or after the data, in the order of the tables'
    /// own entries.
    ///
    /// A table without entry is an error of class [`ErrorClass::Internal`], and nothing is
    /// added then.
    pub fn add_table_data(&mut self, data: impl IntoIterator<Item = TableData>) -> Result<()> {
        let tables: HashMap<_, _> =
            self.tables().enumerate().map(|(i, t)| (t.oid, (i, t))).collect();
        let mut added = Vec::new();
        for data in data {
            let (place, table) = tables.get(&data.table).ok_or_else(|| {
                fault(format!("toc.dat has no table with the OID {}", data.table))
            })?;
            added.push((*place, Entry::table_data(table, data)));
        }
        added.sort_by_key(|(place, _)| *place);
        let mut id = self.highest_id();
        for (_, entry) in &mut added {
            id = id.checked_add(1).ok_or_else(|| fault("toc.dat has no more dump ids".into()))?;
            entry.dump_id = id;
        }
        let place = self.end_of_table_data();
        self.entries.splice(place..place, added.into_iter().map(|(_, entry)| entry));
        Ok(())
    }

    /// The highest dump id that is used, be it by a dependency on what is not in the archive.
    fn highest_id(&self) -> i32 {
        let dependencies = self.entries.iter().flat_map(|entry| &entry.dependencies);
        let ids = self.entries.iter().map(|entry| &entry.dump_id);
        ids.chain(dependencies).copied().max().unwrap_or(0).max(0)
    }

    fn end_of_table_data(&self) -> usize {
        let first = |section| self.entries.iter().position(|entry| entry.section == section);
        let start = first(Section::Data).or_else(|| first(Section::PostData));
        let start = start.unwrap_or(self.entries.len());
        let data = self.entries[start..].iter().take_while(|entry| entry.is_table_data());
        start + data.count()
    }
}

impl Entry {
    /// The object's name, for people.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        shown(&self.tag)
    }

    /// The object's schema, for people.
    #[must_use]
    pub fn schema(&self) -> Cow<'_, str> {
        shown(&self.namespace)
    }

    /// Whether it is of this kind, such as `SEQUENCE SET`.
    #[must_use]
    pub fn is(&self, desc: &str) -> bool {
        self.desc.as_deref() == Some(desc.as_bytes())
    }

    /// Whether it is a table's definition.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.catalogue == PG_CLASS && self.is("TABLE")
    }

    /// Whether it is a table's rows.
    #[must_use]
    pub fn is_table_data(&self) -> bool {
        self.is("TABLE DATA")
    }

    /// The rows of `table`; without dump id.
    fn table_data(table: &Self, data: TableData) -> Self {
        Self {
            dump_id: 0,
            had_dumper: true,
            catalogue: 0,
            oid: table.oid,
            tag: table.tag.clone(),
            desc: Some(b"TABLE DATA".to_vec()),
            section: Section::Data,
            defn: None,
            drop_stmt: None,
            copy_stmt: Some(data.copy_stmt),
            namespace: table.namespace.clone(),
            tablespace: None,
            tableam: None,
            relkind: 0,
            owner: table.owner.clone(),
            with_oids: Some(b"false".to_vec()),
            dependencies: vec![table.dump_id],
            file_name: Some(data.file_name.into_bytes()),
        }
    }
}

fn shown(text: &Text) -> Cow<'_, str> {
    text.as_deref().map_or(Cow::Borrowed(""), String::from_utf8_lossy)
}

fn fault(what: String) -> Error {
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
}

#[cfg(test)]
#[path = "toc_tests.rs"]
mod tests;
