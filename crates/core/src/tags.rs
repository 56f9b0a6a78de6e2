//! From tags to what is to be dumped when. The one, strict reader of every tag.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorClass, Result};
use crate::schedule::Schedule;

const START_SCHEDULE: &str = "start-schedule";
const TIMEZONE: &str = "timezone";
const FORMAT: &str = "format";
const SIZE: &str = "size";
const RETENTION: &str = "retention";

/// What every tag of AutoDump begins with, before the colon. `autodump` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPrefix(String);

impl Default for TagPrefix {
    fn default() -> Self {
        Self("autodump".to_owned())
    }
}

impl TagPrefix {
    /// Takes 1 to 100 letters, digits and `_ . / + - @ :`, not beginning with `aws`, which AWS
    /// keeps for itself, and not ending with a colon.
    pub fn new(prefix: &str) -> Result<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "_./+-@:".contains(c);
        let reserved = prefix.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("aws"));
        if prefix.is_empty()
            || prefix.len() > 100
            || !prefix.chars().all(legal)
            || prefix.ends_with(':')
            || reserved
        {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the tag prefix is {prefix:?}"),
                "Use 1 to 100 letters, digits and _ . / + - @ :, not beginning with \"aws\" \
                 and not ending with a colon",
            ));
        }
        Ok(Self(prefix.to_owned()))
    }

    /// The full key of a tag: `autodump:size` for `size`.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.0)
    }

    /// The key whose presence makes a resource a target.
    #[must_use]
    pub fn schedule_key(&self) -> String {
        self.key(START_SCHEDULE)
    }

    /// The prefix itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name and trimmed value of each tag that configures the target, sorted by name. Tags
    /// that AutoDump writes (`last-…`, `next-run`) configure nothing.
    pub fn configuration<'a>(
        &'a self,
        tags: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        tags.iter()
            .filter_map(|(key, value)| Some((self.name_of(key)?, value.trim())))
            .filter(|(name, _)| !name.starts_with("last-") && *name != "next-run")
    }

    fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.0.as_str())?.strip_prefix(':')
    }
}

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
    reader.reject_the_rest();
    Some(match schedule {
        Some(schedule) if reader.errors.is_empty() => {
            Ok(DumpSpec { schedule, timezone, format, size })
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

    fn reject(&mut self, name: &str, value: &str, reason: String) {
        let (tag, value) = (self.prefix.key(name), value.to_owned());
        self.errors.push(TagError { tag, value, reason });
    }

    fn reject_the_rest(&mut self) {
        for (name, value) in std::mem::take(&mut self.configuration) {
            let reason = if name == RETENTION {
                "is not supported yet: how long backups are kept is set by the construct".to_owned()
            } else {
                format!(
                    "is unknown: the tags are {START_SCHEDULE}, {TIMEZONE}, {FORMAT} and {SIZE}"
                )
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(tags: &[(&str, &str)]) -> Option<Result<DumpSpec, Vec<String>>> {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(&TagPrefix::default(), &tags)
            .map(|spec| spec.map_err(|errors| errors.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_schedule_alone_makes_a_target() {
        let spec = read(&[("autodump:start-schedule", " 0 8 - - 1:3:5 "), ("team", "x")]);
        let spec = spec.unwrap().unwrap();
        assert_eq!(spec.schedule.as_str(), "0 8 * * 1,3,5");
        assert_eq!(spec.timezone, Tz::UTC);
        assert_eq!((spec.size.vcpu(), spec.size.memory_mib()), (1, 2048));
        assert_eq!(spec.format, Format::Native);
    }

    #[test]
    fn without_a_schedule_it_is_no_target() {
        assert!(read(&[("autodump:size", "huge"), ("start-schedule", "@daily")]).is_none());
        assert!(read(&[("autodump2:start-schedule", "@daily")]).is_none());
    }

    #[test]
    fn every_wrong_tag_is_named_with_its_value_and_what_is_allowed() {
        let errors = read(&[
            ("autodump:start-schedule", "8 o'clock"),
            ("autodump:timezone", "Europe/Atlantis"),
            ("autodump:size", "huge"),
            ("autodump:format", "csv"),
            ("autodump:retention", "30d"),
            ("autodump:shedule", "x"),
            ("autodump:last-success", "whatever AutoDump wrote"),
            ("autodump:next-run", "whatever AutoDump wrote"),
        ]);
        assert_eq!(
            errors.unwrap().unwrap_err(),
            [
                "tag autodump:start-schedule with value \"8 o'clock\" has 2 fields instead of 5",
                "tag autodump:timezone with value \"Europe/Atlantis\" is no IANA time zone, such as UTC or Europe/Berlin",
                "tag autodump:format with value \"csv\" is no format: only native is supported",
                "tag autodump:size with value \"huge\" is no size: allowed are small, medium, large and xlarge",
                "tag autodump:retention with value \"30d\" is not supported yet: how long backups are kept is set by the construct",
                "tag autodump:shedule with value \"x\" is unknown: the tags are start-schedule, timezone, format and size",
            ]
        );
    }

    #[test]
    fn a_prefix_is_checked() {
        for good in ["autodump", "backup", "my-team/dump", "a:b"] {
            assert!(TagPrefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "aws", "AWS:x", "a b", "a:", "é", &"x".repeat(101)] {
            assert!(TagPrefix::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(
            schedule in "\\PC{0,30}",
            other in prop::collection::btree_map("(autodump:)?\\PC{0,20}", "\\PC{0,30}", 0..6),
        ) {
            let mut tags = other;
            tags.insert("autodump:start-schedule".to_owned(), schedule);
            let _ = parse(&TagPrefix::default(), &tags);
        }
    }
}
