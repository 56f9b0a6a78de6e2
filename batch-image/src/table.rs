//! From a planned run of a DynamoDB table to a backup in a bucket, or a part of one.

use std::pin::Pin;
use std::time::SystemTime;

use autodump_aws::dynamodb::Table;
use autodump_aws::s3::S3Store;
use autodump_aws::{config, source};
use autodump_core::table::arn::TableArn;
use autodump_core::table::plan::Plan;
use autodump_core::table::planner::{directory, read_plan};
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::table::backup::{self, Part};
use autodump_dump::table::finish::Finish;

use crate::environment::dump::Environment;
use crate::stop::or_stopped;

pub(crate) async fn run(
    environment: &Environment,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let arn = environment.resource_arn.as_str();
    let name = name(arn)?;
    let config = config::load().await?;
    let store = S3Store::new(&config, environment.store_options.clone());
    let directory = directory(arn, environment.start, &environment.execution_arn);
    let plan = read_plan(&store, &environment.bucket, &directory);
    let plan: Plan = or_stopped(stop.as_mut(), plan).await?;
    let table = Table::new(&source::config_for(&config, &environment.sources, arn)?, name);
    let finish = Finish {
        bucket: &environment.bucket,
        directory: &directory,
        plan: &plan,
        job: environment.job.clone(),
        autodump_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let part = environment.child.map_or(Part::Rest, Part::Range);
    let now = || SystemTime::now().into();
    let done = Box::pin(backup::run(&table, &store, &finish, part, now, stop)).await?;
    if let Some(manifest) = done {
        tracing::info!(
            manifest = format!("s3://{}/{directory}manifest.json", environment.bucket),
            items = manifest.items,
            objects = manifest.objects.len(),
            bytes = manifest.objects.iter().map(|object| object.bytes).sum::<u64>(),
            "backup complete"
        );
    } else {
        tracing::info!(range = environment.child, directory, "range complete");
    }
    Ok(())
}

fn name(arn: &str) -> Result<String> {
    arn.parse().map(|arn: TableArn| arn.name).map_err(|reason| {
        Error::new(
            ErrorClass::Configuration,
            format!("AUTODUMP_RESOURCE_ARN is {arn:?}, which {reason}"),
            "The state machine sets it: start an execution of it",
        )
    })
}
