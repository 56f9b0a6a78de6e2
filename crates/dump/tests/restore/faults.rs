//! Connections, servers and stores that fail under a restore, and a request to stop.

use std::future::pending;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use autodump_core::ports::{Content, ListedPage, ObjectLocation, ObjectReader};
use autodump_core::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};
use autodump_core::{ErrorClass, Result};
use bytes::Bytes;

use super::support::backup::{empty, engine};
use super::support::postgres::start;
use super::{CONTENT, FINGERPRINT, backed_up, into, jobs, restored, restored_by};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A reader that does something when the n-th piece of data files' content is given.
#[derive(Clone)]
struct Hooked {
    inner: MemoryStore,
    at: u32,
    pieces: Arc<AtomicU32>,
    hook: Hook,
}

struct HookedContent {
    inner: <MemoryStore as ObjectReader>::Content,
    reader: Option<Hooked>,
}

impl ObjectReader for Hooked {
    type Content = HookedContent;

    async fn get(&self, at: &ObjectLocation, range: Option<Range<u64>>) -> Result<HookedContent> {
        let inner = self.inner.get(at, range).await?;
        let reader = at.key.contains("app.orders-").then(|| self.clone());
        Ok(HookedContent { inner, reader })
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.inner.page(bucket, prefix, after).await
    }
}

impl Content for HookedContent {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(reader) = &self.reader
            && reader.pieces.fetch_add(1, Ordering::SeqCst) + 1 == reader.at
        {
            let hook = Arc::clone(&reader.hook);
            tokio::task::spawn_blocking(move || hook()).await.unwrap();
        }
        self.inner.next().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_lose_and_double_no_row() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    empty(&server, "restored");
    let server = Arc::new(server);
    let killer = Arc::clone(&server);
    let hook: Hook = Arc::new(move || {
        let count = killer.sql(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = 'restored' AND query LIKE 'COPY%' AND state = 'active'",
        );
        assert_ne!(count.trim(), "0");
    });
    let reader = Hooked { inner: store, at: 7, pieces: Arc::default(), hook };
    let target = into(&server, "restored");
    let (done, notes) = restored(&server, &target, &reader, &at, jobs()).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    assert_eq!(notes.bytes(), done.plan.bytes);
}

/// A server that broke down may have forgotten what it had confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_down_ends_the_restore() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    empty(&server, "restored");
    let target = into(&server, "restored");
    let engine = engine(&server);
    let server = Arc::new(Mutex::new(server));
    let killer = Arc::clone(&server);
    let hook: Hook = Arc::new(move || killer.lock().unwrap().kill());
    let reader = Hooked { inner: store, at: 7, pieces: Arc::default(), hook };
    let done = restored_by(&engine, &target, &reader, &at, jobs(), pending()).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.hint().contains("holds only a part of the backup (it came to rows)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_stop_is_heard() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    empty(&server, "restored");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = Mutex::new(Some(stop));
    let hook: Hook = Arc::new(move || stop.lock().unwrap().take().unwrap().send(()).unwrap());
    let reader = Hooked { inner: store, at: 5, pieces: Arc::default(), hook };
    let (engine, target) = (engine(&server), into(&server, "restored"));
    let stop = async { drop(stopped.await) };
    let error = restored_by(&engine, &target, &reader, &at, jobs(), stop).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted, "{error}");
    assert!(error.hint().contains("holds only a part"), "{error}");
    // Nobody is connected any more, so the database can be dropped at once or a moment later.
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'restored'";
    for _ in 0..200 {
        if server.sql("postgres", gone).trim() == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("somebody is still connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_ends_the_restore() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    let target = into(&server, "restored");
    for nth in [1, 2, 3, 6] {
        empty(&server, "restored");
        let reader = FaultyStore::new(store.clone(), vec![Fault::nth(Call::Get, nth)]);
        let error = restored(&server, &target, &reader, &at, jobs()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{error}");
        assert_eq!(error.hint().contains("holds only a part"), nth > 2, "{nth}: {error}");
    }
    empty(&server, "restored");
    let cut = Cut { nth_get: 3, after: 10, class: ErrorClass::Destination };
    let reader = FaultyStore::new(store, Vec::new()).with_cuts(vec![cut]);
    let error = restored(&server, &target, &reader, &at, jobs()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination, "{error}");
}
