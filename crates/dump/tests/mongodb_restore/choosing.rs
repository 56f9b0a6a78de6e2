//! Options, and databases that are not empty.

use autodump_core::ErrorClass;
use bson::doc;
use serde_json::json;

use super::made::{Made, documents, numbered, plain};
use super::target::Target;
use super::whole::contents;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_empty_is_refused_unless_told_otherwise() {
    let Some(target) = Target::new().await else { return };
    let contents = vec![plain("a", &numbered(10)), plain("b", &numbered(3))];
    let made = Made::new(&contents);
    target.run("shop", doc! { "insert": "mine", "documents": [{ "_id": 1 }] }).await;
    target.run("shop", doc! { "insert": "a", "documents": [{ "_id": "old" }] }).await;
    for (options, says) in [
        (json!({}), "the database shop is not empty: it has 2 collections and views: a, mine"),
        (json!({ "allowNonEmpty": true }), "the database shop has a already"),
        (json!({ "dataOnly": true }), "the database shop has no b, and documents alone"),
        (json!({ "dataOnly": true, "tables": ["a"] }), "has documents already in a"),
        (json!({ "schemas": ["x"] }), "the option schemas does not go"),
        (json!({ "tables": ["A"] }), "no collection of shop in the backup fits"),
    ] {
        let error = target.restore(&made, "shop", options).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains(says), "{error}");
    }
    let before = target.documents("shop").await;
    assert_eq!(before.len(), 2, "nothing was changed");

    let planned = target.restore(&made, "shop", json!({ "clean": true, "dryRun": true })).await;
    let planned = planned.unwrap();
    assert_eq!(
        (planned.dry_run, planned.rows, planned.plan.dropped),
        (true, 0, vec!["shop.a".to_owned()])
    );
    assert_eq!(target.documents("shop").await, before);

    target.restore(&made, "shop", json!({ "clean": true })).await.unwrap();
    let mut expected = documents(&contents);
    expected.insert("mine".to_owned(), before["mine"].clone());
    assert_eq!(target.documents("shop").await, expected);

    target.run("shop", doc! { "drop": "b" }).await;
    let only_b = json!({ "allowNonEmpty": true, "tables": ["b"] });
    target.restore(&made, "shop", only_b).await.unwrap();
    assert_eq!(target.documents("shop").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_alone_and_then_documents_alone_are_everything() {
    let Some(target) = Target::new().await else { return };
    let contents = contents();
    let made = Made::new(&contents);
    let restored = target.restore(&made, "shop", json!({ "schemaOnly": true })).await.unwrap();
    assert_eq!((restored.rows, restored.bytes), (0, 0));
    let found = target.documents("shop").await;
    assert_eq!((found.len(), found.values().map(Vec::len).sum::<usize>()), (5, 0));
    assert_eq!(target.indexes("shop", "orders.2026").await.len(), 3);
    let restored = target.restore(&made, "shop", json!({ "dataOnly": true })).await.unwrap();
    assert_eq!(restored.rows, 4007);
    assert!(restored.warnings[0].contains("a view"), "{:?}", restored.warnings);
    assert!(target.documents("shop").await == documents(&contents));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_all_that_is_restored() {
    let Some(target) = Target::new().await else { return };
    let mut contents = contents();
    contents.push(plain("logs.2026.01", &numbered(5)));
    let made = Made::new(&contents);
    let options =
        json!({ "tables": ["orders.*", "\"odd/Ünd name\"", "logs.2026.01"], "create": true });
    let restored = target.restore(&made, "some", options).await.unwrap();
    assert_eq!((restored.tables, restored.rows), (3, 4007));
    assert!(restored.warnings[0].contains("create changes nothing"), "{:?}", restored.warnings);
    let mut expected = documents(&contents);
    expected.retain(|name, _| name.starts_with('o') || name.starts_with('l') && name != "large");
    assert!(target.documents("some").await == expected);
}
