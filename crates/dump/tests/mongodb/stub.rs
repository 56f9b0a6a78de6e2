//! What `DocumentDB` has not, served by a stub without a database behind it.

use autodump_core::manifest::Manifest;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::{Level, Verification};
use autodump_documentdb::{Content, Ids, Shape};
use autodump_dump::engine::{Engines, Mongodb, Postgres};
use autodump_dump::restore::{self, Event, Restore, Watcher};
use autodump_dump::rows::RowDigest;
use autodump_dump::verify::{self, Verify};
use serde_json::json;

use super::shop::{Seen, Shop, jobs, open_stub, seen};
use super::support::{access_to, now};

/// Dumps the database `shop`, and compares the archive with what the server has.
async fn dumped(shop: &Shop, collections: &[&str]) -> Seen {
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(4), &store).await.unwrap();
    assert_eq!(manifest.engine.server_version.split('.').next(), Some("7"));
    let seen = seen(&store, &manifest);
    for name in collections {
        let mut expected = RowDigest::default();
        for document in shop.documents("shop", name).await {
            expected.add(&document);
        }
        assert!(expected.rows > 0, "{name}");
        assert_eq!(seen.digests[*name], expected, "{name}");
        // A time series has its own name in the manifest, not that of its buckets.
        let declared = name.trim_start_matches("system.buckets.");
        let table = manifest.tables.iter().find(|table| table.name == declared).unwrap();
        assert_eq!((table.rows, &table.hash), (expected.rows, &expected.hex()), "{name}");
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capped_collations_and_time_series_are_read_and_declared() {
    let shop = open_stub(Content::new().exotic("shop").unwrap()).await;
    let stored = ["capped", "collation", "validated", "system.buckets.series"];
    let seen = dumped(&shop, &stored).await;
    let declared = |name: &str| {
        let found = seen.prelude.collections.iter().find(|c| c.namespace.collection == name);
        found.map(|found| (found.kind.as_str(), found.metadata.as_str())).unwrap()
    };
    for (name, kind, says) in [
        ("capped", "collection", r#""options":{"capped":true,"size":{"$numberInt":"1048576"}"#),
        ("collation", "collection", r#""locale":"de""#),
        ("validated", "collection", r#""validationLevel":"strict""#),
        ("series", "timeseries", r#""timeField":"at""#),
        ("view", "view", r#""viewOn":"capped""#),
    ] {
        let (found, metadata) = declared(name);
        assert_eq!(found, kind, "{name}");
        assert!(metadata.contains(says), "{name}: {metadata}");
    }
    let names = seen.prelude.collections.iter().map(|c| c.namespace.collection.as_str());
    assert!(
        names.clone().all(|name| !name.starts_with("system.")),
        "{:?}",
        names.collect::<Vec<_>>()
    );
}

/// The role `read` alone does not give it everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_tell_its_size_is_read_by_ranges() {
    let content = Content::new().generated("shop", "large", (Shape::Kilobyte, Ids::Int, 20_000));
    let content = content.unwrap().generated("shop", "empty", (Shape::Small, Ids::Int, 0));
    let shop = open_stub(content.unwrap()).await;
    shop.server.faults().forbid("collStats");
    // Only ranges are gone on with in the middle.
    shop.server.faults().drop_at_get_more(30);
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(3), &store).await.unwrap();
    assert!(shop.server.faults().get_mores() > 30);
    assert_eq!((manifest.method.jobs, manifest.method.reason), (3, None));
    dumped(&shop, &["large"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_replica_set_is_read_by_ranges_of_object_ids() {
    let large = (Shape::Kilobyte, Ids::ObjectId, 60_000);
    let shop = open_stub(Content::new().generated("shop", "large", large).unwrap()).await;
    let faults = shop.server.faults();
    faults.drop_at_get_more(4);
    dumped(&shop, &["large"]).await;
    assert!(faults.get_mores() > 4);
}

/// Whom nothing is told.
struct Nobody;

impl Watcher for Nobody {
    fn note(&self, _: &Event<'_>) {}
}

fn engines() -> Engines {
    Engines {
        postgres: Postgres::new(None, "/nowhere/bundle.pem", std::env::temp_dir()),
        mongodb: Mongodb::new(None, "/nowhere/bundle.pem"),
    }
}

/// Where a run's manifest is.
fn manifest_of(store: &MemoryStore, manifest: &Manifest) -> ObjectLocation {
    let key = store.keys().into_iter().find(|key| key.ends_with("manifest.json")).unwrap();
    ObjectLocation { bucket: manifest.objects[0].bucket.clone(), key }
}

async fn verified(shop: &Shop, store: &MemoryStore, at: &ObjectLocation) -> Verification {
    let order = Verify {
        engines: &engines(),
        reader: store.clone(),
        manifest: at.clone(),
        level: Level::Restore,
        server: Some(access_to(&shop.fields())),
        jobs: 2,
        now,
    };
    verify::run(&order, std::future::pending()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_documentdb_has_not_is_verified_and_restored() {
    let shop = open_stub(Content::new().exotic("shop").unwrap()).await;
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(2), &store).await.unwrap();
    let at = manifest_of(&store, &manifest);
    let verification = verified(&shop, &store, &at).await;
    assert!(verification.passed, "{verification:?}");
    assert_eq!((verification.seen.tables, verification.seen.rows), (4, 151));

    let mut fields = shop.fields();
    fields["dbname"] = json!("copy");
    let order = Restore {
        engines: &engines(),
        reader: store.clone(),
        access: access_to(&fields),
        manifest: at,
        options: RestoreOptions::default(),
        watcher: std::sync::Arc::new(Nobody),
    };
    let restored = restore::run(&order, std::future::pending()).await.unwrap();
    assert_eq!((restored.tables, restored.rows), (4, 151), "{restored:?}");
    let series = restored.plan.tables.iter().find(|table| table.name == "series").unwrap();
    assert_eq!(series.rows, Some(1));
    for name in ["capped", "collation", "validated", "system.buckets.series"] {
        let copied = shop.documents("copy", name).await;
        assert!(copied == shop.documents("shop", name).await, "{name} differs");
    }
    assert_eq!(shop.definitions("copy").await, shop.definitions("shop").await);
}
