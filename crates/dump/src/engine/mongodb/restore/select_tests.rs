use autodump_core::ports::ObjectLocation;
use autodump_core::testing::MemoryStore;
use serde_json::json;

use super::*;
use crate::engine::mongodb::archive::Namespace;

/// A backup of the database `shop`.
async fn backup() -> Backup {
    let golden = include_str!("../../../../../../contract/manifest-mongodb.json");
    let at = ObjectLocation { bucket: "backups".to_owned(), key: "manifest.json".to_owned() };
    let store = MemoryStore::default();
    store.put(&at, golden);
    Backup::open(&store, &at).await.unwrap()
}

fn collection(database: &str, name: &str, kind: &str, metadata: &str) -> Collection {
    Collection {
        namespace: Namespace { database: database.to_owned(), collection: name.to_owned() },
        metadata: metadata.to_owned(),
        kind: kind.to_owned(),
    }
}

fn prelude(more: Vec<Collection>) -> Prelude {
    let view = |name: &str, on: &str| {
        let metadata = format!(r#"{{"options":{{"viewOn":"{on}","pipeline":[]}}}}"#);
        collection("shop", name, "view", &metadata)
    };
    let series = r#"{"options":{"timeseries":{"timeField":"t"}}}"#;
    let mut collections = vec![
        view("third", "second"),
        view("second", "orders.2026"),
        collection("shop", "orders.2026", "collection", ""),
        collection("shop", "Log", "collection", r#"{"options":{"capped":true}}"#),
        collection("shop", "heat", "timeseries", series),
    ];
    collections.extend(more);
    Prelude { collections, ..Prelude::default() }
}

fn options(text: &serde_json::Value) -> RestoreOptions {
    RestoreOptions::parse(&text.to_string()).unwrap()
}

fn names(choice: &Choice) -> Vec<&str> {
    choice.chosen.iter().map(|chosen| chosen.name.as_str()).collect()
}

#[tokio::test]
async fn everything_is_chosen_with_views_after_what_they_show() {
    let (backup, prelude) = (backup().await, prelude(Vec::new()));
    let choice = choose(&backup, &prelude, &options(&json!({}))).unwrap();
    assert_eq!(names(&choice), ["orders.2026", "Log", "heat", "second", "third"]);
    assert_eq!(choice.chosen[2].stored, "system.buckets.heat");
    assert_eq!(choice.wanted(&prelude)[..], [false, false, true, true, true]);
    assert_eq!(choice.capped(), ["Log"]);
    assert_eq!(choice.remarks, Vec::<String>::new());
}

#[tokio::test]
async fn patterns_are_those_of_collections() {
    let (backup, prelude) = (backup().await, prelude(Vec::new()));
    for (tables, expected) in [
        (json!(["orders.*"]), vec!["orders.2026"]),
        (json!(["Log", "second"]), vec!["Log", "second"]),
        (json!(["*"]), vec!["orders.2026", "Log", "heat", "second", "third"]),
    ] {
        let choice = choose(&backup, &prelude, &options(&json!({ "tables": tables }))).unwrap();
        assert_eq!(names(&choice), expected);
    }
    for tables in [json!(["log"]), json!(["Log", "nothing"])] {
        let error = choose(&backup, &prelude, &options(&json!({ "tables": tables }))).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("no collection of shop in the backup fits"), "{error}");
    }
    let choice = choose(&backup, &prelude, &options(&json!({ "dataOnly": true }))).unwrap();
    assert_eq!(names(&choice), ["orders.2026", "Log", "heat"]);
    assert!(choice.remarks[0].contains("third, second"), "{:?}", choice.remarks);
}

#[tokio::test]
async fn users_are_left_out_and_an_oplog_is_not() {
    let backup = backup().await;
    for (database, name) in [("shop", "$admin.system.users"), ("admin", "system.roles")] {
        let prelude = prelude(vec![collection(database, name, "collection", "")]);
        let choice = choose(&backup, &prelude, &options(&json!({}))).unwrap();
        assert_eq!(choice.chosen.len(), 5);
        let remark = &choice.remarks[0];
        assert!(remark.contains("users and roles") && remark.contains("mongorestore --archive"));
    }
    for (database, name, says) in
        [("", "oplog", "by its oplog"), ("other", "a", "more than one database: other too")]
    {
        let prelude = prelude(vec![collection(database, name, "collection", "")]);
        let error = choose(&backup, &prelude, &options(&json!({}))).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(says), "{error}");
        assert!(error.hint().contains("mongorestore --archive"), "{error}");
    }
}

#[test]
fn what_mongodb_has_not_is_refused_by_its_name() {
    for (given, name) in [
        (json!({ "schemas": ["a"] }), "schemas"),
        (json!({ "noOwner": true }), "no-owner"),
        (json!({ "noPrivileges": true }), "no-privileges"),
    ] {
        let error = check(&options(&given)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(&format!("the option {name} does not go")), "{error}");
    }
    let all = json!({ "jobs": 2, "tables": ["a"], "create": true, "clean": true, "dryRun": true });
    assert!(check(&options(&all)).is_ok());
}
