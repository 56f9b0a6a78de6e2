//! Tables as targets: their tags, and whether they are there.

use std::collections::BTreeMap;

use autodump_core::ports::{Page, Resource, TargetSource};
use autodump_core::table::arn::TableArn;
use autodump_core::table::ports::Called;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_resourcegroupstagging as tagging;
use serde_json::{Value, json};

use super::control::called;
use super::{call, for_control};
use crate::config::short_requests;
use crate::failure::failure;

/// The largest page that `GetResources` gives.
const PAGE: i32 = 100;

const REFUSED: &str = "Let the role do tag:GetResources, and dynamodb:DescribeTable and \
     ListTagsOfResource on the tables; a source's role has to let AutoDump's assume it, with the \
     same external id";

/// The tables of one account and region.
#[derive(Debug, Clone)]
pub struct Tables {
    client: Client,
    tagging: tagging::Client,
}

impl Tables {
    /// Clients of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let tagging = tagging::config::Builder::from(config);
        let tagging = tagging.timeout_config(short_requests()).build();
        Self { client: for_control(config), tagging: tagging::Client::from_conf(tagging) }
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

impl TargetSource for Tables {
    /// Resource Groups compares whole tag keys, and may show tags as they were a while ago. A
    /// run that is planned with old tags ends by the check of their hash.
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        let filter = tagging::types::TagFilter::builder().key(tag_key).build();
        let request = self.tagging.get_resources().resource_type_filters("dynamodb:table");
        let request = request.tag_filters(filter).resources_per_page(PAGE);
        let answer = request.set_pagination_token(token).send().await.map_err(|error| {
            let what = format!("cannot list the tables with tag {tag_key}");
            failure(&what, error, REFUSED, "Check the tag prefix")
        })?;
        let found = answer.resource_tag_mapping_list.unwrap_or_default();
        Ok(Page {
            resources: found.into_iter().filter_map(listed).collect(),
            next: answer.pagination_token.filter(|token| !token.is_empty()),
        })
    }

    /// Takes ARNs of tables alone.
    async fn find(&self, id: &str) -> Result<Option<Resource>> {
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
}

fn listed(found: tagging::types::ResourceTagMapping) -> Option<Resource> {
    let arn = found.resource_arn?;
    let TableArn { name, .. } = arn.parse().ok()?;
    let tags = found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    Some(Resource { arn, name, tags })
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
