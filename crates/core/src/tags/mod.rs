//! From tags to what is to be dumped when. The one, strict reader of every tag.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::options::names;
use crate::schedule::Schedule;
use crate::snapshot::options::names as snapshot;
use crate::table::options::names as table;
use crate::verification::Level;

mod kind;
mod options;
mod prefix;

pub use self::kind::Kind;
pub use self::options::Options;
pub use self::prefix::TagPrefix;

const START_SCHEDULE: &str = "start-schedule";
const TIMEZONE: &str = "timezone";
const FORMAT: &str = "format";
const SIZE: &str = "size";
const VERIFY: &str = "verify";
const VERIFY_SCHEDULE: &str = "verify-schedule";
/// Read by the construct's policies: a restore may write into this secret's database. It
/// makes no target, and stands on secrets that are none.
const RESTORE_TARGET: &str = "restore-target";
const RETENTION: &str = "retention";

/// The tags of secrets, as an error lists them.
const OF_SECRETS: [&str; 22] = [
    START_SCHEDULE,
    TIMEZONE,
    FORMAT,
    SIZE,
    names::COMPRESSION,
    names::JOBS,
    names::LOCK_TIMEOUT,
    names::DATABASES,
    names::GLOBALS,
    names::TABLES,
    names::EXCLUDE_TABLES,
    names::SCHEMAS,
    names::EXCLUDE_SCHEMAS,
    names::EXCLUDE_TABLE_DATA,
    names::COLLECTIONS,
    names::EXCLUDE_COLLECTIONS,
    names::METHOD,
    names::READ_PREFERENCE,
    names::OPLOG,
    VERIFY,
    VERIFY_SCHEDULE,
    RESTORE_TARGET,
];

/// The tags of tables.
const OF_TABLES: [&str; 14] = [
    START_SCHEDULE,
    TIMEZONE,
    FORMAT,
    SIZE,
    table::METHOD,
    table::SEGMENTS,
    table::MAX_READ_PERCENT,
    table::CONSISTENCY,
    table::REPLICATE,
    names::JOBS,
    names::COMPRESSION,
    VERIFY,
    VERIFY_SCHEDULE,
    RESTORE_TARGET,
];

/// The tags of databases of RDS. There is no job for them, and no verification yet.
const OF_DATABASES: [&str; 6] = [
    START_SCHEDULE,
    TIMEZONE,
    FORMAT,
    snapshot::SNAPSHOT,
    snapshot::EXPORT_ONLY,
    snapshot::KEEP_SNAPSHOTS,
];

/// What the data objects hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// What the engine's own restore tool reads.
    #[default]
    Native,
    /// Columns, as RDS exports snapshots.
    Parquet,
}

impl Format {
    /// The one format that a kind of target has.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Secret | Kind::Table => Self::Native,
            Kind::Database => Self::Parquet,
        }
    }
}

/// How large a Fargate job a target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Size {
    /// 1 vCPU, 2 GiB.
    #[default]
    Small,
    /// 2 vCPU, 4 GiB.
    Medium,
    /// 4 vCPU, 8 GiB.
    Large,
    /// 8 vCPU, 16 GiB.
    Xlarge,
}

impl Size {
    /// vCPUs of the job.
    #[must_use]
    pub const fn vcpu(self) -> u32 {
        match self {
            Self::Small => 1,
            Self::Medium => 2,
            Self::Large => 4,
            Self::Xlarge => 8,
        }
    }

    /// Memory of the job in MiB; with [`Size::vcpu`] a combination that Fargate offers.
    #[must_use]
    pub const fn memory_mib(self) -> u32 {
        self.vcpu() * 2048
    }
}

/// What the tags of a target ask for.
#[derive(Debug, Clone)]
pub struct DumpSpec {
    /// When to start.
    pub schedule: Schedule,
    /// The zone in which the schedule is read.
    pub timezone: Tz,
    /// What the data objects hold.
    pub format: Format,
    /// The size of the job.
    pub size: Size,
    /// What is dumped, and how, as far as tags say.
    pub options: Options,
    /// How far backups are verified.
    pub verify: Level,
    /// Which runs are verified, read in `timezone`; all when there is none.
    pub verify_schedule: Option<Schedule>,
}

impl DumpSpec {
    /// How far the run that starts at `when` is verified. It is verified when
    /// `verify_schedule` has a moment from `when` until before the next start; so each such
    /// moment verifies the last backup that was begun by then, once.
    #[must_use]
    pub fn verification_of(&self, when: DateTime<Utc>) -> Level {
        let Some(schedule) = &self.verify_schedule else { return self.verify };
        let until = self.schedule.next_after(when, self.timezone);
        // Moments are whole minutes, and "after" is strict.
        let moment = schedule.next_after(when - Duration::seconds(1), self.timezone);
        let verified = moment.is_some_and(|moment| until.is_none_or(|until| moment < until));
        if verified { self.verify } else { Level::None }
    }
}

/// A tag that cannot be accepted: which, its value, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagError {
    /// The tag's full key.
    pub tag: String,
    /// The value found.
    pub value: String,
    /// What is wrong and what is allowed, as a sentence fragment.
    pub reason: String,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {} with value {:?} {}", self.tag, self.value, self.reason)
    }
}

/// Reads the tags of a resource of this kind. `None` when it does not bear `<prefix>:start-schedule` and so is
/// no target; otherwise the spec, or every tag that is wrong.
#[must_use]
pub fn parse(
    prefix: &TagPrefix,
    kind: Kind,
    tags: &BTreeMap<String, String>,
) -> Option<Result<DumpSpec, Vec<TagError>>> {
    let configuration: BTreeMap<_, _> = prefix.configuration(tags).collect();
    if !configuration.contains_key(START_SCHEDULE) {
        return None;
    }
    let mut reader = Reader { prefix, kind, configuration, errors: Vec::new() };
    let schedule = reader.take(START_SCHEDULE, Schedule::parse);
    let timezone = reader.take(TIMEZONE, timezone).unwrap_or(Tz::UTC);
    let format = Format::of(kind);
    reader.take(FORMAT, |value| only(format, value));
    let size = reader.take(SIZE, size).unwrap_or_default();
    let options = reader.options(tags);
    let (verify, verify_schedule) = reader.verification();
    reader.take(RESTORE_TARGET, restore_target);
    reader.reject_the_rest();
    Some(match schedule {
        Some(schedule) if reader.errors.is_empty() => {
            Ok(DumpSpec { schedule, timezone, format, size, options, verify, verify_schedule })
        }
        _ => Err(reader.errors),
    })
}

struct Reader<'a> {
    prefix: &'a TagPrefix,
    kind: Kind,
    configuration: BTreeMap<&'a str, &'a str>,
    errors: Vec<TagError>,
}

impl Reader<'_> {
    /// The tag's value as read. `None` when it is not there, is none of this kind's, or is wrong
    /// and so noted.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !of(self.kind).contains(&name) {
            return None;
        }
        let value = self.configuration.remove(name)?;
        read(value).map_err(|reason| self.reject(name, value, reason)).ok()
    }

    fn verification(&mut self) -> (Level, Option<Schedule>) {
        let asked = self.configuration.contains_key(VERIFY);
        let level = match self.kind {
            Kind::Secret | Kind::Database => str::parse,
            Kind::Table => options::level_of_table,
        };
        let verify = self.take(VERIFY, level).unwrap_or_default();
        let level = self.prefix.key(VERIFY);
        let schedule = self.take(VERIFY_SCHEDULE, |value| {
            if !asked {
                return Err(format!("does nothing without the tag {level}, which says how far"));
            }
            Schedule::parse(value)
        });
        (verify, schedule)
    }

    fn reject(&mut self, name: &str, value: &str, reason: String) {
        let (tag, value) = (self.prefix.key(name), value.to_owned());
        self.errors.push(TagError { tag, value, reason });
    }

    fn reject_the_rest(&mut self) {
        for (name, value) in std::mem::take(&mut self.configuration) {
            let kind = self.kind.plural();
            let tags = of(self.kind).join(", ");
            let others: Vec<_> = Kind::ALL
                .into_iter()
                .filter(|other| of(*other).contains(&name))
                .map(Kind::plural)
                .collect();
            let reason = if name == RETENTION {
                "is not supported yet: how long backups are kept is set by the construct".to_owned()
            } else if others.is_empty() {
                format!("is unknown: the tags are {tags}")
            } else {
                let others = others.join(" and ");
                format!(
                    "is a tag of {others} and means nothing to {kind}: the tags of {kind} are \
                     {tags}"
                )
            };
            self.reject(name, value, reason);
        }
    }
}

/// The tags of a kind of target.
fn of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Secret => &OF_SECRETS,
        Kind::Table => &OF_TABLES,
        Kind::Database => &OF_DATABASES,
    }
}

fn timezone(value: &str) -> Result<Tz, String> {
    value.parse().map_err(|_| "is no IANA time zone, such as UTC or Europe/Berlin".to_owned())
}

fn only(format: Format, value: &str) -> Result<(), String> {
    let name = match format {
        Format::Native => "native",
        Format::Parquet => "parquet",
    };
    if value == name {
        return Ok(());
    }
    Err(format!("is no format: only {name} is supported"))
}

fn restore_target(value: &str) -> Result<(), String> {
    match value {
        "yes" => Ok(()),
        _ => Err("is not allowed: it is yes, or the tag is removed".to_owned()),
    }
}

fn size(value: &str) -> Result<Size, String> {
    match value {
        "small" => Ok(Size::Small),
        "medium" => Ok(Size::Medium),
        "large" => Ok(Size::Large),
        "xlarge" => Ok(Size::Xlarge),
        _ => Err("is no size: allowed are small, medium, large and xlarge".to_owned()),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod database_tests;
#[cfg(test)]
mod table_tests;
