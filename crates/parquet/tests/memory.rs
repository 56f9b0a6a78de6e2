//! The most memory that a conversion has resident: a process of its own for each table, on the local disk.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::Path;
use std::process::Command;

use autodump_core::ports::ObjectReader as _;
use autodump_core::{Error, ErrorClass};
use autodump_parquet::convert::{Outcome, convert};
use autodump_parquet::layout::Layout;
use autodump_parquet::options::{Destination, Options};

#[path = "../examples/bench/disk.rs"]
mod disk;
#[path = "../examples/bench/tables.rs"]
mod tables;

use disk::Disk;
use tables::Size;

const MOST_KIB: u64 = 256 << 10;
const TABLE: &str = "AUTODUMP_TEST_TABLE";

fn wrong(what: String) -> Error {
    Error::new(ErrorClass::Configuration, what, "Correct this test")
}

/// What the process of a conversion said: rows or the error, and its peak in KiB.
fn converted(root: &Path) -> (String, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(TABLE, root)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find_map(|line| line.split_once("converted: "));
    let (_, line) = line.unwrap_or_else(|| panic!("{said}"));
    let (peak, what) = line.split_once(' ').unwrap();
    (what.to_owned(), peak.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the other tests start"]
async fn child() {
    let root = std::env::var(TABLE).unwrap();
    let disk = Disk::new(&root, false);
    let table = Layout::Rds.tables(&disk.list("in", "").await.unwrap()).remove(0);
    let destination = Destination { bucket: "out".to_owned(), prefix: String::new() };
    let (options, never) = (Options::default(), std::future::pending());
    let said = match convert(&disk, "in", &table, &disk, &destination, &options, never).await {
        Ok(Outcome::Converted(manifest)) => manifest.rows_out.to_string(),
        Ok(Outcome::AlreadyThere(_)) => "there".to_owned(),
        Ok(Outcome::Growing(why)) => why,
        Err(error) => error.what().to_owned(),
    };
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    #[allow(clippy::print_stdout, reason = "what the other process reads")]
    {
        println!("\nconverted: {} {said}", peak.trim().trim_end_matches(" kB"));
    }
}

fn directory(root: &Path, table: &str) -> std::path::PathBuf {
    root.join("in/run-1/shop").join(format!("public.{table}"))
}

#[test]
fn memory_is_bounded_whatever_the_files_are() {
    for (table, files, groups, rows, copies) in [
        ("mixed", 1, 1, 1000, 1),
        // As many as RDS makes of a large table.
        ("mixed", 1, 1, 100, 2000),
        // A row group as RDS fills it, and one of many columns.
        ("texts", 1, 1, 25_000, 1),
        ("widest", 2, 1, 200, 1),
    ] {
        let root = tempfile::tempdir().unwrap();
        let size = Size { files, groups, rows };
        tables::write(table, root.path(), size).unwrap();
        let directory = directory(root.path(), table);
        for copy in 1..copies {
            let batch = directory.join((files + copy).to_string());
            fs::create_dir(&batch).unwrap();
            for name in ["part-00000-u.gz.parquet", "_SUCCESS"] {
                fs::hard_link(directory.join("1").join(name), batch.join(name)).unwrap();
            }
        }
        let (rows, peak) = converted(root.path());
        assert_eq!(rows, (size.all() * copies).to_string(), "{table}");
        assert!(peak <= MOST_KIB, "{table}: {peak} KiB");
    }
}

/// A page that says it is of 2 GiB, the most that one can say: nothing was made room for.
#[test]
fn a_dictionary_of_gigabytes_takes_no_memory() {
    let root = tempfile::tempdir().unwrap();
    tables::write("mixed", root.path(), Size { files: 1, groups: 1, rows: 1000 }).unwrap();
    let path = directory(root.path(), "mixed").join("1/part-00000-u.gz.parquet");
    let good = fs::read(&path).unwrap();
    // The header of the first page: what it is (a dictionary, 2 as zigzag), and its length.
    let at = 4;
    assert_eq!(good[at..at + 3], [0x15, 4, 0x15]);
    let length = good[at + 3..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    // The chunk ends as many bytes earlier in its last page as the header is longer now.
    let most = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    fs::write(&path, [&good[..at + 3], &most, &good[at + 3 + length..]].concat()).unwrap();
    let (error, peak) = converted(root.path());
    assert!(error.contains("column id: a page has 2147483647 bytes ("), "{error}");
    assert!(error.contains("all pages together may take 150994944 bytes"), "{error}");
    assert!(peak < 64 << 10, "{peak} KiB");
}
