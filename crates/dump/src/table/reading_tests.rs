//! Ranges that are read to their end at once, whatever the table and its answers are like.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::ports::{ObjectLocation, ObjectReader as _};
use autodump_core::table::plan::Scan;
use autodump_core::testing::MemoryStore;
use tokio::sync::Semaphore;

use super::fake::{FakeTable, item, line};
use super::journal::read_head;
use super::range::run;
use super::so_far::so_far;
use super::summary::summarise;
use super::trial::{BUCKET, DIRECTORY, Yielding, assert_whole, job, lines, read, scan};

#[tokio::test]
async fn a_table_is_read_once_in_one_range_or_several_and_in_every_compression() {
    for (segments, ranges) in [(1, 1), (5, 1), (7, 3), (4, 4)] {
        for compression in ["zstd:1", "gzip:1", "lz4", "none"] {
            let (table, store) = (FakeTable::new(200), MemoryStore::default());
            let scan = Scan { compression: compression.to_owned(), ..scan(segments, ranges) };
            read(&table, &store, &scan).await.unwrap();
            assert_whole(&table, &store, &scan).await;
            assert_eq!(table.in_vain(), 0);
            let before = store.keys();
            let calls = table.calls();
            read(&table, &store, &scan).await.unwrap();
            assert_eq!((store.keys(), table.calls()), (before, calls), "it was read again");
        }
    }
}

#[tokio::test]
async fn an_empty_table_has_no_data_objects() {
    let (table, store, scan) = (FakeTable::new(0), MemoryStore::default(), scan(6, 2));
    read(&table, &store, &scan).await.unwrap();
    let (lines, summary) = lines(&store, &scan).await;
    assert_eq!((lines.len(), summary.objects.len(), summary.pages), (0, 0, 6));
}

#[tokio::test]
async fn the_largest_items_go_through() {
    let large =
        |n: u32| format!(r#"{{"id":{{"N":"{n}"}},"b":{{"B":"{}"}}}}"#, "QUJD".repeat(100_000));
    let table = FakeTable::of((0..12).map(|n| (n, large(n))));
    for compression in ["zstd:1", "none"] {
        let store = MemoryStore::default();
        let scan =
            Scan { compression: compression.to_owned(), object_bytes: 3 << 20, ..scan(2, 1) };
        read(&table, &store, &scan).await.unwrap();
        assert_whole(&table, &store, &scan).await;
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_loses_and_doubles_nothing() {
    for limit in [None, Some(20.0), Some(0.4)] {
        let table = FakeTable { throttles: Some(3), ..FakeTable::new(200) };
        let (store, scan) =
            (MemoryStore::default(), Scan { units_per_second: limit, ..scan(5, 2) });
        read(&table, &store, &scan).await.unwrap();
        assert_whole(&table, &store, &scan).await;
        assert_eq!(table.in_vain(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_only_throttles_is_given_up() {
    let table = FakeTable { throttles: Some(1), ..FakeTable::new(10) };
    let begin = tokio::time::Instant::now();
    let error = read(&table, &MemoryStore::default(), &scan(5, 1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("15 minutes"), "{error}");
    let minutes = begin.elapsed().as_secs() / 60;
    assert!((15..17).contains(&minutes), "{minutes}");
}

#[tokio::test]
async fn a_table_that_is_deleted_ends_it_at_once_and_what_was_read_stays() {
    let table = FakeTable { gone_after: Some(12), ..FakeTable::new(200) };
    let (store, scan) = (MemoryStore::default(), scan(5, 1));
    let error = read(&table, &store, &scan).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(table.calls() <= 12 + scan.at_once);
    let kept = store.keys().iter().filter(|key| key.contains("journal-")).count();
    assert!(kept > 0);
    let error = summarise(&store, BUCKET, DIRECTORY, &scan).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
}

#[tokio::test]
async fn of_a_growing_table_all_that_was_there_is_there_once() {
    let before = FakeTable::new(200).lines();
    let table = FakeTable { grows: true, ..FakeTable::new(200) };
    let (store, scan) = (MemoryStore::default(), scan(5, 2));
    read(&table, &store, &scan).await.unwrap();
    let (lines, _) = lines(&store, &scan).await;
    let mut once = lines.clone();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "an item is there twice");
    assert!(before.iter().all(|line| lines.binary_search(line).is_ok()), "an item is missing");
    assert!(lines.iter().all(|line| table.lines().binary_search(line).is_ok()));
    assert_eq!(line(&item(1)), before[before.binary_search(&line(&item(1))).unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_asks_to_stop_is_heard() {
    let table = FakeTable { throttles: Some(2), ..FakeTable::new(200) };
    let (store, scan) =
        (MemoryStore::default(), Scan { units_per_second: Some(0.1), ..scan(5, 1) });
    let stop = tokio::time::sleep(Duration::from_mins(1));
    let begin = tokio::time::Instant::now();
    let error = run(&table, &store, &job(&scan, 0), stop).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(begin.elapsed() < Duration::from_secs(61));
    let scan = Scan { units_per_second: None, ..scan };
    read(&table, &store, &scan).await.unwrap();
    assert_whole(&table, &store, &scan).await;
    assert!(table.in_vain() <= 1);
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused_before_anything_is_done() {
    let good = scan(4, 2);
    for (bad, text) in [
        (Scan { segments: 0, ..good.clone() }, "0 segments"),
        (Scan { ranges: 5, ..good.clone() }, "5 ranges"),
        (Scan { ranges: 0, ..good.clone() }, "0 ranges"),
        (Scan { ranges: 1, ..good.clone() }, "no 1"),
        (Scan { at_once: 0, ..good.clone() }, "at once"),
        (Scan { object_bytes: 0, ..good.clone() }, "0 bytes"),
        (Scan { object_bytes: 5 << 30, ..good.clone() }, "5368709120 bytes"),
        (Scan { units_per_second: Some(0.0), ..good.clone() }, "0 read units"),
        (Scan { units_per_second: Some(f64::NAN), ..good.clone() }, "NaN"),
        (Scan { compression: "brotli".to_owned(), ..good.clone() }, "brotli"),
    ] {
        let (table, store) = (FakeTable::new(3), MemoryStore::default());
        let error = run(&table, &store, &job(&bad, 1), pending()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains(text), "{error}");
        assert_eq!((table.calls(), store.keys().len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_one_data_object_is_put_and_until_the_next_is_full() {
    let (table, memory) = (FakeTable::new(600), MemoryStore::default());
    let scan = scan(6, 1);
    let store = Yielding { data: Arc::new(Semaphore::new(0)), ..Yielding::new(&memory) };
    let state = |name: &str| memory.keys().iter().filter(|key| key.contains(name)).count();
    let mut reading = std::pin::pin!(read(&table, &store, &scan));
    let mut before = 0;
    for objects in 1..4 {
        let waits = tokio::time::timeout(Duration::from_mins(1), &mut reading).await;
        assert!(waits.is_err(), "nobody waited for the data objects");
        assert_eq!(state("/data/"), objects - 1);
        assert!(state("journal-") > before, "reading did not go on");
        before = state("journal-");
        store.data.add_permits(1);
    }
    let held = table.calls();
    store.data.add_permits(1000);
    reading.await.unwrap();
    assert!(table.calls() > held + 20, "reading did not wait");
    assert_whole(&table, &memory, &scan).await;
}

/// Bytes and entries of each journal object.
async fn journal(store: &MemoryStore) -> Vec<(u64, usize)> {
    let mut found = Vec::new();
    for listed in store.list(BUCKET, &format!("{DIRECTORY}state/00000/journal-")).await.unwrap() {
        let location = ObjectLocation { bucket: BUCKET.to_owned(), key: listed.key };
        let head = read_head(store, &location, listed.bytes).await.unwrap();
        found.push((listed.bytes, head.entries.len()));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn pages_that_wait_for_one_commit_are_the_next_one() {
    let (table, memory) = (FakeTable::new(600), MemoryStore::default());
    let scan = Scan { at_once: 8, ..scan(8, 1) };
    let store = Yielding { journal: Duration::from_millis(50), ..Yielding::new(&memory) };
    read(&table, &store, &scan).await.unwrap();
    assert_whole(&table, &memory, &scan).await;
    let journal = journal(&memory).await;
    let pages: usize = journal.iter().map(|(_, entries)| entries).sum();
    assert!(pages >= 60 && journal.len() * 3 <= pages, "{pages} in {}", journal.len());
    assert!(journal.iter().all(|(_, entries)| (1..=8).contains(entries)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_no_larger_than_its_share_of_the_memory() {
    let large = |n: u32| format!(r#"{{"id":{{"N":"{n}"}},"s":{{"S":"{}"}}}}"#, "x".repeat(380_000));
    let table = FakeTable::of((0..120).map(|n| (n, large(n))));
    let memory = MemoryStore::default();
    let scan =
        Scan { at_once: 20, compression: "none".to_owned(), object_bytes: 30 << 20, ..scan(20, 1) };
    let store = Yielding { journal: Duration::from_millis(50), ..Yielding::new(&memory) };
    read(&table, &store, &scan).await.unwrap();
    assert_whole(&table, &memory, &scan).await;
    let longest = journal(&memory).await.into_iter().map(|(bytes, _)| bytes).max().unwrap();
    assert!((6 << 20..(8 << 20) + 20_000).contains(&longest), "{longest}");
    let objects = memory.list(BUCKET, &format!("{DIRECTORY}data/")).await.unwrap();
    assert!(objects.iter().all(|object| object.bytes < 38 << 20), "{objects:?}");
    assert!(objects[0].bytes >= 30 << 20, "{objects:?}");
}

#[tokio::test]
async fn it_can_be_done_on_any_thread() {
    let work = async {
        let (table, store, scan) = (FakeTable::new(100), MemoryStore::default(), scan(4, 1));
        let done = run(&table, &store, &job(&scan, 0), pending()).await.unwrap();
        assert_eq!(so_far(&store, BUCKET, DIRECTORY, &scan, 0).await.unwrap(), done);
        summarise(&store, BUCKET, DIRECTORY, &scan).await.unwrap().items
    };
    assert_eq!(tokio::spawn(work).await.unwrap(), 100);
}
