//! The ways from Parquet to CSV, each a process of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::super::dumps::timed;
use super::super::procfs::Usage;
use super::place;
use crate::process::Processes;

/// How much of a table there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) files: u64,
    /// Of each file.
    pub(super) groups: u64,
    /// Of each group.
    pub(super) rows: u64,
    /// How often each file is there.
    pub(super) copies: u64,
}

impl Size {
    /// All rows.
    pub(super) const fn all(self) -> u64 {
        self.files * self.groups * self.rows * self.copies
    }
}

/// Who converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Ours,
    Duckdb,
    Pyarrow,
}

impl Way {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Duckdb => "duckdb",
            Self::Pyarrow => "pyarrow",
        }
    }
}

/// A run of one of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_kib: u64,
    /// Of the CSV, where it is ours.
    pub(super) bytes: u64,
}

/// A table that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Of all its files.
    pub(super) bytes: u64,
}

/// What runs them. All write to the same disk.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    pub(super) converter: PathBuf,
    /// A Python with `DuckDB` and pyarrow; absent where they are not installed.
    pub(super) python: Option<PathBuf>,
    pub(super) processes: &'a Processes,
    /// For tables, CSVs and logs.
    pub(super) directory: &'a Path,
}

impl Ways<'_> {
    /// Makes the files of a table. Copies are links: they are the same bytes under other names.
    pub(super) async fn write(&self, table: &str, size: Size) -> Result<Written> {
        let place = place(self.directory, table);
        let mut command = Command::new(&self.converter);
        let numbers = [size.files, size.groups, size.rows].map(|number| number.to_string());
        command.args(["write", table]).arg(&place).args(numbers);
        let (said, _) = self.ended(&mut command, "write").await?;
        let directory = place.join("in/run-1/shop").join(format!("public.{table}"));
        for copy in 1..size.copies {
            let batch = directory.join((size.files + copy).to_string());
            std::fs::create_dir(&batch)?;
            for name in ["part-00000-u.gz.parquet", "_SUCCESS"] {
                std::fs::hard_link(directory.join("1").join(name), batch.join(name))?;
            }
        }
        let bytes = said["bytes"].as_u64().context("the program did not say how many bytes")?;
        Ok(Written { bytes: bytes * size.copies })
    }

    /// Converts a table. Ours `keeps` its CSV, or throws it away. `None` where who converts is not installed.
    pub(super) async fn run(&self, way: Way, table: &str, keeps: bool) -> Result<Option<Run>> {
        let place = place(self.directory, table);
        if way != Way::Ours {
            return self.peer(way, &place).await;
        }
        for old in ["out", "uploads"].map(|name| place.join(name)) {
            if old.exists() {
                std::fs::remove_dir_all(old)?;
            }
        }
        let mut command = Command::new(&self.converter);
        command.arg("convert").arg(&place);
        if !keeps {
            command.arg("--discard");
        }
        let (said, (wall_s, usage)) = self.ended(&mut command, "ours").await?;
        let number =
            |name: &str| said[name].as_u64().with_context(|| format!("ours said no {name}"));
        let (bytes, peak_kib) = (number("bytes")?, number("peak_kib")?);
        Ok(Some(Run { wall_s, cpu_s: usage.cpu_s, peak_kib, bytes }))
    }

    async fn peer(&self, way: Way, place: &Path) -> Result<Option<Run>> {
        let Some(python) = &self.python else { return Ok(None) };
        let target = place.join(way.name()).with_extension("csv");
        // A file that is there is written in another time than a new one.
        if target.exists() {
            std::fs::remove_file(&target)?;
        }
        let mut command = Command::new(python);
        command.args(["-c", include_str!("peer.py"), way.name()]).arg(place.join("in")).arg(target);
        let (said, _) = self.ended(&mut command, way.name()).await?;
        let number = |name: &str| said[name].as_f64().with_context(|| format!("it said no {name}"));
        let peak_kib = said["peak_kib"].as_u64().context("it said no peak_kib")?;
        let (wall_s, cpu_s) = (number("wall_s")?, number("cpu_s")?);
        Ok(Some(Run { wall_s, cpu_s, peak_kib, bytes: 0 }))
    }

    /// Compares our CSV and `DuckDB`'s with the files, if it is installed.
    pub(super) async fn check(&self, table: &str, rows: u64) -> Result<()> {
        let Some(python) = &self.python else { return Ok(()) };
        let place = place(self.directory, table);
        let ours = place.join("out/run-1/shop").join(format!("public.{table}.csv"));
        let mut command = Command::new(python);
        command.args(["-c", include_str!("check.py")]).arg(place.join("in")).arg(ours);
        command.arg(place.join("duckdb.csv")).arg(place.join("ours.csv"));
        let (said, _) = self.ended(&mut command, "check").await?;
        ensure!(said == rows, "the CSVs of {table} have {said} rows, and there are {rows}");
        std::fs::remove_file(place.join("ours.csv"))?;
        Ok(())
    }

    /// Removes all of a table.
    pub(super) async fn forget(&self, table: &str) -> Result<()> {
        Ok(tokio::fs::remove_dir_all(place(self.directory, table)).await?)
    }

    /// Runs a program to its end, and gives its last line as JSON, its seconds and what it used.
    async fn ended(&self, command: &mut Command, name: &str) -> Result<(Value, (f64, Usage))> {
        let log = self.directory.join(format!("{name}.log"));
        let run = timed(self.processes, command, &log).await;
        let (wall, watch) = run.with_context(|| name.to_owned())?;
        let said = std::fs::read_to_string(&log)?;
        let last = said.lines().last().unwrap_or_default();
        let said = serde_json::from_str(last).with_context(|| format!("{name} said {said:?}"))?;
        Ok((said, (wall.as_secs_f64(), watch.own())))
    }
}
