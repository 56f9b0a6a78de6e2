//! What goes wrong while rows are read, and what is left behind: a whole backup, or nothing.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod clients;
mod connections;
mod disk;
mod meanwhile;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use autodump_core::manifest::Manifest;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::{ErrorClass, Result};
use autodump_dump::open_uploads::SharedStore;
use support::backup::{Dump, dump_with, engine, fields, jobs, restore, shop};
use support::hooked::Hooked;
use support::postgres::Server;
use support::{access_to, left_nothing};

/// Some 120 MB that hardly compress, in one table; a few rows in others.
const LARGE: &str = "
    CREATE TABLE large AS SELECT i, md5(i::text) || md5((i + 1)::text) || md5((i * 7)::text) AS x
    FROM generate_series(1, 1000000) i;
    CREATE TABLE small AS SELECT i FROM generate_series(1, 100) i;
    CREATE TABLE parent (i int) PARTITION BY RANGE (i);
    CREATE TABLE part PARTITION OF parent FOR VALUES FROM (0) TO (100);
    INSERT INTO parent SELECT i FROM generate_series(0, 99) i;";

const CONTENT: &str = "SELECT count(*), sum(i), md5(string_agg(x, '' ORDER BY i)) FROM large;
    SELECT count(*), sum(i) FROM small; SELECT count(*), sum(i) FROM parent";

fn server() -> Option<Server> {
    shop(LARGE)
}

/// With two readers the first part comes when two thirds are still to be read.
async fn dump(server: &Server, store: &impl SharedStore) -> Result<Manifest> {
    dump_with(server, &fields(server), jobs(2), store).await
}

/// What a client has to know to run SQL from a hook.
fn sql(server: &Server, sql: &'static str) -> impl FnOnce() + Send + 'static {
    let mut client = server.query("shop", sql);
    move || {
        let done = client.output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn compare(server: &Server, store: &MemoryStore, manifest: &Manifest, expected: &str) {
    assert!(store.open_uploads().is_empty());
    restore(server, store, manifest);
    assert_eq!(server.sql("restored", CONTENT), expected);
}

/// Whatever request to the store fails for good: nothing is left, and the server has no
/// session of ours any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_request_fails_nothing_is_left() {
    let Some(server) = server() else { return };
    for fault in [
        Fault::nth(Call::Create, 1),
        Fault::nth(Call::Create, 2),
        Fault::nth(Call::Create, 5),
        Fault::nth(Call::PutPart, 1),
        Fault::nth(Call::PutPart, 3),
        Fault::nth(Call::PutPart, 5),
        Fault { times: u32::MAX, ..Fault::nth(Call::Complete, 1) },
    ] {
        let inner = MemoryStore::default();
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        let error = dump(&server, &store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}: {error}");
        left_nothing(&inner);
        no_session_is_left(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_leaves_nothing_and_no_session() {
    let Some(server) = server() else { return };
    for at in [1, 2, 4] {
        let inner = MemoryStore::default();
        let (ask, asked) = tokio::sync::oneshot::channel::<()>();
        let store = Hooked::new(&inner, at, move || drop(ask));
        let dump = Dump::new(engine(&server), access_to(&fields(&server)), jobs(2));
        let error = dump.run(&store, async { drop(asked.await) }).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Interrupted);
        left_nothing(&inner);
        no_session_is_left(&server).await;
    }
}

async fn no_session_is_left(server: &Server) {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'autodump'";
    for _ in 0..200 {
        if server.sql("shop", count) == "0\n" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "a session of the dump is left: {}",
        server.sql("shop", "SELECT query FROM pg_stat_activity")
    );
}
