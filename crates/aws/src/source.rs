//! How the region and account of a source are reached, and all places of targets together.

use autodump_core::source::{Source, place_of};
use autodump_core::targets::Targets;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::identity::IdentityCache;
use aws_config::{Region, SdkConfig};
use aws_sdk_sfn::config::SharedCredentialsProvider;

use crate::role::Role;
use crate::secrets::Secrets;
use crate::tagged::Tagged;

/// The secrets, tables and databases of this account and region, and the tables and databases of
/// these sources. To be made once per process: the clients keep connections and credentials.
pub fn targets(own: &SdkConfig, sources: Vec<Source>) -> Targets<Secrets, Tagged> {
    let mut further = Vec::with_capacity(sources.len());
    for source in sources {
        let tagged = Tagged::new(&config_of(own, &source));
        further.push((source, tagged));
    }
    let region = own.region().map(ToString::to_string).unwrap_or_default();
    Targets::new(region, Secrets::new(own), Tagged::new(own), further)
}

/// The configuration for the clients of the place where a target is: the own one, or a source's.
/// One of nowhere is an error of class [`ErrorClass::Configuration`].
pub fn config_for(own: &SdkConfig, sources: &[Source], arn: &str) -> Result<SdkConfig> {
    let region = own.region().map(ToString::to_string).unwrap_or_default();
    match place_of(&sources.iter(), &region, arn) {
        Some(None) => Ok(own.clone()),
        Some(Some(place)) => Ok(config_of(own, &sources[place])),
        None => Err(Error::new(
            ErrorClass::Configuration,
            format!("{arn} is neither in {region} nor in a source"),
            "Add its region, and its account's role, to the construct's sources",
        )),
    }
}

/// The configuration for all clients of a source: its region, and its role if it has one. The
/// role is assumed when the first of them needs it, and again before its credentials expire.
#[must_use]
pub fn config_of(own: &SdkConfig, source: &Source) -> SdkConfig {
    let config = own.clone().into_builder().region(Region::new(source.region.clone()));
    let Some(role_arn) = &source.role_arn else { return config.build() };
    let role = Role::new(own, role_arn, source.external_id.as_deref());
    config
        .credentials_provider(SharedCredentialsProvider::new(role))
        // One for all clients: else each of them would assume the role.
        .identity_cache(IdentityCache::lazy().build())
        .build()
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
