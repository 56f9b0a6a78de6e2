//! What is refused, and what is said, before anything is done.

use autodump_core::ErrorClass;
use autodump_core::table::definition::Tag;
use autodump_core::testing::MemoryTables;
use serde_json::json;

use crate::support::{Case, golden, item, items, small};

/// Operations that change something.
fn changes(tables: &MemoryTables) -> Vec<String> {
    let reads = ["Describe", "List", "Get", "Scan"];
    let changes = |call: &String| !reads.iter().any(|read| call.starts_with(read));
    tables.take_calls().into_iter().filter(changes).collect()
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let mut case = Case::usual(10);
    case.options.dry_run = true;
    let restored = case.run().await.unwrap();
    assert!(restored.dry_run && !case.is_made());
    let plan = restored.plan;
    assert_eq!((plan.items, plan.objects, plan.workers), (10, 3, 4));
    let expected = [
        "time to live",
        "point-in-time recovery",
        "stream to arn:aws:kinesis:eu-central-1:111122223333:stream/orders",
        "contributor insights",
        "AutoDump's tags",
        "resource policy",
        "protection against deletion",
    ];
    assert_eq!(plan.steps, expected);
    assert!(changes(&case.tables).is_empty());
    assert_eq!(*case.heard.names.lock().unwrap(), ["planned"]);
    assert!(serde_json::to_value(&plan).unwrap()["makesTable"].as_bool().unwrap());
}

#[tokio::test]
async fn a_table_with_items_is_refused_unless_it_is_meant() {
    let others = [item(1), item(100)];
    let mut case = Case::usual(10).with_table(&small(), &others).await;
    let error = case.fails().await;
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("is not empty"), "{error}");
    assert!(error.hint().contains("all others stay"), "{error}");
    assert!(changes(&case.tables).is_empty());

    case.options.into_existing = true;
    let restored = case.run().await.unwrap();
    assert!(restored.plan.remarks.iter().any(|remark| remark.contains("all others stay")));
    let mut expected = items(10);
    expected.push(item(100));
    case.assert_items(&expected);
    assert!(changes(&case.tables).iter().all(|call| call == "Write"));
}

#[tokio::test]
async fn an_empty_table_is_filled_and_keeps_its_definition() {
    let mut other = small();
    other.create.insert("TableClass".to_owned(), json!("STANDARD"));
    let case = Case::usual(10).with_table(&other, &[]).await;
    let restored = case.run().await.unwrap();
    assert!(!restored.plan.makes_table);
    let differences = restored.plan.differences.join(", ");
    for part in ["TableClass", "timeToLive", "resourcePolicy"] {
        assert!(differences.contains(part), "{differences}");
    }
    assert!(!differences.contains("BillingMode"), "{differences}");
    assert!(changes(&case.tables).iter().all(|call| call == "Write"));
    case.assert_items(&items(10));
}

/// As with the role of the restore job: `docs/iam.md`.
#[tokio::test]
async fn who_may_not_ask_for_every_part_of_a_table_can_still_fill_it() {
    let mut other = small();
    other.create.insert("TableClass".to_owned(), json!("STANDARD"));
    let case = Case::usual(10).with_table(&other, &[]).await;
    case.tables.fail("DescribeTimeToLive", 1, ErrorClass::Credentials);
    let plan = case.run().await.unwrap().plan;
    assert_eq!(plan.differences, ["TableClass of the table is not as in the backup"]);
    let says = |remark: &String| remark.contains("may not ask");
    assert!(plan.remarks.iter().any(says), "{:?}", plan.remarks);
    case.assert_items(&items(10));

    let case = Case::usual(10).with_table(&other, &[]).await;
    case.tables.fail("DescribeTimeToLive", 1, ErrorClass::Source);
    assert_eq!(case.fails().await.class(), ErrorClass::Source);
    case.assert_items(&[]);
}

#[tokio::test]
async fn another_key_is_refused() {
    let mut other = small();
    other.create["AttributeDefinitions"][1]["AttributeType"] = json!("S");
    let mut case = Case::usual(10).with_table(&other, &[]).await;
    case.options.into_existing = true;
    let error = case.fails().await;
    assert!(error.what().contains("another key"), "{error}");
    assert!(changes(&case.tables).is_empty());
}

#[tokio::test]
async fn a_table_that_is_being_deleted_is_not_there_and_not_missing() {
    let case = Case::usual(1).with_table(&small(), &[]).await;
    case.tables.delete("copy");
    let error = case.fails().await;
    assert!(error.what().contains("copy is still being deleted"), "{error}");
    assert!(error.class().is_retried() && error.hint().contains("when it is gone"), "{error}");
    assert!(changes(&case.tables).is_empty());
}

#[tokio::test]
async fn what_is_not_taken_over_is_said() {
    let mut case = Case::usual(1);
    let tag = |key: &str| Tag { key: key.to_owned(), value: "yes".to_owned() };
    case.backup.definition.tags.push(tag("autodump:replicate"));
    case.options.dry_run = true;
    let plan = case.run().await.unwrap().plan;
    let differences = plan.differences.join("; ");
    assert!(differences.contains("the tag autodump:replicate is not set"), "{differences}");
    assert!(plan.remarks.iter().any(|remark| remark.contains("start-schedule")));
    // What mirrors another table gets no schedule, and nobody says that it does.
    case.options.mirror = true;
    let plan = case.run().await.unwrap().plan;
    assert!(!plan.remarks.iter().any(|remark| remark.contains("start-schedule")));
}

#[tokio::test]
async fn the_wrong_account_is_noticed_where_the_table_is_there() {
    let mut case = Case::usual(1).with_table(&small(), &[]).await;
    case.target.account = "444455556666".to_owned();
    let error = case.fails().await;
    assert!(error.what().contains("not arn:aws:dynamodb:eu-central-1:444455556666"), "{error}");
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused() {
    for (workers, rate) in [(0, None), (1_001, None), (1, Some(0.0)), (1, Some(f64::NAN))] {
        let mut case = Case::usual(1);
        case.options.workers = workers;
        case.options.units_per_second = rate;
        assert_eq!(case.fails().await.class(), ErrorClass::Configuration, "{workers} {rate:?}");
        assert!(case.tables.take_calls().is_empty());
    }
    let mut case = Case::usual(1);
    case.backup.definition = golden();
    case.backup.definition.create.remove("KeySchema");
    assert_eq!(case.fails().await.class(), ErrorClass::Verification);
}
