//! Whole restores: item by item, and definition by definition.

use autodump_core::compression::Algorithm;
use autodump_core::table::read::read;
use autodump_core::testing::MemoryTables;
use autodump_dump::table::restore::{Key, Options};
use serde_json::{Value, json};

use crate::support::{Case, golden, item, items, small};

/// The definition as JSON, without what depends on the table's items and name.
async fn definition_of(tables: &MemoryTables, table: &str) -> Value {
    let mut read = serde_json::to_value(read(tables, table).await.unwrap()).unwrap();
    for field in ["itemCount", "tableSizeBytes"] {
        read.as_object_mut().unwrap().remove(field);
    }
    with_policy(read)
}

/// The same with the policy as JSON: its fields may be in any order.
fn with_policy(mut definition: Value) -> Value {
    if let Some(policy) = definition.get("resourcePolicy").and_then(Value::as_str) {
        definition["resourcePolicy"] = serde_json::from_str(policy).unwrap();
    }
    definition
}

#[tokio::test(flavor = "multi_thread")]
async fn all_items_come_back_however_they_are_compressed_and_whoever_writes_them() {
    for (how, objects, workers) in [
        (Algorithm::None, 1, 1),
        (Algorithm::Gzip, 3, 4),
        (Algorithm::Zstd, 7, 16),
        (Algorithm::Lz4, 2, 64),
    ] {
        let all = items(1_003);
        let mut case = Case::new(small(), &all, objects, how);
        case.options.workers = workers;
        let restored = case.run().await.unwrap();
        assert_eq!(restored.items, 1_003);
        assert_eq!(restored.bytes, restored.plan.bytes);
        assert!(restored.plan.makes_table && restored.plan.method == "write");
        assert_eq!(case.tables.largest_batch(), 25, "{how:?}");
        case.assert_items(&all);
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_is_made_whole_and_what_is_set_last_is_set_last() {
    let mut case = Case::new(golden(), &items(10), 1, Algorithm::Zstd);
    case.tables = MemoryTables::new("eu-central-1", "111122223333");
    let restored = case.run().await.unwrap();
    let calls = case.tables.take_calls();
    case.assert_items(&items(10));
    let mut expected = with_policy(serde_json::to_value(golden()).unwrap());
    for field in ["itemCount", "tableSizeBytes", "replicas"] {
        expected.as_object_mut().unwrap().remove(field);
    }
    let renamed = expected.to_string().replace("table/orders", "table/copy");
    let mut expected: Value = serde_json::from_str(&renamed).unwrap();
    // A policy's name is not the table's.
    expected["autoScaling"]["policies"][0]["PolicyName"] =
        json!("DynamoDBWriteCapacityUtilization:table/orders");
    assert_eq!(definition_of(&case.tables, "copy").await, expected);

    let at = |name: &str| calls.iter().position(|call| call == name).unwrap();
    let last_write = calls.iter().rposition(|call| call == "Write").unwrap();
    assert!(at("CreateTable") < at("Write"));
    // The tag that has the table backed up is among those of TagResource.
    for later in ["UpdateTimeToLive", "RegisterScalableTarget", "TagResource"] {
        assert!(at(later) > last_write, "{later}");
    }
    let steps: Vec<_> = calls.iter().filter(|call| *call != "DescribeTable").collect();
    assert!(
        steps.ends_with(&[
            &"TagResource".to_owned(),
            &"PutResourcePolicy".to_owned(),
            &"UpdateTable".to_owned(),
        ]),
        "{steps:?}"
    );
    assert!(restored.plan.differences.iter().any(|one| one.contains("eu-west-1")));
    assert!(restored.plan.remarks.iter().any(|one| one.contains("autodump:start-schedule")));
    let heard = case.heard.names.lock().unwrap().clone();
    assert_eq!(heard, ["planned", "create", "items", "definition"]);
}

#[tokio::test]
async fn elsewhere_the_table_has_what_can_be_there() {
    let mut case = Case::new(golden(), &items(5), 1, Algorithm::Gzip);
    case.tables = MemoryTables::new("eu-west-1", "444455556666").at_once();
    case.target = "arn:aws:dynamodb:eu-west-1:444455556666:table/orders".parse().unwrap();
    let error = case.fails().await;
    assert!(error.what().contains("KMS key"), "{error}");
    assert!(!case.is_made());

    let key = "arn:aws:kms:eu-west-1:444455556666:key/7";
    case.options = Options { key: Key::Named(key.to_owned()), mark: true, ..case.options };
    case.run().await.unwrap();
    case.assert_items(&items(5));
    let made = definition_of(&case.tables, "orders").await;
    assert_eq!(made["create"]["SSESpecification"]["KMSMasterKeyId"], key);
    assert!(made.get("kinesisStreamingDestinations").is_none());
    // It would let in whoever may use the old table.
    assert!(made.get("resourcePolicy").is_none(), "{made}");
    let mark = json!({"Key": "autodump:restore-target", "Value": "yes"});
    assert!(made["tags"].as_array().unwrap().contains(&mark));
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_items_left_over_lose_nothing() {
    let case = Case::usual(2_000);
    case.tables.hinder(3, 5);
    let restored = case.run().await.unwrap();
    assert!(restored.throttled > 20, "{}", restored.throttled);
    assert_eq!(restored.items, 2_000);
    case.assert_items(&items(2_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_400_kb_are_written_few_at_a_time() {
    let mut all = items(3);
    for number in 3..60 {
        let mut large = item(number);
        let mut rest = json!({"S": "x".repeat(408_000)});
        if number % 2 == 0 {
            // Short text in the table, six times as long in JSON.
            rest = json!({"S": "\u{1}".repeat(408_000)});
        }
        large["large"] = rest;
        all.push(large);
    }
    let mut case = Case::new(small(), &all, 2, Algorithm::Zstd);
    case.options.workers = 2;
    case.run().await.unwrap();
    assert!(case.tables.largest_batch() < 25);
    case.assert_items(&all);
}

#[tokio::test]
async fn an_empty_backup_makes_an_empty_table() {
    for objects in [0, 1] {
        let mut case = Case::new(golden(), &[], objects, Algorithm::Gzip);
        if objects == 1 {
            // An object without items, as a segment without items has.
            let mut one = Case::usual(1).backup.objects.remove(0);
            (one.items, one.bytes, one.sha256) = (0, 0, None);
            case.store.put(&one.location, Vec::new());
            case.backup.objects = vec![one];
        }
        let restored = case.run().await.unwrap();
        assert_eq!((restored.items, restored.plan.items), (0, 0));
        case.assert_items(&[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_items_with_the_same_key_the_later_wins() {
    let mut all = items(100);
    for number in 0..100 {
        let mut again = item(number);
        again["state"] = json!({"S": "closed"});
        all.push(again);
    }
    let mut case = Case::new(small(), &all, 1, Algorithm::Gzip);
    case.tables.hinder(4, 3);
    case.options.workers = 8;
    let restored = case.run().await.unwrap();
    assert_eq!(restored.items, 200);
    case.assert_items(&all[100..]);
}

#[tokio::test]
async fn what_the_service_does_not_know_is_left_out_and_said() {
    let case = Case::usual(3);
    case.tables.forget(&["PutResourcePolicy", "EnableKinesisStreamingDestination"]);
    let restored = case.run().await.unwrap();
    assert_eq!(restored.warnings.len(), 2, "{:?}", restored.warnings);
    assert!(restored.warnings[1].contains("PutResourcePolicy"), "{:?}", restored.warnings);
    case.assert_items(&items(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_kept() {
    let mut case = Case::usual(150);
    case.options.units_per_second = Some(50.0);
    let start = std::time::Instant::now();
    case.run().await.unwrap();
    // Three seconds, but for what workers may send before anybody has to wait.
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds > 0.9, "{seconds}");
}
