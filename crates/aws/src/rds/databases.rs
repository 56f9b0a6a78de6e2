//! Instances and clusters: as targets with their tags, and as they are.

use std::collections::BTreeMap;

use autodump_core::ports::Resource;
use autodump_core::snapshot::arn::{DatabaseArn, Form};
use autodump_core::snapshot::ports::Database;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_rds::Client;

use super::{REJECTED, client, is_missing, tags};
use crate::failure::failure;

const REFUSED: &str = "Let the role do rds:DescribeDBInstances and rds:DescribeDBClusters; a \
     source's role has to let AutoDump's assume it, with the same external id";

/// The instances and clusters of one account and region.
#[derive(Debug, Clone)]
pub struct Databases {
    client: Client,
}

/// One, with its tags.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) database: Database,
    tags: BTreeMap<String, String>,
}

impl Databases {
    /// A client of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: client(config) }
    }

    /// The instance or cluster with this ARN, if it is there to stay: one that is being deleted is
    /// not.
    pub async fn find(&self, arn: &str) -> Result<Option<Resource>> {
        let target: DatabaseArn = arn.parse().map_err(|reason| {
            let what = format!("{arn:?} {reason}");
            Error::new(ErrorClass::Configuration, what, "Give the whole ARN")
        })?;
        let found = described(&self.client, &target).await?;
        let found = found.filter(|found| found.database.status != "deleting");
        Ok(found.map(|found| Resource { arn: arn.to_owned(), name: target.name, tags: found.tags }))
    }
}

/// The instance or cluster with this very ARN: one of that name may be here, and the one that is
/// asked for in another account.
pub(super) async fn described(client: &Client, arn: &DatabaseArn) -> Result<Option<Described>> {
    match arn.form {
        Form::Instance => instance(client, arn).await,
        Form::Cluster => cluster(client, arn).await,
    }
}

async fn instance(client: &Client, arn: &DatabaseArn) -> Result<Option<Described>> {
    let text = arn.to_string();
    match client.describe_db_instances().db_instance_identifier(&arn.name).send().await {
        Ok(answer) => {
            let mut all = answer.db_instances.unwrap_or_default().into_iter();
            Ok(all.find(|one| one.db_instance_arn() == Some(&text)).map(|found| Described {
                database: Database {
                    status: found.db_instance_status.unwrap_or_default(),
                    engine: found.engine.unwrap_or_default(),
                    engine_version: found.engine_version.unwrap_or_default(),
                    cluster: found.db_cluster_identifier.filter(|cluster| !cluster.is_empty()),
                },
                tags: tags(found.tag_list),
            }))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failure(&unseen(arn), error, REFUSED, REJECTED)),
    }
}

async fn cluster(client: &Client, arn: &DatabaseArn) -> Result<Option<Described>> {
    let text = arn.to_string();
    match client.describe_db_clusters().db_cluster_identifier(&arn.name).send().await {
        Ok(answer) => {
            let mut all = answer.db_clusters.unwrap_or_default().into_iter();
            Ok(all.find(|one| one.db_cluster_arn() == Some(&text)).map(|found| Described {
                database: Database {
                    status: found.status.unwrap_or_default(),
                    engine: found.engine.unwrap_or_default(),
                    engine_version: found.engine_version.unwrap_or_default(),
                    cluster: None,
                },
                tags: tags(found.tag_list),
            }))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failure(&unseen(arn), error, REFUSED, REJECTED)),
    }
}

fn unseen(arn: &DatabaseArn) -> String {
    format!("cannot look at the {} {arn}", arn.form.noun())
}
