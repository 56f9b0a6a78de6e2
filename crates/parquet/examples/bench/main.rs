//! What `scripts/bench parquet` measures: the conversion as it ships, between directories of the local disk. And the
//! tables that it is measured on.
//!
//! ```text
//! bench write <table> <directory> <files> <row groups> <rows>    a table: mixed, texts, wide or widest; rows of each group
//! bench convert <directory> [--discard]                          what is below in/, into out/
//! ```

mod disk;
mod tables;

use std::path::Path;
use std::process::ExitCode;

use autodump_core::ports::ObjectReader as _;
use autodump_core::{Error, ErrorClass, Result};
use autodump_parquet::convert::{Outcome, convert};
use autodump_parquet::layout::Layout;
use autodump_parquet::options::{Destination, Options};

use disk::Disk;
use tables::Size;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(said) => {
            say(&said);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<String> {
    match arguments {
        ["write", table, directory, files, groups, rows] => {
            let number = |text: &str| {
                text.parse().map_err(|error| wrong(format!("the argument {text} is bad: {error}")))
            };
            let size = Size { files: number(files)?, groups: number(groups)?, rows: number(rows)? };
            let bytes = tables::write(table, Path::new(directory), size)?;
            Ok(format!("{{\"rows\": {}, \"bytes\": {bytes}}}", size.all()))
        }
        ["convert", directory] => converted(Disk::new(directory, true)).await,
        ["convert", directory, "--discard"] => converted(Disk::new(directory, false)).await,
        _ => Err(wrong(format!("the arguments {arguments:?} are not understood"))),
    }
}

/// Converts the only table, and says what came of it.
async fn converted(disk: Disk) -> Result<String> {
    let mut tables = Layout::Rds.tables(&disk.list("in", "").await?);
    let (Some(table), true) = (tables.pop(), tables.is_empty()) else {
        return Err(wrong("there is not one table below in/".to_owned()));
    };
    let destination = Destination { bucket: "out".to_owned(), prefix: String::new() };
    let options = Options::default();
    let never = std::future::pending();
    match convert(&disk, "in", &table, &disk, &destination, &options, never).await? {
        Outcome::Converted(manifest) => {
            let bytes: u64 = manifest.objects.iter().map(|object| object.bytes).sum();
            let rows = manifest.rows_out;
            Ok(format!("{{\"rows\": {rows}, \"bytes\": {bytes}, \"peak_kib\": {}}}", peak_kib()?))
        }
        Outcome::AlreadyThere(_) => Err(wrong("there is a result already".to_owned())),
        Outcome::Growing(why) => Err(wrong(why)),
    }
}

/// The most memory that this process has had resident.
fn peak_kib() -> Result<u64> {
    let path = Path::new("/proc/self/status");
    let status = std::fs::read_to_string(path).map_err(|error| disk::failed(path, &error))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    peak.ok_or_else(|| wrong("the kernel does not say how much memory was used".to_owned()))
}

fn wrong(what: String) -> Error {
    Error::new(ErrorClass::Configuration, what, "See the beginning of this example's source")
}

#[allow(clippy::print_stdout, reason = "what the benchmark reads")]
fn say(line: &str) {
    println!("{line}");
}
