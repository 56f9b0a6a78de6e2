//! What is to be dumped of a server, and how: by tags, or by fields of the secret.

use std::time::Duration;

use crate::compression::Compression;
use crate::error::{Error, ErrorClass, Result};
use crate::pattern::Pattern;

/// The names of the options, which tags and fields of the secret share.
pub(crate) mod names {
    pub(crate) const COMPRESSION: &str = "compression";
    pub(crate) const JOBS: &str = "jobs";
    pub(crate) const LOCK_TIMEOUT: &str = "lock-timeout";
    pub(crate) const DATABASES: &str = "databases";
    pub(crate) const GLOBALS: &str = "globals";
    pub(crate) const TABLES: &str = "tables";
    pub(crate) const EXCLUDE_TABLES: &str = "exclude-tables";
    pub(crate) const SCHEMAS: &str = "schemas";
    pub(crate) const EXCLUDE_SCHEMAS: &str = "exclude-schemas";
    pub(crate) const EXCLUDE_TABLE_DATA: &str = "exclude-table-data";
}

/// What is to be dumped, and how. `None` and empty lists stand for what was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// How data files are compressed; else as the client can best.
    pub compression: Option<Compression>,
    /// Connections that read rows at once, 1 to 64; else twice the vCPUs, at most 16.
    pub jobs: Option<u16>,
    /// How long a lock is waited for, 1 second to 24 hours; else [`DumpOptions::LOCK_TIMEOUT`].
    pub lock_timeout: Option<Duration>,
    /// Every database of the server instead of one; else one.
    pub all_databases: Option<bool>,
    /// Roles and tablespaces too; else not.
    pub globals: Option<bool>,
    /// Which tables.
    pub selection: Selection,
}

impl DumpOptions {
    /// How long a lock is waited for where nothing else is asked for.
    pub const LOCK_TIMEOUT: Duration = Duration::from_mins(15);

    /// These options, and those of `other` where these were not given: a target's tags, then
    /// its secret's fields.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            compression: self.compression.or(other.compression),
            jobs: self.jobs.or(other.jobs),
            lock_timeout: self.lock_timeout.or(other.lock_timeout),
            all_databases: self.all_databases.or(other.all_databases),
            globals: self.globals.or(other.globals),
            selection: self.selection.or(other.selection),
        }
    }

    /// These options, if they go together: to be asked once all that were given are here. The
    /// error is of class [`ErrorClass::Configuration`], and names the first two that do not.
    pub fn checked(self) -> Result<Self> {
        let Some(Conflict { option, with, why, remedy }) = self.conflicts().next() else {
            return Ok(self);
        };
        Err(Error::new(
            ErrorClass::Configuration,
            format!("the option {option} does not go with {with}: {why}"),
            format!("Remove one of them from the tags or from the secret's fields, or {remedy}"),
        ))
    }

    /// The options that do not go together.
    pub(crate) fn conflicts(&self) -> impl Iterator<Item = Conflict> {
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
        .into_iter()
        .flatten()
    }
}

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

/// Which tables are dumped: those that fit one of `tables`, or else are in one of `schemas` but
/// in none of `exclude_schemas`, or else all that are in none of `exclude_schemas`; of these,
/// those that fit none of `exclude_tables`. As `pg_dump` has it, which takes no account of
/// schemas where there are `tables`: [`DumpOptions::checked`] refuses these together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `pg_dump --table`.
    pub tables: Vec<Pattern>,
    /// `pg_dump --exclude-table`.
    pub exclude_tables: Vec<Pattern>,
    /// `pg_dump --schema`.
    pub schemas: Vec<Pattern>,
    /// `pg_dump --exclude-schema`.
    pub exclude_schemas: Vec<Pattern>,
    /// `pg_dump --exclude-table-data`: the table without its rows.
    pub exclude_table_data: Vec<Pattern>,
}

impl Selection {
    /// Each list of these, or that of `other` where this one is empty.
    fn or(self, other: Self) -> Self {
        let or = |these: Vec<Pattern>, those| if these.is_empty() { those } else { these };
        Self {
            tables: or(self.tables, other.tables),
            exclude_tables: or(self.exclude_tables, other.exclude_tables),
            schemas: or(self.schemas, other.schemas),
            exclude_schemas: or(self.exclude_schemas, other.exclude_schemas),
            exclude_table_data: or(self.exclude_table_data, other.exclude_table_data),
        }
    }
}

/// Reads the value of `jobs`. As with the others below, the error is a sentence fragment that
/// says what is allowed.
pub(crate) fn jobs(value: &str) -> Result<u16, String> {
    let jobs = number(value).and_then(|jobs| u16::try_from(jobs).ok());
    jobs.filter(|jobs| (1..=64).contains(jobs))
        .ok_or_else(|| "is no number of connections: allowed are 1 to 64".to_owned())
}

/// Reads the value of `lock-timeout`.
pub(crate) fn lock_timeout(value: &str) -> Result<Duration, String> {
    let read = || {
        let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let seconds = number(digits)?.checked_mul(unit)?;
        (1..=24 * 3600).contains(&seconds).then(|| Duration::from_secs(seconds))
    };
    read().ok_or_else(|| {
        "is no time to wait for a lock: allowed are 1s to 24h, such as 90s, 15m or 2h".to_owned()
    })
}

/// Reads the value of `databases`: whether all of them.
pub(crate) fn databases(value: &str) -> Result<bool, String> {
    match value {
        "one" => Ok(false),
        "all" => Ok(true),
        _ => Err("is not allowed: it is one or all".to_owned()),
    }
}

/// Reads the value of `globals`.
pub(crate) fn yes_or_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("is not allowed: it is yes or no".to_owned()),
    }
}

/// Digits alone: Rust would also read `+8`.
fn number(value: &str) -> Option<u64> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_others_are_not() {
        assert_eq!((jobs("1"), jobs("64")), (Ok(1), Ok(64)));
        for value in ["", "0", "65", "65537", "+8", "8.0", "many"] {
            assert!(jobs(value).is_err(), "{value}");
        }
        for (value, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("24h", 86400)] {
            assert_eq!(lock_timeout(value), Ok(Duration::from_secs(seconds)), "{value}");
        }
        for value in ["", "s", "15", "0s", "25h", "86401s", "+1s", "1.5h", "1d", "1 s", "1é"] {
            assert!(lock_timeout(value).is_err(), "{value}");
        }
        assert!(lock_timeout("18446744073709551615h").is_err());
        assert_eq!((databases("one"), databases("all")), (Ok(false), Ok(true)));
        assert_eq!((yes_or_no("no"), yes_or_no("yes")), (Ok(false), Ok(true)));
        assert!(databases("ALL").is_err() && yes_or_no("true").is_err());
    }

    #[test]
    fn what_was_given_wins_also_where_it_says_no() {
        let tables = |name: &str| vec![Pattern::table(name).unwrap()];
        let tags = DumpOptions {
            globals: Some(false),
            jobs: Some(2),
            selection: Selection { tables: tables("a"), ..Selection::default() },
            ..DumpOptions::default()
        };
        let secret = DumpOptions {
            compression: Some("gzip:9".parse().unwrap()),
            jobs: Some(8),
            lock_timeout: Some(Duration::from_secs(1)),
            all_databases: Some(true),
            globals: Some(true),
            selection: Selection {
                tables: tables("b"),
                schemas: tables("c"),
                ..Selection::default()
            },
        };
        let expected = DumpOptions {
            globals: Some(false),
            jobs: Some(2),
            selection: Selection {
                tables: tables("a"),
                schemas: tables("c"),
                ..Selection::default()
            },
            ..secret.clone()
        };
        assert_eq!(tags.clone().or(secret.clone()), expected);
        assert_eq!(DumpOptions::default().or(secret.clone()), secret);
        assert_eq!(tags.clone().or(DumpOptions::default()), tags);
    }

    #[test]
    fn what_does_not_go_together_is_named_with_what_to_do() {
        let some = || vec![Pattern::table("a").unwrap()];
        let options = |all: bool, selection: Selection| DumpOptions {
            all_databases: Some(all),
            selection,
            ..DumpOptions::default()
        };
        let none = Selection::default;
        let tables = || Selection { tables: some(), ..none() };
        let schemas = || Selection { schemas: some(), ..none() };
        let excludes = Selection {
            exclude_tables: some(),
            exclude_schemas: some(),
            exclude_table_data: some(),
            ..none()
        };
        for good in [
            options(true, none()),
            options(true, excludes.clone()),
            options(false, Selection { schemas: some(), ..excludes.clone() }),
            options(false, Selection { exclude_schemas: Vec::new(), tables: some(), ..excludes }),
        ] {
            assert_eq!(good.clone().checked().unwrap(), good);
        }
        for (bad, says) in [
            (options(true, tables()), "the option tables does not go with databases = all: "),
            (options(true, schemas()), "the option schemas does not go with databases = all: "),
            (
                options(false, Selection { schemas: some(), ..tables() }),
                "the option schemas does not go with tables: ",
            ),
            (
                options(false, Selection { exclude_schemas: some(), ..tables() }),
                "the option exclude-schemas does not go with tables: ",
            ),
        ] {
            let error = bad.checked().unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().starts_with(says), "{error}");
            assert!(error.hint().contains("exclude-tables"), "{error}");
        }
        // One that a tag gives, and one that the secret does.
        assert!(options(false, none()).or(options(true, tables())).checked().is_ok());
        assert!(options(true, none()).or(options(false, schemas())).checked().is_err());
    }
}
