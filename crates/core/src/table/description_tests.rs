use serde_json::json;

use super::*;

fn table(with: Value) -> Value {
    let mut table = json!({
        "TableName": "orders",
        "TableStatus": "ACTIVE",
        "TableId": "1",
        "CreationDateTime": 1_795_000_000.25,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "ProvisionedThroughput":
            {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    });
    if let (Value::Object(table), Value::Object(with)) = (&mut table, with) {
        table.extend(with);
    }
    table
}

fn created(with: Value) -> Value {
    let mut created = json!({
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    if let (Value::Object(created), Value::Object(with)) = (&mut created, with) {
        created.extend(with);
    }
    created
}

fn provisioned(with: Value) -> Value {
    let mut all = json!({
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    });
    if let (Value::Object(all), Value::Object(with)) = (&mut all, with) {
        all.extend(with);
    }
    created(all)
}

const ZEROS: &str =
    r#"{"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}"#;

#[test]
fn capacity_and_limits_are_those_of_the_billing_mode() {
    let zeros: Value = serde_json::from_str(ZEROS).unwrap();
    let on_demand = json!({"BillingMode": "PAY_PER_REQUEST",
        "LastUpdateToPayPerRequestDateTime": 1_795_000_000.5});
    for (described, expected) in [
        (json!({}), provisioned(json!({}))),
        (json!({"BillingModeSummary": {"BillingMode": "PROVISIONED"}}), provisioned(json!({}))),
        (
            json!({"BillingModeSummary": on_demand, "ProvisionedThroughput": zeros}),
            created(json!({"BillingMode": "PAY_PER_REQUEST"})),
        ),
        (
            json!({"BillingModeSummary": on_demand, "ProvisionedThroughput": zeros,
                "OnDemandThroughput": {"MaxReadRequestUnits": 40, "MaxWriteRequestUnits": -1}}),
            created(json!({"BillingMode": "PAY_PER_REQUEST",
                "OnDemandThroughput": {"MaxReadRequestUnits": 40}})),
        ),
        (
            json!({"BillingModeSummary": on_demand, "ProvisionedThroughput": zeros,
                "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}}),
            created(json!({"BillingMode": "PAY_PER_REQUEST"})),
        ),
    ] {
        let made = create(&table(described.clone()));
        assert_eq!(Value::Object(made), expected, "{described}");
    }
}

#[test]
fn each_part_is_taken_where_it_is_on() {
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1";
    for (described, expected) in [
        (json!({"DeletionProtectionEnabled": false}), json!({"DeletionProtectionEnabled": false})),
        (
            json!({"StreamSpecification":
                {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}, "LatestStreamArn": "a"}),
            json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}),
        ),
        (json!({"StreamSpecification": {"StreamEnabled": false}}), json!({})),
        (
            json!({"SSEDescription":
                {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}}),
            json!({"SSESpecification":
                {"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key}}),
        ),
        (json!({"SSEDescription": {"Status": "DISABLED"}}), json!({})),
        (
            json!({"TableClassSummary":
                {"TableClass": "STANDARD_INFREQUENT_ACCESS", "LastUpdateDateTime": 1.0}}),
            json!({"TableClass": "STANDARD_INFREQUENT_ACCESS"}),
        ),
        (json!({"GlobalSecondaryIndexes": [], "LocalSecondaryIndexes": null}), json!({})),
        (json!({"WarmThroughput": {"ReadUnitsPerSecond": 12_000}, "Replicas": []}), json!({})),
    ] {
        let made = create(&table(described.clone()));
        assert_eq!(Value::Object(made), provisioned(expected), "{described}");
    }
}

#[test]
fn indexes_come_without_what_is_only_to_be_read() {
    let index = |more: Value| {
        let mut index = json!({"IndexName": "by-state", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}]});
        if let (Value::Object(index), Value::Object(more)) = (&mut index, more) {
            index.extend(more);
        }
        index
    };
    let read_only = json!({"IndexStatus": "ACTIVE", "IndexSizeBytes": 1, "ItemCount": 1,
        "IndexArn": "a", "Backfilling": false, "WarmThroughput": {"Status": "ACTIVE"},
        "ProvisionedThroughput":
            {"NumberOfDecreasesToday": 1, "ReadCapacityUnits": 1, "WriteCapacityUnits": 2}});
    let leaving = index(json!({"IndexStatus": "DELETING"}));
    let described = table(json!({
        "GlobalSecondaryIndexes": [index(read_only.clone()), leaving],
        "LocalSecondaryIndexes": [index(json!({"IndexArn": "a", "ItemCount": 1}))],
    }));
    let throughput = json!({"ProvisionedThroughput":
        {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}});
    let expected = provisioned(json!({
        "GlobalSecondaryIndexes": [index(throughput)],
        "LocalSecondaryIndexes": [index(json!({}))],
    }));
    assert_eq!(Value::Object(create(&described)), expected);

    let on_demand = table(json!({
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "GlobalSecondaryIndexes": [index(read_only)],
    }));
    assert_eq!(create(&on_demand)["GlobalSecondaryIndexes"], json!([index(json!({}))]));
}

#[test]
fn what_is_off_is_left_out() {
    assert_eq!(
        time_to_live(&json!({"TimeToLiveDescription":
        {"TimeToLiveStatus": "DISABLED"}})),
        None
    );
    assert_eq!(
        time_to_live(&json!({"TimeToLiveDescription":
            {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}})),
        Some(json!({"Enabled": true, "AttributeName": "expires"}))
    );
    let recovery = |status: &str| {
        json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status,
                "RecoveryPeriodInDays": 14, "EarliestRestorableDateTime": 1.0}}})
    };
    assert_eq!(point_in_time_recovery(&recovery("DISABLED")), None);
    assert_eq!(
        point_in_time_recovery(&recovery("ENABLED")),
        Some(json!({"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 14}))
    );
    let streams = json!({"KinesisDataStreamDestinations": [
        {"StreamArn": "a", "DestinationStatus": "DISABLED"},
        {"StreamArn": "b", "DestinationStatus": "ACTIVE", "DestinationStatusDescription": "x"},
        {"StreamArn": "c", "DestinationStatus": "ACTIVE",
            "ApproximateCreationDateTimePrecision": "MICROSECOND"},
    ]});
    let precision = json!({"ApproximateCreationDateTimePrecision": "MICROSECOND"});
    let expected = [
        json!({"StreamArn": "b"}),
        json!({"StreamArn": "c", "EnableKinesisStreamingConfiguration": precision}),
    ];
    assert_eq!(kinesis(&streams), expected);
    let insights = json!({"ContributorInsightsSummaries": [
        {"TableName": "orders", "ContributorInsightsStatus": "ENABLED"},
        {"TableName": "orders", "IndexName": "i", "ContributorInsightsStatus": "DISABLED"},
    ]});
    assert_eq!(contributor_insights(&insights), [json!({})]);
    for answer in [Value::Null, json!({})] {
        assert_eq!(time_to_live(&answer), None);
        assert_eq!(point_in_time_recovery(&answer), None);
        assert!(kinesis(&answer).is_empty() && contributor_insights(&answer).is_empty());
        assert!(scalable_targets(&answer).is_empty() && tags(&answer).is_empty());
    }
}

#[test]
fn the_order_in_which_a_service_lists_means_nothing() {
    let index = |name: &str| json!({"IndexName": name, "KeySchema": [], "Projection": {}});
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let one = table(json!({"LocalSecondaryIndexes": [index("a"), index("b")],
        "AttributeDefinitions": [attribute("id"), attribute("x")]}));
    let other = table(json!({"LocalSecondaryIndexes": [index("b"), index("a")],
        "AttributeDefinitions": [attribute("x"), attribute("id")]}));
    assert_eq!(create(&one), create(&other));
    assert_eq!(create(&one)["LocalSecondaryIndexes"].as_array().unwrap().len(), 2);
}
