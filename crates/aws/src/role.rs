//! The credentials of a source's role.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};

use crate::config::short_requests;

/// The session's name, as the source's CloudTrail shows it.
const SESSION: &str = "AutoDump";

/// Assumes a role each time it is asked for credentials: to be used with a cache.
///
/// That of `aws-config` links the whole chain of sources of credentials into a function, which
/// looks for them in its environment alone: an eighth of its size.
#[derive(Debug)]
pub(crate) struct Role {
    client: Client,
    arn: String,
    external_id: Option<String>,
}

impl Role {
    /// The role, which is assumed with the credentials and in the region of `own`: what is refused
    /// there is not the fault of the region where the role is used.
    pub(crate) fn new(own: &SdkConfig, arn: &str, external_id: Option<&str>) -> Self {
        let config = Builder::from(own).timeout_config(short_requests()).build();
        let external_id = external_id.map(str::to_owned);
        Self { client: Client::from_conf(config), arn: arn.to_owned(), external_id }
    }

    async fn assume(&self) -> provider::Result {
        let request = self.client.assume_role().role_arn(&self.arn).role_session_name(SESSION);
        let answer = request.set_external_id(self.external_id.clone()).send().await;
        let answer = answer.map_err(|error| match error {
            // The SDK's own words hold the whole request, and with it the external id.
            SdkError::ServiceError(refusal) => {
                let refusal = refusal.err();
                let code = refusal.code().unwrap_or("an error");
                let message = refusal.message().unwrap_or("without a word");
                CredentialsError::provider_error(format!(
                    "{} cannot be assumed: {code}: {message}",
                    self.arn
                ))
            }
            other => CredentialsError::provider_error(other),
        })?;
        let given = answer.credentials().ok_or_else(|| {
            CredentialsError::unhandled(format!("{} was assumed without credentials", self.arn))
        })?;
        let expires = (*given.expiration()).try_into().map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            Some(expires),
            "AssumeRole",
        ))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
