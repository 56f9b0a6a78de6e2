use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(event: &Value) -> Result<ScanRequest> {
    ScanRequest::parse(&TagPrefix::default(), event)
}

fn as_json(outcome: Result<ScanRequest>, expected: &Value) -> Value {
    match outcome {
        Ok(ScanRequest::All) => json!({"request": "all"}),
        Ok(ScanRequest::One { id, after }) => {
            let after = after.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            json!({"request": "one", "id": id, "after": after})
        }
        Ok(ScanRequest::Ignored { reason }) => json!({"request": "ignored", "reason": reason}),
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Configuration);
            let text = error.to_string();
            for part in expected["contains"].as_array().into_iter().flatten() {
                assert!(text.contains(part.as_str().unwrap()), "{part} is not in: {text}");
            }
            json!({"request": "error", "contains": expected["contains"]})
        }
    }
}

/// The samples are also read by the construct's tests of its rules.
#[test]
fn every_sample_is_read_as_the_contract_says() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract");
    let read = |path: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let list = read(&contract.join("events.json"));
    let list = list["events"].as_array().unwrap();
    assert_eq!(list.len(), std::fs::read_dir(contract.join("events")).unwrap().count());
    for sample in list {
        let file = sample["file"].as_str().unwrap();
        let event = read(&contract.join("events").join(file));
        let expected = &sample["expect"];
        assert_eq!(as_json(parse(&event), expected), *expected, "{file}");
    }
}

#[test]
fn the_answer_may_spell_the_arn_in_three_ways() {
    for spelling in ["arn", "aRN", "ARN"] {
        let event = json!({
            "source": "aws.secretsmanager",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventName": "CreateSecret",
                "requestParameters": {"name": "x"},
                "responseElements": {spelling: "arn:x"}
            }
        });
        assert_eq!(parse(&event).unwrap(), ScanRequest::one("arn:x"), "{spelling}");
    }
}

#[test]
fn a_table_that_is_named_alone_is_where_the_call_was_made() {
    for (region, partition) in
        [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
    {
        let arn = format!("arn:{partition}:dynamodb:{region}:111122223333:table/orders");
        for name in ["orders", arn.as_str()] {
            let event = json!({
                "source": "aws.dynamodb", "detail-type": "AWS API Call via CloudTrail",
                "detail": {
                    "eventName": "DeleteTable", "awsRegion": region,
                    "recipientAccountId": "111122223333", "requestParameters": {"tableName": name}
                }
            });
            assert_eq!(parse(&event).unwrap(), ScanRequest::one(&arn));
        }
    }
}

#[test]
fn a_database_that_is_named_alone_is_where_the_call_was_made() {
    let name = |key: &str| json!({key: "Orders-1"});
    let both = json!({"dBInstanceIdentifier": "Orders-1", "dBClusterIdentifier": "shop"});
    for (call, request, resource) in [
        ("DeleteDBInstance", name("dBInstanceIdentifier"), "db:orders-1"),
        ("DeleteDBCluster", name("dBClusterIdentifier"), "cluster:orders-1"),
        ("CreateDBInstance", both, "db:orders-1"),
    ] {
        let event = json!({
            "source": "aws.rds", "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventName": call, "awsRegion": "cn-north-1",
                "recipientAccountId": "111122223333", "requestParameters": request
            }
        });
        let arn = format!("arn:aws-cn:rds:cn-north-1:111122223333:{resource}");
        assert_eq!(parse(&event).unwrap(), ScanRequest::one(&arn));
    }
}

#[test]
fn a_call_whose_tags_the_trail_does_not_show_is_looked_at() {
    for request in [
        json!({"secretId": "x"}),
        json!({"secretId": "x", "tags": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
    ] {
        let event = json!({
            "source": "aws.secretsmanager",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventName": "TagResource", "requestParameters": request, "errorCode": null}
        });
        assert_eq!(parse(&event).unwrap(), ScanRequest::one("x"));
    }
}

#[test]
fn broken_forms_are_errors_that_say_what_is_missing() {
    let tag = |resources: Value, detail: Value| {
        json!({
            "source": "aws.tag", "detail-type": "Tag Change on Resource",
            "resources": resources, "detail": detail
        })
    };
    let keys = json!({"changed-tag-keys": ["autodump:size"]});
    let trail = json!({
        "source": "aws.secretsmanager", "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "DeleteSecret"}
    });
    let table = json!({
        "source": "aws.dynamodb", "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "DeleteTable", "requestParameters": {"tableName": "orders"}}
    });
    let database = json!({
        "source": "aws.rds", "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "DeleteDBInstance", "requestParameters": {}}
    });
    for (event, part) in [
        (tag(json!([]), keys.clone()), "without a resource"),
        (tag(json!([""]), keys), "without a resource"),
        (tag(json!(["arn:x"]), json!({})), "without detail.changed-tag-keys"),
        (trail, "for DeleteSecret that names no secret"),
        (table, "for DeleteTable that names no table"),
        (database, "for DeleteDBInstance that names no database"),
        (json!(null), "that is no JSON object"),
        (json!([{}]), "that is no JSON object"),
        (json!({"resourceArn": " "}), "empty \"resourceArn\""),
        (json!({"resourceArn": 5}), "expected a string"),
        (json!({"resourceArn": "x", "befor": "y"}), "befor"),
    ] {
        let error = parse(&event).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        let text = error.to_string();
        assert!(text.contains(part), "{part} is not in: {text}");
        assert!(text.contains("Scheduled Event"), "{text}");
    }
}

/// Any JSON, built from the words that the parser looks at.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "source",
            "detail-type",
            "detail",
            "resources",
            "changed-tag-keys",
            "eventName",
            "errorCode",
            "requestParameters",
            "responseElements",
            "secretId",
            "name",
            "arn",
            "tags",
            "key",
            "tagKeys",
            "resourceArn",
            "after",
            "aws.tag",
            "aws.events",
            "aws.secretsmanager",
            "aws.dynamodb",
            "aws.rds",
            "resourceName",
            "dBInstanceArn",
            "dBClusterIdentifier",
            "awsRegion",
            "recipientAccountId",
            "tableName",
            "tableDescription",
            "tableArn",
            "Scheduled Event",
            "Tag Change on Resource",
            "AWS API Call via CloudTrail",
            "CreateSecret",
            "TagResource",
            "autodump:size",
            "arn:aws:secretsmanager:::secret:x",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An event of a known kind with arbitrary insides.
fn half_known() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        ("aws.tag", "Tag Change on Resource"),
        ("aws.secretsmanager", "AWS API Call via CloudTrail"),
        ("aws.dynamodb", "AWS API Call via CloudTrail"),
        ("aws.rds", "AWS API Call via CloudTrail"),
    ]);
    let call = prop::sample::select([&CALLS[..], &TABLE_CALLS, &DATABASE_CALLS].concat());
    (kind, call, any_json(), any_json(), any_json()).prop_map(|(kind, call, a, b, c)| {
        json!({
            "source": kind.0, "detail-type": kind.1, "resources": a,
            "detail": {
                "eventName": call, "changed-tag-keys": c,
                "requestParameters": b, "responseElements": c
            }
        })
    })
}

proptest! {
    #[test]
    fn the_parser_never_panics(event in prop_oneof![any_json(), half_known()]) {
        if let Ok(ScanRequest::One { id, .. }) = parse(&event) {
            prop_assert!(!id.is_empty());
        }
    }
}
