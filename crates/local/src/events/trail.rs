//! The events that AWS publishes when a secret changes: CloudTrail's record of the call, and the
//! tag change.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::api::list_at;
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

/// The event that tells of changed tags, with all tags as they are now.
pub(crate) fn tag_change(arn: &str, changed: &[String], secret: &Value) -> Value {
    let tags: serde_json::Map<String, Value> = list_at(secret, "Tags")
        .iter()
        .filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone())))
        .collect();
    let detail = json!({
        "changed-tag-keys": changed,
        "service": "secretsmanager",
        "resource-type": "secret",
        "version": 1.1,
        "tags": tags,
    });
    envelope("aws.tag", "Tag Change on Resource", &[arn], &detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{call_record, changed_keys, tag_change};

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
}
