//! `autodump restore`.

use std::process::ExitCode;
use std::sync::Arc;

use autodump_aws::config;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::Result;
use autodump_core::pattern::Pattern;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;
use autodump_dump::restore::{Restore, run as restore};
use clap::Args;

use crate::backup;
use crate::place::Place;
use crate::screen::Screen;
use crate::show;
use crate::target::Target;

/// Restores a backup into a database, straight from S3.
///
/// Rows are loaded by several connections at once and compared with the manifest on the way.
/// Nothing is changed before backup and database were looked at.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Arguments {
    /// The backup's manifest: `s3://BUCKET/…/manifest.json`.
    #[arg(value_parser = backup::manifest)]
    manifest: ObjectLocation,
    /// The database: a secret's ARN or name, or postgres://USER@HOST:PORT/DATABASE?sslmode=…
    /// with the password in PGPASSWORD.
    #[arg(long, value_name = "SECRET|URL")]
    to: String,
    /// Connections that load rows at once, 1 to 64; else twice the processors, at most 16.
    #[arg(long, value_name = "N")]
    jobs: Option<u16>,
    /// Only this table, with what belongs to it and what it needs; patterns as in psql. May be
    /// repeated.
    #[arg(long = "table", value_name = "PATTERN", value_parser = Pattern::table)]
    tables: Vec<Pattern>,
    /// Only what is in this schema. May be repeated.
    #[arg(long = "schema", value_name = "PATTERN", value_parser = Pattern::schema)]
    schemas: Vec<Pattern>,
    /// No rows.
    #[arg(long, conflicts_with = "data_only")]
    schema_only: bool,
    /// Nothing but rows, into tables that are there, and empty unless --allow-non-empty.
    #[arg(long, conflicts_with_all = ["clean", "create"])]
    data_only: bool,
    /// The role that restores owns everything.
    #[arg(long)]
    no_owner: bool,
    /// No GRANT and REVOKE.
    #[arg(long)]
    no_privileges: bool,
    /// Make the database first.
    #[arg(long)]
    create: bool,
    /// Drop first what the backup has too.
    #[arg(long)]
    clean: bool,
    /// Restore although something is there.
    #[arg(long)]
    allow_non_empty: bool,
    /// Look at backup and database, say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write events and the result as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    place: Place,
}

/// Restores, and shows how far it is.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let options = RestoreOptions {
        jobs: arguments.jobs,
        tables: arguments.tables,
        schemas: arguments.schemas,
        schema_only: arguments.schema_only,
        data_only: arguments.data_only,
        no_owner: arguments.no_owner,
        no_privileges: arguments.no_privileges,
        create: arguments.create,
        clean: arguments.clean,
        allow_non_empty: arguments.allow_non_empty,
        dry_run: arguments.dry_run,
    }
    .checked()?;
    let to = Target::read(&arguments.to)?;
    let config = config::load().await?;
    let postgres = arguments.place.postgres();
    let by_secret = |id| Access::new(Secrets::new(&config), id, config.clone());
    let screen = Arc::new(Screen::new(arguments.json));
    let order = Restore {
        postgres: &postgres,
        reader: S3Store::new(&config, backup::options()),
        access: Arc::new(to.reached(by_secret)?),
        manifest: arguments.manifest,
        options,
        watcher: Arc::<Screen>::clone(&screen),
    };
    let outcome = restore(&order, stop).await;
    screen.end();
    show::restored(&outcome?, arguments.json);
    Ok(ExitCode::SUCCESS)
}
