//! Access to a database by its secret, and by tokens of RDS.

use std::time::{Duration, SystemTime};

use autodump_core::ports::{DatabaseAccess, SecretReader};
use autodump_core::secret::{Authentication, Hidden, SecretValue};
use autodump_core::{Error, ErrorClass, Result};
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::in_words;
use crate::secrets::Secrets;

/// How long RDS takes a token. A connection that is open by then stays open.
const EXPIRY: Duration = Duration::from_mins(15);
/// What RFC 3986 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SCHEME: &str = "https://";

/// Reads the secret each time it is asked, so that a password that was rotated is the new
/// one; and makes a new token each time where the secret asks for IAM authentication.
#[derive(Debug, Clone)]
pub struct Access<S = Secrets> {
    secrets: S,
    id: String,
    config: SdkConfig,
}

impl<S: SecretReader> Access<S> {
    /// Access by the secret with this ARN or name, with the credentials of `config`.
    #[must_use]
    pub fn new(secrets: S, id: impl Into<String>, config: SdkConfig) -> Self {
        Self { secrets, id: id.into(), config }
    }

    async fn token(&self, secret: &SecretValue) -> Result<Hidden> {
        let host = &secret.host;
        let region = region_of(host).map(|name| Region::new(name.to_owned()));
        let region = region.or_else(|| self.config.region().cloned()).ok_or_else(|| {
            Error::new(
                ErrorClass::Configuration,
                format!("the region of {host} is not known, so no IAM token can be made for it"),
                "Set AWS_REGION, or use the host name that RDS gave the database",
            )
        })?;
        let credentials = self.credentials(host).await?;
        token(&Login::of(secret), region.as_ref(), credentials, SystemTime::now())
    }

    async fn credentials(&self, host: &str) -> Result<Credentials> {
        let failed = |error: &CredentialsError| {
            let none = matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            );
            let class = if none { ErrorClass::Credentials } else { ErrorClass::Source };
            let what = format!("there are no AWS credentials for an IAM token for {host}");
            Error::new(class, format!("{what}: {}", in_words(error)), "The job needs a role")
        };
        match self.config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map_err(|error| failed(&error)),
            None => Err(failed(&CredentialsError::not_loaded("there is no source of them"))),
        }
    }
}

impl<S: SecretReader + Send> DatabaseAccess for Access<S> {
    async fn secret(&self) -> Result<SecretValue> {
        let secret = SecretValue::parse(&self.secrets.value(&self.id).await?)?;
        match secret.authentication {
            Authentication::Password => Ok(secret),
            Authentication::Iam => {
                let token = self.token(&secret).await?;
                Ok(secret.with_password(token))
            }
        }
    }
}

/// Who logs in where.
#[derive(Debug, Clone, Copy)]
struct Login<'a> {
    host: &'a str,
    port: u16,
    username: &'a str,
}

impl<'a> Login<'a> {
    fn of(secret: &'a SecretValue) -> Self {
        Self { host: &secret.host, port: secret.port, username: &secret.username }
    }
}

/// The region in the name that RDS gives a database: the label before `rds.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    let name = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".rds.amazonaws.com")?;
    name.rsplit_once('.').map(|(_, region)| region)
}

/// The token that RDS takes for the password of a role: a presigned request to connect,
/// without its scheme ("Connecting to your DB instance using IAM authentication", Amazon RDS
/// User Guide). It is signed for the host name given: RDS takes none for another name of the
/// same database.
fn token(
    login: &Login<'_>,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<Hidden> {
    let Login { host, port, username } = login;
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let url = format!("{SCHEME}{host}:{port}/?Action=connect&DBUser={}", encoded(username));
    let failed = |why: &dyn std::error::Error| {
        let what = format!("no IAM token could be made for {host}: {why}");
        Error::new(ErrorClass::Configuration, what, "Look at host and username in the secret")
    };
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRY);
    let identity = credentials.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))
        .map_err(|error| failed(&error))?;
    let (signed, _) = sign(request, &signing).map_err(|error| failed(&error))?.into_parts();
    let params = signed.params().iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
    // Their order means nothing; AWS's own tools write the signature last.
    let (signature, others): (String, String) =
        params.partition(|param| param.starts_with("&X-Amz-Signature="));
    Ok(Hidden::from(format!("{}{others}{signature}", &url[SCHEME.len()..])))
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
