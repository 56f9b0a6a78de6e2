//! `autodump restore` of a table's backup.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use autodump_aws::config::SdkConfig;
use autodump_aws::dynamodb::{Control, Table};
use autodump_aws::s3::S3Store;
use autodump_aws::{identity, source};
use autodump_core::ports::ObjectLocation;
use autodump_core::source::Source;
use autodump_core::table::arn::TableArn;
use autodump_core::table::manifest::TableManifest;
use autodump_core::table::restore::{MOST_WORKERS, Method, TableRestoreOptions};
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::table::restore::{Backup, Options, Restore, run as restore};
use clap::Args;

use crate::screen::Screen;
use crate::show_table;
use crate::stop::or_stopped;

#[derive(Debug, Args)]
#[command(next_help_heading = "Options for DynamoDB tables")]
pub(crate) struct TableArguments {
    /// The table's region; else that of its ARN, or of the AWS configuration.
    #[arg(long)]
    region: Option<String>,
    /// A role of the table's account to assume; else the table is of your own account.
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// What the role asks of whoever assumes it.
    #[arg(long, value_name = "ID", requires = "role_arn")]
    external_id: Option<String>,
    /// Write into a table that has items: those with the keys of items in the backup are
    /// replaced, and all others stay, unless --mirror is given.
    #[arg(long)]
    into_existing: bool,
    /// Together with --into-existing: delete the table's items that are not in the backup, when
    /// all items of the backup are written. Nobody else may write the table meanwhile.
    #[arg(long)]
    mirror: bool,
    /// Who writes the items: write (AutoDump), import (DynamoDB itself, into a new table and
    /// without write capacity), or auto: import, where it can be and the backup is large.
    #[arg(long, value_name = "auto|import|write")]
    method: Option<Method>,
    /// How many write at once, 1 to 1000; else 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_WORKERS)))]
    workers: Option<u16>,
    /// The most write units a second of all workers together; else as many as the table takes.
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    max_write_rate: Option<u32>,
    /// What encrypts a table that is made: a key of KMS in its region (alias/aws/dynamodb is the
    /// one that AWS manages), or aws-owned; else the key that encrypted the old one.
    #[arg(long, value_name = "KEY|aws-owned")]
    kms_key: Option<String>,
}

/// Where a table is, as far as it was said.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) region: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) external_id: Option<String>,
}

impl TableArguments {
    /// The names of what was given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--region", self.region.is_some()),
            ("--role-arn", self.role_arn.is_some()),
            ("--external-id", self.external_id.is_some()),
            ("--into-existing", self.into_existing),
            ("--mirror", self.mirror),
            ("--method", self.method.is_some()),
            ("--workers", self.workers.is_some()),
            ("--max-write-rate", self.max_write_rate.is_some()),
            ("--kms-key", self.kms_key.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    pub(crate) fn options(&self, dry_run: bool) -> Result<Options> {
        let asked = TableRestoreOptions {
            into_existing: self.into_existing,
            mirror: self.mirror,
            method: self.method.unwrap_or_default(),
            workers: self.workers,
            max_write_rate: self.max_write_rate,
            kms_key: self.kms_key.clone(),
            dry_run,
        };
        asked.checked().map(Options::from)
    }

    /// Where the table is; refused is what cannot be.
    pub(crate) fn site(self) -> Result<Site> {
        let Self { region, role_arn, external_id, .. } = self;
        // A region that is not given is right.
        let any = region.clone().unwrap_or_else(|| "eu-central-1".to_owned());
        let source =
            Source { region: any, role_arn: role_arn.clone(), external_id: external_id.clone() };
        if let Some(fault) = source.fault() {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the table cannot be in {source}: {fault}"),
                "Correct --region, --role-arn or --external-id",
            ));
        }
        Ok(Site { region, role_arn, external_id })
    }
}

/// What is restored, and into what.
pub(crate) struct Order {
    pub(crate) at: ObjectLocation,
    pub(crate) manifest: Box<TableManifest>,
    pub(crate) to: Option<String>,
    pub(crate) site: Site,
    pub(crate) options: Options,
    pub(crate) json: bool,
}

/// Restores with the rights of `own`, or of the role, and shows how far it is.
pub(crate) async fn run(
    own: &SdkConfig,
    reader: S3Store,
    order: Order,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<ExitCode> {
    let Order { at, manifest, to, site, options, json } = order;
    let to = to.unwrap_or_else(|| manifest.database.clone());
    let config = source::config_of(own, &place(own, site, &to));
    let looking = async {
        let target = identity::home(&config).await?.table(&to)?;
        let backup = Backup::open(&reader, &at, &manifest, &target).await?;
        Ok((target, backup))
    };
    let (target, backup) = or_stopped(stop.as_mut(), looking).await?;
    let screen = Arc::new(Screen::of_items(json));
    let table = Arc::new(Table::new(&config, &target.name));
    let order = Restore {
        reader: reader.clone(),
        service: Control::new(&config),
        writer: Arc::clone(&table),
        scanner: table,
        target,
        backup,
        options,
        watcher: Arc::<Screen>::clone(&screen),
    };
    let outcome = restore(&order, stop).await;
    screen.end();
    show_table::restored(&outcome?, json);
    Ok(ExitCode::SUCCESS)
}

/// The region that was given, or else that of the table's ARN, or else the own one.
fn place(own: &SdkConfig, site: Site, to: &str) -> Source {
    let Site { region, role_arn, external_id } = site;
    let of_arn = || to.parse().ok().map(|arn: TableArn| arn.region);
    let region = region.or_else(of_arn);
    let region = region.or_else(|| own.region().map(ToString::to_string)).unwrap_or_default();
    Source { region, role_arn, external_id }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};

    use super::*;

    fn read(line: &[&str]) -> TableArguments {
        let command = TableArguments::augment_args(Command::new("restore"));
        let line = ["restore"].iter().chain(line);
        TableArguments::from_arg_matches(&command.try_get_matches_from(line).unwrap()).unwrap()
    }

    #[test]
    fn every_option_is_known_when_it_is_given() {
        let command = TableArguments::augment_args(Command::new("restore"));
        for argument in command.get_arguments() {
            let name = format!("--{}", argument.get_long().unwrap());
            let value = match name.as_str() {
                "--into-existing" | "--mirror" => None,
                "--method" => Some("write"),
                _ => Some("3"),
            };
            let line: Vec<_> = [name.as_str()].into_iter().chain(value).collect();
            // It asks for another one.
            if name == "--external-id" {
                let read = read(&[&line[..], &["--role-arn", "x"]].concat());
                assert_eq!(read.given(), ["--role-arn", "--external-id"]);
            } else {
                assert_eq!(read(&line).given(), [name.as_str()]);
            }
        }
        assert!(read(&[]).given().is_empty());
    }

    #[test]
    fn a_place_that_cannot_be_is_refused() {
        for (line, says) in [
            (&["--region", "Frankfurt"][..], "its region is none"),
            (&["--role-arn", "arn:aws:iam::1:role/x"], "its roleArn is none"),
            (
                &["--role-arn", "arn:aws:iam::111122223333:role/x", "--external-id", "a b"],
                "its externalId is none",
            ),
        ] {
            let error = read(line).site().unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
        }
    }

    #[test]
    fn the_region_is_the_given_one_or_the_tables_or_the_own() {
        let own = SdkConfig::builder().build();
        let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders";
        let region = |given: Option<&str>, to| {
            let site = Site { region: given.map(str::to_owned), ..Site::default() };
            place(&own, site, to).region
        };
        assert_eq!(region(Some("us-east-1"), arn), "us-east-1");
        assert_eq!(region(None, arn), "eu-west-1");
        assert_eq!(region(None, "orders"), "");
    }
}
