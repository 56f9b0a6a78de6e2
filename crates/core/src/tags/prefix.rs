//! What every tag of AutoDump begins with.

use std::collections::BTreeMap;

use super::START_SCHEDULE;
use crate::error::{Error, ErrorClass, Result};

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
    /// that AutoDump writes (`last-…`, `next-run`, and `made-…` on what it makes, which a database
    /// that is restored from it inherits) configure nothing.
    pub fn configuration<'a>(
        &'a self,
        tags: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        tags.iter()
            .filter_map(|(key, value)| Some((self.name_of(key)?, value.trim())))
            .filter(|(name, _)| !is_written(name))
    }

    fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.0.as_str())?.strip_prefix(':')
    }
}

fn is_written(name: &str) -> bool {
    name.starts_with("last-") || name.starts_with("made-") || name == "next-run"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_checked() {
        for good in ["autodump", "backup", "my-team/dump", "a:b"] {
            assert!(TagPrefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "aws", "AWS:x", "a b", "a:", "é", &"x".repeat(101)] {
            assert!(TagPrefix::new(bad).is_err(), "{bad}");
        }
    }
}
