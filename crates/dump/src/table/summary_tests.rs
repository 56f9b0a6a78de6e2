use autodump_core::manifest::Object;
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};

use super::*;

const DIRECTORY: &str = "dynamodb/t/run/";

fn scan() -> Scan {
    Scan {
        segments: 30,
        ranges: 3,
        parallel: None,
        at_once: 2,
        consistent: false,
        units_per_second: None,
        compression: "zstd:1".to_owned(),
        object_bytes: 1,
        item_bytes: 0,
        items: 0,
    }
}

fn object(name: &str) -> Object {
    Object {
        bucket: "b".to_owned(),
        key: format!("{DIRECTORY}{name}"),
        bytes: 1,
        sha256: String::new(),
        crc64nvme: String::new(),
        segments: vec![1],
    }
}

/// Each segment has three items of two pages.
fn complete(range: u32) -> Checkpoint {
    let mut checkpoint = Checkpoint::beginning(&scan(), range);
    for segment in &mut checkpoint.segments {
        (segment.done, segment.pages, segment.items, segment.bytes) = (true, 2, 3, 100);
    }
    checkpoint.complete = true;
    for items in [10, 20] {
        let object = object(&format!("data/{range}-{items}"));
        checkpoint.objects.push(DataObject { object, items });
    }
    checkpoint
}

fn put(store: &MemoryStore, number: u64, checkpoint: &Checkpoint) {
    let name = layout::checkpoint(checkpoint.range, number);
    let at = ObjectLocation { bucket: "b".to_owned(), key: format!("{DIRECTORY}{name}") };
    store.put(&at, checkpoint.encode().unwrap());
}

/// Earlier checkpoints are there, too, as the job leaves them.
fn stored() -> MemoryStore {
    let store = MemoryStore::default();
    for range in 0..3 {
        put(&store, 0, &Checkpoint::beginning(&scan(), range));
        put(&store, 11, &complete(range));
    }
    store
}

#[tokio::test]
async fn all_ranges_are_summed_up_in_order() {
    let summary = summarise(&stored(), "b", DIRECTORY, &scan()).await.unwrap();
    assert_eq!((summary.pages, summary.items, summary.bytes), (60, 90, 3000));
    assert!(summary.segments.iter().map(|segment| segment.segment).eq(0..30));
    let keys: Vec<_> = summary.objects.iter().map(|data| data.object.key.as_str()).collect();
    let all = ["0-10", "0-20", "1-10", "1-20", "2-10", "2-20"];
    assert_eq!(keys, all.map(|name| format!("{DIRECTORY}data/{name}")));
}

#[tokio::test]
async fn segments_that_are_not_complete_are_named() {
    let mut partly = complete(2);
    partly.complete = false;
    (partly.segments[3].done, partly.segments[9].done) = (false, false);
    let store = stored();
    put(&store, 12, &partly);
    let error = summarise(&store, "b", DIRECTORY, &scan()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    let what = "2 of 30 segments in s3://b/dynamodb/t/run/ are not complete: 23, 29";
    assert_eq!(error.what(), what);
    // All read, and the last data object not yet put; and a range of which nothing is there.
    let store = MemoryStore::default();
    put(&store, 3, &Checkpoint { complete: false, ..complete(0) });
    put(&store, 0, &complete(2));
    let error = summarise(&store, "b", DIRECTORY, &scan()).await.unwrap_err();
    assert!(error.what().starts_with("20 of 30 "), "{error}");
    assert!(error.what().ends_with("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 more"), "{error}");
}

#[tokio::test]
async fn what_contradicts_itself_is_no_summary() {
    let store = stored();
    let mut odd = complete(1);
    odd.segments[0].done = false;
    put(&store, 12, &odd);
    let error = summarise(&store, "b", DIRECTORY, &scan()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains("state/00001/checkpoint-0000000012.json"), "{error}");
    let mut odd = complete(1);
    odd.objects.pop();
    put(&store, 12, &odd);
    let error = summarise(&store, "b", DIRECTORY, &scan()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Internal);
    assert!(error.what().contains("90 items were read, and the data objects hold 70"), "{error}");
    let other = Scan { segments: 31, ..scan() };
    let error = summarise(&stored(), "b", DIRECTORY, &other).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
}

#[tokio::test]
async fn a_store_that_fails_is_the_destination_s_fault() {
    for fault in [Fault::nth(Call::List, 2), Fault::nth(Call::Get, 2)] {
        let store = FaultyStore::new(stored(), vec![fault]);
        let error = summarise(&store, "b", DIRECTORY, &scan()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination);
    }
}

#[tokio::test]
async fn journals_are_not_looked_at() {
    let memory = stored();
    for number in 0..2500 {
        let key = format!("{DIRECTORY}{}", layout::journal(1, number));
        memory.put(&ObjectLocation { bucket: "b".to_owned(), key }, "x");
    }
    let store = FaultyStore::new(memory, Vec::new());
    assert_eq!(summarise(&store, "b", DIRECTORY, &scan()).await.unwrap().items, 90);
    assert_eq!((store.count(Call::List), store.count(Call::Get)), (3, 3));
}
