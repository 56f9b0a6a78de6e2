//! What the database that is restored into is like, and what follows for the restore.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::restore::RestoreOptions;
use autodump_core::{Error, ErrorClass, Result};
use bson::{Bson, RawDocumentBuf, doc};
use mongodb::error::Error as DriverError;

use super::definition::Definition;
use super::select::{Choice, Chosen};
use super::trouble::{confirmed, explained, of_restore};
use crate::engine::mongodb::connection::{Connection, command};
use crate::engine::mongodb::inventory::definitions;
use crate::restore::names::few;
use crate::restore::state::Before;

/// What was found in the database.
#[derive(Debug)]
pub(super) struct There {
    pub(super) server_version: String,
    pub(super) before: Before,
    /// What is dropped before.
    pub(super) dropped: Vec<String>,
    /// The names of what is made or filled, for whoever has to tidy up.
    pub(super) things: Vec<String>,
    /// Of collections that were there and are filled, why they may lose documents by themselves.
    losing: BTreeMap<String, &'static str>,
}

impl There {
    /// Why a collection may have fewer documents than were inserted, if nobody deletes some.
    pub(super) fn loses(&self, chosen: &Chosen) -> Option<&'static str> {
        // What lets documents expire in a collection that is made is set when they were counted.
        let capped = || chosen.definition.loses().filter(|_| chosen.definition.is_capped());
        self.losing.get(&chosen.name).copied().or_else(capped)
    }
}

/// Looks at the database; an error if it is in the way of what was chosen.
pub(super) async fn look(
    connection: &Connection,
    database: &str,
    choice: &Choice,
    options: &RestoreOptions,
) -> Result<There> {
    let server_version = connection.server_version().await?;
    let names = names(connection, database).await?;
    let is_there = |chosen: &&Chosen| names.contains(&chosen.name);
    let there: Vec<_> = choice.chosen.iter().filter(is_there).map(|c| c.name.clone()).collect();
    let mut losing = BTreeMap::new();
    let before = if options.data_only {
        check_collections(connection, database, &names, choice, options).await?;
        losing = self::losing(connection, database, choice).await?;
        Before::Tables { may_have_rows: options.allow_non_empty }
    } else if names.is_empty() {
        Before::Empty
    } else if options.clean {
        Before::Cleaned
    } else if !options.allow_non_empty {
        return Err(not_empty(database, &names));
    } else if there.is_empty() {
        Before::Populated
    } else {
        return Err(wrong(
            format!("the database {database} has {} already", few(&there)),
            "Drop them first (clean), restore into another database, or load documents into \
             them as they are (data-only)",
        ));
    };
    let full = |chosen: &Chosen| format!("{database}.{}", chosen.name);
    let things = match before {
        Before::Absent | Before::Empty => Vec::new(),
        _ => choice.chosen.iter().map(full).collect(),
    };
    let dropped = if before == Before::Cleaned { there } else { Vec::new() };
    Ok(There { server_version, before, dropped, things, losing })
}

/// Which of the collections that are there lose documents by themselves, and why.
async fn losing(
    connection: &Connection,
    database: &str,
    choice: &Choice,
) -> Result<BTreeMap<String, &'static str>> {
    let is_filled = |name: &str| choice.with_documents().any(|chosen| chosen.name == name);
    let mut losing = BTreeMap::new();
    for collection in definitions(connection, database, is_filled).await.map_err(of_restore)? {
        let why = Definition::of(&collection)?.loses();
        losing.extend(why.map(|why| (collection.namespace.collection, why)));
    }
    Ok(losing)
}

/// The collections and views of a database, without the server's own.
async fn names(connection: &Connection, database: &str) -> Result<BTreeSet<String>> {
    let names = crate::engine::mongodb::names::names(connection, database).await;
    let mut names = names.map_err(of_restore)?;
    names.retain(|name| !name.starts_with("system.") || name == "system.js");
    Ok(names)
}

/// How many documents a collection has, counted one by one: some servers answer the command
/// `count` by an estimate.
pub(super) async fn count(connection: &Connection, database: &str, name: &str) -> Result<u64> {
    let command = doc! { "aggregate": name, "pipeline": [{ "$count": "n" }], "cursor": {} };
    let command = RawDocumentBuf::try_from(&command).map_err(|error| {
        let what = format!("a command is no BSON: {error}");
        Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
    })?;
    let reply = connection.run(database, command).await.map_err(|error| {
        let doing = format!("the documents of {database}.{name} cannot be counted");
        explained(connection, &error, &doing)
    })?;
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let counted = batch.map(|batch| batch.first().and_then(Bson::as_document));
    match counted {
        Ok(None) => Some(0),
        Ok(Some(counted)) => number(counted, "n"),
        Err(_) => None,
    }
    .ok_or_else(|| {
        Error::new(
            ErrorClass::Engine,
            format!("the server does not tell how many documents {database}.{name} has"),
            "Restore into MongoDB, or what speaks its protocol",
        )
    })
}

/// A count of whatever type.
pub(super) fn number(document: &bson::Document, name: &str) -> Option<u64> {
    let value = document.get(name)?;
    let whole = value.as_i64().or(value.as_i32().map(i64::from));
    #[allow(clippy::cast_possible_truncation, reason = "counts are whole numbers")]
    let whole = whole.or_else(|| value.as_f64().map(|number| number as i64));
    whole.and_then(|number| u64::try_from(number).ok())
}

/// Where documents alone are restored: each collection has to be there, and to be empty unless the
/// options say otherwise.
async fn check_collections(
    connection: &Connection,
    database: &str,
    names: &BTreeSet<String>,
    choice: &Choice,
    options: &RestoreOptions,
) -> Result<()> {
    let missing = choice.with_documents().filter(|chosen| !names.contains(&chosen.name));
    let missing: Vec<_> = missing.map(|chosen| chosen.name.clone()).collect();
    if !missing.is_empty() {
        return Err(wrong(
            format!(
                "the database {database} has no {}, and documents alone are restored",
                few(&missing)
            ),
            "Leave out data-only, or make these collections first (schema-only)",
        ));
    }
    if options.allow_non_empty {
        return Ok(());
    }
    let mut full = Vec::new();
    for chosen in choice.with_documents() {
        if count(connection, database, &chosen.stored).await? > 0 {
            full.push(chosen.name.clone());
        }
    }
    if full.is_empty() {
        return Ok(());
    }
    Err(wrong(
        format!("the database {database} has documents already in {}", few(&full)),
        "Empty them first, or add to them (allow-non-empty)",
    ))
}

/// Drops a collection or a view; one that is not there is no error.
pub(super) async fn drop_one(connection: &Connection, database: &str, name: &str) -> Result<()> {
    let command = command(|writer| {
        let writer = writer.text("drop", name);
        writer.document("writeConcern", |concern| concern.text("w", "majority"))
    })?;
    let doing = format!("{database}.{name} cannot be dropped");
    match connection.run(database, command).await {
        Ok(reply) => confirmed(&reply, &doing),
        Err(error) if code(&error) == Some(26) => Ok(()),
        Err(error) => Err(explained(connection, &error, &doing)),
    }
}

/// The server's number for an error.
pub(super) fn code(error: &DriverError) -> Option<i32> {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

fn not_empty(database: &str, names: &BTreeSet<String>) -> Error {
    let some: Vec<_> = names.iter().cloned().collect();
    wrong(
        format!(
            "the database {database} is not empty: it has {} collections and views: {}",
            some.len(),
            few(&some)
        ),
        "Restore into another database, drop first what the backup has too (clean), or restore \
         all the same (allow-non-empty)",
    )
}

fn wrong(what: String, hint: &str) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}
