//! Benchmarks: programs that print figures and ratios, never assertions of a test. See `docs/benchmarks.md`.
//!
//! Each starts what it needs on loopback, measures the programs that ship, and ends all that it started.

mod assets;
mod compare;
mod database;
mod dumps;
pub mod dynamodb;
mod figures;
mod functions;
pub mod mongodb;
pub mod parquet;
pub mod pipeline;
pub mod postgres;
mod procfs;
mod reads;
mod rng;
mod rows;
mod server;
mod services;
mod sink;
mod store;

use std::path::{Path, PathBuf};

use assets::HERE;
use serde_json::{Value, json};

/// The end of a log, for an error that quotes it.
fn tail(log: &Path) -> String {
    const MOST: usize = 2000;
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(MOST)..]).trim().to_owned()
}

/// The path that an environment variable holds, unless it is empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What the figures were measured on, as far as it matters for them.
fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let first_word = |path: &str| {
        std::fs::read_to_string(path).ok()?.split_whitespace().next().map(str::to_owned)
    };
    let load = first_word("/proc/loadavg").and_then(|load| load.parse::<f64>().ok());
    json!({"architecture": HERE, "cores": cores, "load_at_start": load})
}
