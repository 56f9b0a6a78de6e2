//! A collection's definition, as an archive has it, and the commands that make it again.

use autodump_core::{Error, Result};
use bson::{Bson, Document, RawDocumentBuf, doc};

use crate::engine::mongodb::archive::Collection;
use crate::object::broken;

/// The index that every collection has by itself.
const OF_ID: &str = "_id_";

/// Options that are set when the documents are there: what would refuse them, though they were in a
/// collection that had it, and what would let them expire before they were counted.
const LATER: [&str; 4] = ["validator", "validationLevel", "validationAction", "expireAfterSeconds"];

/// Options and indexes of a collection, or what a view shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Definition {
    pub(super) options: Document,
    pub(super) indexes: Vec<Document>,
}

impl Definition {
    /// Reads it. An archive's metadata that are not understood are an error of class verification.
    pub(in super::super) fn of(collection: &Collection) -> Result<Self> {
        let Collection { namespace, metadata, .. } = collection;
        if metadata.is_empty() {
            return Ok(Self::default());
        }
        let name = format!("{}.{}", namespace.database, namespace.collection);
        let wrong = |why: String| broken(format!("the definition of {name} is damaged: {why}"));
        let mut read: Document =
            serde_json::from_str(metadata).map_err(|error| wrong(error.to_string()))?;
        let options = match read.remove("options") {
            None | Some(Bson::Null) => Document::new(),
            Some(Bson::Document(options)) => options,
            Some(_) => return Err(wrong("its options are no document".to_owned())),
        };
        let listed = match read.remove("indexes") {
            None | Some(Bson::Null) => Vec::new(),
            Some(Bson::Array(indexes)) => indexes,
            Some(_) => return Err(wrong("its indexes are no list".to_owned())),
        };
        let indexes = listed.into_iter().map(|index| match index {
            Bson::Document(index) => Ok(index),
            _ => Err(wrong("one of its indexes is no document".to_owned())),
        });
        Ok(Self { options, indexes: indexes.collect::<Result<_>>()? })
    }

    /// The collection or the view that a view shows.
    pub(super) fn view_on(&self) -> Option<&str> {
        self.options.get_str("viewOn").ok()
    }

    /// Its documents have an order, and the oldest make room for new ones.
    pub(super) fn is_capped(&self) -> bool {
        self.options.get_bool("capped").unwrap_or(false)
    }

    /// Its documents may be fewer than were inserted, by themselves: a sentence fragment.
    pub(super) fn loses(&self) -> Option<&'static str> {
        let expires = |definition: &Document| definition.contains_key("expireAfterSeconds");
        if self.is_capped() {
            Some("it is capped, and the oldest made room")
        } else if expires(&self.options) || self.indexes.iter().any(expires) {
            Some("documents expire in it")
        } else {
            None
        }
    }

    /// The command that makes it, without indexes and what [`Self::modify`] sets.
    pub(super) fn create(&self, name: &str) -> Result<RawDocumentBuf> {
        let mut command = doc! { "create": name };
        command.extend(self.options.clone());
        for option in LATER {
            command.remove(option);
        }
        command.insert("writeConcern", doc! { "w": "majority" });
        raw(&command)
    }

    /// The command that sets what is set when the documents are there, if it has some of that.
    pub(super) fn modify(&self, name: &str) -> Result<Option<RawDocumentBuf>> {
        let options = self.options.iter().filter(|(option, _)| LATER.contains(&option.as_str()));
        let options: Document =
            options.map(|(option, value)| (option.clone(), value.clone())).collect();
        if options.is_empty() {
            return Ok(None);
        }
        let mut command = doc! { "collMod": name };
        command.extend(options);
        command.insert("writeConcern", doc! { "w": "majority" });
        raw(&command).map(Some)
    }

    /// Something is left to be done when the documents are there.
    pub(super) fn has_more(&self) -> bool {
        self.made().next().is_some()
            || self.options.keys().any(|option| LATER.contains(&option.as_str()))
    }

    /// The names of the indexes that are made.
    pub(super) fn index_names(&self) -> Vec<String> {
        self.made().filter_map(|index| index.get_str("name").ok()).map(str::to_owned).collect()
    }

    /// The command that makes its indexes, if it has others than each collection has.
    pub(super) fn create_indexes(&self, name: &str) -> Result<Option<RawDocumentBuf>> {
        let indexes: Vec<_> = self.made().map(|index| Bson::Document(self.index(index))).collect();
        if indexes.is_empty() {
            return Ok(None);
        }
        let command = doc! {
            "createIndexes": name,
            "indexes": indexes,
            "writeConcern": { "w": "majority" },
        };
        raw(&command).map(Some)
    }

    /// Not the index of `_id`, and not that which is the collection itself.
    pub(super) fn made(&self) -> impl Iterator<Item = &Document> {
        let is_own = |index: &&Document| {
            index.get_str("name").is_ok_and(|name| name == OF_ID)
                || index.get_bool("clustered").unwrap_or(false)
        };
        self.indexes.iter().filter(move |index| !is_own(index))
    }

    /// An index as it is made. One without a collation would take that of its collection.
    fn index(&self, index: &Document) -> Document {
        let mut index = index.clone();
        index.remove("ns");
        if self.options.contains_key("collation") && !index.contains_key("collation") {
            index.insert("collation", doc! { "locale": "simple" });
        }
        index
    }
}

fn raw(command: &Document) -> Result<RawDocumentBuf> {
    RawDocumentBuf::try_from(command).map_err(|error| -> Error {
        broken(format!("a definition in the archive is no BSON: {error}"))
    })
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
