//! The stub's databases and collections.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawArrayBuf, RawDocument, RawDocumentBuf, cstr, rawdoc};
use uuid::Uuid;

use super::documents::Documents;
use super::query::number;
use crate::wire::reply::Failure;

/// All databases.
#[derive(Default)]
pub(super) struct Catalog(pub(super) BTreeMap<String, BTreeMap<String, Collection>>);

/// A collection, a view, or a time series.
pub(super) struct Collection {
    pub(super) options: RawDocumentBuf,
    pub(super) indexes: Vec<RawDocumentBuf>,
    pub(super) documents: Arc<Documents>,
    uuid: [u8; 16],
    /// The `_id`s that are taken: known since the first insertion by a client.
    ids: Option<HashSet<Vec<u8>>>,
}

impl Collection {
    pub(super) fn new(options: RawDocumentBuf) -> Self {
        let mut id = rawdoc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" };
        if let Ok(Some(collation)) = options.get("collation") {
            id.append(cstr!("collation"), collation);
        }
        let indexes = if options.get_str("viewOn").is_ok() { Vec::new() } else { vec![id] };
        let uuid = Uuid::new_v4().into_bytes();
        Self { options, indexes, documents: Arc::default(), uuid, ids: None }
    }

    /// As `listCollections` names it.
    pub(super) fn kind(&self) -> &'static str {
        match self.options.get("viewOn") {
            Ok(Some(_)) => "view",
            _ if self.options.get_document("timeseries").is_ok() => "timeseries",
            _ => "collection",
        }
    }

    /// Its entry in `listCollections`.
    pub(super) fn entry(&self, name: &str) -> RawDocumentBuf {
        let kind = self.kind();
        let mut info = rawdoc! { "readOnly": kind == "view" };
        if kind != "view" {
            info.append(cstr!("uuid"), self.uuid());
        }
        let mut entry = rawdoc! {
            "name": name,
            "type": kind,
            "options": self.options.clone(),
            "info": info,
        };
        if let Some(id) = self.indexes.first().filter(|_| kind == "collection") {
            entry.append(cstr!("idIndex"), id.clone());
        }
        entry
    }

    pub(super) fn uuid(&self) -> Binary {
        Binary { subtype: BinarySubtype::Uuid, bytes: self.uuid.to_vec() }
    }

    /// Appends a document that a client sent, unless it `has_expired`. `false` where its `_id` is
    /// taken.
    pub(super) fn insert(
        &mut self,
        document: &RawDocument,
        has_expired: bool,
    ) -> Result<bool, Failure> {
        let ids = match self.ids.take() {
            Some(ids) => ids,
            None => (0..self.documents.len())
                .map(|at| Ok(id(self.documents.get(at)?)))
                .collect::<Result<_, bson::error::Error>>()?,
        };
        let is_new = self.ids.insert(ids).insert(id(document));
        if is_new && !has_expired {
            Arc::make_mut(&mut self.documents).push(document)?;
            self.make_room()?;
        }
        Ok(is_new)
    }

    /// The time of what a bucket of this time series got last.
    fn newest(&self, bucket: &RawDocument) -> Option<DateTime> {
        let field = self.options.get_document("timeseries").ok()?.get_str("timeField").ok()?;
        bucket.get_document("control").ok()?.get_document("max").ok()?.get_datetime(field).ok()
    }

    /// Of a capped collection, the oldest make room where it has a `max`.
    fn make_room(&mut self) -> Result<(), Failure> {
        let most = self.options.get("max")?.and_then(number);
        let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let too_many = self.documents.len().saturating_sub(most);
        if too_many == 0 {
            return Ok(());
        }
        let mut kept = Documents::default();
        for at in too_many..self.documents.len() {
            kept.push(self.documents.get(at)?)?;
        }
        self.documents = Arc::new(kept);
        Ok(())
    }

    /// The size of its documents and the like, as `collStats` and `$collStats` have it.
    pub(super) fn statistics(&self, namespace: &str) -> RawDocumentBuf {
        let count = self.documents.len();
        let mut sizes = rawdoc! {
            "ns": namespace,
            "size": whole(self.documents.size()),
            "count": whole(count),
            "storageSize": whole(self.documents.size()),
            "nindexes": whole(self.indexes.len()),
            "totalIndexSize": 0,
            "capped": self.options.get_bool("capped").unwrap_or(false),
        };
        if let Some(average) = self.documents.size().checked_div(count) {
            sizes.append(cstr!("avgObjSize"), whole(average));
        }
        sizes
    }
}

impl Catalog {
    pub(super) fn get(&self, database: &str, name: &str) -> Option<&Collection> {
        self.0.get(database)?.get(name)
    }

    /// The collection, which is made if it is missing.
    pub(super) fn ensure(&mut self, database: &str, name: &str) -> &mut Collection {
        let collections = self.0.entry(database.to_owned()).or_default();
        collections.entry(name.to_owned()).or_insert_with(|| Collection::new(RawDocumentBuf::new()))
    }

    /// Makes a collection with options; the documents of a time series are in one beside it.
    /// `false` where there is one of that name.
    pub(super) fn create(&mut self, database: &str, name: &str, options: RawDocumentBuf) -> bool {
        if self.get(database, name).is_some() {
            return false;
        }
        if options.get_document("timeseries").is_ok() {
            self.ensure(database, &format!("system.buckets.{name}"));
        }
        let collections = self.0.entry(database.to_owned()).or_default();
        collections.insert(name.to_owned(), Collection::new(options));
        true
    }

    /// Whether a document would be deleted for its age; here that is done at once. That of a time
    /// series is the age of its bucket.
    pub(super) fn has_expired(&self, database: &str, name: &str, document: &RawDocument) -> bool {
        let now = DateTime::now().timestamp_millis();
        let is_over = |at: Option<DateTime>, seconds: Option<i64>| {
            let over =
                |(at, seconds): (DateTime, i64)| at.timestamp_millis() + 1000 * seconds < now;
            at.zip(seconds).is_some_and(over)
        };
        if let Some(series) = name.strip_prefix("system.buckets.") {
            let Some(series) = self.get(database, series) else { return false };
            return is_over(series.newest(document), seconds(&series.options));
        }
        let by_index = |index: &RawDocumentBuf| {
            let key = index.get_document("key").ok().and_then(|key| key.iter().next()?.ok());
            let at = key.and_then(|(field, _)| document.get_datetime(field).ok());
            is_over(at, seconds(index))
        };
        self.get(database, name).is_some_and(|found| found.indexes.iter().any(by_index))
    }

    /// All databases, as `listDatabases` answers.
    pub(super) fn databases(&self) -> RawDocumentBuf {
        let (mut list, mut total) = (RawArrayBuf::new(), 0);
        for (name, collections) in &self.0 {
            let size: usize = collections.values().map(|one| one.documents.size()).sum();
            list.push(
                rawdoc! { "name": name.as_str(), "sizeOnDisk": whole(size), "empty": size == 0 },
            );
            total += size;
        }
        rawdoc! { "databases": list, "totalSize": whole(total), "ok": 1.0 }
    }

    /// A database's size, as `dbStats` answers.
    pub(super) fn database_statistics(&self, database: &str) -> RawDocumentBuf {
        let collections = || self.0.get(database).into_iter().flat_map(BTreeMap::values);
        let objects: usize = collections().map(|one| one.documents.len()).sum();
        let size: usize = collections().map(|one| one.documents.size()).sum();
        rawdoc! {
            "db": database,
            "collections": whole(collections().count()),
            "objects": whole(objects),
            "dataSize": whole(size),
            "storageSize": whole(size),
            "ok": 1.0,
        }
    }
}

/// The bytes of an `_id`. Equal numbers of different types are different here.
fn id(document: &RawDocument) -> Vec<u8> {
    match document.get("_id") {
        Ok(Some(id)) => {
            let mut one = RawDocumentBuf::new();
            one.append(cstr!(""), id);
            one.into_bytes()
        }
        _ => Vec::new(),
    }
}

fn seconds(of: &RawDocument) -> Option<i64> {
    of.get("expireAfterSeconds").ok().flatten().and_then(number)
}

pub(super) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
