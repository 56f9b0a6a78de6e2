//! Dumps that succeed.

use autodump_core::manifest::{Consistency, MethodKind};
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::testing::MemoryStore;
use autodump_dump::engine::{Engine as _, Mongodb};
use bson::doc;

use super::content::{exotic, mixed};
use super::shop::{fill, jobs, open, open_with};
use super::support::access_to;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_byte_for_byte_by_mongorestore_alone() {
    let Some(shop) = open_with(true).await else { return };
    exotic(&shop).await;
    for (compression, ending) in [("gzip:1", "shop.archive.gz"), ("none", "shop.archive")] {
        let store = MemoryStore::default();
        let options = DumpOptions { compression: Some(compression.parse().unwrap()), ..jobs(3) };
        let manifest = shop.dump(options, &store).await.unwrap();
        assert!(manifest.objects[0].key.ends_with(ending), "{manifest:?}");
        assert_eq!(manifest.engine.name, "mongodb");
        assert_eq!(manifest.consistency, Consistency::Range);
        assert_eq!(manifest.method.kind, MethodKind::Ranges);
        assert_eq!(manifest.method.reason, None);
        let seen = shop.compare(&store, &manifest).await;
        let names: Vec<_> = seen.digests.keys().map(String::as_str).collect();
        let expected =
            ["-", "a b", "a/b.c", "empty", "few", "indexed", "long", "mixed", "types", "ü%41"];
        assert_eq!(names, expected);
        if autodump_documentdb::given::tools().is_some() {
            let (of, restored) =
                (shop.definitions("shop").await, shop.definitions("restored").await);
            assert_eq!(of, restored);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_collection_is_read_by_ranges() {
    let Some(shop) = open().await else { return };
    fill(&shop, "large", 200_000, 280).await;
    fill(&shop, "small", 100, 10).await;
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(4), &store).await.unwrap();
    assert_eq!((manifest.method.jobs, &manifest.method.reason), (4, &None));
    let object = &manifest.objects[0];
    assert!(object.segments.len() > 2, "{:?}", object.segments);
    assert_eq!(object.segments.iter().sum::<u64>(), object.bytes);
    let seen = shop.compare(&store, &manifest).await;
    assert_eq!(seen.digests["large"].rows, 200_000);
}

/// `mongorestore` waits for ever where more collections are begun than it restores at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_collections_by_many_readers_are_never_more_than_eight_at_once() {
    let Some(shop) = open().await else { return };
    // Not to be cut, and each of more than one piece.
    for number in 0..20 {
        let name = format!("c{number}");
        fill(&shop, &name, 40, 200_000).await;
    }
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(16), &store).await.unwrap();
    assert_eq!(manifest.method.jobs, 16);
    let seen = shop.compare(&store, &manifest).await;
    assert_eq!(seen.prelude.concurrent, 8);
    assert!((2..=8).contains(&seen.most_open), "{}", seen.most_open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_collection_that_cannot_be_cut_says_why() {
    let Some(shop) = open().await else { return };
    shop.insert("mixed", mixed(3_000_000)).await;
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(2), &store).await.unwrap();
    let reason = manifest.method.reason.clone().unwrap();
    assert!(reason.contains("mixed: its _id are of "), "{reason}");
    shop.compare(&store, &manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_chosen_is_dumped_and_all_databases_are_found() {
    let Some(shop) = open().await else { return };
    for name in ["orders", "orders.old", "Orders", "items"] {
        shop.insert(name, vec![doc! {"_id": 1}]).await;
    }
    shop.client.database("other").collection("x").insert_one(doc! {"_id": 1}).await.unwrap();
    let access = access_to(&shop.fields());
    let engine = Mongodb::new(None, "/nowhere/bundle.pem");
    assert_eq!(
        engine.databases(&access, &DumpOptions::default()).await.unwrap(),
        ["other", "shop"]
    );

    let patterns = |texts: &[&str]| {
        texts.iter().map(|text| Pattern::collection(text).unwrap()).collect::<Vec<_>>()
    };
    let selection = Selection {
        collections: patterns(&["orders*", "items"]),
        exclude_collections: patterns(&["*.old"]),
        ..Selection::default()
    };
    let store = MemoryStore::default();
    let manifest = shop.dump(DumpOptions { selection, ..jobs(1) }, &store).await.unwrap();
    let mut names: Vec<_> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["items", "orders"]);
    shop.compare(&store, &manifest).await;
}
