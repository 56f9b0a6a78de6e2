//! Other accounts and regions of the local cloud.

use anyhow::{Context, Result};
use hyper::Method;

use super::{Api, encode};

impl Api {
    /// The same client in another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// A client with the credentials of a role, which need not exist: what it calls, it calls in the
    /// role's account.
    pub async fn assume(&self, role_arn: &str) -> Result<Self> {
        let body = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn={}&RoleSessionName=local",
            encode(role_arn)
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.send("sts", Method::POST, "/", &headers, body).await?;
        let body = answer.body_of("sts AssumeRole")?;
        let text = std::str::from_utf8(&body)?;
        let document = roxmltree::Document::parse(text)?;
        let key = document.descendants().find(|node| node.tag_name().name() == "AccessKeyId");
        let key = key.and_then(|node| node.text()).context("sts AssumeRole gave no key")?;
        Ok(Self { access_key: key.to_owned(), ..self.clone() })
    }
}
