//! Tables as targets: their tags, and whether they are there.

use std::collections::BTreeMap;

use autodump_core::ports::Resource;
use autodump_core::table::arn::TableArn;
use autodump_core::table::ports::Called;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use serde_json::{Value, json};

use super::control::called;
use super::{call, for_control};

/// The tables of one account and region.
#[derive(Debug, Clone)]
pub struct Tables {
    client: Client,
}

impl Tables {
    /// A client of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: for_control(config) }
    }

    /// The table with this ARN, if it is there to stay.
    pub async fn find(&self, id: &str) -> Result<Option<Resource>> {
        let arn: TableArn = id.parse().map_err(|reason| {
            let what = format!("{id:?} {reason}");
            Error::new(ErrorClass::Configuration, what, "Give the table's whole ARN")
        })?;
        if !self.is_there(id, &arn.name).await? {
            return Ok(None);
        }
        let tags = self.tags(id).await?;
        Ok(tags.map(|tags| Resource { arn: id.to_owned(), name: arn.name, tags }))
    }

    /// The answer of an operation; `None` when the table is not there.
    async fn ask(&self, operation: &str, input: Value) -> Result<Option<Value>> {
        let sent = call(&self.client, operation, input.to_string().into()).await;
        match called("dynamodb", operation, &input, sent)? {
            Called::Answered(answer) => Ok(Some(answer)),
            Called::Refused { code, .. } if code == "ResourceNotFoundException" => Ok(None),
            Called::Refused { code, message } => Err(Error::new(
                ErrorClass::Configuration,
                format!(
                    "dynamodb:{operation} with {input}: {code}: {}",
                    message.trim_end_matches('.')
                ),
                "Give the ARN of a table of this account and region",
            )),
        }
    }

    /// Whether the table is there to stay. One that is being deleted is not.
    async fn is_there(&self, arn: &str, name: &str) -> Result<bool> {
        let Some(answer) = self.ask("DescribeTable", json!({"TableName": name})).await? else {
            return Ok(false);
        };
        let table = &answer["Table"];
        // A table of that name may be here, and the one that is asked for in another account.
        Ok(table["TableArn"] == arn && table["TableStatus"] != "DELETING")
    }

    async fn tags(&self, arn: &str) -> Result<Option<BTreeMap<String, String>>> {
        let mut tags = BTreeMap::new();
        let mut input = json!({"ResourceArn": arn});
        while let Some(answer) = self.ask("ListTagsOfResource", input).await? {
            tags.extend(answer["Tags"].as_array().into_iter().flatten().filter_map(|tag| {
                let text = |key: &str| tag[key].as_str().map(str::to_owned);
                Some((text("Key")?, text("Value").unwrap_or_default()))
            }));
            let next = answer["NextToken"].as_str().filter(|token| !token.is_empty());
            let Some(next) = next else { return Ok(Some(tags)) };
            input = json!({"ResourceArn": arn, "NextToken": next});
        }
        Ok(None)
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
