//! The dumper: the program that a Batch job runs. It dumps one database into one bucket and
//! tells by its exit code how that went (`contract/exit-codes.json`).

use std::pin::pin;
use std::process::ExitCode;
use std::time::SystemTime;

use autodump_aws::config;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::secret::EngineName;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::engine::Postgres;
use autodump_dump::run::{Settings, run};
use tokio::select;

use self::environment::Environment;

mod environment;
mod log;
mod stop;
mod target;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::as_json();
    match Box::pin(dump()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&error);
            ExitCode::from(error.class().exit_code())
        }
    }
}

async fn dump() -> Result<()> {
    let mut stop = pin!(stop::requested()?);
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    let config = config::load().await;
    let secrets = Secrets::new(&config);
    let job = select! {
        biased;
        () = stop.as_mut() => return Err(stopped_early()),
        job = target::job(&secrets, &environment) => job?,
    };
    let store = S3Store::new(&config, environment.store_options());
    let settings = Settings::new(|| SystemTime::now().into());
    match job.secret.engine {
        EngineName::Postgres => {
            let bin = environment.postgres_bin.as_deref();
            let engine = Postgres::new(bin, &environment.ca_bundle);
            Box::pin(run(&engine, &store, &job, &settings, stop)).await?;
        }
    }
    Ok(())
}

fn stopped_early() -> Error {
    Error::new(
        ErrorClass::Interrupted,
        "somebody asked the dumper to stop (SIGTERM) before the dump began",
        "Start the run again if that was not meant",
    )
}
