//! A backup, restored into what it was made of: a database or a table.

use std::pin::Pin;

use autodump_aws::config;
use autodump_aws::s3::S3Store;
use autodump_core::Result;
use autodump_dump::object::{AnyManifest, read_any_manifest};

use crate::environment::Variables;
use crate::environment::restore::Environment;
use crate::stop::or_stopped;
use crate::{restore_database, restore_table};

pub(crate) async fn run(
    variables: &Variables<'_>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let environment = Environment::read(variables)?;
    let config = config::load().await?;
    let store = S3Store::new(&config, environment.store_options.clone());
    let manifest = read_any_manifest(&store, &environment.manifest);
    match or_stopped(stop.as_mut(), manifest).await? {
        AnyManifest::Database(_) => {
            Box::pin(restore_database::run(environment, config, store, stop)).await
        }
        AnyManifest::Table(manifest) => {
            Box::pin(restore_table::run(&environment, &config, store, &manifest, stop)).await
        }
    }
}
