//! What has to come after the documents, and collections that lose some by themselves.

use autodump_core::ErrorClass;
use autodump_documentdb::AtReply;
use bson::{Bson, DateTime, doc};
use serde_json::json;

use super::made::{Content, Made, documents, numbered, of_kind, plain};
use super::target::Target;

/// Long ago.
const AT: i64 = 1_000_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_breaks_the_validator_comes_back_and_the_validator_too() {
    let Some(target) = Target::new().await else { return };
    let validated = r#"{"options":{"validator":{"half":{"$gte":{"$numberInt":"0"}}},
        "validationLevel":"strict","validationAction":"error"},"indexes":[]}"#;
    let mut found = numbered(20);
    found.push(doc! { "_id": "old", "half": -1 });
    let contents = [of_kind("a", "collection", validated, &found)];
    target.restore(&Made::new(&contents), "shop", json!({})).await.unwrap();
    assert!(target.documents("shop").await == documents(&contents));
    let listed = target.run("shop", doc! { "listCollections": 1 }).await;
    let options =
        listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap()[0].clone();
    let options = options.as_document().unwrap().get_document("options").unwrap().clone();
    assert_eq!(options.get_document("validator").unwrap(), &doc! { "half": { "$gte": 0 } });
    let refused = doc! { "insert": "a", "documents": [{ "_id": "new", "half": -1 }] };
    let reply = target.run("shop", refused).await;
    assert_eq!(reply.get_array("writeErrors").unwrap().len(), 1, "{reply}");
}

/// A time series, one bucket of which is old.
fn series() -> Content {
    let options = r#"{"options":{"timeseries":{"timeField":"at"},
        "expireAfterSeconds":{"$numberLong":"3600"}},"indexes":[]}"#;
    let at = DateTime::from_millis(AT);
    let bucket = doc! { "_id": 1, "control": { "version": 1, "max": { "at": at } }, "data": {} };
    of_kind("series", "timeseries", options, &[bucket])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_counted_before_it_may_expire() {
    let target = Target::stub().await;
    let contents = [series()];
    let restored = target.restore(&Made::new(&contents), "shop", json!({})).await.unwrap();
    assert_eq!((restored.rows, restored.warnings), (1, Vec::new()));
    let there = target.documents("shop").await;
    assert!(there["system.buckets.series"] == documents(&contents)["series"]);
    let listed = target.run("shop", doc! { "listCollections": 1, "filter": { "name": "series" } });
    let listed =
        listed.await.get_document("cursor").unwrap().get_array("firstBatch").unwrap()[0].clone();
    let options = listed.as_document().unwrap().get_document("options").unwrap().clone();
    assert_eq!(options.get("expireAfterSeconds"), Some(&Bson::Int64(3600)));
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_that_lose_documents_by_themselves_are_a_warning() {
    let target = Target::stub().await;
    let ttl = r#"{"options":{},"indexes":[{"v":{"$numberInt":"2"},"key":{"at":{"$numberInt":"1"}},
        "name":"at_1","expireAfterSeconds":{"$numberInt":"60"}}]}"#;
    let capped = r#"{"options":{"capped":true,"size":{"$numberInt":"4096"},"max":{"$numberInt":"5"}},"indexes":[]}"#;
    let old = [doc! { "_id": 1, "at": DateTime::from_millis(AT) }, doc! { "_id": 2 }];
    let contents = [
        of_kind("ttl", "collection", ttl, &old),
        of_kind("capped", "collection", capped, &numbered(8)),
        plain("plain", &numbered(3)),
        series(),
    ];
    let made = Made::new(&contents);
    let restored = target.restore(&made, "shop", json!({})).await.unwrap();
    let fewer = "shop.capped has 5 documents, and 8 were inserted: it is capped";
    assert!(restored.warnings.iter().any(|w| w.starts_with(fewer)), "{:?}", restored.warnings);
    assert!(!restored.warnings.iter().any(|w| w.contains("expire")), "{:?}", restored.warnings);

    target.restore(&made, "copy", json!({ "schemaOnly": true })).await.unwrap();
    let restored = target.restore(&made, "copy", json!({ "dataOnly": true })).await.unwrap();
    assert_eq!(restored.rows, 14);
    for says in [
        fewer.replace("shop", "copy").as_str(),
        "copy.ttl has 1 documents, and 2 were inserted: documents expire in it",
        "copy.series has 0 documents, and 1 were inserted: documents expire in it",
    ] {
        assert!(restored.warnings.iter().any(|w| w.starts_with(says)), "{:?}", restored.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_there_in_the_end_is_no_success() {
    let target = Target::stub().await;
    let indexed = r#"{"options":{"validator":{"half":{"$exists":true}}},"indexes":[
        {"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"1"}},"name":"half_1"}]}"#;
    let made = Made::new(&[of_kind("a", "collection", indexed, &numbered(30))]);
    let faults = target.server.faults();
    for (database, command, what, class, says) in [
        ("a", "create", AtReply::Doubt(64), ErrorClass::Engine, "a.a cannot be made: a majority"),
        ("b", "create", AtReply::Doubt(189), ErrorClass::Source, "b.a cannot be made: a majority"),
        ("c", "createIndexes", AtReply::Doubt(64), ErrorClass::Engine, "the indexes of c.a cannot"),
        (
            "d",
            "createIndexes",
            AtReply::Skip,
            ErrorClass::Engine,
            "the index half_1 of d.a was made",
        ),
        (
            "e",
            "collMod",
            AtReply::Doubt(91),
            ErrorClass::Source,
            "the options of e.a cannot be set",
        ),
    ] {
        faults.at_next(command, what);
        let error = target.restore(&made, database, json!({})).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.what().starts_with(says), "{error}");
    }
    target.restore(&made, "f", json!({})).await.unwrap();
    faults.at_next("drop", AtReply::Doubt(64));
    let error = target.restore(&made, "f", json!({ "clean": true })).await.unwrap_err();
    assert!(error.what().starts_with("f.a cannot be dropped: a majority"), "{error}");
}
