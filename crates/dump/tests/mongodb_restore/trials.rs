//! Verification by a restore.

use autodump_core::ErrorClass;
use autodump_core::verification::Level;
use bson::doc;
use serde_json::json;

use super::made::{Made, numbered, of_kind, plain};
use super::target::{Target, verify};
use super::whole::contents;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_into_a_new_database_that_is_gone_afterwards() {
    let Some(target) = Target::new().await else { return };
    target.run("shop", doc! { "insert": "mine", "documents": [{ "_id": 1 }] }).await;
    let before = target.databases().await;
    let made = Made::new(&contents());
    let fields = target.fields("shop");
    let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
    assert!(verification.passed, "{verification:?}");
    assert!(verification.restored_into.is_some() && verification.unchecked.is_empty());
    assert_eq!((verification.seen.tables, verification.seen.rows), (5, 4007));
    assert_eq!(target.databases().await, before);

    // What cannot be restored is a problem, and leaves nothing either.
    let unique = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"1"}},"name":"half_1","unique":true}]}"#;
    let made = Made::new(&[of_kind("a", "collection", unique, &numbered(30))]);
    let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
    assert!(verification.problems[0].contains("half_1"), "{verification:?}");
    assert_eq!(target.databases().await, before);

    let wrong = json!({ "engine": "postgres", "host": "h", "dbname": "d", "username": "u", "password": "p" });
    let error = verify(&made, Level::Restore, Some(&wrong)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
}

#[tokio::test]
async fn without_a_server_it_is_said_that_it_was_not_tried() {
    let made = Made::new(&[plain("a", &numbered(3))]);
    let verification = verify(&made, Level::Restore, None).await.unwrap();
    assert!(verification.passed && verification.restored_into.is_none(), "{verification:?}");
    assert!(verification.unchecked[0].contains("autodump verify --level restore --server"));
    let archive = verify(&made, Level::Archive, None).await.unwrap();
    assert_eq!(archive.unchecked, Vec::<String>::new());
}
