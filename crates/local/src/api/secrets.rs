//! Secrets and their tags.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Api, text_at};

impl Api {
    /// Creates a secret with a value and tags; returns its ARN.
    pub async fn create_secret(
        &self,
        name: &str,
        value: &str,
        tags: &[(&str, &str)],
    ) -> Result<String> {
        let input = json!({
            "Name": name,
            "SecretString": value,
            "Tags": tag_list(tags),
            "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
        });
        let output = self.call("secretsmanager.CreateSecret", &input).await?;
        Ok(text_at(&output, "ARN")?.to_owned())
    }

    /// Gives a secret another value, as a rotation does.
    pub async fn put_secret_value(&self, secret: &str, value: &str) -> Result<()> {
        let input = json!({
            "SecretId": secret,
            "SecretString": value,
            "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
        });
        self.call("secretsmanager.PutSecretValue", &input).await.map(drop)
    }

    /// Adds tags to a secret, or replaces their values.
    pub async fn tag_secret(&self, secret: &str, tags: &[(&str, &str)]) -> Result<()> {
        let input = json!({"SecretId": secret, "Tags": tag_list(tags)});
        self.call("secretsmanager.TagResource", &input).await.map(drop)
    }

    /// Removes tags from a secret.
    pub async fn untag_secret(&self, secret: &str, keys: &[&str]) -> Result<()> {
        let input = json!({"SecretId": secret, "TagKeys": keys});
        self.call("secretsmanager.UntagResource", &input).await.map(drop)
    }

    /// Deletes a secret; `at_once` leaves no time to restore it.
    pub async fn delete_secret(&self, secret: &str, at_once: bool) -> Result<()> {
        let input = if at_once {
            json!({"SecretId": secret, "ForceDeleteWithoutRecovery": true})
        } else {
            json!({"SecretId": secret, "RecoveryWindowInDays": 7})
        };
        self.call("secretsmanager.DeleteSecret", &input).await.map(drop)
    }

    /// Takes a deletion back.
    pub async fn restore_secret(&self, secret: &str) -> Result<()> {
        let input = json!({"SecretId": secret});
        self.call("secretsmanager.RestoreSecret", &input).await.map(drop)
    }

    /// What is known of a secret besides its value.
    pub async fn describe_secret(&self, secret: &str) -> Result<Value> {
        self.call("secretsmanager.DescribeSecret", &json!({"SecretId": secret})).await
    }
}

fn tag_list(tags: &[(&str, &str)]) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}
