//! Databases of RDS and their tags.

use std::collections::BTreeMap;

use anyhow::Result;
use hyper::Method;
use roxmltree::Document;

use super::s3::{child, elements};
use super::{Api, encode};

impl Api {
    /// Calls an operation of RDS; returns its answer, XML as it is.
    pub async fn rds(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut form = vec![format!("Action={action}"), "Version=2014-10-31".to_owned()];
        form.extend(parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.send("rds", Method::POST, "/", &headers, form.join("&")).await?;
        Ok(String::from_utf8(answer.body_of(&format!("RDS {action}"))?.into())?)
    }

    /// Adds tags to a database or snapshot, or replaces their values.
    pub async fn tag_database(&self, arn: &str, tags: &[(&str, &str)]) -> Result<()> {
        let names = tag_names(tags);
        let mut parameters = vec![("ResourceName", arn)];
        parameters.extend(names.iter().map(|(name, value)| (name.as_str(), *value)));
        self.rds("AddTagsToResource", &parameters).await.map(drop)
    }

    /// The tags of a database or snapshot.
    pub async fn database_tags(&self, arn: &str) -> Result<BTreeMap<String, String>> {
        let text = self.rds("ListTagsForResource", &[("ResourceName", arn)]).await?;
        let document = Document::parse(&text)?;
        elements(&document, "Tag")
            .map(|tag| Ok((child(tag, "Key")?, child(tag, "Value")?)))
            .collect()
    }

    /// Makes an instance with tags.
    pub async fn create_instance(&self, name: &str, tags: &[(&str, &str)]) -> Result<()> {
        self.create_database("DBInstance", name, "postgres", tags).await
    }

    /// Makes a cluster of Aurora with tags.
    pub async fn create_cluster(&self, name: &str, tags: &[(&str, &str)]) -> Result<()> {
        self.create_database("DBCluster", name, "aurora-postgresql", tags).await
    }

    async fn create_database(
        &self,
        kind: &str,
        name: &str,
        engine: &str,
        tags: &[(&str, &str)],
    ) -> Result<()> {
        let (names, identifier) = (tag_names(tags), format!("{kind}Identifier"));
        let mut parameters = vec![(identifier.as_str(), name), ("Engine", engine)];
        parameters.extend(names.iter().map(|(name, value)| (name.as_str(), *value)));
        self.rds(&format!("Create{kind}"), &parameters).await.map(drop)
    }
}

/// Tags as parameters.
fn tag_names<'a>(tags: &[(&'a str, &'a str)]) -> Vec<(String, &'a str)> {
    let name = |number: usize, part: &str| format!("Tags.Tag.{number}.{part}");
    (1..)
        .zip(tags)
        .flat_map(|(number, (key, value))| {
            [(name(number, "Key"), *key), (name(number, "Value"), *value)]
        })
        .collect()
}
