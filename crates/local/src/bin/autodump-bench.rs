//! `autodump-bench`: measures what ships and prints the figures. `scripts/bench` builds and starts it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use autodump_local::bench::{dynamodb, mongodb, parquet, pipeline, postgres};
use autodump_local::say;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Measures what ships.
///
/// The last line that it prints is one JSON object with the figures; progress goes to standard error.
#[derive(Parser)]
#[command(bin_name = "scripts/bench")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// From a tagged secret to a dump: against the seed system's way, memory, the functions' cost and size.
    Pipeline {
        /// Small sizes, to see that the benchmark works; its figures mean little.
        #[arg(long)]
        quick: bool,
    },
    /// `PostgreSQL` dumps: against the seed's way, `pg_dump -Fd -j` and the server's own limit; and restores.
    Postgres {
        /// Small sizes, to see that the benchmark works; its figures mean little.
        #[arg(long)]
        quick: bool,
    },
    /// MongoDB: against mongodump, from prepared replies and from `DocumentDB`.
    Mongodb {
        /// Small sizes, to see that the benchmark works; its figures mean little.
        #[arg(long)]
        quick: bool,
    },
    /// `DynamoDB` tables: the dumper alone, and against a script with boto3 and dynamodump.
    Dynamodb {
        /// Small sizes, to see that the benchmark works; its figures mean little.
        #[arg(long)]
        quick: bool,
    },
    /// Parquet to CSV: against `DuckDB` on one thread and pyarrow, and its memory.
    Parquet {
        /// Small sizes, to see that the benchmark works; its figures mean little.
        #[arg(long)]
        quick: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Dropping the run at a signal ends all that it has started.
    let figures = tokio::select! {
        figures = run(arguments.benchmark) => figures,
        signal = stopped() => signal,
    };
    match figures {
        Ok(figures) => {
            say::result(&figures.to_string());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say::progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(benchmark: Benchmark) -> Result<serde_json::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    match benchmark {
        Benchmark::Pipeline { quick } => pipeline::run(&root, quick).await,
        Benchmark::Postgres { quick } => postgres::run(&root, quick).await,
        Benchmark::Mongodb { quick } => mongodb::run(&root, quick).await,
        Benchmark::Dynamodb { quick } => dynamodb::run(&root, quick).await,
        Benchmark::Parquet { quick } => parquet::run(quick).await,
    }
}

async fn stopped<T>() -> Result<T> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    bail!("interrupted")
}
