//! Benchmarks: programs that print figures and ratios, never assertions of a test. See `docs/benchmarks.md`.
//!
//! Each starts what it needs on loopback, measures the programs that ship, and ends all that it started.

mod assets;
mod compare;
mod database;
mod dumps;
mod figures;
mod functions;
pub mod pipeline;
mod procfs;
mod rng;
mod rows;
mod server;
mod services;
mod sink;

use std::path::Path;

/// The end of a log, for an error that quotes it.
fn tail(log: &Path) -> String {
    const MOST: usize = 2000;
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(MOST)..]).trim().to_owned()
}
