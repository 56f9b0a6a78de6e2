//! The S3 store against a real server, and on the wire.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod contract;
mod reads;
mod requests;
mod scripted;
mod writes;

use autodump_aws::s3::{Options, S3Store};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("access", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .load()
        .await
}

async fn store(endpoint: &str, options: Options) -> S3Store {
    S3Store::new(&config(endpoint).await, Options { path_style: true, ..options })
}
