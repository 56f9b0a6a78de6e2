//! `autodump-demo`: what `scripts/demo` runs.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match autodump_local::demo::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            autodump_local::say::progress(&format!("\nautodump-demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
