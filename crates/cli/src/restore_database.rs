//! `autodump restore` of a database's backup.

use std::process::ExitCode;
use std::sync::Arc;

use autodump_aws::config::SdkConfig;
use autodump_aws::database::Access;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_core::Result;
use autodump_core::pattern::Pattern;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::{RestoreOptions, table_text};
use autodump_dump::restore::{Restore, run as restore};
use clap::Args;

use crate::place::Place;
use crate::screen::Screen;
use crate::show;
use crate::target::Target;

#[derive(Debug, Args)]
#[command(next_help_heading = "Options for databases")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct DatabaseArguments {
    /// Connections that load rows at once, 1 to 64; else twice the processors, at most 16.
    #[arg(long, value_name = "N")]
    jobs: Option<u16>,
    /// Only this table, with what belongs to it and what it needs, patterns as in psql; or this
    /// collection, whose name stands as it is. May be repeated.
    #[arg(
        long = "table",
        visible_alias = "collection",
        value_name = "PATTERN",
        value_parser = table_text
    )]
    tables: Vec<String>,
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
}

impl DatabaseArguments {
    /// The names of what was given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let Self { jobs, tables, schemas, .. } = self;
        let all = [
            ("--jobs", jobs.is_some()),
            ("--table", !tables.is_empty()),
            ("--schema", !schemas.is_empty()),
            ("--schema-only", self.schema_only),
            ("--data-only", self.data_only),
            ("--no-owner", self.no_owner),
            ("--no-privileges", self.no_privileges),
            ("--create", self.create),
            ("--clean", self.clean),
            ("--allow-non-empty", self.allow_non_empty),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    pub(crate) fn options(self, dry_run: bool) -> Result<RestoreOptions> {
        RestoreOptions {
            jobs: self.jobs,
            tables: self.tables,
            schemas: self.schemas,
            schema_only: self.schema_only,
            data_only: self.data_only,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            create: self.create,
            clean: self.clean,
            allow_non_empty: self.allow_non_empty,
            dry_run,
        }
        .checked()
    }
}

/// What is restored, and into what.
pub(crate) struct Order {
    pub(crate) at: ObjectLocation,
    pub(crate) to: Target,
    pub(crate) options: RestoreOptions,
    pub(crate) json: bool,
}

pub(crate) async fn run(
    config: &SdkConfig,
    reader: S3Store,
    place: &Place,
    order: Order,
    stop: impl Future<Output = ()> + Send,
) -> Result<ExitCode> {
    let Order { at, to, options, json } = order;
    let by_secret = |id| Access::new(Secrets::new(config), id, config.clone());
    let (engines, screen) = (place.engines(), Arc::new(Screen::new(json)));
    let order = Restore {
        engines: &engines,
        reader,
        access: Arc::new(to.reached(by_secret)?),
        manifest: at,
        options,
        watcher: Arc::<Screen>::clone(&screen),
    };
    let outcome = restore(&order, stop).await;
    screen.end();
    show::restored(&outcome?, json);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn every_option_is_known_when_it_is_given() {
        let command = DatabaseArguments::augment_args(Command::new("restore"));
        for argument in command.get_arguments() {
            let name = format!("--{}", argument.get_long().unwrap());
            let value = argument.get_action().takes_values().then_some("3");
            let line = ["restore", &name].into_iter().chain(value);
            let read = command.clone().try_get_matches_from(line).unwrap();
            let read = DatabaseArguments::from_arg_matches(&read).unwrap();
            assert_eq!(read.given(), [name.as_str()]);
        }
        let dots = ["restore", "--collection", "logs.2026.01"];
        let dots = command.clone().try_get_matches_from(dots).unwrap();
        let dots = DatabaseArguments::from_arg_matches(&dots).unwrap();
        assert_eq!(dots.options(false).unwrap().tables, ["logs.2026.01"]);
        let unread = ["restore", "--table", "\"a"];
        assert!(command.clone().try_get_matches_from(unread).is_err());
        let none = command.try_get_matches_from(["restore"]).unwrap();
        assert!(DatabaseArguments::from_arg_matches(&none).unwrap().given().is_empty());
    }
}
