//! The events that AWS publishes: of a secret that changes, CloudTrail's record of the call and the
//! tag change; of a database its tag change; of objects that are created, and executions that end.

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::api::{ObjectInfo, list_at};
use crate::{ACCOUNT, REGION};

/// The calls of Secrets Manager that are recorded here.
pub(crate) const RECORDED: [&str; 5] =
    ["CreateSecret", "TagResource", "UntagResource", "DeleteSecret", "RestoreSecret"];

/// The envelope that every event has.
pub(crate) fn envelope(source: &str, kind: &str, resources: &[&str], detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": now(),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    })
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// CloudTrail's record of a call that succeeded. Values of secrets are never part of it.
pub(crate) fn call_record(operation: &str, input: &Value, output: &Value) -> Value {
    let detail = json!({
        "eventVersion": "1.08",
        "userIdentity": {"type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accessKeyId": "local"},
        "eventTime": now(),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": operation,
        "awsRegion": REGION,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "local",
        "requestParameters": request_parameters(input),
        "responseElements": response_elements(operation, output),
        "requestID": uuid::Uuid::new_v4().to_string(),
        "eventID": uuid::Uuid::new_v4().to_string(),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    });
    envelope("aws.secretsmanager", "AWS API Call via CloudTrail", &[], &detail)
}

/// The input in CloudTrail's writing: names begin in lower case, secret values are hidden.
fn request_parameters(input: &Value) -> Value {
    let mut shown = input.clone();
    for hidden in ["SecretString", "SecretBinary"] {
        if let Some(fields) = shown.as_object_mut() {
            fields.remove(hidden);
        }
    }
    lower_first(&shown)
}

/// CloudTrail shows what a deletion answered, and nothing of creations and tag changes: for those
/// the request alone names the secret.
fn response_elements(operation: &str, output: &Value) -> Value {
    match operation {
        "DeleteSecret" | "RestoreSecret" => lower_first(output),
        _ => Value::Null,
    }
}

fn lower_first(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), lower_first(inner))
            })
            .collect(),
        Value::Array(items) => items.iter().map(lower_first).collect(),
        other => other.clone(),
    }
}

/// The names of the tags that a call changed.
pub(crate) fn changed_keys(operation: &str, input: &Value) -> Vec<String> {
    let keys: Vec<&Value> = match operation {
        "CreateSecret" | "TagResource" => {
            list_at(input, "Tags").iter().map(|tag| &tag["Key"]).collect()
        }
        "UntagResource" => list_at(input, "TagKeys").iter().collect(),
        _ => Vec::new(),
    };
    keys.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The event that tells of a secret's changed tags, with all tags as they are now.
pub(crate) fn tag_change(arn: &str, changed: &[String], secret: &Value) -> Value {
    let tags = list_at(secret, "Tags")
        .iter()
        .filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone())))
        .collect();
    tag_change_of(["secretsmanager", "secret"], arn, changed, &tags)
}

/// The same of any resource, by its service and type.
pub(crate) fn tag_change_of(
    [service, kind]: [&str; 2],
    arn: &str,
    changed: &[String],
    tags: &Map<String, Value>,
) -> Value {
    let detail = json!({
        "changed-tag-keys": changed,
        "service": service,
        "resource-type": kind,
        "version": 1.1,
        "tags": tags,
    });
    envelope("aws.tag", "Tag Change on Resource", &[arn], &detail)
}

/// The event of an object that is there now, by the operation that made it.
pub(crate) fn object_created(bucket: &str, object: &ObjectInfo, etag: &str, by: &str) -> Value {
    let detail = json!({
        "version": "0",
        "bucket": {"name": bucket},
        "object": {"key": object.key, "size": object.bytes, "etag": etag, "sequencer": "0"},
        "request-id": "local",
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": by,
    });
    envelope("aws.s3", "Object Created", &[&format!("arn:aws:s3:::{bucket}")], &detail)
}

/// The event of an execution as it is now, by what `DescribeExecution` says.
pub(crate) fn execution_changed(described: &Value) -> Value {
    let included = |text: &str| {
        if described[text].is_null() { Value::Null } else { json!({"included": true}) }
    };
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century fit")]
    let milliseconds = |key: &str| {
        described[key].as_f64().map_or(Value::Null, |at| json!((at * 1000.0).round() as i64))
    };
    let arn = described["executionArn"].as_str().unwrap_or_default();
    let detail = json!({
        "executionArn": arn,
        "stateMachineArn": described["stateMachineArn"],
        "name": described["name"],
        "status": described["status"],
        "startDate": milliseconds("startDate"),
        "stopDate": milliseconds("stopDate"),
        "input": described["input"],
        "inputDetails": included("input"),
        "output": described["output"],
        "outputDetails": included("output"),
        "error": described["error"],
        "cause": described["cause"],
    });
    envelope("aws.states", "Step Functions Execution Status Change", &[arn], &detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{call_record, changed_keys, execution_changed, object_created, tag_change};
    use crate::api::ObjectInfo;

    #[test]
    fn a_record_names_the_secret_and_hides_its_value() {
        let input = json!({"Name": "prod/app", "SecretString": "hush", "Tags": [{"Key": "a", "Value": "b"}]});
        let record = call_record("CreateSecret", &input, &json!({"ARN": "arn"}));
        assert_eq!(record["source"], "aws.secretsmanager");
        assert_eq!(record["detail"]["eventName"], "CreateSecret");
        let expected = json!({"name": "prod/app", "tags": [{"key": "a", "value": "b"}]});
        assert_eq!(record["detail"]["requestParameters"], expected);
        assert_eq!(record["detail"]["responseElements"], Value::Null);
        assert!(!record.to_string().contains("hush"));
    }

    #[test]
    fn a_deletion_shows_what_it_answered() {
        let record = call_record(
            "DeleteSecret",
            &json!({"SecretId": "x"}),
            &json!({"ARN": "arn", "Name": "x"}),
        );
        assert_eq!(record["detail"]["requestParameters"], json!({"secretId": "x"}));
        assert_eq!(record["detail"]["responseElements"], json!({"aRN": "arn", "name": "x"}));
    }

    #[test]
    fn tag_changes_name_the_keys_and_show_what_is_left() {
        let keys = changed_keys("UntagResource", &json!({"TagKeys": ["gone"]}));
        let event = tag_change("arn", &keys, &json!({"Tags": [{"Key": "left", "Value": "1"}]}));
        assert_eq!(event["resources"], json!(["arn"]));
        assert_eq!(event["detail"]["changed-tag-keys"], json!(["gone"]));
        assert_eq!(event["detail"]["tags"], json!({"left": "1"}));
        assert!(changed_keys("DeleteSecret", &json!({})).is_empty());
    }

    /// As the function of snapshots reads it.
    #[test]
    fn the_end_of_an_execution_is_told_as_in_the_contract() {
        let golden = include_str!("../../../../contract/snapshots.json");
        let golden: Value = serde_json::from_str(golden).expect("JSON");
        let golden = &golden["stopped"][0];
        let mut described = golden["detail"].clone();
        described["startDate"] = json!(1_795_334_400.0);
        described["stopDate"] = json!(1_795_338_000.0);
        let event = execution_changed(&described);
        for key in ["source", "detail-type", "resources"] {
            assert_eq!(event[key], golden[key], "{key}");
        }
        for (key, value) in golden["detail"].as_object().expect("a detail") {
            assert_eq!(event["detail"][key], *value, "{key}");
        }
    }

    #[test]
    fn a_created_object_is_told_by_its_key_and_size() {
        let object = ObjectInfo { key: "a b/c".into(), bytes: 7 };
        let event = object_created("bucket", &object, "e", "PutObject");
        assert_eq!(event["detail-type"], "Object Created");
        assert_eq!(event["detail"]["bucket"], json!({"name": "bucket"}));
        let found = &event["detail"]["object"];
        assert_eq!((&found["key"], &found["size"]), (&json!("a b/c"), &json!(7)));
        assert_eq!(found["etag"], "e");
    }
}
