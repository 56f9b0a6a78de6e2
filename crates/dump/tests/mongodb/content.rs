//! What may be in a database.

use bson::spec::BinarySubtype;
use bson::{Bson, Document, doc};

use super::shop::{Shop, binary, noise};

/// A value of every type that BSON has, but for the pointer that the crate cannot make.
pub(crate) fn every_type() -> Vec<Document> {
    let regex = bson::Regex {
        pattern: bson::raw::CString::try_from("^a.*\"b").unwrap(),
        options: bson::raw::CString::try_from("im").unwrap(),
    };
    let scope = bson::JavaScriptCodeWithScope { code: "g()".to_owned(), scope: doc! {"x": 1} };
    let old = bson::Binary { subtype: BinarySubtype::BinaryOld, bytes: vec![1, 2, 3] };
    let uuid = bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] };
    let values = [
        Bson::Double(-0.0),
        Bson::Double(f64::NAN),
        Bson::Double(f64::INFINITY),
        Bson::String("ü\0\"\\".to_owned()),
        Bson::Document(doc! {"b": 1, "a": {"": []}}),
        Bson::Array(vec![Bson::Null, Bson::Int32(1), Bson::Array(Vec::new())]),
        Bson::Binary(binary(Vec::new())),
        Bson::Binary(old),
        Bson::Binary(uuid),
        Bson::Undefined,
        Bson::ObjectId(bson::oid::ObjectId::from_bytes([9; 12])),
        Bson::Boolean(true),
        Bson::Boolean(false),
        Bson::DateTime(bson::DateTime::from_millis(-62_135_596_800_000)),
        Bson::Null,
        Bson::RegularExpression(regex),
        Bson::JavaScriptCode("f()".to_owned()),
        Bson::Symbol("s".to_owned()),
        Bson::JavaScriptCodeWithScope(scope),
        Bson::Int32(i32::MIN),
        Bson::Timestamp(bson::Timestamp { time: u32::MAX, increment: 7 }),
        Bson::Int64(i64::MIN),
        Bson::Decimal128("-1.50E-6000".parse().unwrap()),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    let document = |(number, value): (usize, Bson)| {
        doc! {"_id": i32::try_from(number).unwrap(), "v": value.clone(), "again": [value]}
    };
    values.into_iter().enumerate().map(document).collect()
}

/// Values of `_id` of many types.
pub(crate) fn mixed(length: usize) -> Vec<Document> {
    let ids = [
        Bson::Null,
        Bson::Int32(1),
        Bson::Double(1.5),
        Bson::Int64(3),
        Bson::Double(f64::NAN),
        Bson::String("1".to_owned()),
        Bson::Document(doc! {"a": 1}),
        Bson::Binary(binary(vec![1])),
        Bson::ObjectId(bson::oid::ObjectId::from_bytes([1; 12])),
        Bson::Boolean(false),
        Bson::DateTime(bson::DateTime::from_millis(1)),
        Bson::MinKey,
        Bson::MaxKey,
        Bson::Decimal128("7".parse().unwrap()),
        Bson::Timestamp(bson::Timestamp { time: 1, increment: 1 }),
    ];
    let document = |(number, id): (u64, Bson)| doc! {"_id": id, "x": binary(noise(number, length))};
    (0..).zip(ids).map(document).collect()
}

/// The longest document that a server takes: 16 MiB.
pub(crate) fn longest() -> Document {
    let frame = bson::RawDocumentBuf::try_from(&doc! {"_id": 1, "x": binary(Vec::new())}).unwrap();
    let room = (16 << 20) - frame.as_bytes().len();
    doc! {"_id": 1, "x": binary(noise(1, room))}
}

/// A database with something of everything.
pub(crate) async fn exotic(shop: &Shop) {
    shop.insert("types", every_type()).await;
    shop.insert("mixed", mixed(100)).await;
    shop.insert("long", vec![longest(), doc! {"_id": 2}]).await;
    for name in ["a b", "a/b.c", "ü%41", "$x", "-"] {
        if name != "$x" {
            shop.insert(name, vec![doc! {"_id": name, "n": 1}]).await;
        }
    }
    shop.command("shop", doc! {"create": "empty"}).await;
    shop.insert("indexed", (0..100).map(|n| doc! {"_id": n, "a": n, "b": -n}).collect()).await;
    let indexes = vec![
        doc! {"key": {"b": 1, "a": -1}, "name": "two", "unique": true},
        doc! {"key": {"a": 1}, "name": "some", "partialFilterExpression": {"a": {"$gt": 5}}},
        doc! {"key": {"t": 1}, "name": "ttl", "expireAfterSeconds": 3600},
        doc! {"key": {"s": 1}, "name": "sparse", "sparse": true},
    ];
    shop.command("shop", doc! {"createIndexes": "indexed", "indexes": indexes}).await;
    let pipeline = vec![doc! {"$match": {"a": {"$lt": 10}}}];
    let view = doc! {"create": "few", "viewOn": "indexed", "pipeline": pipeline};
    shop.command("shop", view).await;
}
