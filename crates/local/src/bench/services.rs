//! The little of Secrets Manager and Step Functions that the scanner and the dumper need, from prepared answers.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use autodump_core::hash::TagHash;
use autodump_core::tags::TagPrefix;
use chrono::Utc;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::rng::Rng;
use crate::http::{self, Body, ServiceError};
use crate::{ACCOUNT, REGION};

/// The largest page that Secrets Manager makes.
const PAGE: usize = 100;

/// Tagged secrets as `DescribeSecret` and `ListSecrets` show them, and the executions that were started.
#[derive(Debug, Default)]
pub(super) struct Services {
    secrets: Vec<Secret>,
    started: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct Secret {
    arn: String,
    /// Its description, as JSON text.
    described: String,
    /// Its value.
    value: String,
}

impl Services {
    /// That many tagged secrets of many teams, nothing in them.
    pub(super) fn with_secrets(count: usize) -> Self {
        let mut rng = Rng::new(42);
        let secrets = (0..count).map(|n| {
            let name = format!(
                "{}/team-{:02}/service-{n:05}-database",
                rng.pick(&["prod", "staging"]),
                n % 37
            );
            Secret::new(&name, &tags(&mut rng, n), "{}")
        });
        Self { secrets: secrets.collect(), started: Mutex::default() }
    }

    /// One secret with a value, tagged to be dumped once a day.
    pub(super) fn with_database(value: &Value) -> Self {
        Self::with_tagged_database(value, &[])
    }

    /// The same with these tags too.
    pub(super) fn with_tagged_database(value: &Value, more: &[(&str, String)]) -> Self {
        let mut tags = vec![("autodump:start-schedule".to_owned(), "@daily".to_owned())];
        tags.extend(more.iter().map(|(name, value)| (format!("autodump:{name}"), value.clone())));
        Self {
            secrets: vec![Secret::new("bench/database", &tags, &value.to_string())],
            started: Mutex::default(),
        }
    }

    /// The ARN of the first secret and the hash of its tags.
    pub(super) fn first(&self) -> Option<(String, TagHash)> {
        let first = self.secrets.first()?;
        let described: Value = serde_json::from_str(&first.described).ok()?;
        let pairs = described["Tags"].as_array()?.iter();
        let text = |tag: &Value, field: &str| tag[field].as_str().unwrap_or_default().to_owned();
        let tags = pairs.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
        Some((first.arn.clone(), TagHash::of(&TagPrefix::default(), &tags)))
    }

    /// How many different executions have been started since this was last asked.
    pub(super) fn take_started(&self) -> usize {
        std::mem::take(&mut *self.started.lock().unwrap_or_else(PoisonError::into_inner)).len()
    }

    /// Answers one request of AWS's JSON protocol. `operation` is its `x-amz-target`.
    pub(super) async fn handle(
        &self,
        operation: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let body = http::read(request.into_body()).await?;
        let input: Value = serde_json::from_slice(&body)?;
        let answered = match operation.rsplit('.').next().unwrap_or_default() {
            "ListSecrets" => Ok(self.list(&input)),
            // There are no tables here.
            "GetResources" => Ok("{\"ResourceTagMappingList\":[]}".to_owned()),
            "DescribeSecret" => self.find(&input).map(|secret| secret.described.clone()),
            "GetSecretValue" => self.find(&input).map(Secret::with_value),
            "StartExecution" => self.start(&input),
            _ => Err(ServiceError::client(
                "UnknownOperationException",
                format!("the benchmark has no {operation}"),
            )),
        };
        Ok(match answered {
            Ok(text) => Response::builder()
                .status(StatusCode::OK)
                .header("content-type", "application/x-amz-json-1.1")
                .body(http::full(text))?,
            Err(error) => error.response(),
        })
    }

    /// A page as text: the descriptions are prepared, so a page is a copy.
    fn list(&self, input: &Value) -> String {
        let from = input["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let most = input["MaxResults"]
            .as_u64()
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(PAGE);
        let page = self.secrets.iter().skip(from).take(most.clamp(1, PAGE));
        let described: Vec<&str> = page.map(|secret| secret.described.as_str()).collect();
        let next = from + described.len();
        let token = if next < self.secrets.len() {
            format!(",\"NextToken\":\"{next}\"")
        } else {
            String::new()
        };
        format!("{{\"SecretList\":[{}]{token}}}", described.join(","))
    }

    fn find(&self, input: &Value) -> Result<&Secret, ServiceError> {
        let id = input["SecretId"].as_str().unwrap_or_default();
        let found = self.secrets.iter().find(|secret| secret.arn == id);
        found.ok_or_else(|| {
            ServiceError::client("ResourceNotFoundException", format!("no secret {id:?}"))
        })
    }

    /// As Step Functions does it: a name that is taken is an error.
    fn start(&self, input: &Value) -> Result<String, ServiceError> {
        let name = input["name"].as_str().unwrap_or_default();
        if name.is_empty() || input["input"].as_str().is_none() {
            return Err(ServiceError::client(
                "ValidationException",
                "an execution needs a name and an input",
            ));
        }
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if !started.insert(name.to_owned()) {
            return Err(ServiceError::client(
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: {name}"),
            ));
        }
        let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:bench:{name}");
        let now = Utc::now();
        let date = format!("{}.{:03}", now.timestamp(), now.timestamp_subsec_millis());
        Ok(format!("{{\"executionArn\":\"{arn}\",\"startDate\":{date}}}"))
    }
}

impl Secret {
    fn new(name: &str, tags: &[(String, String)], value: &str) -> Self {
        let suffix = Rng::new(name.len() as u64).next() & 0xff_ffff;
        let arn = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{suffix:06x}");
        let tags: Vec<Value> =
            tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let described = json!({
            "ARN": arn,
            "Name": name,
            "Description": "Credentials of the service's own role",
            "KmsKeyId": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/6f1c2f0e-58b7-4c43-9a53-3f6f3c1f6d52"),
            "RotationEnabled": false,
            "CreatedDate": 1_700_000_000.123,
            "LastChangedDate": 1_760_000_000.456,
            "LastAccessedDate": 1_763_596_800,
            "Tags": tags,
            "SecretVersionsToStages": {"1b8f3c2e-54d4-4c25-8e86-2f1a8c1c5b9e": ["AWSCURRENT"]},
        });
        Self { arn, described: described.to_string(), value: value.to_owned() }
    }

    fn with_value(&self) -> String {
        json!({
            "ARN": self.arn,
            "Name": self.arn,
            "VersionId": "1b8f3c2e-54d4-4c25-8e86-2f1a8c1c5b9e",
            "VersionStages": ["AWSCURRENT"],
            "SecretString": self.value,
            "CreatedDate": 1_700_000_000.123,
        })
        .to_string()
    }
}

/// Tags of a target as teams write them, among others of their own.
fn tags(rng: &mut Rng, n: usize) -> Vec<(String, String)> {
    let schedules = [
        "0 3 - - -",
        "@daily",
        "30 1 - - 1-5",
        "0 8 - - 1:3:5",
        "15 */6 * * *",
        "@weekly",
        "0 2 1 - -",
    ];
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney"];
    let mut tags = vec![
        ("autodump:start-schedule".to_owned(), rng.pick(&schedules).to_owned()),
        ("team".to_owned(), format!("team-{:02}", n % 37)),
        ("cost-center".to_owned(), (4000 + n % 37).to_string()),
        ("managed-by".to_owned(), "terraform".to_owned()),
    ];
    if rng.below(2) > 0 {
        tags.push(("autodump:timezone".to_owned(), rng.pick(&zones).to_owned()));
    }
    if rng.below(4) == 0 {
        tags.push(("autodump:size".to_owned(), rng.pick(&["small", "medium", "large"]).to_owned()));
    }
    tags
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodump_core::tags::{self, Kind};

    use super::*;

    #[test]
    fn every_secret_is_on_one_page_and_is_a_good_target() {
        let services = Services::with_secrets(250);
        let (mut arns, mut pages, mut token) = (BTreeSet::new(), 0, Value::Null);
        loop {
            let page: Value =
                serde_json::from_str(&services.list(&json!({"NextToken": token}))).unwrap();
            pages += 1;
            for secret in page["SecretList"].as_array().unwrap() {
                arns.insert(secret["ARN"].as_str().unwrap().to_owned());
                let pairs = secret["Tags"].as_array().unwrap().iter();
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let tags: BTreeMap<_, _> =
                    pairs.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect();
                let read = tags::parse(&TagPrefix::default(), Kind::Secret, &tags);
                assert!(read.unwrap().is_ok(), "{tags:?}");
            }
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!((arns.len(), pages), (250, 3));
    }

    #[test]
    fn an_execution_counts_once() {
        let services = Services::default();
        let start = |name: &str| services.start(&json!({"name": name, "input": "{}"}));
        assert!(start("a").is_ok() && start("b").is_ok());
        assert_eq!(start("a").unwrap_err().code, "ExecutionAlreadyExists");
        assert_eq!(services.take_started(), 2);
        assert!(services.start(&json!({"name": "c"})).is_err());
    }
}
