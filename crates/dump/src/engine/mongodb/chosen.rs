//! Which collections of a database are dumped, by the patterns of the options.

use autodump_core::options::Selection;
use autodump_core::pattern::Pattern;
use autodump_core::{Error, ErrorClass, Result};
use regex_lite::Regex;

/// Which collections are chosen.
pub(super) struct Chosen<'a> {
    of: Vec<(&'a Pattern, Regex)>,
    but: Vec<(&'a Pattern, Regex)>,
}

impl<'a> Chosen<'a> {
    pub(super) fn of(selection: &'a Selection) -> Result<Self> {
        let compiled = |patterns: &'a [Pattern]| {
            patterns.iter().map(|pattern| Ok((pattern, compiled(pattern)?))).collect::<Result<_>>()
        };
        Ok(Self {
            of: compiled(&selection.collections)?,
            but: compiled(&selection.exclude_collections)?,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let fits = |patterns: &[(&Pattern, Regex)]| patterns.iter().any(|(_, r)| r.is_match(name));
        (self.of.is_empty() || fits(&self.of)) && !fits(&self.but)
    }

    /// Each pattern of what is wanted has to fit one of the names that are there.
    pub(super) fn check(&self, there: &[&str], database: &str) -> Result<()> {
        let useless =
            |(_, regex): &&(&Pattern, Regex)| !there.iter().any(|name| regex.is_match(name));
        match self.of.iter().find(useless) {
            None => Ok(()),
            Some((pattern, _)) => Err(Error::new(
                ErrorClass::Configuration,
                format!("no collection of {database} fits the pattern {:?}", pattern.to_string()),
                "Correct collections in the tags or the secret: letters of another case are \
                 another name",
            )),
        }
    }
}

fn compiled(pattern: &Pattern) -> Result<Regex> {
    Regex::new(pattern.name_regex()).map_err(|error| {
        Error::new(
            ErrorClass::Configuration,
            format!("the pattern {:?} cannot be used: {error}", pattern.to_string()),
            "Use a shorter one",
        )
    })
}
