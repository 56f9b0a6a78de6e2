use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};

use super::*;
use crate::table::journal::Entry;

fn scan() -> Scan {
    Scan {
        segments: 2,
        ranges: 1,
        parallel: None,
        at_once: 2,
        consistent: false,
        units_per_second: None,
        compression: "none".to_owned(),
        object_bytes: 10,
        item_bytes: 0,
        items: 0,
    }
}

fn place() -> Place {
    Place { bucket: "b".to_owned(), directory: "d/".to_owned() }
}

fn frame(segment: u32, next: Option<&str>, lines: &'static str) -> Frame {
    let entry = Entry {
        segment,
        next: next.map(str::to_owned),
        items: lines.lines().count() as u64,
        bytes: lines.len() as u64,
        crc64nvme: crc::of(lines.as_bytes()),
        units: 0.5,
        frame: lines.len() as u64,
        frame_crc64nvme: crc::of(lines.as_bytes()),
    };
    Frame { entry, bytes: lines.into() }
}

fn log() -> Log {
    Log::after(Checkpoint::beginning(&scan(), 0), 0, &scan())
}

/// The log after a journal of two objects, the second of which fills the data object.
fn full() -> Log {
    let (mut log, at) = (log(), place().at("state/00000/journal-0000000000"));
    log.append(&[frame(0, Some("{}"), "1\n2\n"), frame(1, None, "")], &at).unwrap();
    assert!(!log.is_full());
    log.append(&[frame(0, None, "3\n4\n5\n6\n")], &at).unwrap();
    assert!(log.is_full());
    log
}

async fn put(store: &FaultyStore<MemoryStore>, cut: Cut) -> Result<Checkpoint> {
    cut.put(store, &place(), &scan(), Algorithm::None).await
}

#[tokio::test]
async fn a_data_object_is_what_its_checkpoint_says() {
    let memory = MemoryStore::default();
    let mut log = full();
    let state = put(&FaultyStore::new(memory.clone(), Vec::new()), log.cut()).await.unwrap();
    assert_eq!(
        memory.keys(),
        ["d/data/00000-000000.json", "d/state/00000/checkpoint-0000000000.json"]
    );
    let data = memory.object("b", "d/data/00000-000000.json").unwrap();
    assert_eq!(data.content, "1\n2\n3\n4\n5\n6\n");
    let [only] = state.objects.as_slice() else { panic!("{state:?}") };
    assert_eq!((only.object.bytes, only.items, only.object.segments.len()), (12, 6, 0));
    assert_eq!(only.object.sha256, hex::encode(Sha256::digest(&data.content)));
    assert_eq!(only.object.crc64nvme, BASE64_STANDARD.encode(data.crc64nvme.to_be_bytes()));
    let segment = &state.segments[0];
    assert_eq!((segment.pages, segment.items, segment.bytes), (2, 6, 12));
    assert_eq!(segment.crc64nvme, crc::of(&data.content), "the CRC was not continued");
    assert_eq!((state.journal, state.complete), (2, true));
    assert!(!log.is_full());
    assert!(log.cut().frames.is_empty());
}

#[tokio::test]
async fn what_is_there_already_is_taken_if_it_is_the_same() {
    let memory = MemoryStore::default();
    let lost = |nth| Fault { takes_effect: true, ..Fault::nth(Call::Put, nth) };
    for nth in [1, 2] {
        let store = FaultyStore::new(memory.clone(), vec![lost(nth)]);
        assert_eq!(put(&store, full().cut()).await.unwrap_err().class(), ErrorClass::Destination);
    }
    let store = FaultyStore::new(memory.clone(), Vec::new());
    let state = put(&store, full().cut()).await.unwrap();
    assert_eq!((state.objects.len(), memory.keys().len()), (1, 2));
    assert_eq!(store.count(Call::Get), 1, "data were read, or the checkpoint was not");
}

#[tokio::test]
async fn another_checkpoint_in_its_place_is_an_error() {
    let memory = MemoryStore::default();
    let at = place().at("state/00000/checkpoint-0000000000.json");
    memory.put(&at, log().state.encode().unwrap());
    let store = FaultyStore::new(memory.clone(), Vec::new());
    let error = put(&store, full().cut()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains(&at.key), "{error}");
}

#[test]
fn a_page_that_cannot_come_next_names_where_it_lies() {
    let at = place().at("state/00000/journal-0000000009");
    for number in [1, 2, u32::MAX] {
        let mut log = full();
        let error = log.append(&[frame(number, None, "x\n")], &at).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains("journal-0000000009"), "{error}");
        assert!(error.what().contains(&format!("segment {number},")), "{error}");
    }
}
