use std::future::{pending, ready};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use autodump_core::ports::{ListedPage, ObjectLocation, Put};
use autodump_core::table::layout;
use autodump_core::table::plan::{Export, Plan};
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::Level;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::exported_sample::{self, RUN};
use super::super::fake::FakeTable;
use super::super::trial::{ARN, BUCKET, DIRECTORY, assert_whole, finish, now, plan, scan};
use super::*;
use crate::verify::table::{self as verify, Verify};

/// A store that answers so many times, and then never again.
struct Endless {
    store: MemoryStore,
    answers: AtomicU32,
    stuck: Notify,
}

impl Endless {
    async fn answers(&self) {
        let count = |left: u32| left.checked_sub(1);
        if self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err() {
            self.stuck.notify_one();
            pending::<()>().await;
        }
    }
}

impl ObjectReader for Endless {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<Self::Content> {
        self.answers().await;
        self.store.get(location, range).await
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.answers().await;
        self.store.page(bucket, prefix, after).await
    }
}

impl ObjectWriter for Endless {
    async fn put(&self, location: &ObjectLocation, kind: &str, body: Bytes) -> Result<Put> {
        self.answers().await;
        ObjectWriter::put(&self.store, location, kind, body).await
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        self.answers().await;
        ObjectWriter::remove(&self.store, bucket, keys).await
    }
}

async fn does(
    table: &FakeTable,
    store: &MemoryStore,
    plan: &Plan,
    part: Part,
) -> Result<Option<TableManifest>> {
    run(table, store, &finish(plan), part, now, pending()).await
}

fn journals(store: &MemoryStore) -> usize {
    store.keys().iter().filter(|key| key.contains("/journal-")).count()
}

#[tokio::test]
async fn a_small_table_is_one_job() {
    let (table, store) = (FakeTable::new(100), MemoryStore::default());
    let scan = scan(4, 1);
    let plan = plan(Method::Scan(scan.clone()));
    let manifest = does(&table, &store, &plan, Part::Rest).await.unwrap().unwrap();
    assert_eq!(manifest.items, 100);
    assert_whole(&table, &store, &scan).await;
    assert_eq!(journals(&store), 0);
    assert!(store.object(BUCKET, &format!("{DIRECTORY}manifest.json")).is_some());
    // Batch starts it again although it had ended.
    let (keys, calls) = (store.keys(), table.calls());
    let again = does(&table, &store, &plan, Part::Rest).await.unwrap().unwrap();
    assert_eq!((again, store.keys(), table.calls()), (manifest, keys, calls));
}

#[tokio::test]
async fn journals_go_page_by_page_and_one_that_stays_fails_no_backup() {
    let (table, memory) = (FakeTable::new(100), MemoryStore::default());
    let plan = plan(Method::Scan(scan(4, 1)));
    let manifest = does(&table, &memory, &plan, Part::Rest).await.unwrap();
    for number in 0..2500 {
        let key = format!("{DIRECTORY}{}", layout::journal(7, number));
        memory.put(&ObjectLocation { bucket: BUCKET.to_owned(), key }, "x");
    }
    let store = FaultyStore::new(memory.clone(), vec![Fault::nth(Call::Remove, 2)]);
    let again = run(&table, &store, &finish(&plan), Part::Rest, now, pending()).await.unwrap();
    assert_eq!(again, manifest);
    assert_eq!(journals(&memory), 1502, "the first page is gone, and had two checkpoints");
    assert_eq!(does(&table, &memory, &plan, Part::Rest).await.unwrap(), manifest);
    assert_eq!(journals(&memory), 0);
    let state = |key: &String| key.contains("/checkpoint-") || key.ends_with("/plan.json");
    assert!(memory.keys().iter().any(state), "all else stays");
}

#[tokio::test]
async fn ranges_come_first_and_the_rest_looks_whether_they_did() {
    let (table, store) = (FakeTable::new(100), MemoryStore::default());
    let scan = scan(4, 2);
    let plan = plan(Method::Scan(scan.clone()));
    assert_eq!(does(&table, &store, &plan, Part::Range(0)).await.unwrap(), None);
    let error = does(&table, &store, &plan, Part::Rest).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains("2 of 4 segments"), "{error}");
    let is_end = |key: &String| key.ends_with("manifest.json") || key.ends_with("table.json");
    assert!(!store.keys().iter().any(is_end), "{:?}", store.keys());
    assert_eq!(does(&table, &store, &plan, Part::Range(1)).await.unwrap(), None);
    let manifest = does(&table, &store, &plan, Part::Rest).await.unwrap().unwrap();
    assert_eq!((manifest.items, manifest.method.jobs), (100, Some(2)));
    assert_whole(&table, &store, &scan).await;
    assert_eq!(journals(&store), 0);
}

#[tokio::test]
async fn a_stop_ends_it_without_a_manifest() {
    let (table, store) = (FakeTable::new(100), MemoryStore::default());
    let plan = plan(Method::Scan(scan(4, 1)));
    let done = run(&table, &store, &finish(&plan), Part::Rest, now, ready(())).await;
    assert_eq!(done.unwrap_err().class(), ErrorClass::Interrupted);
    assert_eq!(store.keys(), Vec::<String>::new());
}

/// Stops once the store has been asked so many times, and says what is left of it.
async fn stopped_after(
    calls: u32,
    memory: &MemoryStore,
    finish: &Finish<'_>,
) -> Result<Option<TableManifest>> {
    let store =
        Endless { store: memory.clone(), answers: AtomicU32::new(calls), stuck: Notify::new() };
    let stop = store.stuck.notified();
    let table = FakeTable::new(100);
    let work = run(&table, &store, finish, Part::Rest, now, stop);
    timeout(Duration::from_secs(5), work).await.expect("the stop was not heard")
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_at_every_step_of_the_end() {
    let scan = scan(4, 2);
    let plan = plan(Method::Scan(scan.clone()));
    let is_end = |key: &String| key.ends_with("/manifest.json");
    let mut interruptions = 0;
    for calls in 0.. {
        let (table, store) = (FakeTable::new(100), MemoryStore::default());
        for range in 0..2 {
            does(&table, &store, &plan, Part::Range(range)).await.unwrap();
        }
        let found = journals(&store);
        match stopped_after(calls, &store, &finish(&plan)).await {
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Interrupted, "{error}");
                assert!(!store.keys().iter().any(is_end), "after {calls}");
                interruptions += 1;
                // What is left is enough for the next attempt.
                let done = does(&table, &store, &plan, Part::Rest).await.unwrap().unwrap();
                assert_eq!(done.items, 100);
            }
            Ok(done) => {
                assert_eq!(done.unwrap().items, 100);
                assert!(store.keys().iter().any(is_end), "after {calls}");
                if journals(&store) < found {
                    break;
                }
            }
        }
    }
    // Two checkpoints are looked for and read, and three objects put, at least.
    assert!(interruptions >= 7, "{interruptions}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_an_export_is_compared() {
    let plan = plan(Method::Export(Export { client_token: "token".to_owned() }));
    let finish = Finish { bucket: exported_sample::BUCKET, directory: RUN, ..finish(&plan) };
    // The list, four manifests and checksums, and three objects.
    for calls in 0..8 {
        let export = exported_sample::Export::new(|_, _| {}).await;
        let error = stopped_after(calls, &export.store, &finish).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Interrupted, "after {calls}: {error}");
        let keys = export.store.keys();
        assert!(!keys.iter().any(|key| key.ends_with("/manifest.json")), "after {calls}");
    }
    let export = exported_sample::Export::new(|_, _| {}).await;
    assert_eq!(stopped_after(8, &export.store, &finish).await.unwrap().unwrap().items, 5);
}

fn assert_made_again(error: &Error) {
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    assert!(error.what().contains("table/orders was deleted and made again while"), "{error}");
}

#[tokio::test]
async fn of_a_table_that_is_made_again_there_is_no_backup() {
    let is_end = |key: &String| key.ends_with("/manifest.json");
    for (parts, ranges) in
        [(&[Part::Rest][..], 1), (&[Part::Range(0), Part::Range(1), Part::Rest], 2)]
    {
        let mut plan = plan(Method::Scan(scan(4, ranges)));
        plan.table_id = Some("first".to_owned());
        // Before it is read, while it is, and never.
        for after in [Some(0), Some(5), Some(12), None] {
            let again = after.map(|calls| (calls, "second"));
            let table = FakeTable { id: Some("first"), again, ..FakeTable::new(100) };
            let store = MemoryStore::default();
            let mut last = Ok(None);
            for part in parts {
                last = does(&table, &store, &plan, *part).await;
                if last.is_err() {
                    break;
                }
            }
            if let Some(after) = after {
                assert_made_again(&last.unwrap_err());
                assert!(!store.keys().iter().any(is_end));
                assert!(after > 0 || table.calls() == 0, "another table was read");
            } else {
                assert_eq!(last.unwrap().unwrap().items, 100);
            }
        }
    }
    // Of an earlier plan, or of a service that names no id, nothing is known.
    for (planned, told) in [(None, Some("second")), (Some("first"), None)] {
        let mut plan = plan(Method::Scan(scan(4, 1)));
        plan.table_id = planned.map(str::to_owned);
        let table = FakeTable { id: told, ..FakeTable::new(10) };
        let done = does(&table, &MemoryStore::default(), &plan, Part::Rest).await;
        assert_eq!(done.unwrap().unwrap().items, 10);
    }
}

#[tokio::test]
async fn a_table_that_is_gone_after_it_was_read_has_its_backup() {
    let mut plan = plan(Method::Scan(scan(4, 2)));
    plan.table_id = Some("first".to_owned());
    let (mut table, store) =
        (FakeTable { id: Some("first"), ..FakeTable::new(100) }, MemoryStore::default());
    for range in 0..2 {
        does(&table, &store, &plan, Part::Range(range)).await.unwrap();
    }
    table.gone_after = Some(0);
    let done = does(&table, &store, &plan, Part::Rest).await;
    assert_eq!(done.unwrap().unwrap().items, 100);
}

#[tokio::test]
async fn an_export_of_a_table_that_was_made_again_is_none() {
    let export = exported_sample::Export::new(|_, _| {}).await;
    let mut plan = plan(Method::Export(Export { client_token: "token".to_owned() }));
    for (id, good) in [("0f1e2d3c", true), ("another", false)] {
        plan.table_id = Some(id.to_owned());
        let finish = Finish { bucket: exported_sample::BUCKET, directory: RUN, ..finish(&plan) };
        let table = FakeTable::new(0);
        let done = run(&table, &export.store, &finish, Part::Rest, now, pending()).await;
        if good {
            assert_eq!(done.unwrap().unwrap().items, 5);
        } else {
            assert_made_again(&done.unwrap_err());
        }
    }
}

#[tokio::test]
async fn an_export_is_compared_and_has_its_manifest() {
    let export = exported_sample::Export::new(|_, _| {}).await;
    let table = FakeTable::new(0);
    let token = Export { client_token: "token".to_owned() };
    let plan = plan(Method::Export(token));
    let finish = Finish { bucket: exported_sample::BUCKET, directory: RUN, ..finish(&plan) };
    let store = &export.store;
    let manifest = run(&table, store, &finish, Part::Rest, now, pending()).await.unwrap().unwrap();
    assert_eq!((manifest.items, manifest.objects.len(), table.calls()), (5, 2, 0));
    let error = run(&table, store, &finish, Part::Range(0), now, pending()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Internal);

    let other = |summary: &mut serde_json::Value, _: &mut Vec<_>| {
        summary["tableArn"] = json!(ARN.replace("orders", "others"));
    };
    let export = exported_sample::Export::new(other).await;
    let done = run(&table, &export.store, &finish, Part::Rest, now, pending()).await;
    let error = done.unwrap_err();
    assert!(error.what().contains("table/others, not of"), "{error}");
    assert!(!export.store.keys().iter().any(|key| key.ends_with("/manifest.json")));
}

#[tokio::test]
async fn what_was_backed_up_is_found_good() {
    for (compression, items) in [("zstd:1", 100), ("gzip:1", 100), ("none", 100), ("zstd:1", 0)] {
        let (table, store) = (FakeTable::new(items), MemoryStore::default());
        let scan = Scan { compression: compression.to_owned(), ..scan(4, 2) };
        let mut plan = plan(Method::Scan(scan));
        plan.definition["tableArn"] = json!(ARN);
        plan.definition["create"]["KeySchema"] =
            json!([{"AttributeName": "id", "KeyType": "HASH"}]);
        plan.definition["create"]["AttributeDefinitions"] =
            json!([{"AttributeName": "id", "AttributeType": "N"}]);
        for part in [Part::Range(0), Part::Range(1), Part::Rest] {
            does(&table, &store, &plan, part).await.unwrap();
        }
        let manifest =
            ObjectLocation { bucket: BUCKET.to_owned(), key: format!("{DIRECTORY}manifest.json") };
        let level = Level::Archive;
        let verify = Verify { reader: store, manifest, level, jobs: 4, now };
        let seen = verify::run(&verify, pending()).await.unwrap();
        assert!(seen.passed && seen.unchecked.is_empty(), "{compression}: {seen:?}");
        assert_eq!(seen.seen.rows, u64::from(items));
    }
}
