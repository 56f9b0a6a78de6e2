//! What of an archive is restored.

use std::sync::Arc;

use autodump_core::pattern::Pattern;
use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use regex_lite::Regex;

use super::definition::Definition;
use crate::engine::mongodb::archive::{Collection, Prelude};
use crate::restore::Backup;
use crate::restore::names::few;

/// The collection of `mongodump --oplog`, of no database.
const OPLOG: &str = "oplog";
/// What users and roles are written to, of the database `admin` or with its name before.
const ACCOUNTS: [&str; 3] = ["system.users", "system.roles", "system.version"];

/// A collection, a view or a time series that is restored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    /// Its number in the prelude.
    pub(super) number: usize,
    /// The name that it has, without the database.
    pub(super) name: String,
    /// Where its documents are.
    pub(super) stored: String,
    pub(super) is_view: bool,
    pub(super) definition: Definition,
}

/// What is restored, in the order in which it is made: views come after what they show.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Choice {
    pub(super) chosen: Vec<Chosen>,
    /// Users and roles are in the archive, and left out.
    pub(super) has_accounts: bool,
    /// Sentences.
    pub(super) remarks: Vec<String>,
}

impl Choice {
    /// Of each collection of the prelude, whether its documents are wanted.
    pub(super) fn wanted(&self, prelude: &Prelude) -> Arc<[bool]> {
        let is_wanted = |number| self.with_documents().any(|chosen| chosen.number == number);
        (0..prelude.collections.len()).map(is_wanted).collect()
    }

    /// What has documents.
    pub(super) fn with_documents(&self) -> impl Iterator<Item = &Chosen> {
        self.chosen.iter().filter(|chosen| !chosen.is_view)
    }

    /// Those of a kind that keeps the order of its documents.
    pub(super) fn capped(&self) -> Vec<String> {
        let capped = self.chosen.iter().filter(|chosen| chosen.definition.is_capped());
        capped.map(|chosen| chosen.name.clone()).collect()
    }
}

/// Refuses what there is not for MongoDB, each by its name.
pub(super) fn check(options: &RestoreOptions) -> Result<()> {
    let all = [
        ("schemas", !options.schemas.is_empty(), "Name collections, by tables"),
        ("no-owner", options.no_owner, "Leave it out: nothing in MongoDB has an owner"),
        ("no-privileges", options.no_privileges, "Leave it out: users and roles are not restored"),
    ];
    match all.into_iter().find(|(_, given, _)| *given) {
        None => Ok(()),
        Some((name, _, hint)) => {
            Err(wrong(format!("the option {name} does not go with a backup of mongodb"), hint))
        }
    }
}

/// What the options choose of an archive of the database `backup` was made of.
pub(super) fn choose(
    backup: &Backup,
    prelude: &Prelude,
    options: &RestoreOptions,
) -> Result<Choice> {
    let database = &backup.manifest.database;
    let commands = backup.manifest.restore.join("; ");
    let mut choice = Choice::default();
    for (number, collection) in prelude.collections.iter().enumerate() {
        let of = &collection.namespace;
        if of.database.is_empty() && of.collection == OPLOG {
            return Err(wrong(
                "the backup is of one point in time by its oplog, which only mongorestore replays",
                format!("Restore it with: {commands}"),
            ));
        }
        if is_accounts(collection) {
            choice.has_accounts = true;
        } else if of.database == *database {
            choice.chosen.push(chosen(number, collection)?);
        } else {
            return Err(wrong(
                format!("the backup holds more than one database: {} too", of.database),
                format!("Restore it with: {commands}"),
            ));
        }
    }
    if choice.has_accounts {
        choice.remarks.push(format!(
            "users and roles of the backup are left out; mongorestore restores them: {commands}"
        ));
    }
    narrow(&mut choice, options, database)?;
    order(&mut choice.chosen);
    Ok(choice)
}

fn chosen(number: usize, collection: &Collection) -> Result<Chosen> {
    Ok(Chosen {
        number,
        name: collection.namespace.collection.clone(),
        stored: collection.stored().collection,
        is_view: collection.kind == "view",
        definition: Definition::of(collection)?,
    })
}

fn is_accounts(collection: &Collection) -> bool {
    let (database, name) = (&collection.namespace.database, &collection.namespace.collection);
    let of_admin = name.strip_prefix("$admin.").or((database == "admin").then_some(name.as_str()));
    of_admin.is_some_and(|name| ACCOUNTS.contains(&name))
}

/// Leaves what the patterns fit. Each has to fit something.
fn narrow(choice: &mut Choice, options: &RestoreOptions, database: &str) -> Result<()> {
    let patterns = options.collection_patterns()?;
    let patterns = patterns.iter().map(compiled).collect::<Result<Vec<_>>>()?;
    for (pattern, regex) in &patterns {
        if !choice.chosen.iter().any(|chosen| regex.is_match(&chosen.name)) {
            return Err(wrong(
                format!("no collection of {database} in the backup fits the pattern {pattern:?}"),
                "Correct it: letters of another case are another name",
            ));
        }
    }
    if !patterns.is_empty() {
        let fits = |name: &str| patterns.iter().any(|(_, regex)| regex.is_match(name));
        choice.chosen.retain(|chosen| fits(&chosen.name));
    }
    if options.data_only {
        let views = choice.chosen.iter().filter(|chosen| chosen.is_view);
        let views: Vec<_> = views.map(|chosen| chosen.name.clone()).collect();
        if !views.is_empty() {
            choice.remarks.push(format!("views have no documents: {} left out", few(&views)));
        }
        choice.chosen.retain(|chosen| !chosen.is_view);
    }
    if options.create {
        let remark = "create changes nothing: MongoDB makes a database by itself";
        choice.remarks.push(remark.to_owned());
    }
    Ok(())
}

fn compiled(pattern: &Pattern) -> Result<(String, Regex)> {
    let text = pattern.to_string();
    let regex = Regex::new(pattern.name_regex());
    let regex = regex.map_err(|error| {
        wrong(format!("the pattern {text:?} cannot be used: {error}"), "Use a shorter one")
    })?;
    Ok((text, regex))
}

/// Collections, then views, each after the view that it shows.
fn order(chosen: &mut Vec<Chosen>) {
    let (mut views, collections): (Vec<_>, Vec<_>) =
        std::mem::take(chosen).into_iter().partition(|chosen| chosen.is_view);
    *chosen = collections;
    while !views.is_empty() {
        let shown = |view: &Chosen, views: &[Chosen]| {
            view.definition.view_on().is_some_and(|on| views.iter().any(|other| other.name == on))
        };
        // Views that show each other in a circle cannot be there.
        let next = views.iter().position(|view| !shown(view, &views)).unwrap_or(0);
        chosen.push(views.remove(next));
    }
}

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
