//! The stub's commands that write: what a restore needs.

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, cstr, rawdoc};

use super::catalog::whole;
use super::{Stub, admin, collection};
use crate::wire::message::{Request, documents};
use crate::wire::reply::{Failure, Reply};

/// What of `create` is no option of the collection.
const NOT_OPTIONS: [&str; 8] = [
    "create",
    "idIndex",
    "lsid",
    "$clusterTime",
    "$readPreference",
    "$db",
    "writeConcern",
    "comment",
];
/// What `collMod` changes here.
const CHANGED: [&str; 4] =
    ["validator", "validationLevel", "validationAction", "expireAfterSeconds"];

impl Stub {
    pub(super) fn insert(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let found = match request.sequence("documents") {
            Some(sequence) => documents(sequence)?,
            None => array(&request.body, "documents")?,
        };
        let ordered = request.body.get_bool("ordered").unwrap_or(true);
        let (mut inserted, mut errors) = (0, Vec::new());
        let mut catalog = self.catalog();
        for (index, document) in found.into_iter().enumerate() {
            let has_expired = catalog.has_expired(&request.database, name, document);
            let into = catalog.ensure(&request.database, name);
            if into.insert(document, has_expired)? {
                inserted += 1;
                let uuid = into.uuid();
                if self.oplog && request.database != "local" {
                    let namespace = format!("{}.{name}", request.database);
                    admin::log_insertion(&mut catalog, &namespace, uuid, document)?;
                }
                continue;
            }
            errors.push(duplicate(index, &request.database, name));
            if ordered {
                break;
            }
        }
        let mut reply = rawdoc! { "n": inserted, "ok": 1.0 };
        if !errors.is_empty() {
            let mut list = RawArrayBuf::new();
            for error in errors {
                list.push(error);
            }
            reply.append(cstr!("writeErrors"), list);
        }
        Ok(reply.into())
    }

    pub(super) fn create(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let mut options = RawDocumentBuf::new();
        for element in &request.body {
            let (key, value) = element?;
            if !NOT_OPTIONS.contains(&key.as_str()) {
                options.append(key, value);
            }
        }
        if self.catalog().create(&request.database, name, options) {
            return Ok(Reply::ok());
        }
        let message = format!("Collection {}.{name} already exists.", request.database);
        Err(Failure::new(48, "NamespaceExists", message))
    }

    pub(super) fn create_indexes(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let wanted = array(&request.body, "indexes")?;
        let mut catalog = self.catalog();
        let indexes = &mut catalog.ensure(&request.database, name).indexes;
        let before = whole(indexes.len());
        for index in wanted {
            let name =
                index.get_str("name").map_err(|error| Failure::bad_value(error.to_string()))?;
            let same =
                |known: &RawDocumentBuf| known.get_str("name").is_ok_and(|known| known == name);
            match indexes.iter().find(|known| same(known)) {
                None => indexes.push(versioned(index)?),
                Some(known) if known.get("key")? == index.get("key")? => {}
                Some(_) => {
                    let message = format!("an existing index has the name {name} and other keys");
                    return Err(Failure::new(86, "IndexKeySpecsConflict", message));
                }
            }
        }
        let after = whole(indexes.len());
        Ok(rawdoc! { "numIndexesBefore": before, "numIndexesAfter": after, "ok": 1.0 }.into())
    }

    /// Changes options of a collection.
    pub(super) fn change_collection(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let mut catalog = self.catalog();
        let namespace = format!("{}.{name}", request.database);
        let changed = catalog.0.get_mut(&request.database).and_then(|all| all.get_mut(name));
        let changed = changed.ok_or_else(|| Failure::no_collection(&namespace))?;
        let mut options = RawDocumentBuf::new();
        for element in &changed.options {
            let (key, value) = element?;
            if request.body.get(key)?.is_none() {
                options.append(key, value);
            }
        }
        for element in &request.body {
            let (key, value) = element?;
            if CHANGED.contains(&key.as_str()) {
                options.append(key, value);
            }
        }
        changed.options = options;
        Ok(Reply::ok())
    }

    pub(super) fn drop_collection(&self, request: &Request) -> Result<Reply, Failure> {
        let name = collection(request)?;
        let mut catalog = self.catalog();
        let dropped = catalog.0.get_mut(&request.database).and_then(|all| all.remove(name));
        if dropped.is_none() {
            return Err(Failure::no_collection(&format!("{}.{name}", request.database)));
        }
        Ok(Reply::ok())
    }

    pub(super) fn drop_database(&self, request: &Request) -> Reply {
        self.catalog().0.remove(&request.database);
        Reply::ok()
    }
}

fn array<'a>(body: &'a RawDocument, name: &str) -> Result<Vec<&'a RawDocument>, Failure> {
    let list = body.get_array(name).map_err(|error| Failure::bad_value(error.to_string()))?;
    let document = |one: RawBsonRef<'a>| one.as_document();
    let missing = || Failure::bad_value(format!("{name} has to be a list of documents"));
    list.into_iter().map(|one| document(one?).ok_or_else(missing)).collect()
}

/// An index as `listIndexes` shows it: with its version first.
fn versioned(index: &RawDocument) -> Result<RawDocumentBuf, Failure> {
    let mut made = rawdoc! { "v": 2 };
    for element in index {
        let (key, value) = element?;
        if key != cstr!("v") {
            made.append(key, value);
        }
    }
    Ok(made)
}

fn duplicate(index: usize, database: &str, name: &str) -> RawDocumentBuf {
    let message = format!("E11000 duplicate key error collection: {database}.{name} index: _id_");
    rawdoc! {
        "index": i32::try_from(index).unwrap_or(i32::MAX),
        "code": 11000,
        "errmsg": message,
        "keyPattern": { "_id": 1 },
    }
}
