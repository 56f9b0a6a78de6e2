//! A table of Parquet, made into CSV.

use std::pin::Pin;
use std::time::SystemTime;

use autodump_aws::s3::S3Store;
use autodump_aws::{config, emf};
use autodump_core::Result;
use autodump_parquet::converter::Converter;
use autodump_parquet::request::{Done, Summary};

use crate::environment::Variables;
use crate::environment::csv::Environment;
use crate::stop::or_stopped;

/// A table that is growing, or converted already, is a success: the event that comes when it is
/// there whole, or somebody who was quicker, converts it.
pub(crate) async fn run(
    variables: &Variables<'_>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<()> {
    let Environment { settings, table, store_options } = Environment::read(variables)?;
    let config = or_stopped(stop.as_mut(), config::load()).await?;
    let store = S3Store::new(&config, store_options);
    let converter = Converter { store: &store, settings: &settings };
    let directory = &table.directory;
    match Box::pin(converter.convert(&table, stop)).await? {
        Done::Converted(summary) => {
            log(&summary, "conversion complete");
            let now = SystemTime::now().into();
            emf::print(emf::converted(&settings.name, summary.rejects, now));
        }
        Done::There(summary) => log(&summary, "converted already: nothing was done"),
        Done::Growing { reason } => {
            tracing::info!(directory, reason, "still growing: nothing was done");
        }
    }
    Ok(())
}

fn log(summary: &Summary, what: &str) {
    let Summary { manifest, rows_in, rows_out, rejects } = summary;
    tracing::info!(manifest, rows_in, rows_out, rejects, "{what}");
}
