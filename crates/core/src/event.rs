//! What the scanner is asked to do: the events it accepts.
//!
//! Samples of every form, and what becomes of them: `contract/events/` and
//! `contract/events.json`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorClass, Result};
use crate::snapshot::arn::{DatabaseArn, Form};
use crate::table::arn::TableArn;
use crate::tags::{Kind, TagPrefix};

const ACCEPTED: &str = "Send {} or an EventBridge \"Scheduled Event\" to scan all targets; \
     {\"resourceArn\": \"…\"}, with \"after\" or without, to start the next run of one; or the \
     EventBridge events \"Tag Change on Resource\" of aws.tag and \"AWS API Call via CloudTrail\" \
     of aws.secretsmanager, aws.dynamodb and aws.rds";

/// The calls after which a secret may be configured otherwise than before.
const CALLS: [&str; 4] = ["CreateSecret", "TagResource", "UntagResource", "DeleteSecret"];

/// And those after which a table may be.
const TABLE_CALLS: [&str; 4] = ["CreateTable", "TagResource", "UntagResource", "DeleteTable"];

/// And those after which a database of RDS may be.
const DATABASE_CALLS: [&str; 6] = [
    "CreateDBInstance",
    "CreateDBCluster",
    "AddTagsToResource",
    "RemoveTagsFromResource",
    "DeleteDBInstance",
    "DeleteDBCluster",
];

/// What is to be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanRequest {
    /// Every target there is.
    All,
    /// One resource, which may or may not be a target.
    One {
        /// Its ARN or name.
        id: String,
        /// Only starts later than this count: the start of the run that asks.
        after: Option<DateTime<Utc>>,
    },
    /// Nothing, because the event cannot concern a target.
    Ignored {
        /// Why, as a sentence without a full stop.
        reason: String,
    },
}

impl ScanRequest {
    /// Reads a Lambda event. An event of an unknown or broken form is a configuration error
    /// that shows what came and what is accepted.
    pub fn parse(prefix: &TagPrefix, event: &Value) -> Result<Self> {
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        match (text("source"), text("detail-type")) {
            ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Self::All),
            ("aws.tag", "Tag Change on Resource") => tag_change(prefix, event),
            ("aws.secretsmanager", "AWS API Call via CloudTrail") => {
                api_call(prefix, event, &SECRETS)
            }
            ("aws.dynamodb", "AWS API Call via CloudTrail") => api_call(prefix, event, &TABLES),
            ("aws.rds", "AWS API Call via CloudTrail") => api_call(prefix, event, &DATABASES),
            ("", "") => direct(event),
            (source, detail_type) => Err(not_accepted(&format!(
                "with source {source:?} and detail-type {detail_type:?}"
            ))),
        }
    }

    fn one(id: &str) -> Self {
        Self::One { id: id.to_owned(), after: None }
    }

    fn ignored(reason: impl Into<String>) -> Self {
        Self::Ignored { reason: reason.into() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NextRun {
    resource_arn: String,
    after: Option<DateTime<Utc>>,
}

fn direct(event: &Value) -> Result<ScanRequest> {
    match event {
        Value::Object(members) if members.is_empty() => Ok(ScanRequest::All),
        Value::Object(members) if members.contains_key("resourceArn") => {
            let next = NextRun::deserialize(event)
                .map_err(|error| not_accepted(&format!("with a \"resourceArn\", but {error}")))?;
            if next.resource_arn.trim().is_empty() {
                return Err(not_accepted("with an empty \"resourceArn\""));
            }
            Ok(ScanRequest::One { id: next.resource_arn, after: next.after })
        }
        Value::Object(members) => {
            let keys: Vec<_> = members.keys().take(10).map(String::as_str).collect();
            Err(not_accepted(&format!("with the keys {}", keys.join(", "))))
        }
        _ => Err(not_accepted("that is no JSON object")),
    }
}

fn tag_change(prefix: &TagPrefix, event: &Value) -> Result<ScanRequest> {
    let Some(keys) = strings(&event["detail"]["changed-tag-keys"]) else {
        return Err(not_accepted("of aws.tag without detail.changed-tag-keys"));
    };
    let Some(resource) = event["resources"][0].as_str().filter(|arn| !arn.is_empty()) else {
        return Err(not_accepted("of aws.tag without a resource"));
    };
    if Kind::of(resource).is_none() {
        return Ok(ScanRequest::ignored(no_target(resource)));
    }
    if !any_configures(prefix, &keys) {
        return Ok(ScanRequest::ignored(none_of_ours(prefix, resource)));
    }
    Ok(ScanRequest::one(resource))
}

/// What is known of a service's calls.
struct Trail {
    /// Those after which a target may be configured otherwise than before.
    calls: &'static [&'static str],
    /// The target of one.
    target: fn(&Value) -> Option<String>,
    noun: &'static str,
}

const SECRETS: Trail =
    Trail { calls: &CALLS, target: |detail| secret_of(detail).map(str::to_owned), noun: "secret" };
const TABLES: Trail = Trail { calls: &TABLE_CALLS, target: table_of, noun: "table" };
const DATABASES: Trail = Trail { calls: &DATABASE_CALLS, target: database_of, noun: "database" };

fn api_call(prefix: &TagPrefix, event: &Value, trail: &Trail) -> Result<ScanRequest> {
    let detail = &event["detail"];
    let call = detail["eventName"].as_str().unwrap_or_default();
    if !trail.calls.contains(&call) {
        return Ok(ScanRequest::ignored(format!("the call {call:?} changes no tags")));
    }
    if let Some(code) = detail.get("errorCode").filter(|code| !code.is_null()) {
        return Ok(ScanRequest::ignored(format!("the call {call} failed with {code}")));
    }
    let Some(resource) = (trail.target)(detail) else {
        let noun = trail.noun;
        return Err(not_accepted(&format!("of CloudTrail for {call} that names no {noun}")));
    };
    // Of RDS much else is tagged by the same call: snapshots, groups, proxies.
    if resource.split(':').nth(2) == Some("rds") && Kind::of(&resource).is_none() {
        return Ok(ScanRequest::ignored(no_target(&resource)));
    }
    match tag_keys_of(detail) {
        Some(keys) if !any_configures(prefix, &keys) => {
            Ok(ScanRequest::ignored(none_of_ours(prefix, &resource)))
        }
        _ => Ok(ScanRequest::one(&resource)),
    }
}

/// The secret of a call: by ARN from the answer where that has one, otherwise as the caller
/// named it. CloudTrail spells the answer's member `arn`, `aRN` or `ARN`, and leaves the
/// answer out altogether for some calls.
fn secret_of(detail: &Value) -> Option<&str> {
    let answered = detail["responseElements"].as_object().and_then(|answer| {
        answer.iter().find(|(key, _)| key.eq_ignore_ascii_case("arn")).map(|(_, arn)| arn)
    });
    let request = &detail["requestParameters"];
    [answered, request.get("secretId"), request.get("name")]
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(|id| !id.is_empty())
}

/// The ARN of a call's table: from the answer, or as the caller named it, or made of its name and
/// where the call was made.
fn table_of(detail: &Value) -> Option<String> {
    let request = &detail["requestParameters"];
    let named = request["tableName"].as_str();
    let answered = detail["responseElements"]["tableDescription"]["tableArn"].as_str();
    let known = [answered, request["resourceArn"].as_str(), named].into_iter().flatten();
    if let Some(arn) = known.flat_map(str::parse::<TableArn>).next() {
        return Some(arn.to_string());
    }
    let (partition, region, account) = place_of(detail)?;
    let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{}", named?);
    arn.parse::<TableArn>().ok().map(|arn| arn.to_string())
}

/// The ARN of what a call of RDS is about: as the caller named it, or from the answer, or made of
/// its identifier and where the call was made.
fn database_of(detail: &Value) -> Option<String> {
    let (request, answer) = (&detail["requestParameters"], &detail["responseElements"]);
    let known = [&request["resourceName"], &answer["dBInstanceArn"], &answer["dBClusterArn"]];
    if let Some(arn) = known.into_iter().filter_map(Value::as_str).find(|arn| !arn.is_empty()) {
        return Some(arn.to_owned());
    }
    // An instance of a cluster is created with the names of both.
    let named = [("dBInstanceIdentifier", Form::Instance), ("dBClusterIdentifier", Form::Cluster)];
    let (name, form) =
        named.into_iter().find_map(|(key, form)| Some((request[key].as_str()?, form)))?;
    let (partition, region, account) = place_of(detail)?;
    let (partition, region, account) =
        (partition.to_owned(), region.to_owned(), account.to_owned());
    // RDS keeps identifiers in small letters, however they were written.
    let arn = DatabaseArn { partition, region, account, form, name: name.to_ascii_lowercase() };
    arn.to_string().parse::<DatabaseArn>().ok().map(|arn| arn.to_string())
}

/// The partition, the region and the account in which a call was made.
fn place_of(detail: &Value) -> Option<(&str, &str, &str)> {
    let region = detail["awsRegion"].as_str()?;
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Some((partition, region, detail["recipientAccountId"].as_str()?))
}

/// The keys that a call sets or removes, where the trail shows them.
fn tag_keys_of(detail: &Value) -> Option<Vec<&str>> {
    let request = &detail["requestParameters"];
    if let Some(keys) = strings(&request["tagKeys"]) {
        return Some(keys);
    }
    request["tags"].as_array()?.iter().map(|tag| tag["key"].as_str()).collect()
}

fn strings(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

/// Whether a key is one that configures; those AutoDump writes itself do not wake it.
fn any_configures(prefix: &TagPrefix, keys: &[&str]) -> bool {
    let tags: BTreeMap<_, _> = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
    prefix.configuration(&tags).next().is_some()
}

fn no_target(resource: &str) -> String {
    format!("{resource} is neither a secret nor a table nor a database")
}

fn none_of_ours(prefix: &TagPrefix, resource: &str) -> String {
    format!("no tag under \"{}:\" that configures changed on {resource}", prefix.as_str())
}

fn not_accepted(what: &str) -> Error {
    Error::new(ErrorClass::Configuration, format!("the scanner got an event {what}"), ACCEPTED)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
