//! `autodump verify`.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use autodump_aws::config;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::verification::Level;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::object::{AnyManifest, read_any_manifest};
use autodump_dump::verify::{Verify, run_watched, table};
use clap::Args;

use crate::backup;
use crate::place::Place;
use crate::screen::Screen;
use crate::show;
use crate::target::Target;

/// Connections and objects at once.
const JOBS: u16 = 4;

/// Finds out whether a backup is what its manifest says. The exit code is 16 when it is not.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The backup's manifest: `s3://BUCKET/…/manifest.json`.
    #[arg(value_parser = backup::manifest)]
    manifest: ObjectLocation,
    /// How far: checksum (every object is read and compared), archive (every data file is
    /// decompressed, its rows are counted and hashed), restore (and restored, and compared there;
    /// not for DynamoDB tables).
    #[arg(long, default_value = "archive", value_parser = level)]
    level: Level,
    /// With level restore: a server to restore into, as a secret or a URL. A database is made
    /// there and dropped. Else a server of our own is started in the scratch directory.
    #[arg(long, value_name = "SECRET|URL")]
    server: Option<String>,
    /// How much is done at once, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Write progress and result as JSON, one value a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    place: Place,
}

/// Verifies, and shows what came of it.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let server = arguments.server.as_deref().map(Target::read).transpose()?;
    if server.is_some() && arguments.level != Level::Restore {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("--server was given, and the level is {}", arguments.level),
            "Give --level restore too, or leave --server out",
        ));
    }
    let config = config::load().await?;
    let engines = &arguments.place.engines();
    let by_secret = |id| Access::new(Secrets::new(&config), id, config.clone());
    let server = server.map(|server| server.reached(by_secret)).transpose()?.map(Arc::new);
    let Arguments { manifest, level, jobs, .. } = arguments;
    let reader = S3Store::new(&config, backup::options());
    let now = || SystemTime::now().into();
    let screen = Arc::new(Screen::new(arguments.json));
    let mut stop = pin!(stop);
    let outcome = if is_of_table(&reader, &manifest, stop.as_mut()).await? {
        let order = table::Verify { reader, manifest, level, jobs, now };
        table::run_watched(&order, screen.clone(), stop).await
    } else {
        let order = Verify { engines, reader, manifest, level, server, jobs, now };
        run_watched(&order, screen.clone(), stop).await
    };
    screen.end();
    let verification = outcome?;
    show::verification(&verification, arguments.json);
    if verification.passed {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(ErrorClass::Verification.exit_code()))
}

/// Whether a manifest is that of a table. What is wrong with it, its verification says.
async fn is_of_table<R: ObjectReader>(
    reader: &R,
    manifest: &ObjectLocation,
    stop: impl Future<Output = ()> + Send,
) -> Result<bool> {
    tokio::select! {
        read = read_any_manifest(reader, manifest) => match read {
            Ok(manifest) => Ok(matches!(manifest, AnyManifest::Table(_))),
            Err(error) if error.class() == ErrorClass::Verification => Ok(false),
            Err(error) => Err(error),
        },
        () = stop => Err(Error::new(
            ErrorClass::Interrupted,
            "you stopped it before the backup was verified",
            "Start it again if that was not meant",
        )),
    }
}

/// A level that finds something out.
fn level(text: &str) -> Result<Level, String> {
    match text.parse()? {
        Level::None => {
            Err("verifies nothing: allowed are checksum, archive and restore".to_owned())
        }
        level => Ok(level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_finds_something_out() {
        assert_eq!(level("restore"), Ok(Level::Restore));
        assert!(level("none").unwrap_err().contains("allowed are checksum"));
        assert!(level("full").is_err());
    }
}
