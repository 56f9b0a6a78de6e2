//! `autodump restore`.

use std::pin::pin;
use std::process::ExitCode;

use autodump_aws::config;
use autodump_aws::s3::S3Store;
use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::object::{AnyManifest, read_any_manifest};
use clap::Args;

use crate::backup;
use crate::place::Place;
use crate::restore_database::{self, DatabaseArguments};
use crate::restore_table::{self, TableArguments};
use crate::stop::or_stopped;
use crate::target::Target;

/// Restores a backup, straight from S3, into a database or a DynamoDB table.
///
/// The manifest says of what the backup is. What is read is compared with it on the way. Nothing
/// is changed before backup and target were looked at.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The backup's manifest: `s3://BUCKET/…/manifest.json`.
    #[arg(value_parser = backup::manifest)]
    manifest: ObjectLocation,
    /// Of a database: a secret's ARN or name, or postgres://USER@HOST:PORT/DATABASE?sslmode=…
    /// with the password in PGPASSWORD, or mongodb://USER@HOST:PORT/DATABASE?authSource=… with
    /// the password in `MONGODB_PASSWORD`. Of a table: its name or ARN, else the name that it had.
    #[arg(long, value_name = "SECRET|URL|TABLE")]
    to: Option<String>,
    /// Look at backup and target, say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write events and the result as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    database: DatabaseArguments,
    #[command(flatten)]
    table: TableArguments,
    #[command(flatten)]
    place: Place,
}

/// Restores, and shows how far it is.
pub(crate) async fn run(
    arguments: Arguments,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let Arguments { manifest: at, to, dry_run, json, database, table, place } = arguments;
    let given = (database.given(), table.given());
    check(&given.0, &given.1, to.as_deref())?;
    let database = database.options(dry_run)?;
    let (options, site) = (table.options(dry_run)?, table.site()?);
    let config = config::load().await?;
    let store = S3Store::new(&config, backup::options());
    let mut stop = pin!(stop);
    match or_stopped(stop.as_mut(), read_any_manifest(&store, &at)).await? {
        AnyManifest::Database(_) => {
            none_of("a database", &given.1, "DynamoDB tables")?;
            let to = to.as_deref().map(Target::read).transpose()?.ok_or_else(unnamed)?;
            let order = restore_database::Order { at, to, options: database, json };
            Box::pin(restore_database::run(&config, store, &place, order, stop)).await
        }
        AnyManifest::Table(manifest) => {
            none_of("a DynamoDB table", &given.0, "databases")?;
            let order = restore_table::Order { at, manifest, to, site, options, json };
            Box::pin(restore_table::run(&config, store, order, stop)).await
        }
    }
}

/// What no backup fits is refused before it is looked at.
fn check(database: &[&str], table: &[&str], to: Option<&str>) -> Result<()> {
    if let (Some(one), Some(other)) = (database.first(), table.first()) {
        return Err(wrong(
            format!("{one} goes with databases, and {other} with DynamoDB tables"),
            "A backup is of one of them: leave the other's options out",
        ));
    }
    if let Some(url) = to.filter(|to| to.contains("://")) {
        Target::read(url)?;
        if let Some(option) = table.first() {
            return Err(wrong(
                format!("--to is the URL of a database, and {option} goes with DynamoDB tables"),
                "Leave it out, or name a table",
            ));
        }
    }
    Ok(())
}

fn none_of(what: &str, given: &[&str], others: &str) -> Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let names = given.join(", ");
    let hint = format!("Leave out what goes with {others} alone");
    Err(wrong(format!("the backup is of {what}, and {names} was given"), hint))
}

fn unnamed() -> Error {
    wrong(
        "the backup is of a database, and --to was not given",
        "Name the database to restore into by a secret or a URL",
    )
}

fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_both_kinds_are_refused_whatever_the_backup_is() {
        let error = check(&["--jobs"], &["--workers"], Some("x")).unwrap_err();
        assert_eq!(error.what(), "--jobs goes with databases, and --workers with DynamoDB tables");
        let error = check(&[], &["--region"], Some("postgres://u@h/d")).unwrap_err();
        assert!(error.what().contains("--region goes with DynamoDB tables"), "{error}");
        let error = check(&[], &[], Some("postgres://u:geheim@h/d")).unwrap_err();
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert!(check(&["--jobs"], &[], Some("postgres://u@h/d")).is_ok());
        assert!(check(&[], &["--workers"], None).is_ok());
    }

    #[test]
    fn options_of_the_other_kind_are_named() {
        let error = none_of("a database", &["--workers", "--region"], "tables").unwrap_err();
        assert!(error.what().contains("--workers, --region was given"), "{error}");
        assert!(none_of("a database", &[], "tables").is_ok());
    }
}
