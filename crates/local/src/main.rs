//! `autodump-local`: the local cloud by hand.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            autodump_local::say::progress(&format!("autodump-local: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
