//! What a server has: its databases, and the collections of one, with their definitions.

use std::collections::HashMap;

use autodump_core::options::Selection;
use autodump_core::{Error, ErrorClass, Result};
use bson::RawDocumentBuf;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::error::Error as DriverError;
use mongodb::raw_batch_cursor::RawBatch;

use super::archive::{Collection, Namespace};
use super::chosen::Chosen;
use super::connection::{Connection, command};
use super::extjson;
use super::raw::{Element, Elements, Malformed, Writer};
use super::size::{Size, size};

/// Databases of the server's own.
const OWN: [&str; 3] = ["admin", "config", "local"];
/// Collections that begin so are the server's own, but for the next one.
const SYSTEM: &str = "system.";
/// Functions that users store.
const FUNCTIONS: &str = "system.js";
/// Questions to the server at once.
const AT_ONCE: usize = 8;

/// A collection, a view or a time series.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its definition, as it stands in an archive.
    pub(crate) definition: Collection,
    /// What tells it from another of its name, where the server says so.
    pub(super) uuid: Option<String>,
    /// How large it is, where the server says so.
    pub(super) size: Option<Size>,
    /// Why it must be read by one cursor, where it must.
    pub(crate) whole: Option<&'static str>,
}

impl Found {
    /// A view has no documents of its own.
    pub(crate) fn is_view(&self) -> bool {
        self.definition.kind == "view"
    }

    /// How many bytes its documents have in BSON; 0 where that is not known.
    pub(super) fn bytes(&self) -> u64 {
        self.size.map_or(0, |size| size.bytes)
    }
}

/// The databases of the server, without its own.
pub(crate) async fn databases(connection: &Connection) -> Result<Vec<String>> {
    let command = command(|writer| writer.int32("listDatabases", 1).truth("nameOnly", true))?;
    let reply = connection.run("admin", command).await;
    let reply =
        reply.map_err(|error| connection.explain(&error, "the databases cannot be listed"))?;
    let names = reply.get_array("databases").into_iter().flatten();
    let names = names.filter_map(|database| database.as_document()?.get_str("name").ok());
    let mut names: Vec<_> = names.filter(|name| !OWN.contains(name)).map(str::to_owned).collect();
    names.sort_unstable();
    Ok(names)
}

/// What is chosen of a database, in the order in which the server names it. A database that is
/// not there, and a pattern that fits nothing, is an error of class
/// [`ErrorClass::Configuration`].
pub(crate) async fn collections(
    connection: &Connection,
    database: &str,
    selection: &Selection,
) -> Result<Vec<Found>> {
    let (wanted, names) = pick(connection, database, selection).await?;
    if let Some(series) = without_buckets(&wanted, &names) {
        return Err(unreadable_series(database, series));
    }
    let found = wanted.into_iter().map(|listed| listed.found(connection, database, &names));
    let found: Vec<_> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The names of the same, whether their documents can be read or not.
pub(crate) async fn chosen(
    connection: &Connection,
    database: &str,
    selection: &Selection,
) -> Result<Vec<String>> {
    let (wanted, _) = pick(connection, database, selection).await?;
    Ok(wanted.into_iter().map(|listed| listed.name).collect())
}

/// The first time series that is chosen and whose buckets the server does not show.
pub(crate) async fn hidden_series(
    connection: &Connection,
    database: &str,
    selection: &Selection,
) -> Result<Option<String>> {
    let (wanted, names) = pick(connection, database, selection).await?;
    Ok(without_buckets(&wanted, &names).map(str::to_owned))
}

/// The definitions of what is `wanted` of a database, as they stand in an archive. None of one that
/// is not there, or not any more.
pub(crate) async fn definitions(
    connection: &Connection,
    database: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Collection>> {
    let mut listed = list(connection, database).await?;
    listed.retain(|listed| wanted(&listed.name));
    let definitions = listed.iter().map(|listed| listed.definition(connection, database));
    let definitions = stream::iter(definitions.collect::<Vec<_>>()).buffered(AT_ONCE);
    definitions.try_filter_map(|definition| std::future::ready(Ok(definition))).try_collect().await
}

fn without_buckets<'a>(wanted: &'a [Listed], names: &Identities) -> Option<&'a str> {
    let is_hidden =
        |listed: &&Listed| listed.kind == "timeseries" && !names.contains_key(&listed.buckets());
    wanted.iter().find(is_hidden).map(|listed| listed.name.as_str())
}

/// The UUIDs of collections by their names, where the server tells them.
type Identities = HashMap<String, Option<String>>;

/// What a database has, by name.
pub(super) async fn identities(connection: &Connection, database: &str) -> Result<Identities> {
    Ok(list(connection, database).await?.iter().map(Listed::identity).collect())
}

/// What is chosen of a database, and what it has at all.
async fn pick(
    connection: &Connection,
    database: &str,
    selection: &Selection,
) -> Result<(Vec<Listed>, Identities)> {
    let listed = list(connection, database).await?;
    if listed.is_empty() {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("{} has no database {database:?}, or nothing is in it", connection.at()),
            "Check databasename in the secret: letters of another case are another name",
        ));
    }
    let names = listed.iter().map(Listed::identity).collect();
    let own = |name: &str| name.starts_with(SYSTEM) && name != FUNCTIONS;
    let listed: Vec<_> = listed.into_iter().filter(|listed| !own(&listed.name)).collect();
    let chosen = Chosen::of(selection)?;
    let there: Vec<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
    chosen.check(&there, database)?;
    let wanted = listed.into_iter().filter(|listed| chosen.has(&listed.name)).collect();
    Ok((wanted, names))
}

fn unreadable_series(database: &str, name: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the server shows no buckets of the time series {database}.{name}"),
        "Let mongodump read it (method = client), grant the secret's user the role backup, or \
         leave it out (exclude-collections)",
    )
}

/// The documents of a batch, one after another.
pub(crate) fn documents(
    batch: &RawBatch,
) -> Result<impl Iterator<Item = Result<&[u8], Malformed>>, DriverError> {
    // The server's array holds documents alone.
    let items = Elements::of(batch.doc_slices()?.as_bytes());
    let items = items.map_or_else(|error| vec![Err(error)], Iterator::collect);
    Ok(items.into_iter().map(|item: Result<Element<'_>, _>| item.map(|item| item.value)))
}

/// All documents that a cursor gives. `doing` is what was not possible, if it was not.
pub(super) async fn all(
    connection: &Connection,
    database: &str,
    command: RawDocumentBuf,
    doing: &str,
) -> Result<Vec<Vec<u8>>> {
    let failed = |error| connection.explain(&error, doing);
    let mut cursor = connection.cursor(database, command, None).await.map_err(failed)?;
    let mut found = Vec::new();
    while let Some(batch) = cursor.next().await {
        let batch = batch.map_err(failed)?;
        for document in documents(&batch).map_err(failed)? {
            found.push(document.map_err(|error| malformed(doing, error))?.to_vec());
        }
    }
    Ok(found)
}

async fn list(connection: &Connection, database: &str) -> Result<Vec<Listed>> {
    let command =
        command(|writer| writer.int32("listCollections", 1).document("cursor", |cursor| cursor))?;
    let doing = format!("the collections of {database} cannot be listed");
    let listed = all(connection, database, command, &doing).await?;
    let read = |bytes: &Vec<u8>| Listed::of(bytes).map_err(|error| malformed(&doing, error));
    listed.iter().map(read).collect()
}

pub(super) fn malformed(doing: &str, error: Malformed) -> Error {
    Error::new(
        ErrorClass::Engine,
        format!("{doing}: a document of the server's reply is malformed: {error}"),
        "Only MongoDB and what speaks its protocol can be dumped",
    )
}

/// What the list of collections says of one.
#[derive(Debug, Default)]
struct Listed {
    name: String,
    kind: String,
    /// Its options in JSON, where there are some.
    options: Option<String>,
    uuid: Option<String>,
    capped: bool,
    collation: bool,
}

impl Listed {
    fn of(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut listed = Self { kind: "collection".to_owned(), ..Self::default() };
        for field in Elements::of(bytes)? {
            let field = field?;
            match field.name {
                "name" => field.text().unwrap_or_default().clone_into(&mut listed.name),
                "type" => field.text().unwrap_or("collection").clone_into(&mut listed.kind),
                "options" => listed.options(field.value)?,
                "info" => listed.info(field.value)?,
                _ => {}
            }
        }
        Ok(listed)
    }

    fn options(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        for option in Elements::of(bytes)? {
            let option = option?;
            match option.name {
                "capped" => self.capped = option.truth() == Some(true),
                "collation" => self.collation = true,
                _ => {}
            }
            self.options = Some(String::new());
        }
        if self.options.is_some() {
            self.options = Some(extjson::document(bytes)?);
        }
        Ok(())
    }

    fn info(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        for field in Elements::of(bytes)? {
            let field = field?;
            // A binary value: its length, its subtype, 16 bytes.
            if field.name == "uuid" && field.value.len() == 21 {
                self.uuid = Some(hex::encode(&field.value[5..]));
            }
        }
        Ok(())
    }

    fn identity(&self) -> (String, Option<String>) {
        (self.name.clone(), self.uuid.clone())
    }

    /// Where the documents of a time series are.
    fn buckets(&self) -> String {
        format!("system.buckets.{}", self.name)
    }

    /// Why it must be read by one cursor.
    fn whole(&self) -> Option<&'static str> {
        if self.capped {
            Some("it is capped, and its order is kept")
        } else if self.collation {
            Some("it has a collation")
        } else if self.kind == "timeseries" {
            Some("it is a time series")
        } else {
            None
        }
    }

    /// The definition; `None` where it was dropped since it was listed.
    async fn definition(
        &self,
        connection: &Connection,
        database: &str,
    ) -> Result<Option<Collection>> {
        let Some(indexes) = self.indexes(connection, database).await? else { return Ok(None) };
        Ok(Some(Collection {
            namespace: Namespace { database: database.to_owned(), collection: self.name.clone() },
            metadata: self.metadata(indexes),
            kind: self.kind.clone(),
        }))
    }

    /// What is known of it; `None` where it was dropped since it was listed with these `names`.
    async fn found(
        self,
        connection: &Connection,
        database: &str,
        names: &Identities,
    ) -> Result<Option<Found>> {
        let is_view = self.kind == "view";
        let definition = self.definition(connection, database).await?;
        let Some(definition) = definition else { return Ok(None) };
        let stored = definition.stored();
        let uuid = names.get(&stored.collection).cloned().flatten();
        let size = if is_view { Some(Size::default()) } else { size(connection, &stored).await? };
        Ok(Some(Found { definition, uuid, size, whole: self.whole() }))
    }

    /// Its indexes in JSON; `None` where it was dropped since it was listed.
    async fn indexes(&self, connection: &Connection, of: &str) -> Result<Option<Vec<String>>> {
        if self.kind == "view" {
            return Ok(Some(Vec::new()));
        }
        let error = match indexes(connection, of, &self.name).await {
            Err(error) if error.class() == ErrorClass::Source => error,
            indexes => return indexes.map(Some),
        };
        match identities(connection, of).await {
            Ok(now) if !now.contains_key(&self.name) => Ok(None),
            _ => Err(error),
        }
    }

    /// The definition as `mongodump` writes it, its fields in the same order.
    fn metadata(&self, indexes: Vec<String>) -> String {
        let options = self.options.as_ref().map(|options| format!("\"options\":{options},"));
        let uuid = self.uuid.as_ref().map(|uuid| format!("\"uuid\":{},", extjson::text(uuid)));
        format!(
            "{{{}\"indexes\":{},{}\"collectionName\":{},\"type\":{}}}",
            options.unwrap_or_default(),
            extjson::array(indexes),
            uuid.unwrap_or_default(),
            extjson::text(&self.name),
            extjson::text(&self.kind)
        )
    }
}

/// The indexes of a collection in JSON, without what older servers say beside the definition.
async fn indexes(connection: &Connection, database: &str, name: &str) -> Result<Vec<String>> {
    let command = command(|writer| writer.text("listIndexes", name))?;
    let doing = format!("the indexes of {database}.{name} cannot be listed");
    let listed = all(connection, database, command, &doing).await?;
    let without_namespace = |bytes: &Vec<u8>| {
        let mut index = Vec::new();
        let mut writer = Writer::new(&mut index);
        for field in Elements::of(bytes)? {
            let field = field?;
            if field.name != "ns" {
                writer = writer.value(field.name, field.kind, field.value);
            }
        }
        writer.end();
        extjson::document(&index)
    };
    let indexes: Result<_, _> = listed.iter().map(without_namespace).collect();
    indexes.map_err(|error| malformed(&doing, error))
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
