//! The tags that each kind of target has for itself.

use std::collections::BTreeMap;

use super::{Kind, Reader};
use crate::options::{self, Conflict, DumpOptions, Selection, names};
use crate::pattern::{self, Pattern};
use crate::snapshot::options::{self as snapshot, KEPT, SnapshotOptions, names as snapshot_names};
use crate::table::choose::Who;
use crate::table::options::{self as table, TableOptions, names as table_names};
use crate::verification::Level;

/// What a target's own tags ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Options {
    /// Of a secret: what is dumped of its database, and how. Tags win over the secret's fields.
    Dump(DumpOptions),
    /// Of a table: how it is read.
    Table(TableOptions),
    /// Of a database of RDS: what is exported of it, and what is kept.
    Snapshots(SnapshotOptions),
}

impl Reader<'_> {
    /// All options that are there.
    pub(super) fn options(&mut self, tags: &BTreeMap<String, String>) -> Options {
        match self.kind {
            Kind::Secret => {
                let options = self.of_dump();
                self.reject_conflicts(&options, tags);
                Options::Dump(options)
            }
            Kind::Table => Options::Table(self.of_table()),
            Kind::Database => Options::Snapshots(self.of_snapshots()),
        }
    }

    fn of_dump(&mut self) -> DumpOptions {
        DumpOptions {
            compression: self.take(names::COMPRESSION, str::parse),
            jobs: self.take(names::JOBS, options::jobs),
            lock_timeout: self.take(names::LOCK_TIMEOUT, options::lock_timeout),
            all_databases: self.take(names::DATABASES, options::databases),
            globals: self.take(names::GLOBALS, options::yes_or_no),
            method: self.take(names::METHOD, options::method),
            read_preference: self.take(names::READ_PREFERENCE, str::parse),
            oplog: self.take(names::OPLOG, options::yes_or_no),
            selection: Selection {
                tables: self.patterns(names::TABLES, Pattern::table),
                exclude_tables: self.patterns(names::EXCLUDE_TABLES, Pattern::table),
                schemas: self.patterns(names::SCHEMAS, Pattern::schema),
                exclude_schemas: self.patterns(names::EXCLUDE_SCHEMAS, Pattern::schema),
                exclude_table_data: self.patterns(names::EXCLUDE_TABLE_DATA, Pattern::table),
                collections: self.patterns(names::COLLECTIONS, Pattern::collection),
                exclude_collections: self.patterns(names::EXCLUDE_COLLECTIONS, Pattern::collection),
            },
        }
    }

    fn patterns(&mut self, name: &str, read: fn(&str) -> Result<Pattern, String>) -> Vec<Pattern> {
        let all = |value: &str| {
            let words = pattern::words(value);
            if words.is_empty() {
                return Err("names nothing: give patterns, or remove the tag".to_owned());
            }
            words.iter().map(|word| read(&pattern::of_tag(word))).collect()
        };
        self.take(name, all).unwrap_or_default()
    }

    /// Which engine it is, only the secret says, and options that it gives may go together with
    /// these no better: that is for [`DumpOptions::checked_for`] to say.
    fn reject_conflicts(&mut self, options: &DumpOptions, tags: &BTreeMap<String, String>) {
        for Conflict { option, with, why, remedy } in options.conflicts() {
            let value = tags.get(&self.prefix.key(option)).map_or("", |value| value.trim());
            let with = self.prefix.key(with);
            let reason =
                format!("does not go with the tag {with}: {why}; remove one of them, or {remedy}");
            self.reject(option, value, reason);
        }
    }

    fn of_snapshots(&mut self) -> SnapshotOptions {
        SnapshotOptions {
            origin: self.take(snapshot_names::SNAPSHOT, snapshot::origin).unwrap_or_default(),
            export_only: self
                .take(snapshot_names::EXPORT_ONLY, snapshot::export_only)
                .unwrap_or_default(),
            keep: self.take(snapshot_names::KEEP_SNAPSHOTS, snapshot::keep).unwrap_or(KEPT),
        }
    }

    fn of_table(&mut self) -> TableOptions {
        let method = self.take(table_names::METHOD, table::method).flatten();
        let key = self.prefix.key(table_names::METHOD);
        let of_scan = |set: bool| {
            if set && method == Some(Who::Export) {
                return Err(format!(
                    "does nothing with the tag {key} = export: DynamoDB decides how it reads and \
                     writes; remove one of them"
                ));
            }
            Ok(())
        };
        TableOptions {
            method,
            segments: self
                .take(table_names::SEGMENTS, |value| {
                    let segments = table::segments(value)?;
                    of_scan(segments.is_some()).map(|()| segments)
                })
                .flatten(),
            jobs: self.take(names::JOBS, |value| {
                let jobs = table::jobs(value)?;
                of_scan(true).map(|()| jobs)
            }),
            max_read_percent: self.take(table_names::MAX_READ_PERCENT, |value| {
                let percent = table::max_read_percent(value)?;
                of_scan(true).map(|()| percent)
            }),
            consistent: self
                .take(table_names::CONSISTENCY, |value| {
                    let consistent = table::consistency(value)?;
                    of_scan(consistent).map(|()| consistent)
                })
                .unwrap_or_default(),
            compression: self.take(names::COMPRESSION, |value| {
                let compression = table::compression(value)?;
                of_scan(true).map(|()| compression)
            }),
            replica: self.take(table_names::REPLICATE, table::replicate).flatten(),
        }
    }
}

/// How far backups of tables can be verified: there is no other table to restore them into.
pub(super) fn level_of_table(value: &str) -> Result<Level, String> {
    match value.parse() {
        Ok(Level::Restore) => Err("is not offered for tables: use checksum or archive".to_owned()),
        Ok(level) => Ok(level),
        Err(_) => {
            Err("is no level of verification: allowed are none, checksum and archive".to_owned())
        }
    }
}
