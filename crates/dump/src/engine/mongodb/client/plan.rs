//! What `mongodump` is to dump, and what has to be in its archive then.

use std::collections::{BTreeSet, HashSet};

use autodump_core::options::{DumpOptions, Selection};
use autodump_core::{Error, ErrorClass, Result};

use super::super::archive::Namespace;
use super::super::connection::{Connection, command};
use super::super::inventory;
use super::super::trouble::is_refusal;
use super::recut::{OF_ADMIN, Scope};
use super::settings::{What, left_out};
use super::{is_everything, with_users};
use crate::rows::RowDigest;

/// The database in which the users and roles of all others are.
pub(super) const ADMIN: &str = "admin";
/// What of that is dumped though it is the server's own.
const USERS: [&str; 3] = ["system.users", "system.roles", "system.version"];
/// The collections that begin so are the server's own, but for the next one.
const SYSTEM: &str = "system.";
/// Functions that users store.
const FUNCTIONS: &str = "system.js";
/// The collection that is the oplog, in the database local.
const OPLOG: &str = "oplog.rs";
/// The oplog's name in an archive, whose database is empty.
const OPLOG_IN_ARCHIVE: &str = "oplog";
/// How many names an error shows.
const SHOWN: usize = 5;

/// What is dumped.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scope: Scope,
    without: Vec<String>,
    with_users: bool,
    is_everything: bool,
    expected: BTreeSet<Namespace>,
}

impl Plan {
    /// Looks at the server. What the options ask for and it does not have is an error of class
    /// [`ErrorClass::Configuration`].
    pub(super) async fn of(
        connection: &Connection,
        database: &str,
        options: &DumpOptions,
    ) -> Result<Self> {
        if is_everything(options) {
            return Self::of_everything(connection, options.globals == Some(true)).await;
        }
        let with_users = with_users(options, database);
        if with_users || database == ADMIN {
            check_users(connection).await?;
        }
        let all = names(connection, database).await?;
        let selection = &options.selection;
        let chosen = match database {
            // All that is dumped of it is the server's own.
            ADMIN => all.clone(),
            _ => inventory::chosen(connection, database, selection).await?,
        };
        let set: HashSet<_> = chosen.iter().cloned().collect();
        let without = left_out(all, &set);
        let is_all = *selection == Selection::default();
        let scope = if is_all { Scope::All } else { Scope::Chosen(set) };
        let users = USERS.iter().filter(|_| with_users).map(|name| format!("{OF_ADMIN}{name}"));
        let expected = chosen.into_iter().chain(users);
        let expected = expected.map(|name| namespace(database, name)).collect();
        Ok(Self { scope, without, with_users, is_everything: false, expected })
    }

    /// mongodump takes users and roles along, whether they are wanted or not.
    async fn of_everything(connection: &Connection, with_users: bool) -> Result<Self> {
        check_oplog(connection).await?;
        let users = USERS.map(|name| namespace(ADMIN, name.to_owned()));
        let mut expected = BTreeSet::from([namespace("", OPLOG_IN_ARCHIVE.to_owned())]);
        for database in inventory::databases(connection).await? {
            let names = names(connection, &database).await?;
            expected.extend(names.into_iter().map(|name| namespace(&database, name)));
        }
        let scope = if with_users {
            check_users(connection).await?;
            let there = names(connection, ADMIN).await?;
            expected.extend(users.into_iter().filter(|one| there.contains(&one.collection)));
            Scope::All
        } else {
            Scope::AllBut(users.into())
        };
        Ok(Self { scope, without: Vec::new(), with_users: false, is_everything: true, expected })
    }

    /// For the program's arguments.
    pub(super) fn what<'a>(&'a self, database: &'a str) -> What<'a> {
        if self.is_everything {
            return What::Everything;
        }
        What::Database { name: database, without: &self.without, with_users: self.with_users }
    }

    /// Compares what was dumped with what had to be. A collection that was dropped meanwhile may
    /// be missing.
    pub(super) async fn check(
        &self,
        connection: &Connection,
        dumped: &[(Namespace, RowDigest)],
    ) -> Result<()> {
        let dumped: BTreeSet<_> = dumped.iter().map(|(name, _)| name.clone()).collect();
        let mut missing: Vec<_> = self.expected.difference(&dumped).collect();
        let databases: BTreeSet<_> = missing.iter().map(|name| name.database.clone()).collect();
        for database in databases.iter().filter(|database| !database.is_empty()) {
            let now = names(connection, database).await?;
            let is_there = |name: &str| name.starts_with(OF_ADMIN) || now.iter().any(|n| n == name);
            missing.retain(|name| name.database != *database || is_there(&name.collection));
        }
        if missing.is_empty() { Ok(()) } else { Err(lacks(&missing)) }
    }
}

fn namespace(database: &str, collection: String) -> Namespace {
    Namespace { database: database.to_owned(), collection }
}

fn lacks(missing: &[&Namespace]) -> Error {
    let shown = |name: &&Namespace| format!("{}.{}", name.database, name.collection);
    let mut names: Vec<_> = missing.iter().take(SHOWN).map(shown).collect();
    if missing.len() > SHOWN {
        names.push(format!("{} more", missing.len() - SHOWN));
    }
    let is_odd =
        |name: &&Namespace| name.collection.contains('$') && !name.collection.starts_with(OF_ADMIN);
    let hint = if missing.iter().any(is_odd) {
        "mongodump leaves out collections with a $ in their name: rename them, leave them out \
         (exclude-collections), or let AutoDump read them (method = ranges)"
    } else {
        "See that the secret's user may read them; run mongodump by hand and see"
    };
    Error::new(
        ErrorClass::Engine,
        format!("mongodump ended well, and its archive lacks {}", names.join(", ")),
        hint,
    )
}

/// The collections of a database without the server's own, by their names.
async fn names(connection: &Connection, database: &str) -> Result<Vec<String>> {
    let names = super::super::names::names(connection, database).await?;
    Ok(names.into_iter().filter(|name| is_dumped(database, name)).collect())
}

fn is_dumped(database: &str, name: &str) -> bool {
    !name.starts_with(SYSTEM) || name == FUNCTIONS || database == ADMIN && USERS.contains(&name)
}

/// The name of the replica set of which the server is a member, if it is one.
pub(super) async fn set_name(connection: &Connection) -> Result<Option<String>> {
    // Older servers know the older name alone.
    let mut reply = connection.run(ADMIN, command(|writer| writer.int32("hello", 1))?).await;
    if reply.as_ref().is_err_and(is_refusal) {
        reply = connection.run(ADMIN, command(|writer| writer.int32("isMaster", 1))?).await;
    }
    let reply = reply.map_err(|error| connection.explain(&error, "the server cannot be asked"))?;
    Ok(reply.get_str("setName").ok().map(str::to_owned))
}

/// That the server has an oplog; else the error is of class [`ErrorClass::Configuration`].
pub(super) async fn check_oplog(connection: &Connection) -> Result<()> {
    let no_oplog = |why: &str| {
        Error::new(
            ErrorClass::Configuration,
            format!("the option oplog is yes, and the server at {} {why}", connection.at()),
            "Remove the option oplog. Only a member of a replica set of MongoDB has an oplog; \
             Amazon DocumentDB has none, and of a sharded cluster each shard has its own",
        )
    };
    if set_name(connection).await?.is_none() {
        return Err(no_oplog("is no member of a replica set"));
    }
    if !names(connection, "local").await?.iter().any(|name| name == OPLOG) {
        return Err(no_oplog("shows no oplog"));
    }
    Ok(())
}

/// That the server shows its users and roles; else the error is of class
/// [`ErrorClass::Configuration`].
pub(super) async fn check_users(connection: &Connection) -> Result<()> {
    let ask = command(|writer| writer.int32("getParameter", 1).int32("authSchemaVersion", 1))?;
    let why = match connection.run(ADMIN, ask).await {
        Ok(reply) if reply.contains_key("authSchemaVersion") => return Ok(()),
        Ok(_) => "it does not tell the version of their form".to_owned(),
        Err(error) => {
            let error = connection.explain(&error, "the form of users cannot be asked");
            if error.class() != ErrorClass::Engine {
                return Err(error);
            }
            error.what().to_owned()
        }
    };
    Err(Error::new(
        ErrorClass::Configuration,
        format!(
            "the option globals is yes, and the server at {} shows no users and roles: {why}",
            connection.at()
        ),
        "Remove the option globals: Amazon DocumentDB, and what else only speaks MongoDB's \
         protocol, keeps its users elsewhere",
    ))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
