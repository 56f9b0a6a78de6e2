//! What a server has: its databases, and the collections of one, with their definitions.

use std::collections::HashSet;

use autodump_core::options::Selection;
use autodump_core::pattern::Pattern;
use autodump_core::{Error, ErrorClass, Result};
use bson::{Document, RawDocumentBuf};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::error::Error as DriverError;
use mongodb::raw_batch_cursor::RawBatch;
use regex_lite::Regex;

use super::archive::{Collection, Namespace};
use super::connection::{Connection, command};
use super::extjson;
use super::raw::{Element, Elements, Malformed, Writer};
use super::trouble::is_refusal;

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
    /// How many documents it has, as the server estimates it; 0 where that is not known.
    pub(crate) documents: u64,
    /// How many bytes they have in BSON, as the server estimates it; 0 where that is not known.
    pub(crate) bytes: u64,
    /// Why it must be read by one cursor, where it must.
    pub(crate) whole: Option<&'static str>,
}

impl Found {
    /// A view has no documents of its own.
    pub(crate) fn is_view(&self) -> bool {
        self.definition.kind == "view"
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
    let found = wanted.into_iter().map(|listed| listed.found(connection, database));
    stream::iter(found).buffered(AT_ONCE).try_collect().await
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

/// The definitions of what is `wanted` of a database; none of one that is not there.
pub(crate) async fn definitions(
    connection: &Connection,
    database: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Collection>> {
    let mut listed = list(connection, database).await?;
    listed.retain(|listed| wanted(&listed.name));
    let definitions = listed.iter().map(|listed| listed.definition(connection, database));
    stream::iter(definitions.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await
}

fn without_buckets<'a>(wanted: &'a [Listed], names: &HashSet<String>) -> Option<&'a str> {
    let is_hidden =
        |listed: &&Listed| listed.kind == "timeseries" && !names.contains(&listed.buckets());
    wanted.iter().find(is_hidden).map(|listed| listed.name.as_str())
}

/// What is chosen of a database, and the names of all that it has.
async fn pick(
    connection: &Connection,
    database: &str,
    selection: &Selection,
) -> Result<(Vec<Listed>, HashSet<String>)> {
    let listed = list(connection, database).await?;
    if listed.is_empty() {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("{} has no database {database:?}, or nothing is in it", connection.at()),
            "Check databasename in the secret: letters of another case are another name",
        ));
    }
    let names: HashSet<_> = listed.iter().map(|listed| listed.name.clone()).collect();
    let own = |name: &str| name.starts_with(SYSTEM) && name != FUNCTIONS;
    let listed: Vec<_> = listed.into_iter().filter(|listed| !own(&listed.name)).collect();
    let chosen = Chosen::of(selection)?;
    chosen.check(&listed, database)?;
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

    async fn definition(&self, connection: &Connection, database: &str) -> Result<Collection> {
        let indexes = match self.kind.as_str() {
            "view" => Vec::new(),
            _ => indexes(connection, database, &self.name).await?,
        };
        Ok(Collection {
            namespace: Namespace { database: database.to_owned(), collection: self.name.clone() },
            metadata: self.metadata(indexes),
            kind: self.kind.clone(),
        })
    }

    async fn found(self, connection: &Connection, database: &str) -> Result<Found> {
        let definition = self.definition(connection, database).await?;
        let stored = definition.stored().collection;
        let (documents, bytes) =
            if self.kind == "view" { (0, 0) } else { size(connection, database, &stored).await? };
        Ok(Found { definition, documents, bytes, whole: self.whole() })
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

/// How many documents a collection has, and how many bytes they have. Only a guide: a server
/// that does not tell is no obstacle.
async fn size(connection: &Connection, database: &str, name: &str) -> Result<(u64, u64)> {
    let command = command(|writer| writer.text("collStats", name))?;
    match connection.run(database, command).await {
        Ok(reply) => Ok((number(&reply, "count"), number(&reply, "size"))),
        Err(error) if is_refusal(&error) => {
            tracing::info!(database, collection = name, %error, "its size is not known");
            Ok((0, 0))
        }
        Err(error) => {
            let doing = format!("the size of {database}.{name} cannot be asked");
            Err(connection.explain(&error, &doing))
        }
    }
}

/// A number of whatever type; 0 where it is none.
fn number(document: &Document, name: &str) -> u64 {
    let value = document.get(name);
    let whole = value.and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)));
    #[allow(clippy::cast_possible_truncation, reason = "it is a guide, and saturates")]
    let number = whole.or_else(|| Some(value?.as_f64()? as i64));
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// Which collections are chosen.
struct Chosen<'a> {
    of: Vec<(&'a Pattern, Regex)>,
    but: Vec<(&'a Pattern, Regex)>,
}

impl<'a> Chosen<'a> {
    fn of(selection: &'a Selection) -> Result<Self> {
        let compiled = |patterns: &'a [Pattern]| {
            patterns.iter().map(|pattern| Ok((pattern, compiled(pattern)?))).collect::<Result<_>>()
        };
        Ok(Self {
            of: compiled(&selection.collections)?,
            but: compiled(&selection.exclude_collections)?,
        })
    }

    fn has(&self, name: &str) -> bool {
        let fits = |patterns: &[(&Pattern, Regex)]| patterns.iter().any(|(_, r)| r.is_match(name));
        (self.of.is_empty() || fits(&self.of)) && !fits(&self.but)
    }

    /// Each pattern of what is wanted has to fit something.
    fn check(&self, listed: &[Listed], database: &str) -> Result<()> {
        let useless = |(_, regex): &&(&Pattern, Regex)| {
            !listed.iter().any(|listed| regex.is_match(&listed.name))
        };
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

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
