//! From tags to what is to be dumped when. The one, strict reader of every tag.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::options::{self, Conflict, DumpOptions, Selection, names};
use crate::pattern::{self, Pattern};
use crate::schedule::Schedule;
use crate::verification::Level;

mod prefix;

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

/// The tags there are, as an error lists them.
const ALL: [&str; 17] = [
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
    VERIFY,
    VERIFY_SCHEDULE,
    RESTORE_TARGET,
];

/// What the data objects hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// What the engine's own restore tool reads.
    #[default]
    Native,
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
    /// What is dumped, and how, as far as tags say. They win over the secret's fields.
    pub options: DumpOptions,
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

/// Reads a resource's tags. `None` when it does not bear `<prefix>:start-schedule` and so is
/// no target; otherwise the spec, or every tag that is wrong.
#[must_use]
pub fn parse(
    prefix: &TagPrefix,
    tags: &BTreeMap<String, String>,
) -> Option<Result<DumpSpec, Vec<TagError>>> {
    let configuration: BTreeMap<_, _> = prefix.configuration(tags).collect();
    if !configuration.contains_key(START_SCHEDULE) {
        return None;
    }
    let mut reader = Reader { prefix, configuration, errors: Vec::new() };
    let schedule = reader.take(START_SCHEDULE, Schedule::parse);
    let timezone = reader.take(TIMEZONE, timezone).unwrap_or(Tz::UTC);
    let format = reader.take(FORMAT, format).unwrap_or_default();
    let size = reader.take(SIZE, size).unwrap_or_default();
    let options = reader.options();
    reader.reject_conflicts(&options, tags);
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
    configuration: BTreeMap<&'a str, &'a str>,
    errors: Vec<TagError>,
}

impl Reader<'_> {
    /// The tag's value as read. `None` when it is not there, or is wrong and so noted.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.configuration.remove(name)?;
        read(value).map_err(|reason| self.reject(name, value, reason)).ok()
    }

    /// All options that are there.
    fn options(&mut self) -> DumpOptions {
        DumpOptions {
            compression: self.take(names::COMPRESSION, str::parse),
            jobs: self.take(names::JOBS, options::jobs),
            lock_timeout: self.take(names::LOCK_TIMEOUT, options::lock_timeout),
            all_databases: self.take(names::DATABASES, options::databases),
            globals: self.take(names::GLOBALS, options::yes_or_no),
            selection: Selection {
                tables: self.patterns(names::TABLES, Pattern::table),
                exclude_tables: self.patterns(names::EXCLUDE_TABLES, Pattern::table),
                schemas: self.patterns(names::SCHEMAS, Pattern::schema),
                exclude_schemas: self.patterns(names::EXCLUDE_SCHEMAS, Pattern::schema),
                exclude_table_data: self.patterns(names::EXCLUDE_TABLE_DATA, Pattern::table),
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

    /// Options that the secret gives may go together with these no better: that is for
    /// [`DumpOptions::checked`] to say.
    fn reject_conflicts(&mut self, options: &DumpOptions, tags: &BTreeMap<String, String>) {
        for Conflict { option, with, why, remedy } in options.conflicts() {
            let value = tags.get(&self.prefix.key(option)).map_or("", |value| value.trim());
            let with = self.prefix.key(with);
            let reason =
                format!("does not go with the tag {with}: {why}; remove one of them, or {remedy}");
            self.reject(option, value, reason);
        }
    }

    fn verification(&mut self) -> (Level, Option<Schedule>) {
        let asked = self.configuration.contains_key(VERIFY);
        let verify = self.take(VERIFY, str::parse).unwrap_or_default();
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
            let reason = if name == RETENTION {
                "is not supported yet: how long backups are kept is set by the construct".to_owned()
            } else {
                format!("is unknown: the tags are {}", ALL.join(", "))
            };
            self.reject(name, value, reason);
        }
    }
}

fn timezone(value: &str) -> Result<Tz, String> {
    value.parse().map_err(|_| "is no IANA time zone, such as UTC or Europe/Berlin".to_owned())
}

fn format(value: &str) -> Result<Format, String> {
    match value {
        "native" => Ok(Format::Native),
        _ => Err("is no format: only native is supported".to_owned()),
    }
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
