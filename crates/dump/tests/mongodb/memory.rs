//! The most memory that a dump has resident: a process of its own, whose server is in another.

use std::process::Command;

use autodump_core::testing::MemoryStore;
use autodump_documentdb::Content;
use bson::spec::BinarySubtype;
use bson::{Binary, rawdoc};
use serde_json::Value;

use super::shop::{dump_with, jobs, open_stub};

/// Some 128 MiB for batches, copies of them in the driver, and what the process has. What is sent
/// compresses to nothing here.
const MOST_KIB: u64 = 256 << 10;
const SECRET: &str = "AUTODUMP_TEST_SECRET";

/// What comes of a dump in a process of its own: documents, and its peak in KiB.
fn dumped(secret: &Value) -> (u64, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(SECRET, secret.to_string())
        // What was freed goes back at once: how much of it glibc would keep depends on the load.
        .env("MALLOC_MMAP_THRESHOLD_", "1048576")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find_map(|line| line.split_once("dumped: "));
    let (_, line) = line.unwrap_or_else(|| panic!("{said}"));
    let (rows, peak) = line.split_once(' ').unwrap();
    (rows.parse().unwrap(), peak.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the other test starts"]
async fn child() {
    let fields = serde_json::from_str(&std::env::var(SECRET).unwrap()).unwrap();
    let store = MemoryStore::default();
    let manifest = dump_with(&fields, jobs(8), &store, std::future::pending()).await.unwrap();
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    #[allow(clippy::print_stdout, reason = "what the other process reads")]
    {
        println!("\ndumped: {rows} {}", peak.trim().trim_end_matches(" kB"));
    }
}

/// By the average, a batch has hundreds of documents: of the long ones too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_long_documents_behind_many_short_ones_take_no_more_memory() {
    // What compresses to nothing is not the memory of the store.
    let bytes = vec![0; (16 << 20) - 100];
    let mut content = Content::new();
    for collection in 0..8 {
        let long = |number: i32| {
            let x = Binary { subtype: BinarySubtype::Generic, bytes: bytes.clone() };
            rawdoc! {"_id": number, "x": x}
        };
        let document = |number: i32| {
            if number < 10_000 {
                rawdoc! {"_id": number, "x": "y"}
            } else {
                long(number)
            }
        };
        let documents = (0..10_010).map(document);
        content = content.documents("shop", &format!("c{collection}"), documents).unwrap();
    }
    let shop = open_stub(content).await;
    let secret = shop.fields();
    let (rows, peak) = tokio::task::spawn_blocking(move || dumped(&secret)).await.unwrap();
    assert_eq!(rows, 8 * 10_010);
    assert!(peak <= MOST_KIB, "{peak} KiB");
}
