//! Secrets, in Secrets Manager: their tags for the scanner and the check, their values for
//! the dumper.

use std::collections::BTreeMap;

use autodump_core::error::{Error, ErrorClass, Result};
use autodump_core::ports::{Page, Resource, SecretReader, TargetSource};
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::{
    DescribeSecretError, DescribeSecretOutput,
};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError as ValueRefusal;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};

use crate::config::short_requests;
use crate::failure::{discreet_failure, failure};

/// The largest page that `ListSecrets` gives.
const PAGE: i32 = 100;

const TAGS_REFUSED: &str =
    "Let the function's role do secretsmanager:ListSecrets and DescribeSecret";

const VALUE_REFUSED: &str = "The dumper may read only secrets that bear the schedule tag: check \
     the tag, the secret's resource policy, and that the policy of its KMS key lets the dumper's \
     role decrypt through Secrets Manager";

/// Secrets Manager of one account and region.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// A client of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_secretsmanager::config::Builder::from(config)
            .timeout_config(short_requests())
            .build();
        Self { client: Client::from_conf(config) }
    }
}

impl TargetSource for Secrets {
    /// Secrets Manager compares tag keys by prefix, leaves out secrets that are scheduled for
    /// deletion, and may show tags as they were up to five minutes ago. A run that is planned
    /// with old tags ends by the check of their hash.
    async fn page(&self, tag_key: &str, token: Option<String>) -> Result<Page> {
        let filter = Filter::builder().key(FilterNameStringType::TagKey).values(tag_key).build();
        let request = self.client.list_secrets().filters(filter).max_results(PAGE);
        let answer = request.set_next_token(token).send().await.map_err(|error| {
            let what = format!("cannot list the secrets with tag {tag_key}");
            failure(&what, error, TAGS_REFUSED, "Check the tag prefix")
        })?;
        Ok(Page {
            resources: answer
                .secret_list
                .unwrap_or_default()
                .into_iter()
                .filter_map(listed)
                .collect(),
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn find(&self, id: &str) -> Result<Option<Resource>> {
        match self.client.describe_secret().secret_id(id).send().await {
            Ok(answer) => Ok(described(answer)),
            Err(error) if is_missing(error.as_service_error()) => Ok(None),
            Err(error) => Err(failure(
                &format!("cannot read the tags of secret {id}"),
                error,
                TAGS_REFUSED,
                "Give the ARN or the name of a secret of this account and region",
            )),
        }
    }
}

fn listed(entry: SecretListEntry) -> Option<Resource> {
    if entry.deleted_date.is_some() {
        return None;
    }
    Some(resource(entry.arn?, entry.name, entry.tags))
}

fn described(answer: DescribeSecretOutput) -> Option<Resource> {
    if answer.deleted_date.is_some() {
        return None;
    }
    Some(resource(answer.arn?, answer.name, answer.tags))
}

fn resource(arn: String, name: Option<String>, tags: Option<Vec<Tag>>) -> Resource {
    let tags: BTreeMap<_, _> = tags
        .unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect();
    Resource { arn, name: name.unwrap_or_default(), tags }
}

fn is_missing(refusal: Option<&DescribeSecretError>) -> bool {
    matches!(refusal, Some(DescribeSecretError::ResourceNotFoundException(_)))
}

impl SecretReader for Secrets {
    async fn value(&self, id: &str) -> Result<String> {
        let what = format!("cannot read the value of secret {id}");
        let answer = match self.client.get_secret_value().secret_id(id).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let undecipherable =
                    matches!(error.as_service_error(), Some(ValueRefusal::DecryptionFailure(_)));
                let error = discreet_failure(
                    &what,
                    &error,
                    VALUE_REFUSED,
                    "Check that the secret exists, is not scheduled for deletion, and has a value",
                );
                return Err(if undecipherable { decryption(&error) } else { error });
            }
        };
        answer.secret_string.ok_or_else(|| {
            Error::new(
                ErrorClass::Configuration,
                format!("{what}: it is binary"),
                "Store the connection as JSON text",
            )
        })
    }
}

/// Secrets Manager reports a key it may not use as a fault of the key, not of the caller.
fn decryption(error: &Error) -> Error {
    Error::new(ErrorClass::Credentials, error.what(), VALUE_REFUSED)
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
