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
        let access_key = text_in(&answer.body_of("sts AssumeRole")?, "AccessKeyId")?;
        Ok(Self { access_key, ..self.clone() })
    }

    /// The account that an access key is of.
    pub(crate) async fn account_of(&self, access_key: &str) -> Result<String> {
        let caller = Self { access_key: access_key.to_owned(), ..self.clone() };
        let body = "Action=GetCallerIdentity&Version=2011-06-15";
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = caller.send("sts", Method::POST, "/", &headers, body).await?;
        text_in(&answer.body_of("sts GetCallerIdentity")?, "Account")
    }
}

/// The text of the first element of this name.
fn text_in(body: &[u8], name: &str) -> Result<String> {
    let document = roxmltree::Document::parse(std::str::from_utf8(body)?)?;
    let found = document.descendants().find(|node| node.tag_name().name() == name);
    found.and_then(|node| node.text()).map(str::to_owned).with_context(|| format!("no {name}"))
}
