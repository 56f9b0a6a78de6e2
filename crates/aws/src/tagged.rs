//! Tables and databases as targets: they are listed together, by their tags.

use autodump_core::ports::{Page, Resource, TargetSource};
use autodump_core::tags::Kind;
use autodump_core::{Error, ErrorClass, Result, layout};
use aws_config::SdkConfig;
use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::config::Builder;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};

use crate::config::short_requests;
use crate::dynamodb::Tables;
use crate::failure::failure;
use crate::rds::Databases;

/// The largest page that `GetResources` gives.
const PAGE: i32 = 100;

/// As Resource Groups calls what is listed.
const TYPES: [&str; 3] = ["dynamodb:table", "rds:db", "rds:cluster"];

const REFUSED: &str = "Let the role do tag:GetResources; a source's role has to let AutoDump's \
     assume it, with the same external id";

/// The tables and databases of one account and region.
#[derive(Debug, Clone)]
pub struct Tagged {
    client: Client,
    tables: Tables,
    databases: Databases,
}

impl Tagged {
    /// Clients of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let own = Builder::from(config).timeout_config(short_requests()).build();
        Self {
            client: Client::from_conf(own),
            tables: Tables::new(config),
            databases: Databases::new(config),
        }
    }
}

impl TargetSource for Tagged {
    /// Resource Groups compares whole tag keys, and may show tags as they were a while ago. A
    /// run that is planned with old tags ends by the check of their hash.
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        let filter = TagFilter::builder().key(tag_key).build();
        let request = self.client.get_resources().tag_filters(filter).resources_per_page(PAGE);
        let request = request.set_resource_type_filters(Some(TYPES.map(str::to_owned).to_vec()));
        let answer = request.set_pagination_token(token).send().await.map_err(|error| {
            let what = format!("cannot list the tables and databases with tag {tag_key}");
            failure(&what, error, REFUSED, "Check the tag prefix")
        })?;
        let found = answer.resource_tag_mapping_list.unwrap_or_default();
        Ok(Page {
            resources: found.into_iter().filter_map(listed).collect(),
            next: answer.pagination_token.filter(|token| !token.is_empty()),
        })
    }

    /// Takes ARNs of tables, instances and clusters alone.
    async fn find(&self, id: &str) -> Result<Option<Resource>> {
        match Kind::of(id) {
            Some(Kind::Table) => self.tables.find(id).await,
            Some(Kind::Database) => self.databases.find(id).await,
            Some(Kind::Secret) | None => Err(Error::new(
                ErrorClass::Configuration,
                format!("{id:?} is no ARN of a table or of a database of RDS"),
                "Give the whole ARN",
            )),
        }
    }
}

fn listed(found: ResourceTagMapping) -> Option<Resource> {
    let arn = found.resource_arn?;
    if !matches!(Kind::of(&arn)?, Kind::Table | Kind::Database) {
        return None;
    }
    let name = layout::resource_name(&arn).to_owned();
    let tags = found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    Some(Resource { arn, name, tags })
}

#[cfg(test)]
#[path = "tagged_tests.rs"]
mod tests;
