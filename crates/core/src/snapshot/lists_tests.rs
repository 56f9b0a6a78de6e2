use serde_json::json;

use super::*;
use crate::ports::ObjectLocation;
use crate::testing::MemoryStore;

const TASK: &str = "autodump-orders-1";

fn files(files: &[(&str, Value)]) -> (MemoryStore, Vec<String>) {
    let store = MemoryStore::default();
    for (name, content) in files {
        let key = format!("export/{name}");
        store.put(&ObjectLocation { bucket: "b".to_owned(), key }, content.to_string());
    }
    (store, files.iter().map(|(name, _)| (*name).to_owned()).collect())
}

async fn read(all: &[(&str, Value)]) -> Result<Lists> {
    let (store, files) = files(all);
    Lists::read(&store, "b", "export/", TASK, &files).await
}

fn info(task: &str, status: &str) -> (&'static str, Value) {
    let info = json!({"exportTaskIdentifier": task, "status": status, "percentProgress": 100});
    ("export_info_autodump-orders-1.json", info)
}

fn tables(targets: &[&str]) -> Value {
    let all: Vec<_> =
        targets.iter().map(|target| json!({"target": target, "status": "COMPLETE"})).collect();
    json!({"perTableStatus": all})
}

const FIRST: &str = "export_tables_info_autodump-orders-1_from_1_to_2.json";
const SECOND: &str = "export_tables_info_autodump-orders-1_from_3_to_12.json";
const THIRD: &str = "export_tables_info_autodump-orders-1_from_13_to_14.json";

#[tokio::test]
async fn all_lists_are_read_in_their_order() {
    let lists = read(&[
        (THIRD, tables(&["a.b.d"])),
        (SECOND, tables(&["a.b.c"])),
        ("export_tables_info_autodump-orders-2_from_1_to_9.json", tables(&["other"])),
        (FIRST, tables(&["a.b.a", "a.b.b"])),
        info(TASK, "COMPLETE"),
    ])
    .await
    .unwrap();
    let targets: Vec<_> = lists.entries.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, ["a.b.a", "a.b.b", "a.b.c", "a.b.d"]);
    assert!(lists.entries.iter().all(Entry::is_exported));
    assert_eq!(lists.warnings, [""; 0]);
}

#[tokio::test]
async fn what_was_left_out_has_its_warnings() {
    let all = json!({"perTableStatus": [
        {"target": "a.b.c", "status": "COMPLETE", "sizeGB": 0.5, "tableStatistics": {"x": 1},
         "schemaMetadata": {"originalTypeMappings": []}},
        {"target": "a.b.d", "status": "COMPLETE", "warningMessage": "One column was left out"},
        {"target": "a.b.e", "status": "FAILED", "warningMessage": ["One", "Two"]},
        {"target": "template", "warningMessage": {"skippedTables": ["x"]}},
    ]});
    let lists = read(&[info(TASK, "COMPLETE"), (FIRST, all)]).await.unwrap();
    let seen: Vec<_> = lists
        .entries
        .iter()
        .map(|entry| (entry.target.as_str(), entry.is_exported(), entry.warnings.join("; ")))
        .collect();
    let said = [
        ("a.b.c", true, ""),
        ("a.b.d", true, "One column was left out"),
        ("a.b.e", false, "One; Two"),
        ("template", false, r#"{"skippedTables":["x"]}"#),
    ];
    assert_eq!(seen, said.map(|(target, whole, why)| (target, whole, why.to_owned())));
}

#[tokio::test]
async fn lists_that_are_missing_or_odd_are_no_proof() {
    let first = || (FIRST, tables(&["a.b.c"]));
    for (files, says) in [
        (vec![first()], "has no export_info_autodump-orders-1.json"),
        (vec![info(TASK, "COMPLETE")], "has no export_tables_info_autodump-orders-1_from_"),
        (vec![info("other", "COMPLETE"), first()], "is of the task other, which is COMPLETE"),
        (vec![info(TASK, "FAILED"), first()], "which is FAILED"),
        (
            vec![info(TASK, "COMPLETE"), first(), (THIRD, tables(&[]))],
            "has no list of its tables from 3 on",
        ),
        (vec![info(TASK, "COMPLETE"), (SECOND, tables(&[]))], "has no list of its tables from 1"),
        (vec![info(TASK, "COMPLETE"), (FIRST, json!({}))], "is not understood: missing field"),
    ] {
        let error = read(&files).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains(says), "{error}");
    }
}
