//! Collections and documents that change while they are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use autodump_core::ErrorClass;
use autodump_core::manifest::Manifest;
use autodump_core::testing::MemoryStore;
use autodump_documentdb::{Content, Ids, Shape};
use autodump_dump::codec::{Decoder, algorithm_of};
use autodump_dump::engine::mongodb::archive::{Prelude, Scanner, Visitor};
use autodump_dump::rows::RowDigest;
use bson::{Document, RawDocument, doc, rawdoc};
use mongodb::Collection;

use super::shop::{archive, binary, jobs, noise, open, open_routed, open_stub, seen};
use super::support::left_nothing;

/// Two collections of some 60 MB and 1 KB.
fn content() -> Content {
    let large = (Shape::Kilobyte, Ids::ObjectId, 60_000);
    let content = Content::new().generated("shop", "large", large).unwrap();
    content.generated("shop", "small", (Shape::Small, Ids::Int, 5)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_or_replaced_while_it_is_read_fails_the_run() {
    for (at, again) in [(1, false), (1, true), (9, false), (9, true)] {
        let shop = open_stub(content()).await;
        shop.server.faults().lose_collection_at("getMore", at, again);
        let store = MemoryStore::default();
        let error = shop.dump(jobs(2), &store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{at} {again}: {error}");
        assert_eq!(error.what(), "shop.large was replaced or dropped while it was read");
        left_nothing(&store);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_before_it_is_read_is_left_out() {
    let shop = open_stub(content()).await;
    shop.server.faults().lose_collection_at("listIndexes", 1, false);
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(2), &store).await.unwrap();
    let names: Vec<_> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    assert!(names == ["small"] || names == ["large"], "{names:?}");
}

/// In a sharded collection an `_id` may be there twice, behind and before the place. So a range
/// begins again: the piece that it is in holds the ranges before it, since each is some 4 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_router_ranges_begin_again_and_an_id_may_be_there_twice() {
    let twice = [1, 2, 2, 3].map(|number| rawdoc! {"_id": number});
    let content = content().documents("shop", "twice", twice).unwrap();
    let shop = open_routed(content).await;
    let mut expected = BTreeMap::new();
    for (name, rows) in [("large", 60_000), ("small", 5), ("twice", 4)] {
        let mut digest = RowDigest::default();
        for document in shop.documents("shop", name).await {
            digest.add(&document);
        }
        assert_eq!(digest.rows, rows);
        expected.insert(name.to_owned(), digest);
    }
    for at in [1, 4, 5, 6, 7, 8] {
        let faults = shop.server.faults();
        faults.drop_at_get_more(at);
        let before = faults.get_mores();
        let store = MemoryStore::default();
        let manifest = shop.dump(jobs(1), &store).await.unwrap();
        assert!(faults.get_mores() - before > at, "the fault did not come");
        assert_eq!(seen(&store, &manifest).digests, expected, "{at}");
    }
}

/// The `_id` of every document in an archive, and how often it is there.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<i64, u32>);

impl Visitor for Numbers {
    fn prelude(&mut self, _prelude: &Prelude) {}

    fn document(&mut self, _collection: usize, document: &[u8]) {
        let id = RawDocument::from_bytes(document).unwrap().get_i64("_id").unwrap();
        *self.0.entry(id).or_default() += 1;
    }

    fn end(&mut self, _collection: usize) {}
}

fn numbers(store: &MemoryStore, manifest: &Manifest) -> BTreeMap<i64, u32> {
    let mut scanner = Scanner::new(Numbers::default());
    let mut decoder = Decoder::new(algorithm_of(&manifest.objects[0].key)).unwrap();
    let mut take = |bytes: &[u8]| {
        scanner.write(bytes).unwrap_or_else(|damage| panic!("{damage}"));
        Ok(())
    };
    decoder.write(&archive(store, manifest), &mut take).unwrap();
    decoder.finish().unwrap();
    scanner.finish().unwrap_or_else(|damage| panic!("{damage}")).0
}

/// Inserts, changes, removes and makes again documents with odd numbers, and changes the others,
/// until it is told to stop. Returns how often it did.
async fn write(collection: Collection<Document>, stop: Arc<AtomicBool>) -> u64 {
    let mut rounds = 0_i64;
    while !stop.load(Ordering::SeqCst) {
        for step in 0..50 {
            let even = (rounds * 7919 + step * 1201) % NUMBER * 2;
            let (even, odd) = (doc! {"_id": even}, doc! {"_id": even + 1});
            let longer = doc! {"$set": {"y": "longer ".repeat(usize::try_from(step).unwrap())}};
            collection.update_one(even, longer.clone()).await.unwrap();
            collection.delete_one(odd.clone()).await.unwrap();
            collection.insert_one(odd.clone()).await.unwrap();
            collection.update_one(odd, longer).await.unwrap();
        }
        rounds += 1;
    }
    rounds.unsigned_abs()
}

/// Documents that are there all the time: some 40 MB.
const NUMBER: i64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_meanwhile_what_was_there_all_the_time_is_there_once() {
    let Some(shop) = open().await else { return };
    for first in (0..NUMBER).step_by(5000) {
        let one = |n: i64| doc! {"_id": n * 2, "x": binary(noise(n.unsigned_abs(), 2000))};
        shop.insert("a", (first..first + 5000).map(one).collect()).await;
    }
    for count in [1, 3] {
        let enough = Arc::new(AtomicBool::new(false));
        let collection = shop.client.database("shop").collection("a");
        let writing = tokio::spawn(write(collection, Arc::clone(&enough)));
        let store = MemoryStore::default();
        let manifest = shop.dump(jobs(count), &store).await.unwrap();
        enough.store(true, Ordering::SeqCst);
        assert!(writing.await.unwrap() > 1);
        let numbers = numbers(&store, &manifest);
        let missing: Vec<_> =
            (0..NUMBER).map(|n| n * 2).filter(|n| !numbers.contains_key(n)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(numbers.iter().find(|(_, times)| **times > 1), None);
        assert_eq!(manifest.tables[0].rows, numbers.len() as u64);
        shop.restore(&store, &manifest).await;
    }
}
