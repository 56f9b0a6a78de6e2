use serde_json::json;

use super::*;
use crate::testing::MemoryTables;

const GOLDEN: &str = include_str!("../../../../contract/table-definition.json");

async fn call(tables: &MemoryTables, operation: &str, input: Value) {
    let called = tables.dynamodb(operation, input).await.unwrap();
    assert!(matches!(called, Called::Answered(_)), "{operation}: {called:?}");
}

/// The golden definition's table, made by hand.
async fn golden_table() -> MemoryTables {
    let tables = MemoryTables::new("eu-central-1", "111122223333");
    let golden = Definition::parse(GOLDEN).unwrap();
    let mut create = Value::Object(golden.create.clone());
    create["TableName"] = json!("orders");
    create["Tags"] = serde_json::to_value(&golden.tags).unwrap();
    call(&tables, "CreateTable", create).await;
    for _ in 0..3 {
        call(&tables, "DescribeTable", json!({"TableName": "orders"})).await;
    }
    for (operation, field, value) in [
        ("UpdateTimeToLive", "TimeToLiveSpecification", &golden.time_to_live),
        (
            "UpdateContinuousBackups",
            "PointInTimeRecoverySpecification",
            &golden.point_in_time_recovery,
        ),
    ] {
        call(&tables, operation, json!({"TableName": "orders", field: value})).await;
    }
    let policy = json!({"ResourceArn": golden.table_arn, "Policy": golden.resource_policy});
    call(&tables, "PutResourcePolicy", policy).await;
    for mut input in golden.kinesis_streaming_destinations {
        input["TableName"] = json!("orders");
        call(&tables, "EnableKinesisStreamingDestination", input).await;
    }
    for mut input in golden.contributor_insights {
        input["TableName"] = json!("orders");
        input["ContributorInsightsAction"] = json!("ENABLE");
        call(&tables, "UpdateContributorInsights", input).await;
    }
    for target in golden.auto_scaling.targets {
        tables.auto_scaling("RegisterScalableTarget", target).await.unwrap();
    }
    for policy in golden.auto_scaling.policies {
        tables.auto_scaling("PutScalingPolicy", policy).await.unwrap();
    }
    tables.replicate("orders", &["eu-west-1"]);
    tables
}

#[tokio::test]
async fn all_of_a_table_is_read() {
    let tables = golden_table().await;
    let read = read(&tables, "orders").await.unwrap();
    let golden = Definition::parse(GOLDEN).unwrap();
    assert_eq!(read, Definition { item_count: 0, table_size_bytes: 0, ..golden });
}

#[tokio::test]
async fn what_a_service_does_not_know_is_noted() {
    let tables = golden_table().await;
    let unknown = ["GetResourcePolicy", "ListContributorInsights", "DescribeScalableTargets"];
    tables.forget(&unknown);
    let read = read(&tables, "orders").await.unwrap();
    assert_eq!((read.resource_policy, read.contributor_insights), (None, Vec::new()));
    assert!(read.auto_scaling.targets.is_empty() && !read.auto_scaling.policies.is_empty());
    assert_eq!(read.notes.len(), 3);
    for name in unknown {
        assert!(read.notes.iter().any(|note| note.starts_with(name)), "{:?}", read.notes);
    }
}

#[tokio::test]
async fn a_table_on_defaults_has_few_parts() {
    let tables = MemoryTables::new("eu-central-1", "111122223333");
    let create = json!({
        "TableName": "plain",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "B"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call(&tables, "CreateTable", create).await;
    let read = read(&tables, "plain").await.unwrap();
    let text = serde_json::to_value(&read).unwrap();
    let mut fields: Vec<_> = text.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["create", "itemCount", "tableArn", "tableSizeBytes", "version"]);
    assert!(!tables.take_calls().contains(&"DescribeScalableTargets".to_owned()));
    assert!(read.is_on_demand());
}

#[tokio::test]
async fn what_may_not_be_read_is_an_error_and_nothing_is_left_out_silently() {
    let operations = [
        "DescribeTable",
        "DescribeTimeToLive",
        "DescribeContinuousBackups",
        "ListTagsOfResource",
        "GetResourcePolicy",
        "DescribeKinesisStreamingDestination",
        "ListContributorInsights",
        "DescribeScalableTargets",
        "DescribeScalingPolicies",
        "DescribeScheduledActions",
    ];
    for operation in operations {
        let tables = golden_table().await;
        tables.fail(operation, 1, ErrorClass::Credentials);
        let error = read(&tables, "orders").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Credentials, "{operation}");
        let tables = golden_table().await;
        tables.refuse(operation, 1, "ValidationException");
        let error = read(&tables, "orders").await.unwrap_err();
        assert!(error.what().starts_with(operation), "{error}");
    }
    let tables = MemoryTables::new("eu-central-1", "111122223333");
    let error = read(&tables, "orders").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("DescribeTable of orders"), "{error}");
}
