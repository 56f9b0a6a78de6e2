//! What a job is made of: the job definition that moto holds, and the overrides of the submission.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};

use super::retry::RetryStrategy;
use crate::api::{Api, list_at, text_at};
use crate::http::ServiceError;

/// The vCPUs of Fargate, each with the least and most memory and the step between, in MiB.
const FARGATE_SIZES: [(&str, u64, u64, u64); 7] = [
    ("0.25", 512, 2048, 512),
    ("0.5", 1024, 4096, 1024),
    ("1", 2048, 8192, 1024),
    ("2", 4096, 16384, 1024),
    ("4", 8192, 30720, 1024),
    ("8", 16384, 61440, 4096),
    ("16", 32768, 122_880, 8192),
];

/// A job definition with a submission's overrides applied.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) resources: Vec<Value>,
    pub(crate) container: Value,
    pub(crate) retry_value: Value,
    pub(crate) retry: RetryStrategy,
    pub(crate) timeout_seconds: Option<u64>,
}

/// Finds the latest active revision of a definition, given by name, `name:revision` or ARN, and
/// applies a submission's overrides.
pub(crate) async fn resolve(moto: &Api, submission: &Value) -> Result<Definition, ServiceError> {
    let wanted = submission["jobDefinition"].as_str().unwrap_or_default();
    let input = json!({"status": "ACTIVE"});
    let all = moto.rest("batch", Method::POST, "/v1/describejobdefinitions", Some(&input)).await;
    let all = all.map_err(|error| ServiceError::internal(&error))?;
    let found = list_at(&all, "jobDefinitions")
        .iter()
        .filter(|definition| is_wanted(definition, wanted))
        .max_by_key(|definition| definition["revision"].as_u64());
    let Some(found) = found else {
        return Err(refuse(format!("Job definition {wanted} does not exist or is not active")));
    };
    apply(found, submission).map_err(|error| refuse(format!("{error:#}")))
}

fn refuse(message: String) -> ServiceError {
    ServiceError::client("ClientException", message)
}

fn is_wanted(definition: &Value, wanted: &str) -> bool {
    let name = definition["jobDefinitionName"].as_str().unwrap_or_default();
    let revision = definition["revision"].as_u64().unwrap_or_default();
    let short = wanted.rsplit('/').next().unwrap_or(wanted);
    short == name || short == format!("{name}:{revision}")
}

fn apply(definition: &Value, submission: &Value) -> Result<Definition> {
    let overrides = &submission["containerOverrides"];
    let container = definition["containerProperties"].clone();
    let mut environment = pairs(&container)?;
    for (name, value) in pairs(overrides)? {
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
    }
    let resources = merged_resources(&container, overrides);
    check_size(&resources)?;
    let given = &submission["retryStrategy"];
    let retry_value =
        if given.is_object() { given.clone() } else { definition["retryStrategy"].clone() };
    let timeout = |value: &Value| value["timeout"]["attemptDurationSeconds"].as_u64();
    Ok(Definition {
        arn: text_at(definition, "jobDefinitionArn")?.to_owned(),
        name: text_at(definition, "jobDefinitionName")?.to_owned(),
        environment,
        resources,
        container,
        retry: RetryStrategy::read(&retry_value)?,
        retry_value,
        timeout_seconds: timeout(submission).or_else(|| timeout(definition)),
    })
}

fn pairs(container: &Value) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for pair in list_at(container, "environment") {
        let (name, value) = (text_at(pair, "name")?, text_at(pair, "value")?);
        anyhow::ensure!(!name.starts_with("AWS_BATCH"), "the name {name} is reserved for Batch");
        all.push((name.to_owned(), value.to_owned()));
    }
    Ok(all)
}

fn merged_resources(container: &Value, overrides: &Value) -> Vec<Value> {
    let mut all = list_at(container, "resourceRequirements").to_vec();
    for given in list_at(overrides, "resourceRequirements") {
        all.retain(|known| known["type"] != given["type"]);
        all.push(given.clone());
    }
    all
}

/// Refuses sizes that Fargate does not have, as Batch does.
fn check_size(resources: &[Value]) -> Result<()> {
    let of = |kind: &str| {
        let found = resources.iter().find(|resource| resource["type"] == kind);
        found.and_then(|resource| resource["value"].as_str())
    };
    let (Some(vcpu), Some(memory)) = (of("VCPU"), of("MEMORY")) else {
        anyhow::bail!(
            "the job needs VCPU and MEMORY as texts in resourceRequirements, got {resources:?}"
        );
    };
    let amount: f64 = vcpu.parse()?;
    let mib: u64 = memory.parse()?;
    let row = FARGATE_SIZES
        .iter()
        .find(|row| row.0.parse::<f64>().is_ok_and(|known| (known - amount).abs() < 1e-9));
    let fits = row.is_some_and(|&(_, least, most, step)| {
        (least..=most).contains(&mib) && (mib - least).is_multiple_of(step)
    });
    anyhow::ensure!(fits, "Fargate has no size of {vcpu} vCPU with {memory} MiB");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{apply, is_wanted};

    fn definition() -> serde_json::Value {
        json!({
            "jobDefinitionArn": "arn:aws:batch:us-east-1:123456789012:job-definition/dump:2",
            "jobDefinitionName": "dump",
            "revision": 2,
            "retryStrategy": {"attempts": 3},
            "containerProperties": {
                "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
            },
        })
    }

    #[test]
    fn overrides_replace_by_name() {
        let submission = json!({"containerOverrides": {
            "environment": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
            "resourceRequirements": [{"type": "MEMORY", "value": "4096"}],
        }});
        let applied = apply(&definition(), &submission).expect("valid");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(applied.environment, [pair("A", "1"), pair("B", "3"), pair("C", "4")]);
        assert_eq!(applied.resources.len(), 2);
        assert_eq!(applied.resources[1]["value"], "4096");
    }

    #[test]
    fn sizes_that_fargate_lacks_are_refused() {
        for (vcpu, memory, fine) in
            [("1", "2048", true), ("1", "1024", false), ("3", "4096", false), ("8", "17000", false)]
        {
            let submission = json!({"containerOverrides": {"resourceRequirements": [
                {"type": "VCPU", "value": vcpu}, {"type": "MEMORY", "value": memory},
            ]}});
            assert_eq!(
                apply(&definition(), &submission).is_ok(),
                fine,
                "{vcpu} vCPU, {memory} MiB"
            );
        }
    }

    #[test]
    fn a_definition_is_found_by_name_revision_and_arn() {
        for wanted in
            ["dump", "dump:2", "arn:aws:batch:us-east-1:123456789012:job-definition/dump:2"]
        {
            assert!(is_wanted(&definition(), wanted), "{wanted}");
        }
        for other in ["dump:1", "dum", "dumper"] {
            assert!(!is_wanted(&definition(), other), "{other}");
        }
    }
}
