//! Parquet to CSV: ours, `DuckDB` on one thread and pyarrow on the same files; and the memory of ours on many small
//! files, on large ones and on wide ones.

mod measured;
mod ways;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::figures::{mb, mib};
use crate::process::Processes;
use crate::say::progress;
use measured::{Alone, Beside, Measured};
use ways::{Run, Size, Way, Ways};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    /// Tables that all ways convert.
    beside: [(&'static str, Size); 2],
    /// Tables that ours converts alone, for its memory: how they are called, what is in them.
    alone: [(&'static str, &'static str, Size); 5],
}

const fn size(files: u64, groups: u64, rows: u64, copies: u64) -> Size {
    Size { files, groups, rows, copies }
}

const FULL: Plan = Plan {
    rounds: 5,
    beside: [("mixed", size(2, 4, 250_000, 1)), ("texts", size(4, 1, 50_000, 1))],
    alone: [
        ("one_small_file", "mixed", size(1, 1, 40_000, 1)),
        ("many_files", "mixed", size(1, 1, 40_000, 2000)),
        ("large_file", "mixed", size(1, 5, 2_000_000, 1)),
        ("columns_1000", "widest", size(4, 1, 200, 1)),
        ("columns_300", "wide", size(1, 2, 12_500, 1)),
    ],
};

/// Every part on small sizes, to see that it works; the figures mean little.
const QUICK: Plan = Plan {
    rounds: 1,
    beside: [("mixed", size(2, 2, 50_000, 1)), ("texts", size(2, 1, 10_000, 1))],
    alone: [
        ("one_small_file", "mixed", size(1, 1, 1000, 1)),
        ("many_files", "mixed", size(1, 1, 1000, 2000)),
        ("large_file", "mixed", size(1, 2, 300_000, 1)),
        ("columns_1000", "widest", size(4, 1, 200, 1)),
        ("columns_300", "wide", size(1, 1, 2000, 1)),
    ],
};

/// Runs the benchmark, with small sizes if `quick`, and returns its figures as one JSON object. Progress goes to
/// standard error.
///
/// `AUTODUMP_BENCH_CONVERTER` is the program that converts, `AUTODUMP_BENCH_PARQUET_PYTHON` the Python that has `DuckDB`
/// and pyarrow. Where that is absent or empty, the figures that need it are `null`, and that is said.
///
/// Fails when a program that is measured is missing or fails, or the CSVs differ; never because a figure is bad.
pub async fn run(quick: bool) -> Result<Value> {
    let plan = if quick { QUICK } else { FULL };
    let converter = super::variable("AUTODUMP_BENCH_CONVERTER")
        .context("AUTODUMP_BENCH_CONVERTER is not set: start this with scripts/bench")?;
    let machine = super::machine();
    let processes = Processes::default();
    let directory = tempfile::Builder::new().prefix("autodump-bench-").tempdir()?;
    let python = super::variable("AUTODUMP_BENCH_PARQUET_PYTHON");
    if python.is_none() {
        progress("!! SKIPPED: csv_vs_duckdb_1_thread, csv_vs_pyarrow: they are not installed");
    }
    let ways = Ways { converter, python, processes: &processes, directory: directory.path() };
    let mut measured = Measured::default();
    for (table, size) in plan.beside {
        measured.beside.push(beside(&ways, table, size, plan.rounds).await?);
    }
    for (name, table, size) in plan.alone {
        measured.alone.push(alone(&ways, name, table, size).await?);
    }
    let mut figures = measured.figures();
    figures.insert("benchmark".to_owned(), json!("parquet"));
    figures.insert("quick".to_owned(), json!(quick));
    figures.insert("machine".to_owned(), machine);
    Ok(Value::Object(figures))
}

/// All ways in turn; who goes first changes from round to round.
async fn beside(ways: &Ways<'_>, table: &'static str, size: Size, rounds: usize) -> Result<Beside> {
    progress(&format!("{table}: {} rows in {} files", size.all(), size.files));
    let written = ways.write(table, size).await?;
    let mut all = Beside { table, size, bytes: written.bytes, csv_bytes: 0, rounds: Vec::new() };
    let mut order = [Way::Ours, Way::Duckdb, Way::Pyarrow];
    for round in 0..rounds {
        progress(&format!("  round {} of {rounds}", round + 1));
        let mut runs = Vec::new();
        for way in order {
            let Some(run) = ways.run(way, table, true).await? else { continue };
            say(way.name(), &run);
            if way == Way::Ours {
                all.csv_bytes = run.bytes;
            }
            runs.push((way, run));
        }
        if round == 0 {
            ways.check(table, size.all()).await?;
        }
        all.rounds.push(runs);
        order.rotate_left(1);
    }
    ways.forget(table).await?;
    Ok(all)
}

/// Ours alone, into nothing.
async fn alone(ways: &Ways<'_>, name: &'static str, table: &str, size: Size) -> Result<Alone> {
    let written = ways.write(table, size).await?;
    progress(&format!(
        "{name}: {} rows in {} files, {:.1} MB",
        size.all(),
        size.files * size.copies,
        mb(written.bytes)
    ));
    let run = ways.run(Way::Ours, table, false).await?.context("ours did not run")?;
    say(Way::Ours.name(), &run);
    ways.forget(table).await?;
    Ok(Alone { name, size, bytes: written.bytes, run })
}

fn say(name: &str, run: &Run) {
    progress(&format!(
        "  {name}: {:.2} s, CPU {:.2} s, peak {:.1} MiB",
        run.wall_s,
        run.cpu_s,
        mib(run.peak_kib)
    ));
}

/// Where a table's files and results are.
fn place(directory: &Path, table: &str) -> std::path::PathBuf {
    directory.join(table)
}
