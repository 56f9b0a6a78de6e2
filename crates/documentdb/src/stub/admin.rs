//! What a replica set has beside its data: users, roles, and the log of its operations.

use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawArrayBuf, RawDocument, RawDocumentBuf, Timestamp, cstr, rawdoc};

use super::Stub;
use super::catalog::Catalog;
use super::documents::Selection;
use super::query::select;
use crate::wire::message::Request;
use crate::wire::reply::{Failure, Reply};

/// When the log begins, in seconds.
const BEGINNING: u32 = 1_700_000_000;

/// The version of users and roles, as `getParameter` tells it.
const SCHEMA: i32 = 5;

/// A role and a user of a database, as MongoDB 7 stores them.
pub(super) fn users(catalog: &mut Catalog, database: &str) -> bson::error::Result<()> {
    let role = rawdoc! {
        "_id": format!("{database}.reader"),
        "role": "reader",
        "db": database,
        "privileges": [{ "resource": { "db": database, "collection": "" }, "actions": ["find"] }],
        "roles": [],
    };
    let credentials = rawdoc! {
        "iterationCount": 15000,
        "salt": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
        "storedKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "serverKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    };
    let user = rawdoc! {
        "_id": format!("{database}.ann"),
        "userId": Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] },
        "user": "ann",
        "db": database,
        "credentials": { "SCRAM-SHA-256": credentials },
        "roles": [{ "role": "reader", "db": database }],
    };
    let schema = rawdoc! { "_id": "authSchema", "currentVersion": SCHEMA };
    for (name, document) in [("users", user), ("roles", role), ("version", schema)] {
        let documents = &mut catalog.ensure("admin", &format!("system.{name}")).documents;
        Arc::make_mut(documents).push(&document)?;
    }
    Ok(())
}

/// Begins the log, with entries that change nothing.
pub(super) fn begin_log(catalog: &mut Catalog) -> bson::error::Result<()> {
    let options = rawdoc! { "capped": true, "size": 1_i64 << 30, "autoIndexId": false };
    catalog.create("local", "oplog.rs", options);
    for text in ["initiating set", "new primary"] {
        let entry = rawdoc! { "op": "n", "ns": "", "o": { "msg": text } };
        log(catalog, entry)?;
    }
    Ok(())
}

/// Logs that a document was inserted.
pub(super) fn log_insertion(
    catalog: &mut Catalog,
    namespace: &str,
    uuid: Binary,
    document: &RawDocument,
) -> Result<(), Failure> {
    let mut entry = rawdoc! { "op": "i", "ns": namespace, "ui": uuid, "o": document.to_owned() };
    if let Some(id) = document.get("_id")? {
        let mut key = RawDocumentBuf::new();
        key.append(cstr!("_id"), id);
        entry.append(cstr!("o2"), key);
    }
    Ok(log(catalog, entry)?)
}

fn log(catalog: &mut Catalog, mut entry: RawDocumentBuf) -> bson::error::Result<()> {
    let documents = &mut catalog.ensure("local", "oplog.rs").documents;
    let number = u32::try_from(documents.len()).unwrap_or(u32::MAX);
    entry.append(cstr!("ts"), Timestamp { time: BEGINNING + number, increment: 1 });
    entry.append(cstr!("t"), 1_i64);
    entry.append(cstr!("v"), 2_i64);
    let wall = i64::from(BEGINNING) + i64::from(number);
    entry.append(cstr!("wall"), DateTime::from_millis(wall * 1000));
    Arc::make_mut(documents).push(&entry)
}

impl Stub {
    /// Answers `usersInfo` and `rolesInfo` for all users or roles of a database (1), of all databases
    /// (`{forAllDBs: true}`), or for one of a name.
    pub(super) fn accounts(&self, request: &Request, users: bool) -> Result<Reply, Failure> {
        let (key, list, stored) = if users {
            (cstr!("user"), cstr!("users"), "system.users")
        } else {
            (cstr!("role"), cstr!("roles"), "system.roles")
        };
        let mut filter = rawdoc! { "db": request.database.as_str() };
        if let Some(name) = request.subject() {
            filter.append(key, name);
        } else if let Ok(wanted) = request.body.get_document(&request.name) {
            let all = wanted.get_bool("forAllDBs").unwrap_or(false);
            filter = if all { RawDocumentBuf::new() } else { wanted.to_owned() };
        }
        let stored = self.catalog().get("admin", stored).map(|it| it.documents.clone());
        let mut found = RawArrayBuf::new();
        for document in select(Selection::all(stored.unwrap_or_default()), &filter)?.iter() {
            found.push(document?.to_owned());
        }
        let mut reply = RawDocumentBuf::new();
        reply.append(list, found);
        reply.append(cstr!("ok"), 1.0);
        Ok(reply.into())
    }
}
