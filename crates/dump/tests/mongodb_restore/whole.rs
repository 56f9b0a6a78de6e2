//! Whole backups, restored document by document.

use std::sync::Arc;

use autodump_core::ErrorClass;
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Regex, Timestamp, doc};
use serde_json::json;

use super::made::{Content, Made, documents, numbered, of_kind, pieces, plain};
use super::target::{Notes, Target, restore};

/// A document with a field of every type.
fn every_type() -> bson::Document {
    doc! {
        "_id": ObjectId::from_bytes([7; 12]), "double": 1.5, "nan": f64::NAN, "text": "ü\u{0}\u{1F600}",
        "document": { "z": 1, "a": { "b": [] } }, "array": [1, "two", [3], {}],
        "binary": Binary { subtype: BinarySubtype::UserDefined(0x80), bytes: vec![0, 255] },
        "undefined": Bson::Undefined, "true": true, "false": false,
        "date": DateTime::from_millis(-5), "null": Bson::Null,
        "regex": Bson::RegularExpression(Regex { pattern: "^a/b".try_into().unwrap(), options: "im".try_into().unwrap() }),
        "code": Bson::JavaScriptCode("f()".to_owned()), "symbol": Bson::Symbol("s".to_owned()),
        "int": i32::MIN, "timestamp": Timestamp { time: 7, increment: 9 }, "long": i64::MAX,
        "decimal": "1.10".parse::<Decimal128>().unwrap(), "min": Bson::MinKey, "max": Bson::MaxKey,
    }
}

/// Collections with some of everything.
pub(crate) fn contents() -> Vec<Content> {
    let indexed = r#"{"options":{"validator":{"half":{"$gte":{"$numberInt":"0"}}}},"indexes":[
        {"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"},
        {"v":{"$numberInt":"2"},"key":{"text":{"$numberInt":"1"}},"name":"text_1","unique":true},
        {"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"-1"},"_id":{"$numberInt":"1"}},
         "name":"half_-1__id_1","partialFilterExpression":{"half":{"$gt":{"$numberInt":"3"}}}},
        {"v":{"$numberInt":"2"},"key":{"at":{"$numberInt":"1"}},"name":"at_1",
         "expireAfterSeconds":{"$numberInt":"3600"}}]}"#;
    let view = r#"{"options":{"viewOn":"orders.2026","pipeline":[{"$match":{"half":{"$numberInt":"1"}}}]},
        "indexes":[]}"#;
    vec![
        of_kind("a view", "view", view, &[]),
        of_kind("orders.2026", "collection", indexed, &numbered(4000)),
        plain("odd/Ünd name", &[doc! { "_id": "ä", "s": "1" }, doc! { "_id": 2.5 }]),
        plain("types", &[every_type(), doc! { "_id": { "a": 1 } }, doc! { "_id": 1 }]),
        plain("empty", &[]),
        plain("large", &[doc! { "_id": 1, "s": "x".repeat((16 << 20) - 64) }, doc! { "_id": 2 }]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_byte_for_byte() {
    let Some(target) = Target::new().await else { return };
    let contents = contents();
    let made = Made::new(&contents);
    let notes = Arc::<Notes>::default();
    let restored =
        restore(&made, &target.fields("copy"), json!({ "jobs": 3 }), &notes).await.unwrap();
    assert_eq!((restored.tables, restored.rows), (5, 4007), "{restored:?}");
    assert_eq!(restored.bytes, made.bytes().len() as u64);
    assert_eq!(restored.warnings, Vec::<String>::new());
    let found = target.documents("copy").await;
    for (name, expected) in documents(&contents) {
        assert!(found[&name] == expected, "the documents of {name} differ");
    }
    assert_eq!(found.len(), 5);
    let indexes = target.indexes("copy", "orders.2026").await;
    let named = |name: &str| indexes.iter().find(|i| i.get_str("name").unwrap() == name).unwrap();
    assert_eq!(indexes.len(), 3);
    assert_eq!(named("text_1").get_bool("unique").ok(), Some(true));
    let keys: Vec<_> = named("half_-1__id_1").get_document("key").unwrap().keys().collect();
    assert_eq!(keys, ["half", "_id"]);
    assert!(named("half_-1__id_1").contains_key("partialFilterExpression"));
    assert!(named("at_1").contains_key("expireAfterSeconds"));
    let seen = target.run("copy", doc! { "count": "a view" }).await;
    assert_eq!(seen.get("n").and_then(Bson::as_i32), Some(2), "{seen}");
    let notes = notes.0.lock().unwrap();
    let phases: Vec<_> = notes.iter().filter(|note| !note.contains(':')).collect();
    assert_eq!(phases, ["pre-data", "rows", "post-data"]);
    assert!(notes.contains(&"copy.orders.2026: 4000".to_owned()), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_other_programs_are_read_from_their_beginning_to_their_end() {
    let Some(target) = Target::new().await else { return };
    // One gzip member, as mongodump writes it, or none; no segments either way.
    let contents = vec![plain("a", &numbered(70_000)), plain("b", &numbered(3))];
    let whole = pieces(&contents).concat();
    for (database, name, bytes) in
        [("zipped", "shop.archive.gz", super::made::gzip(&whole)), ("plain", "shop.archive", whole)]
    {
        let made = Made::of_object(&contents, name, &bytes, Vec::new());
        let restored = target.restore(&made, database, json!({ "jobs": 4 })).await.unwrap();
        assert_eq!(restored.rows, 70_003);
        assert!(target.documents(database).await == documents(&contents), "{database}");
    }
    // By mongodump itself, whose manifest knows no collections here.
    let archive = include_bytes!("../../src/engine/mongodb/archive/mongodump.archive");
    let mut made = Made::of_object(&[], "shop.archive", archive, Vec::new());
    let prelude = super::damage::prelude(archive);
    made.manifest.database.clone_from(&prelude.collections[0].namespace.database);
    made.manifest.tables = super::damage::tables(archive);
    made.put(archive);
    let restored = target.restore(&made, "dumped", json!({})).await.unwrap();
    assert_eq!((restored.tables, restored.rows), (3, 3));
    let counts: Vec<_> =
        target.documents("dumped").await.into_iter().map(|(n, d)| (n, d.len())).collect();
    let expected = [("a", 2), ("b c/ü", 1), ("empty", 0)];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_left_to_mongorestore_and_an_oplog_too() {
    let Some(target) = Target::new().await else { return };
    let mut contents = vec![plain("a", &numbered(3))];
    let without = Made::new(&contents).manifest.tables;
    contents.push(plain("$admin.system.users", &[doc! { "_id": "shop.ann" }]));
    let mut made = Made::new(&contents);
    made.manifest.tables.clone_from(&without);
    made.put(&made.bytes());
    let restored = target.restore(&made, "users", json!({})).await.unwrap();
    assert_eq!(restored.rows, 3);
    assert!(restored.warnings[0].contains("mongorestore --archive"), "{:?}", restored.warnings);
    assert_eq!(target.documents("users").await, documents(&contents[..1]));

    contents.truncate(1);
    let mut oplog = plain("oplog", &[doc! { "ts": 1 }]);
    oplog.collection.namespace.database.clear();
    contents.push(oplog);
    let mut made = Made::new(&contents);
    made.manifest.tables = without;
    made.put(&made.bytes());
    let error = target.restore(&made, "oplog", json!({})).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.hint().contains("mongorestore --archive"), "{error}");
    assert!(!target.databases().await.contains(&"oplog".to_owned()));
}
