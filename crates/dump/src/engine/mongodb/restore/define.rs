//! Definitions: what is made before the documents, and what after them.

use std::collections::BTreeSet;

use autodump_core::ports::DatabaseAccess;
use autodump_core::{Error, ErrorClass, Result};
use bson::RawDocumentBuf;

use super::definition::Definition;
use super::select::Chosen;
use super::there::code;
use super::trouble::{confirmed, explained, of_restore};
use super::work::{Found, Work};
use crate::engine::mongodb::inventory::definitions;
use crate::restore::names::few;
use crate::restore::{Phase, SharedReader};

/// `NamespaceExists`.
const EXISTS: i32 = 48;

impl<R: SharedReader, A: DatabaseAccess + 'static> Work<'_, R, A> {
    /// Makes a collection or a view.
    pub(super) async fn make(&self, found: &Found<'_>, chosen: &Chosen) -> Result<()> {
        let (database, name) = (&found.plan.database, &chosen.name);
        let command = chosen.definition.create(name)?;
        let doing = format!("{database}.{name} cannot be made");
        match found.connection.run(database, command).await {
            Ok(reply) => confirmed(&reply, &doing),
            Err(error) if code(&error) == Some(EXISTS) => Err(Error::new(
                ErrorClass::Configuration,
                format!("somebody made {database}.{name} since the database was looked at"),
                "Restore when nobody else writes there",
            )),
            Err(error) => Err(explained(&found.connection, &error, &doing)),
        }
    }

    /// Makes indexes, sets what lets documents expire and what refuses them, then makes views.
    pub(super) async fn define(&self, found: &Found<'_>) -> Result<()> {
        if !self.reached(found, Phase::PostData) {
            return Ok(());
        }
        let database = &found.plan.database;
        for chosen in found.choice.with_documents() {
            let (name, definition) = (&chosen.name, &chosen.definition);
            if let Some(command) = definition.create_indexes(name)? {
                let names = few(&definition.index_names());
                let doing = format!("the indexes of {database}.{name} cannot be made ({names})");
                change(found, command, &doing).await?;
            }
            if let Some(command) = definition.modify(name)? {
                let doing = format!("the options of {database}.{name} cannot be set");
                change(found, command, &doing).await?;
            }
        }
        for view in found.choice.chosen.iter().filter(|chosen| chosen.is_view) {
            self.make(found, view).await?;
        }
        check_indexes(found).await
    }
}

async fn change(found: &Found<'_>, command: RawDocumentBuf, doing: &str) -> Result<()> {
    let reply = found.connection.run(&found.plan.database, command).await;
    confirmed(&reply.map_err(|error| explained(&found.connection, &error, doing))?, doing)
}

/// Every index has to be there, whatever the server said.
async fn check_indexes(found: &Found<'_>) -> Result<()> {
    let database = &found.plan.database;
    let wanted = found.definitions().map(|(name, definition)| (name, definition.index_names()));
    let wanted: Vec<_> = wanted.filter(|(_, indexes)| !indexes.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let is_wanted = |name: &str| wanted.iter().any(|(wanted, _)| *wanted == name);
    let mut there = BTreeSet::new();
    for collection in
        definitions(&found.connection, database, is_wanted).await.map_err(of_restore)?
    {
        let indexes = Definition::of(&collection)?.index_names();
        let name = &collection.namespace.collection;
        there.extend(indexes.into_iter().map(|index| (name.clone(), index)));
    }
    for (name, indexes) in wanted {
        let is_missing = |index: &&String| !there.contains(&(name.to_owned(), (*index).clone()));
        if let Some(index) = indexes.iter().find(is_missing) {
            return Err(Error::new(
                ErrorClass::Engine,
                format!("the index {index} of {database}.{name} was made, and is not there"),
                "Make it by hand, as the definition in the archive has it; see the server's log",
            ));
        }
    }
    Ok(())
}
