//! How AWS is reached: one configuration for all clients of a process.

use std::env;
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};
pub use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_sfn::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::{Builder, tls};

/// How often a request is sent in all. The adaptive mode slows the whole client down when the
/// service throttles, so that ten thousand starts at a quota of some hundred a second get
/// through without one of them running out of attempts.
const ATTEMPTS: u32 = 10;

/// The configuration of a Batch job: region, endpoint and credentials are looked for in all
/// the places that the SDK knows, the container's among them. TLS is ring's, with the
/// certificates of the system.
///
/// No request is limited in time here, since some of them carry a large part; the clients
/// whose requests are short set their own limits.
///
/// Fails if no region is set.
pub async fn load() -> Result<SdkConfig> {
    checked(loader().load().await)
}

/// As [`load`], but where no region is set it is this one.
pub async fn load_or(region: &str) -> Result<SdkConfig> {
    let config = loader().load().await;
    if config.region().is_some() {
        return Ok(config);
    }
    // Loaded anew, as credentials may be asked for in the region.
    checked(loader().region(Region::new(region.to_owned())).load().await)
}

fn checked(config: SdkConfig) -> Result<SdkConfig> {
    if config.region().is_none() {
        return Err(Error::new(
            ErrorClass::Configuration,
            "no AWS region is set",
            "Set AWS_REGION, or a region in the AWS profile",
        ));
    }
    Ok(config)
}

/// What [`load`] loads, for tests to replace the connection of.
pub(crate) fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https())
        .retry_config(retries())
        .timeout_config(timeouts())
}

/// The configuration of a Lambda function: region, credentials and (for tests) endpoint are
/// in its environment and nowhere else. It leaves out the chain of sources that [`load`]
/// tries, and with it an eighth of the function's size.
#[must_use]
pub fn of_function() -> SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(env::var("AWS_REGION").ok().map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(https())
        .retry_config(retries())
        .timeout_config(timeouts());
    config.set_endpoint_url(env::var("AWS_ENDPOINT_URL").ok());
    config.build()
}

fn https() -> SharedHttpClient {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Builder::new().tls_provider(ring).build_https()
}

fn retries() -> RetryConfig {
    RetryConfig::adaptive().with_max_attempts(ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build()
}

/// Timeouts for requests of some kilobytes: 10 seconds an attempt, 2 minutes in all.
pub(crate) fn short_requests() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_mins(2))
        .build()
}
