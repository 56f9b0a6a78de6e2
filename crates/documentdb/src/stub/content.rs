//! What a stub has when it starts.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bson::{RawDocumentBuf, rawdoc};

use super::admin;
use super::catalog::Catalog;
use super::generate::{Ids, Shape, document};

/// Databases, collections and documents.
#[derive(Default)]
#[must_use]
pub struct Content {
    pub(super) catalog: Catalog,
    pub(super) oplog: bool,
}

impl Content {
    /// Nothing at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a collection with options as `create` takes them: `viewOn`, `capped`, `collation`,
    /// `timeseries`, `validator` and all others are kept and listed.
    pub fn collection(
        mut self,
        database: &str,
        name: &str,
        options: RawDocumentBuf,
    ) -> Result<Self> {
        ensure!(self.catalog.create(database, name, options), "{database}.{name} is there already");
        Ok(self)
    }

    /// Adds documents as they are, to a collection that is made if it is missing.
    pub fn documents(
        mut self,
        database: &str,
        name: &str,
        documents: impl IntoIterator<Item = RawDocumentBuf>,
    ) -> Result<Self> {
        let into = Arc::make_mut(&mut self.catalog.ensure(database, name).documents);
        documents.into_iter().try_for_each(|document| into.push(&document))?;
        Ok(self)
    }

    /// Adds so many generated documents: the same ones each time.
    pub fn generated(
        self,
        database: &str,
        name: &str,
        (shape, ids, number): (Shape, Ids, usize),
    ) -> Result<Self> {
        self.documents(database, name, (0..number).map(|number| document(shape, ids, number)))
    }

    /// Adds an index to a collection.
    pub fn index(mut self, database: &str, name: &str, index: RawDocumentBuf) -> Self {
        self.catalog.ensure(database, name).indexes.push(index);
        self
    }

    /// Adds a user and a role of a database: nobody can log in as that user.
    pub fn users(mut self, database: &str) -> Result<Self> {
        admin::users(&mut self.catalog, database)?;
        Ok(self)
    }

    /// Begins a log of operations, in which insertions by clients are noted.
    pub fn oplog(mut self) -> Result<Self> {
        admin::begin_log(&mut self.catalog)?;
        self.oplog = true;
        Ok(self)
    }

    /// A database with what `DocumentDB` refuses: a capped collection, one with a collation, one with a
    /// validator, a time series, and a view beside them.
    pub fn exotic(self, database: &str) -> Result<Self> {
        let numbered = |from: i32| (from..from + 50).map(|n| rawdoc! { "_id": n, "text": "é" });
        let capped = rawdoc! { "capped": true, "size": 1 << 20, "max": 1000 };
        let collation = rawdoc! { "collation": { "locale": "de", "strength": 2 } };
        let validator = rawdoc! {
            "validator": { "$jsonSchema": { "required": ["_id"] } },
            "validationLevel": "strict",
        };
        let series = rawdoc! { "timeseries": { "timeField": "at", "granularity": "hours" } };
        let view =
            rawdoc! { "viewOn": "capped", "pipeline": [{ "$match": { "_id": { "$gte": 40 } } }] };
        let bucket = rawdoc! {
            "_id": bson::oid::ObjectId::from_bytes([9; 12]),
            "control": { "version": 1, "min": { "n": 1 }, "max": { "n": 1 } },
            "data": { "n": { "0": 1 } },
        };
        self.collection(database, "capped", capped)?
            .documents(database, "capped", numbered(0))?
            .collection(database, "collation", collation)?
            .documents(database, "collation", numbered(100))?
            .collection(database, "validated", validator)?
            .documents(database, "validated", numbered(200))?
            .collection(database, "series", series)?
            .documents(database, "system.buckets.series", [bucket])?
            .collection(database, "view", view)
    }
}
