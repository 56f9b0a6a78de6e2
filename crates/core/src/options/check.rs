//! Which options an engine has, and which go together.

use super::{DumpOptions, ReadPreference, Selection, names};
use crate::compression::Algorithm;
use crate::error::{Error, ErrorClass, Result};
use crate::manifest::MethodKind;
use crate::secret::EngineName;

/// The options that PostgreSQL alone has.
const OF_POSTGRES: [&str; 6] = [
    names::LOCK_TIMEOUT,
    names::TABLES,
    names::EXCLUDE_TABLES,
    names::SCHEMAS,
    names::EXCLUDE_SCHEMAS,
    names::EXCLUDE_TABLE_DATA,
];

/// The options that MongoDB alone has.
const OF_MONGODB: [&str; 5] = [
    names::COLLECTIONS,
    names::EXCLUDE_COLLECTIONS,
    names::METHOD,
    names::READ_PREFERENCE,
    names::OPLOG,
];

/// An option that does not go with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) option: &'static str,
    /// The other one, with its value if that matters.
    pub(crate) with: &'static str,
    pub(crate) why: &'static str,
    /// What to do instead of leaving out one of them; a sentence fragment, as `why` is.
    pub(crate) remedy: &'static str,
}

impl DumpOptions {
    /// These options, if the engine has all of them and they go together: to be asked once all
    /// that were given are here. The error is of class [`ErrorClass::Configuration`], and names
    /// the option and the engine, or the first two that do not go together.
    pub fn checked_for(self, engine: EngineName) -> Result<Self> {
        let name = engine.as_str();
        let (own, foreign) = match engine {
            EngineName::Postgres => (&OF_POSTGRES[..], &OF_MONGODB[..]),
            EngineName::Mongodb => (&OF_MONGODB[..], &OF_POSTGRES[..]),
        };
        if let Some(option) = self.given().find(|option| foreign.contains(option)) {
            return Err(wrong(
                format!("the option {option} means nothing to the engine {name}"),
                format!(
                    "Remove it from the tags or from the secret's fields: {name} alone has {}",
                    own.join(", ")
                ),
            ));
        }
        if engine == EngineName::Mongodb {
            self.check_compression()?;
        }
        let Some(conflict) = self.conflicts().chain(self.lacks_all_databases()).next() else {
            return Ok(self);
        };
        let Conflict { option, with, why, remedy } = conflict;
        Err(wrong(
            format!("the option {option} does not go with {with}: {why}"),
            format!("Remove one of them from the tags or from the secret's fields, or {remedy}"),
        ))
    }

    /// The options that do not go together, whatever the engine.
    pub(crate) fn conflicts(&self) -> impl Iterator<Item = Conflict> {
        self.of_postgres().into_iter().chain(self.of_mongodb()).chain(self.of_both()).flatten()
    }

    fn of_postgres(&self) -> [Option<Conflict>; 4] {
        let Selection { tables, schemas, exclude_schemas, .. } = &self.selection;
        let (tables, schemas) = (!tables.is_empty(), !schemas.is_empty());
        let all = self.all_databases == Some(true);
        let of_all = |option| Conflict {
            option,
            with: "databases = all",
            why: "a database in which nothing fits could not be dumped",
            remedy: "name what is left out, by exclude-tables or exclude-schemas",
        };
        let of_tables = |option| Conflict {
            option,
            with: names::TABLES,
            why: "tables are chosen whatever their schemas",
            remedy: "name the tables that are left out, by exclude-tables",
        };
        [
            (all && tables).then(|| of_all(names::TABLES)),
            (all && schemas).then(|| of_all(names::SCHEMAS)),
            (tables && schemas).then(|| of_tables(names::SCHEMAS)),
            (tables && !exclude_schemas.is_empty()).then(|| of_tables(names::EXCLUDE_SCHEMAS)),
        ]
    }

    fn of_mongodb(&self) -> [Option<Conflict>; 7] {
        let Selection { collections, exclude_collections, .. } = &self.selection;
        let (collections, excludes) = (!collections.is_empty(), !exclude_collections.is_empty());
        let oplog = self.oplog == Some(true);
        let of_oplog = |option| Conflict {
            option,
            with: "oplog = yes",
            why: "the oplog records the changes of every collection",
            remedy: "dump all collections",
        };
        let of_all = Conflict {
            option: names::COLLECTIONS,
            with: "databases = all",
            why: "a database in which nothing fits could not be dumped",
            remedy: "name what is left out, by exclude-collections",
        };
        let of_ranges = Conflict {
            option: names::METHOD,
            with: "oplog = yes",
            why: "mongodump alone reads the oplog",
            remedy: "choose the method client",
        };
        let ranges = self.method == Some(MethodKind::Ranges);
        let others = self.read_preference.is_some_and(|of| of != ReadPreference::Primary);
        let one = self.all_databases == Some(false);
        [
            (self.all_databases == Some(true) && collections).then_some(of_all),
            (oplog && collections).then(|| of_oplog(names::COLLECTIONS)),
            (oplog && excludes).then(|| of_oplog(names::EXCLUDE_COLLECTIONS)),
            (oplog && ranges).then_some(of_ranges),
            (oplog && others).then_some(OPLOG_OF_OTHERS),
            (one && self.has_users_by_ranges()).then_some(USERS_BY_RANGES),
            (oplog && one).then(|| oplog_of_one("databases = one")),
        ]
    }

    /// One option of each engine: no target has both.
    fn of_both(&self) -> [Option<Conflict>; 1] {
        let first = |of: &[&str]| self.given().find(|option| of.contains(option));
        let both = first(&OF_MONGODB).zip(first(&OF_POSTGRES));
        [both.map(|(option, with)| Conflict {
            option,
            with,
            why: "the first is of MongoDB, and the second of PostgreSQL",
            remedy: "keep those of the engine that the secret names",
        })]
    }

    /// To be asked once all options are here: one that is not here may yet be given.
    fn lacks_all_databases(&self) -> Option<Conflict> {
        if self.all_databases.is_some() {
            return None;
        }
        if self.oplog == Some(true) {
            let with = "one database, which is what databases says by default";
            return Some(oplog_of_one(with));
        }
        self.has_users_by_ranges().then_some(USERS_BY_RANGES)
    }

    /// Of one database: those of all are dumped by themselves.
    fn has_users_by_ranges(&self) -> bool {
        self.globals == Some(true) && self.method == Some(MethodKind::Ranges)
    }

    fn check_compression(&self) -> Result<()> {
        match self.compression {
            Some(compression)
                if matches!(compression.algorithm(), Algorithm::Zstd | Algorithm::Lz4) =>
            {
                Err(wrong(
                    format!(
                        "the option {} is {compression}, which the engine mongodb has not",
                        names::COMPRESSION
                    ),
                    "mongorestore reads gzip or none: use none, or gzip:1 to gzip:9",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The names of those options that are of one engine alone and were given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let Selection {
            tables,
            exclude_tables,
            schemas,
            exclude_schemas,
            exclude_table_data,
            collections,
            exclude_collections,
        } = &self.selection;
        [
            (names::LOCK_TIMEOUT, self.lock_timeout.is_some()),
            (names::TABLES, !tables.is_empty()),
            (names::EXCLUDE_TABLES, !exclude_tables.is_empty()),
            (names::SCHEMAS, !schemas.is_empty()),
            (names::EXCLUDE_SCHEMAS, !exclude_schemas.is_empty()),
            (names::EXCLUDE_TABLE_DATA, !exclude_table_data.is_empty()),
            (names::COLLECTIONS, !collections.is_empty()),
            (names::EXCLUDE_COLLECTIONS, !exclude_collections.is_empty()),
            (names::METHOD, self.method.is_some()),
            (names::READ_PREFERENCE, self.read_preference.is_some()),
            (names::OPLOG, self.oplog.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
    }
}

/// Of one database.
const USERS_BY_RANGES: Conflict = Conflict {
    option: names::METHOD,
    with: "globals = yes",
    why: "mongodump alone reads users and roles",
    remedy: "choose the method client",
};

/// Of a member that is behind, the oplog ends before the dump does.
const OPLOG_OF_OTHERS: Conflict = Conflict {
    option: names::READ_PREFERENCE,
    with: "oplog = yes",
    why: "another member may be behind the one whose oplog is read, and there would be no point in \
          time",
    remedy: "choose primary",
};

const fn oplog_of_one(with: &'static str) -> Conflict {
    Conflict {
        option: names::OPLOG,
        with,
        why: "the oplog is of the whole server",
        remedy: "dump every database by databases = all",
    }
}

fn wrong(what: String, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}
