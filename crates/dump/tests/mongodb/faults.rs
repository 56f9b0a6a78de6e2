//! What goes wrong while documents are read: a whole backup, or nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_dump::rows::RowDigest;
use tokio::sync::oneshot;

use super::content::mixed;
use super::shop::{Shop, dump_with, fill, jobs, open};
use super::support::hooked::Hooked;
use super::support::left_nothing;

/// Some 60 MB that do not compress, in one collection.
async fn large() -> Option<Shop> {
    let shop = open().await?;
    fill(&shop, "large", 60_000, 1000).await;
    fill(&shop, "small", 100, 10).await;
    Some(shop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_cursor_or_connection_costs_no_document_and_doubles_none() {
    let Some(shop) = large().await else { return };
    let mut expected = RowDigest::default();
    for document in shop.documents("shop", "large").await {
        expected.add(&document);
    }
    for at in [1, 2, 3, 5, 8, 11] {
        for drops in [true, false] {
            let faults = shop.server.faults();
            if drops {
                faults.drop_at_get_more(at);
            } else {
                faults.forget_at_get_more(at);
            }
            let before = faults.get_mores();
            let store = MemoryStore::default();
            let manifest = shop.dump(jobs(2), &store).await.unwrap();
            assert!(faults.get_mores() - before >= at, "the fault did not come");
            let table = manifest.tables.iter().find(|table| table.name == "large").unwrap();
            assert_eq!((table.rows, &table.hash), (60_000, &expected.hex()), "{at} {drops}");
            if at == 5 {
                shop.compare(&store, &manifest).await;
            }
        }
    }
    no_cursor_is_left(&shop).await;
}

/// Without an order it can only begin again, as long as nothing of it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_order_reading_begins_again_or_ends_in_an_error() {
    let Some(shop) = open().await else { return };
    shop.insert("mixed", mixed(2_000_000)).await;
    shop.server.faults().drop_at_get_more(1);
    let store = MemoryStore::default();
    let manifest = shop.dump(jobs(1), &store).await.unwrap();
    shop.compare(&store, &manifest).await;

    shop.server.faults().forget_at_get_more(6);
    let store = MemoryStore::default();
    let error = shop.dump(jobs(1), &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.what().contains("no order"), "{error}");
    left_nothing(&store);
    no_cursor_is_left(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_middle_is_an_error_of_the_source() {
    let Some(shop) = large().await else { return };
    let fields = shop.fields();
    let shop = Arc::new(Mutex::new(shop));
    let dying = Arc::clone(&shop);
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, move || dying.lock().unwrap().server.kill());
    let error = dump_with(&fields, jobs(2), &store, std::future::pending()).await.unwrap_err();
    assert!(store.has_run());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    left_nothing(&inner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_request_to_the_store_fails_nothing_is_left() {
    let Some(shop) = large().await else { return };
    for fault in [
        Fault::nth(Call::PutPart, 1),
        Fault::nth(Call::PutPart, 3),
        Fault::nth(Call::PutPart, 6),
        Fault { times: u32::MAX, ..Fault::nth(Call::Complete, 1) },
    ] {
        let inner = MemoryStore::default();
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        let error = shop.dump(jobs(2), &store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}: {error}");
        left_nothing(&inner);
        no_cursor_is_left(&shop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_leaves_nothing() {
    let Some(shop) = large().await else { return };
    for at in [1, 3] {
        let inner = MemoryStore::default();
        let (ask, asked) = oneshot::channel::<()>();
        let store = Hooked::new(&inner, at, move || drop(ask));
        let wish = async { drop(asked.await) };
        let error = dump_with(&shop.fields(), jobs(2), &store, wish).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Interrupted, "{error}");
        left_nothing(&inner);
        no_cursor_is_left(&shop).await;
    }
}

/// Cursors are ended by the driver's own tasks.
async fn no_cursor_is_left(shop: &Shop) {
    for _ in 0..200 {
        if shop.server.faults().open_cursors() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} cursors are left", shop.server.faults().open_cursors());
}
