//! A table's whole definition: `table.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorClass, Result};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Version 1 of the definition, `contract/table-definition.json`. Readers reject a version they
/// do not know, and ignore fields they do not know. What is within the parts is in the words of
/// the services' own interfaces.
///
/// Not part of it: warm throughput, which a table reaches by itself and which costs money when
/// it is asked for, and the witnesses of a global table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// Always 1.
    pub version: u32,
    /// The table's ARN.
    pub table_arn: String,
    /// How many items DynamoDB last counted, up to six hours before.
    pub item_count: u64,
    /// Their bytes, as DynamoDB last counted them.
    pub table_size_bytes: u64,
    /// `CreateTable`'s input without the name, as `aws dynamodb create-table --cli-input-json`
    /// takes it.
    pub create: Map<String, Value>,
    /// `TimeToLiveSpecification`, where it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<Value>,
    /// `PointInTimeRecoverySpecification`, where it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_in_time_recovery: Option<Value>,
    /// All tags of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The text of the policy that is attached to the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<String>,
    /// How capacity follows load.
    #[serde(default, skip_serializing_if = "AutoScaling::is_empty")]
    pub auto_scaling: AutoScaling,
    /// Inputs of `EnableKinesisStreamingDestination` without the table's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinesis_streaming_destinations: Vec<Value>,
    /// Inputs of `UpdateContributorInsights` without the table's name and the action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributor_insights: Vec<Value>,
    /// The other regions of a global table: known, and not made again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// What could not be asked, and why: sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A tag, as the services write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
}

/// What Application Auto Scaling does with the capacity of a table and its indexes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoScaling {
    /// Inputs of `RegisterScalableTarget`, without the role.
    pub targets: Vec<Value>,
    /// Inputs of `PutScalingPolicy`.
    pub policies: Vec<Value>,
    /// Inputs of `PutScheduledAction`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduled_actions: Vec<Value>,
}

impl AutoScaling {
    /// Whether capacity does not follow load at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.policies.is_empty() && self.scheduled_actions.is_empty()
    }
}

impl Definition {
    /// Reads `table.json`, or an error of class [`ErrorClass::Verification`].
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        Self::from_value(value)
    }

    /// The same, of JSON that was read already, such as a plan's.
    pub fn from_value(value: Value) -> Result<Self> {
        let version = value.get("version").cloned().unwrap_or_default();
        if version != VERSION {
            return Err(Error::new(
                ErrorClass::Verification,
                format!("the table's definition has version {version}, not {VERSION}"),
                "Use the version of AutoDump that wrote it, or a newer one",
            ));
        }
        serde_json::from_value(value).map_err(|error| unreadable(&error))
    }

    /// The attributes of the key: name, and type `S`, `N` or `B`; the partition's first.
    pub fn keys(&self) -> Result<Vec<(String, String)>> {
        keys_of(&self.create).ok_or_else(|| {
            Error::new(
                ErrorClass::Verification,
                format!("the definition of {} has no key that is understood", self.table_arn),
                "Use another backup, and find out what changed this file",
            )
        })
    }

    /// Whether it has local indexes.
    #[must_use]
    pub fn has_local_indexes(&self) -> bool {
        self.create.contains_key("LocalSecondaryIndexes")
    }

    /// Whether it is paid for by request.
    #[must_use]
    pub fn is_on_demand(&self) -> bool {
        self.create.get("BillingMode").is_some_and(|mode| mode == "PAY_PER_REQUEST")
    }

    /// The key of KMS that encrypts it, where one is named.
    #[must_use]
    pub fn kms_key(&self) -> Option<&str> {
        self.create.get("SSESpecification")?.get("KMSMasterKeyId")?.as_str()
    }
}

fn keys_of(create: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let attributes = create.get("AttributeDefinitions")?.as_array()?;
    let schema = create.get("KeySchema")?.as_array()?;
    let mut keys = Vec::new();
    for kind in ["HASH", "RANGE"] {
        let Some(part) = schema.iter().find(|part| part["KeyType"] == kind) else { continue };
        let name = part["AttributeName"].as_str()?;
        let attribute = attributes.iter().find(|one| one["AttributeName"] == name)?;
        let kind = attribute["AttributeType"].as_str()?;
        matches!(kind, "S" | "N" | "B").then_some(())?;
        keys.push((name.to_owned(), kind.to_owned()));
    }
    (!keys.is_empty() && keys.len() == schema.len()).then_some(keys)
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::new(
        ErrorClass::Verification,
        format!("the table's definition is not understood: {error}"),
        "Use another backup, and find out what changed this file",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOLDEN: &str = include_str!("../../../../contract/table-definition.json");

    #[test]
    fn the_golden_definition_is_read_and_written_unchanged() {
        let definition = Definition::parse(GOLDEN).unwrap();
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(serde_json::to_value(&definition).unwrap(), golden);
        let keys = [("customer".to_owned(), "S".to_owned()), ("placed".to_owned(), "N".to_owned())];
        assert_eq!(definition.keys().unwrap(), keys);
        assert!(definition.has_local_indexes() && !definition.is_on_demand());
        assert!(definition.kms_key().unwrap().starts_with("arn:aws:kms:"));
    }

    #[test]
    fn another_version_and_another_form_are_refused() {
        let mut golden: Value = serde_json::from_str(GOLDEN).unwrap();
        golden["version"] = json!(2);
        let error = Definition::from_value(golden.clone()).unwrap_err();
        assert!(error.what().contains("has version 2, not 1"), "{error}");
        golden["version"] = json!(1);
        golden["create"] = json!([]);
        let error = Definition::from_value(golden).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(Definition::parse("{").unwrap_err().what().contains("is not understood"));
    }

    #[test]
    fn keys_without_a_type_are_an_error() {
        let golden = Definition::parse(GOLDEN).unwrap();
        for (part, value) in [
            ("AttributeDefinitions", json!([])),
            ("KeySchema", json!([])),
            ("KeySchema", json!([{"AttributeName": "customer", "KeyType": "RANGE"}, {}])),
            ("AttributeDefinitions", json!([{"AttributeName": "customer", "AttributeType": "M"}])),
        ] {
            let mut definition = golden.clone();
            definition.create.insert(part.to_owned(), value);
            assert!(definition.keys().is_err(), "{part}");
        }
    }
}
