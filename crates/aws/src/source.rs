//! How the region and account of a source are reached, and all places of targets together.

use autodump_core::source::{Source, place_of};
use autodump_core::targets::Targets;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_sfn::config::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};

use crate::config::short_requests;
use crate::dynamodb::Tables;
use crate::secrets::Secrets;

/// The session's name, as the source's CloudTrail shows it.
const SESSION: &str = "AutoDump";

/// The secrets and tables of this account and region, and the tables of these sources. To be made
/// once per process: the clients keep connections and credentials.
pub async fn targets(own: &SdkConfig, sources: Vec<Source>) -> Targets<Secrets, Tables> {
    let mut further = Vec::with_capacity(sources.len());
    for source in sources {
        let tables = Tables::new(&config_of(own, &source).await);
        further.push((source, tables));
    }
    let region = own.region().map(ToString::to_string).unwrap_or_default();
    Targets::new(region, Secrets::new(own), Tables::new(own), further)
}

/// The configuration for the clients of the place where a table is: the own one, or a source's. A
/// table of nowhere is an error of class [`ErrorClass::Configuration`].
pub async fn config_for(own: &SdkConfig, sources: &[Source], arn: &str) -> Result<SdkConfig> {
    let region = own.region().map(ToString::to_string).unwrap_or_default();
    match place_of(&sources.iter(), &region, arn) {
        Some(None) => Ok(own.clone()),
        Some(Some(place)) => Ok(config_of(own, &sources[place]).await),
        None => Err(Error::new(
            ErrorClass::Configuration,
            format!("{arn} is neither in {region} nor in a source"),
            "Add its region, and its account's role, to the construct's sources",
        )),
    }
}

/// The configuration for all clients of a source: its region, and its role if it has one. The
/// role is assumed when the first of them needs it, and again before its credentials expire.
pub async fn config_of(own: &SdkConfig, source: &Source) -> SdkConfig {
    let config = own.clone().into_builder().region(Region::new(source.region.clone()));
    let Some(role_arn) = &source.role_arn else { return config.build() };
    // Asked for in the own region: what is refused there is not the source's fault.
    let mut role = AssumeRoleProvider::builder(role_arn).session_name(SESSION);
    if let Some(external_id) = &source.external_id {
        role = role.external_id(external_id);
    }
    let role = role.configure(&for_sts(own)).build().await;
    config
        .credentials_provider(SharedCredentialsProvider::new(role))
        // One for all clients: else each of them would assume the role.
        .identity_cache(IdentityCache::lazy().build())
        .build()
}

fn for_sts(own: &SdkConfig) -> SdkConfig {
    let time = own.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
    own.clone().into_builder().timeout_config(short_requests()).time_source(time).build()
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
