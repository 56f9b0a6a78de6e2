//! What is to be dumped of a server, and how: by tags, or by fields of the secret.

use std::time::Duration;

use crate::compression::Compression;
use crate::manifest::MethodKind;
use crate::pattern::Pattern;

mod check;
mod read_preference;

pub(crate) use self::check::Conflict;
pub use self::read_preference::ReadPreference;

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
    pub(crate) const COLLECTIONS: &str = "collections";
    pub(crate) const EXCLUDE_COLLECTIONS: &str = "exclude-collections";
    pub(crate) const METHOD: &str = "method";
    pub(crate) const READ_PREFERENCE: &str = "read-preference";
    pub(crate) const OPLOG: &str = "oplog";
}

/// What is to be dumped, and how. `None` and empty lists stand for what was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// How data files are compressed; else as the client can best.
    pub compression: Option<Compression>,
    /// Connections that read rows or documents at once, 1 to 64; else twice the vCPUs, at most 16.
    pub jobs: Option<u16>,
    /// How long a lock is waited for, 1 second to 24 hours; else [`DumpOptions::LOCK_TIMEOUT`].
    pub lock_timeout: Option<Duration>,
    /// Every database of the server instead of one; else one.
    pub all_databases: Option<bool>,
    /// What belongs to the server too: PostgreSQL's roles and tablespaces, MongoDB's users and
    /// roles; else not.
    pub globals: Option<bool>,
    /// Who reads MongoDB's documents; else who does it best.
    pub method: Option<MethodKind>,
    /// Which members of a replica set of MongoDB are read; else as the connection string says, or
    /// [`ReadPreference::default`]. With `oplog` it is the primary, whatever that says.
    pub read_preference: Option<ReadPreference>,
    /// The changes that MongoDB's oplog records meanwhile too, for one point in time; else not.
    pub oplog: Option<bool>,
    /// Which tables or collections.
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
            method: self.method.or(other.method),
            read_preference: self.read_preference.or(other.read_preference),
            oplog: self.oplog.or(other.oplog),
            selection: self.selection.or(other.selection),
        }
    }
}

/// Which tables are dumped: those that fit one of `tables`, or else are in one of `schemas` but
/// in none of `exclude_schemas`, or else all that are in none of `exclude_schemas`; of these,
/// those that fit none of `exclude_tables`. As `pg_dump` has it, which takes no account of
/// schemas where there are `tables`: [`DumpOptions::checked_for`] refuses these together.
///
/// Which collections are dumped: those that fit one of `collections`, or all where there are
/// none; of these, those that fit none of `exclude_collections`.
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
    /// Collections of MongoDB, by [`Pattern::collection`].
    pub collections: Vec<Pattern>,
    /// Collections of MongoDB that are left out.
    pub exclude_collections: Vec<Pattern>,
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
            collections: or(self.collections, other.collections),
            exclude_collections: or(self.exclude_collections, other.exclude_collections),
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

/// Reads the value of `method` for a database.
pub(crate) fn method(value: &str) -> Result<MethodKind, String> {
    match value {
        "ranges" => Ok(MethodKind::Ranges),
        "client" => Ok(MethodKind::Client),
        _ => Err("is no method: allowed are ranges and client".to_owned()),
    }
}

/// Reads the value of `globals` or `oplog`.
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
mod tests;
