//! Servers that refuse, and connections that break.

use std::sync::Arc;

use autodump_core::ErrorClass;
use autodump_documentdb::AtReply;
use bson::doc;
use serde_json::json;

use super::made::{Made, documents, numbered, of_kind, plain};
use super::proxy::Proxy;
use super::target::{Target, restore};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_within_an_insert_leaves_no_document_twice_and_none_out() {
    let Some(target) = Target::new().await else { return };
    let contents = vec![plain("a", &numbered(60_000)), plain("b", &numbered(2000))];
    let made = Made::new(&contents);
    for after in [100_000, 1_500_000] {
        let proxy = Proxy::new(target.server.port(), after).await;
        let database = format!("broken{after}");
        let mut fields = target.fields(&database);
        fields["port"] = json!(proxy.port);
        let options = json!({ "jobs": 2 });
        let restored = restore(&made, &fields, options, &Arc::default()).await.unwrap();
        assert!(proxy.broke(), "the restore was over before");
        assert_eq!(restored.rows, 62_000);
        assert!(target.documents(&database).await == documents(&contents));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_did_before_its_reply_was_lost_is_not_done_twice() {
    let target = Target::stub().await;
    let capped = r#"{"options":{"capped":true,"size":{"$numberInt":"1048576"}},"indexes":[]}"#;
    for (name, what) in [("lost", AtReply::Lose), ("doubted", AtReply::Doubt(189))] {
        for (kind, content) in [
            ("plain", plain("a", &numbered(3000))),
            ("capped", of_kind("a", "collection", capped, &numbered(3000))),
        ] {
            let made = Made::new(std::slice::from_ref(&content));
            let database = format!("{name}_{kind}");
            target.server.faults().at_next("insert", what);
            let restored = target.restore(&made, &database, json!({})).await.unwrap();
            assert_eq!(restored.rows, 3000);
            let found = target.documents(&database).await;
            assert!(found == documents(&[content]), "{database}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_shown() {
    let Some(target) = Target::new().await else { return };
    let mut fields = target.fields("shop");
    fields["password"] = json!("geheim");
    let made = Made::new(&[plain("a", &numbered(3))]);
    let error = restore(&made, &fields, json!({}), &Arc::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_the_server_refuses_are_told_without_their_values() {
    let Some(target) = Target::new().await else { return };
    let made = Made::new(&[plain("a", &numbered(30))]);
    target.run("shop", doc! { "insert": "a", "documents": [{ "_id": 7 }] }).await;
    let options = json!({ "dataOnly": true, "allowNonEmpty": true });
    let error = target.restore(&made, "shop", options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");
    assert!(error.what().starts_with("shop.a: the server refuses documents: "), "{error}");
    assert!(error.what().contains("(11000)") && !error.what().contains('7'), "{error}");
    assert!(error.hint().contains("Documents may have been added to"), "{error}");

    // A unique index that the documents do not allow.
    let unique = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"1"}},"name":"half_1","unique":true}]}"#;
    let made = Made::new(&[super::made::of_kind("a", "collection", unique, &numbered(30))]);
    let error = target.restore(&made, "twice", json!({})).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");
    assert!(error.what().contains("the indexes of twice.a cannot be made (half_1)"), "{error}");
    assert!(error.hint().contains("it came to post-data"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_too_long_is_told() {
    let Some(target) = Target::new().await else { return };
    let long = doc! { "_id": 1, "s": "x".repeat((16 << 20) + 4096) };
    let made = Made::new(&[plain("long", &[long])]);
    let error = target.restore(&made, "shop", json!({})).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine, "{error}");
    assert!(error.what().contains("shop.long"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_told_with_the_state_of_the_database() {
    let Some(mut target) = Target::new().await else { return };
    let made = Made::new(&[plain("a", &numbered(200_000))]);
    let proxy = Proxy::new(target.server.port(), 300_000).await;
    let mut fields = target.fields("shop");
    fields["port"] = json!(proxy.port);
    let notes = Arc::default();
    let restoring = restore(&made, &fields, json!({ "jobs": 1 }), &notes);
    let killing = async {
        while !proxy.broke() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        target.server.kill();
    };
    let (restored, ()) = tokio::join!(restoring, killing);
    let error = restored.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(
        error
            .hint()
            .contains("The database shop holds only a part of the backup (it came to rows)"),
        "{error}"
    );
}
