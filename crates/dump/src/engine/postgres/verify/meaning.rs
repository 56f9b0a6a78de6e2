//! What the failure of a restore says about the backup.

use autodump_core::{Error, ErrorClass};

use crate::engine::postgres::toc::{Entry, Section, Toc};
use crate::verify::unverified;

/// What the failure of a restore says about the backup.
#[derive(Debug)]
pub(super) enum Meaning {
    /// It is not what it should be.
    OfTheBackup(String),
    /// Nothing.
    Unknown(Error),
}

/// What was restored, and where.
#[derive(Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) toc: &'a Toc,
    /// The locale that the database has instead of its own: order and equality of texts are
    /// others then, and so are keys, constraints and bounds of partitions.
    pub(super) substitute: Option<&'a str>,
    /// The major versions of the server that was dumped and of the one that is restored into.
    pub(super) dumped: Option<u32>,
    pub(super) restored: Option<u32>,
}

impl Circumstances<'_> {
    pub(super) fn meaning(&self, error: Error) -> Meaning {
        if !matches!(error.class(), ErrorClass::Verification | ErrorClass::Engine) {
            return Meaning::Unknown(error);
        }
        let what = error.what();
        if let Some(locale) = self.substitute {
            return Meaning::Unknown(unverified(format!(
                "it cannot be restored into a database with the locale {locale}, since this server \
                 lacks that of the backup: {what}"
            )));
        }
        let unknown = if error.class() == ErrorClass::Engine { self.excuse(what) } else { None };
        unknown.map_or_else(
            || Meaning::OfTheBackup(format!("it cannot be restored: {what}")),
            Meaning::Unknown,
        )
    }

    /// Why a failure may have nothing to do with the backup.
    fn excuse(&self, what: &str) -> Option<Error> {
        if let (Some(dumped), Some(restored)) = (self.dumped, self.restored)
            && dumped != restored
        {
            return Some(unverified(format!(
                "it cannot be restored into PostgreSQL {restored}, and {dumped} was dumped: {what}"
            )));
        }
        if is_of_the_server(what) {
            return Some(unverified(what));
        }
        let missing = Missing::of(what)?;
        let is_made = self.toc.entries.iter().any(|entry| missing.is_made_by(entry));
        (!is_made).then(|| missing.not_in_the_backup(what))
    }
}

/// What servers and clients say about themselves rather than about what is restored.
const OF_THE_SERVER: [&str; 27] = [
    "was killed by signal",
    "deadlock detected",
    "is not available",
    "could not open extension control file",
    "could not open dictionary file",
    "could not open affix file",
    "could not open stop-word file",
    "could not open synonym file",
    "could not open thesaurus file",
    "could not open unaccent file",
    "could not access file",
    "could not load library",
    "no space left on device",
    "out of memory",
    "shared memory",
    "permission denied",
    "superuser",
    "must be owner",
    "must have",
    "must be able to",
    "unrecognized configuration parameter",
    "security label provider",
    "could not create locale",
    "collator",
    "icu is not supported",
    "shared_preload_libraries",
    // Read by `lc_monetary`.
    "invalid input syntax for type money",
];
/// Of these a server may lack one that the backup names.
const OFTEN_LACKING: [&str; 5] =
    ["role \"", "tablespace \"", "collation \"", "access method \"", "language \""];

/// Whether a restore failed because of the server that was restored into. Names are not looked
/// at: neither quoted ones nor those of the entry, which ends the text in parentheses.
fn is_of_the_server(what: &str) -> bool {
    let what = what.strip_suffix(')').and_then(|what| what.rsplit_once(" (")).map_or(what, |w| w.0);
    let without_names = what.split('"').step_by(2).collect::<Vec<_>>().join("\"\"").to_lowercase();
    let lacks = |kind: &str| without_names.contains(kind) && what.contains(DOES_NOT_EXIST);
    OF_THE_SERVER.iter().any(|says| without_names.contains(says))
        || OFTEN_LACKING.into_iter().any(lacks)
}

const DOES_NOT_EXIST: &str = "does not exist";
/// How things are called whose names stand in quotes.
const QUOTED: [&str; 13] = [
    "schema",
    "relation",
    "table",
    "type",
    "extension",
    "server",
    "foreign-data wrapper",
    "operator class",
    "operator family",
    "text search configuration",
    "text search dictionary",
    "text search parser",
    "text search template",
];
/// How things are called whose names stand before the types of their arguments.
const CALLED: [&str; 3] = ["function", "procedure", "aggregate"];

/// What is not there according to the server.
#[derive(Debug, PartialEq, Eq)]
struct Missing<'a> {
    kind: &'static str,
    /// With its schema if the server says that.
    name: &'a str,
}

impl<'a> Missing<'a> {
    fn of(what: &'a str) -> Option<Self> {
        Self::quoted(what).or_else(|| Self::called(what)).or_else(|| Self::operator(what))
    }

    /// `relation "app.t" does not exist`.
    fn quoted(what: &'a str) -> Option<Self> {
        let (before, _) = what.split_once("\" does not exist")?;
        let begins = |kind: &'static str| {
            Some((before.rfind(&format!("{kind} \""))? + kind.len() + 2, kind))
        };
        let (at, kind) = QUOTED.into_iter().filter_map(begins).max_by_key(|(at, _)| *at)?;
        Some(Self { kind, name: before[at..].trim_end_matches("[]") })
    }

    /// `function app.f(integer) does not exist`.
    fn called(what: &'a str) -> Option<Self> {
        let (before, _) = what.split_once(") does not exist")?;
        let begins =
            |kind: &'static str| Some((before.rfind(&format!("{kind} "))? + kind.len() + 1, kind));
        let (at, kind) = CALLED.into_iter().filter_map(begins).max_by_key(|(at, _)| *at)?;
        Some(Self { kind, name: before[at..].split('(').next()? })
    }

    /// `operator does not exist: app.box app.=== app.box`.
    fn operator(what: &'a str) -> Option<Self> {
        let (_, operands) = what.split_once("operator does not exist: ")?;
        let is_operator = |word: &&str| {
            word.rsplit('.').next().is_some_and(|name| !name.contains(char::is_alphanumeric))
        };
        Some(Self { kind: "operator", name: operands.split(' ').find(is_operator)? })
    }

    /// Whether a restore of this entry makes it, or something else of its name.
    fn is_made_by(&self, entry: &Entry) -> bool {
        let kind = match self.kind {
            "schema" => Some("SCHEMA"),
            "extension" => Some("EXTENSION"),
            _ => None,
        };
        if entry.section == Section::Data || kind.is_some_and(|kind| !entry.is(kind)) {
            return false;
        }
        let name = entry.name();
        let name = match name.split_once('(') {
            Some((name, _)) if CALLED.contains(&self.kind) => name,
            _ => &name,
        };
        self.name == name || self.name == format!("{}.{name}", entry.schema())
    }

    /// A damaged table of contents was found before: so it was never there.
    fn not_in_the_backup(&self, what: &str) -> Error {
        let Self { kind, name } = self;
        Error::new(
            ErrorClass::Engine,
            format!(
                "it cannot be restored by itself: it refers to {kind} {name}, which is not in it, \
                 as happens with backups of chosen tables or schemas: {what}"
            ),
            "It was not found out whether the backup can be restored: choose what its tables refer \
             to as well, or verify such backups up to the level archive",
        )
    }
}

#[cfg(test)]
#[path = "meaning_tests.rs"]
mod tests;
