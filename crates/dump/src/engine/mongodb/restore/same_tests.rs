use bson::doc;

use super::*;

fn definition(options: Document, indexes: &[Document]) -> Definition {
    Definition { options, indexes: indexes.to_vec() }
}

fn index(more: Document) -> Document {
    let mut index = doc! { "v": 2, "key": { "a": 1, "b": -1 }, "name": "i" };
    index.extend(more);
    index
}

#[test]
fn what_servers_show_in_their_own_way_is_the_same() {
    let options = doc! {
        "capped": true, "size": 4096, "max": 5, "validationLevel": "strict",
        "validator": { "$and": [{ "a": { "$gt": 1 } }] }, "storageEngine": { "x": {} },
        "timeseries": { "timeField": "at", "granularity": "seconds" },
        "collation": { "locale": "de", "strength": 2 },
    };
    let shown = doc! {
        "capped": true, "size": 4352, "max": 5_i64,
        "validator": { "$and": [{ "a": { "$gt": 1.0 } }] },
        "timeseries": { "timeField": "at", "bucketMaxSpanSeconds": 3600 },
        "collation": { "locale": "de", "strength": 2, "caseLevel": false, "version": "57.1" },
    };
    let indexes =
        [index(doc! { "sparse": false, "expireAfterSeconds": 60_i64, "background": true })];
    let there =
        [index(doc! { "key": { "a": 1.0, "b": -1_i64 }, "expireAfterSeconds": 60, "ns": "x" })];
    let wanted = definition(options, &indexes);
    assert_eq!(wanted.differences(&definition(shown, &there)), Vec::<String>::new());
}

#[test]
fn what_means_something_else_is_found() {
    let all = |wanted: Document, there: Document| {
        definition(wanted, &[]).differences(&definition(there, &[]))
    };
    for (wanted, there) in [
        (doc! { "viewOn": "a" }, doc! { "viewOn": "b" }),
        (doc! { "pipeline": [{ "$match": { "a": 1 } }] }, doc! { "pipeline": [] }),
        (
            doc! { "pipeline": [{ "$sort": { "a": 1, "b": 1 } }] },
            doc! { "pipeline": [{ "$sort": { "b": 1, "a": 1 } }] },
        ),
        (doc! { "capped": true }, doc! {}),
        (doc! { "max": 5 }, doc! { "max": 6 }),
        (doc! { "validator": { "a": 1 } }, doc! {}),
        (doc! { "validationLevel": "moderate" }, doc! {}),
        (doc! { "validationAction": "warn" }, doc! { "validationAction": "error" }),
        (doc! { "expireAfterSeconds": 60 }, doc! { "expireAfterSeconds": 61 }),
        (
            doc! { "timeseries": { "timeField": "a", "metaField": "m" } },
            doc! { "timeseries": { "timeField": "a" } },
        ),
        (doc! { "collation": { "locale": "de" } }, doc! { "collation": { "locale": "sv" } }),
    ] {
        let name = wanted.keys().next().unwrap().clone();
        assert_eq!(all(wanted, there), [format!("has another {name}")]);
    }
    for (wanted, there, field) in [
        (doc! {}, doc! { "key": { "b": -1, "a": 1 } }, "key"),
        (doc! { "unique": true }, doc! {}, "unique"),
        (doc! { "sparse": true }, doc! { "sparse": false }, "sparse"),
        (doc! { "partialFilterExpression": { "a": 1 } }, doc! {}, "partialFilterExpression"),
        (doc! { "expireAfterSeconds": 1 }, doc! {}, "expireAfterSeconds"),
        (doc! { "collation": { "locale": "de" } }, doc! {}, "collation"),
    ] {
        let (wanted, there) = ([index(wanted)], [index(there)]);
        let wrong = definition(doc! {}, &wanted).differences(&definition(doc! {}, &there));
        assert_eq!(wrong, [format!("has the index i with another {field}")]);
    }
    let wanted = definition(doc! {}, &[index(doc! {})]);
    assert_eq!(wanted.differences(&Definition::default()), ["has no index i"]);
}
