//! The program of all jobs: it dumps a target, verifies its backup or restores one, or makes CSV
//! of a table of Parquet, and tells by its exit code how that went (`contract/exit-codes.json`).

use std::pin::pin;
use std::process::ExitCode;

use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::signals;

use self::environment::{Variables, Verb};

mod csv;
mod dump;
mod engines;
mod environment;
mod log;
mod refusal;
mod restore;
mod restore_database;
mod restore_table;
mod stop;
mod table;
mod verify;

fn main() -> ExitCode {
    log::as_json();
    let variables = Variables(&|name| std::env::var(name).ok());
    let verb = Verb::read(&variables);
    let noun = verb.as_ref().map_or("job", |verb| verb.noun());
    match verb.and_then(|verb| run(verb, &variables)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(noun, &error);
            ExitCode::from(error.class().exit_code())
        }
    }
}

fn run(verb: Verb, variables: &Variables<'_>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors().max(2))
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(
                ErrorClass::Internal,
                format!("no threads can be started: {error}"),
                "Start the run again, and report this if it repeats",
            )
            .caused_by(error)
        })?;
    runtime.block_on(async {
        let stop = pin!(signals::requested()?);
        match verb {
            Verb::Dump => Box::pin(dump::run(variables, stop)).await,
            Verb::Verify => Box::pin(verify::run(variables, stop)).await,
            Verb::Restore => Box::pin(restore::run(variables, stop)).await,
            Verb::Csv => Box::pin(csv::run(variables, stop)).await,
        }
    })
}

/// Processors that the process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
