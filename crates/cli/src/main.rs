//! `autodump`: what an operator does with backups. Each verb is a file of its own.
//!
//! Results go to standard output, everything else to standard error. The exit code tells the
//! class of a failure (`contract/exit-codes.json`); a wrong command line is one of
//! configuration.

use std::process::ExitCode;

use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::signals;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

mod backup;
mod cancel;
mod mongodb_url;
mod place;
mod restore;
mod restore_database;
mod restore_table;
mod run;
mod screen;
mod show;
mod show_table;
mod status;
mod stop;
mod target;
mod verify;

/// Restores and verifies AutoDump's backups, backs up tables on request, shows runs and cancels
/// them.
///
/// AWS is reached as its SDK is configured: environment, profile, or the role of the machine.
#[derive(Debug, Parser)]
#[command(name = "autodump", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Cancel(cancel::Arguments),
    Restore(Box<restore::Arguments>),
    Run(run::Arguments),
    Status(status::Arguments),
    Verify(verify::Arguments),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { ErrorClass::Configuration.exit_code() } else { 0 };
            return ExitCode::from(code);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let json = match &cli.verb {
        Verb::Cancel(arguments) => arguments.json,
        Verb::Restore(arguments) => arguments.json,
        Verb::Run(arguments) => arguments.json,
        Verb::Status(arguments) => arguments.json,
        Verb::Verify(arguments) => arguments.json,
    };
    match run(cli.verb) {
        Ok(code) => code,
        Err(error) => {
            show::error(&error, json);
            ExitCode::from(error.class().exit_code())
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let what = format!("the program cannot be set up: {error}");
        Error::new(ErrorClass::Internal, what, "Look at the limits of processes and files")
    })?;
    runtime.block_on(async {
        let stop = signals::requested()?;
        match verb {
            Verb::Cancel(arguments) => Box::pin(cancel::run(arguments, stop)).await,
            Verb::Restore(arguments) => Box::pin(restore::run(*arguments, stop)).await,
            Verb::Run(arguments) => Box::pin(run::run(arguments, stop)).await,
            Verb::Status(arguments) => Box::pin(status::run(arguments, stop)).await,
            Verb::Verify(arguments) => Box::pin(verify::run(arguments, stop)).await,
        }
    })
}
