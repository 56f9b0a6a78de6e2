//! Verification by a restore.

use autodump_core::ErrorClass;
use autodump_core::verification::Level;
use autodump_documentdb::AtReply;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_said_and_nothing_is_restored_where_all_of_it_is() {
    let target = Target::stub().await;
    let fields = target.fields("shop");
    let users = plain("$admin.system.users", &[doc! { "_id": "shop.ann" }]);
    for (contents, is_restored) in
        [(vec![plain("a", &numbered(3)), users.clone()], true), (vec![users], false)]
    {
        let made = Made::new(&contents);
        let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
        assert!(verification.passed, "{verification:?}");
        assert_eq!(verification.restored_into.is_some(), is_restored);
        assert_eq!(verification.unchecked.len(), 1);
        assert!(verification.unchecked[0].starts_with("restoring users and roles"));
    }
    assert_eq!(target.databases().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_came_out_otherwise_is_a_problem() {
    let target = Target::stub().await;
    let fields = target.fields("shop");
    let validated = r#"{"options":{"validator":{"half":{"$exists":true}}},"indexes":[
        {"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"1"}},"name":"half_1"}]}"#;
    let made = Made::new(&[of_kind("a", "collection", validated, &numbered(3))]);
    let faults = target.server.faults();
    for (command, says) in
        [("collMod", "a has another validator after"), ("createIndexes", "the index half_1 of ")]
    {
        faults.at_next(command, AtReply::Skip);
        let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
        let [problem] = verification.problems.as_slice() else { panic!("{verification:?}") };
        assert!(problem.contains(says), "{problem}");
    }
    let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
    assert!(verification.passed, "{verification:?}");

    let capped = r#"{"options":{"capped":true,"size":{"$numberInt":"4096"},"max":{"$numberInt":"5"}},"indexes":[]}"#;
    let made = Made::new(&[of_kind("capped", "collection", capped, &numbered(8))]);
    let verification = verify(&made, Level::Restore, Some(&fields)).await.unwrap();
    assert!(verification.passed, "{verification:?}");
    let says = "the documents of capped, of which 5 were there and 8 were inserted: it is capped";
    assert!(verification.unchecked[0].starts_with(says), "{verification:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_is_dropped_again() {
    let target = Target::stub().await;
    let unique = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"half":{"$numberInt":"1"}},"name":"half_1"}]}"#;
    let made = Made::new(&[of_kind("a", "collection", unique, &numbered(30))]);
    // Somebody's insert arrives when the database was dropped.
    target.server.faults().at_next("createIndexes", AtReply::Doubt(64));
    let late = async {
        let mut seen = None;
        loop {
            let found = target.databases().await;
            match (found.into_iter().find(|name| name.starts_with("autodump_verify_")), &seen) {
                (Some(name), _) => seen = Some(name),
                (None, Some(name)) => {
                    let insert = doc! { "insert": "a", "documents": [{ "_id": 0 }] };
                    return target.run(name, insert).await;
                }
                (None, None) => {}
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let fields = target.fields("shop");
    let (verification, _) = tokio::join!(verify(&made, Level::Restore, Some(&fields)), late);
    assert!(!verification.unwrap().passed);
    assert_eq!(target.databases().await, Vec::<String>::new());
}
