use autodump_core::ErrorClass;

use super::*;
use crate::engine::mongodb::archive::Namespace;

fn definition(metadata: &str) -> Result<Definition> {
    let namespace = Namespace { database: "shop".to_owned(), collection: "a".to_owned() };
    Definition::of(&Collection {
        namespace,
        metadata: metadata.to_owned(),
        kind: "collection".to_owned(),
    })
}

fn document(raw: &RawDocumentBuf) -> Document {
    Document::try_from(raw.as_ref()).unwrap()
}

#[test]
fn a_definition_becomes_commands_with_its_fields_in_order() {
    let metadata = r#"{"options":{"capped":true,"size":{"$numberLong":"4096"},
        "validator":{"z":{"$gt":{"$numberInt":"1"}},"a":{"$exists":true}}},
        "indexes":[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"},
        {"v":{"$numberInt":"2"},"key":{"z":{"$numberInt":"-1"},"a":{"$numberInt":"1"}},
        "name":"z_-1_a_1","ns":"shop.a","unique":true,
        "partialFilterExpression":{"at":{"$lt":{"$date":{"$numberLong":"5"}}}},
        "expireAfterSeconds":{"$numberInt":"60"}}],
        "uuid":"00112233445566778899aabbccddeeff","collectionName":"a","type":"collection"}"#;
    let definition = definition(metadata).unwrap();
    assert!(definition.is_capped());
    assert_eq!(definition.index_names(), ["z_-1_a_1"]);
    assert_eq!(
        document(&definition.create("b").unwrap()),
        doc! {
            "create": "b", "capped": true, "size": 4096_i64,
            "writeConcern": { "w": "majority" },
        }
    );
    assert_eq!(
        document(&definition.modify("b").unwrap().unwrap()),
        doc! {
            "collMod": "b",
            "validator": { "z": { "$gt": 1 }, "a": { "$exists": true } },
            "writeConcern": { "w": "majority" },
        }
    );
    let at = bson::DateTime::from_millis(5);
    assert_eq!(
        document(&definition.create_indexes("b").unwrap().unwrap()),
        doc! {
            "createIndexes": "b",
            "indexes": [{
                "v": 2, "key": { "z": -1, "a": 1 }, "name": "z_-1_a_1", "unique": true,
                "partialFilterExpression": { "at": { "$lt": at } }, "expireAfterSeconds": 60,
            }],
            "writeConcern": { "w": "majority" },
        }
    );
}

#[test]
fn what_lets_documents_expire_and_what_refuses_them_comes_after_them() {
    let metadata = r#"{"options":{"timeseries":{"timeField":"at"},"expireAfterSeconds":
        {"$numberLong":"60"},"validationLevel":"moderate","validationAction":"warn"}}"#;
    let definition = definition(metadata).unwrap();
    let created = document(&definition.create("a").unwrap());
    assert_eq!(created.keys().collect::<Vec<_>>(), ["create", "timeseries", "writeConcern"]);
    let modified = document(&definition.modify("a").unwrap().unwrap());
    assert_eq!(modified.get_i64("expireAfterSeconds").unwrap(), 60);
    assert_eq!(modified.get_str("validationAction").unwrap(), "warn");
    assert!(definition.has_more());
    assert_eq!(definition.loses(), Some("documents expire in it"));
    let plain = super::Definition::default();
    assert_eq!((plain.modify("a").unwrap(), plain.has_more(), plain.loses()), (None, false, None));
}

#[test]
fn an_index_without_collation_stays_so_in_a_collection_that_has_one() {
    let metadata = r#"{"options":{"collation":{"locale":"de"}},"indexes":[
        {"key":{"a":1},"name":"a_1"},{"key":{"b":1},"name":"b_1","collation":{"locale":"sv"}},
        {"key":{"_id":1},"name":"c","clustered":true}]}"#;
    let command = definition(metadata).unwrap().create_indexes("a").unwrap().unwrap();
    let command = document(&command);
    let locale = |index: &Bson| {
        let collation = index.as_document().unwrap().get_document("collation").unwrap();
        collation.get_str("locale").unwrap().to_owned()
    };
    let indexes = command.get_array("indexes").unwrap();
    assert_eq!(indexes.iter().map(locale).collect::<Vec<_>>(), ["simple", "sv"]);
}

#[test]
fn what_has_no_indexes_needs_no_command() {
    for metadata in ["", r#"{"indexes":[]}"#, r#"{"indexes":[{"name":"_id_","key":{"_id":1}}]}"#] {
        assert_eq!(definition(metadata).unwrap().create_indexes("a").unwrap(), None);
    }
    let view = definition(r#"{"options":{"viewOn":"b","pipeline":[]},"indexes":[]}"#).unwrap();
    assert_eq!(view.view_on(), Some("b"));
}

#[test]
fn what_is_not_understood_is_damage() {
    for metadata in [
        "{",
        "[]",
        r#"{"options":1}"#,
        r#"{"indexes":{}}"#,
        r#"{"indexes":[1]}"#,
        r#"{"a":{"$oid":"x"}}"#,
    ] {
        let error = definition(metadata).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification, "{metadata}");
        assert!(error.what().starts_with("the definition of shop.a is damaged: "), "{error}");
    }
}
