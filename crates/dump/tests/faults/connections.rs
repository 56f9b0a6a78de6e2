//! Connections that are lost while rows are read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::testing::MemoryStore;
use autodump_core::{ErrorClass, Result};
use serde_json::{Value, json};

use super::support::backup::{Dump, changed, engine, fields, jobs};
use super::support::hooked::Hooked;
use super::support::postgres::PASSWORD;
use super::support::{access_to, left_nothing, secret};
use super::{CONTENT, compare, dump, server, sql};

/// One session of the dump that is copying rows.
const ONE_READER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND query LIKE 'COPY%' AND state = 'active' LIMIT 1";
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND query LIKE 'COPY%' AND state = 'active'";
const LEADER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND state = 'idle in transaction'
    AND query NOT LIKE 'COPY%' AND query NOT LIKE 'LOCK%'";
const EVERYBODY: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_replaced_and_no_row_is_lost_or_doubled() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    for loss in [ONE_READER, CANCEL, LEADER] {
        let inner = MemoryStore::default();
        let store = Hooked::new(&inner, 1, sql(&server, loss));
        let manifest = dump(&server, &store).await.unwrap();
        assert!(store.has_run());
        compare(&server, &inner, &manifest, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_connection_is_lost_nothing_is_left() {
    let Some(server) = server() else { return };
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, sql(&server, EVERYBODY));
    let error = dump(&server, &store).await.unwrap_err();
    assert!(store.has_run());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    left_nothing(&inner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_middle_is_an_error_of_the_source() {
    let Some(server) = server() else { return };
    let dump = Dump::new(engine(&server), access_to(&fields(&server)), jobs(2));
    let server = Arc::new(Mutex::new(server));
    let inner = MemoryStore::default();
    let dying = Arc::clone(&server);
    let store = Hooked::new(&inner, 1, move || dying.lock().unwrap().kill());
    let error = dump.run(&store, std::future::pending()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    left_nothing(&inner);
}

/// A secret that is rotated while the dump is under way.
struct Rotating(Mutex<Value>);

impl DatabaseAccess for Rotating {
    async fn secret(&self) -> Result<SecretValue> {
        Ok(secret(&self.0.lock().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_use_fresh_credentials() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    server.sql("shop", "CREATE ROLE clerk SUPERUSER LOGIN PASSWORD 'old'");
    let old = changed(fields(&server), &json!({"username": "clerk", "password": "old"}));
    let access = Arc::new(Rotating(Mutex::new(old)));
    let (rotated, inner) = (Arc::clone(&access), MemoryStore::default());
    let rotate = sql(&server, "ALTER ROLE clerk PASSWORD 'new'");
    let kill = sql(&server, ONE_READER);
    let store = Hooked::new(&inner, 1, move || {
        rotate();
        rotated.0.lock().unwrap()["password"] = json!("new");
        kill();
    });
    let dump = Dump::new(engine(&server), access, jobs(2));
    let manifest = dump.run(&store, std::future::pending()).await.unwrap();
    assert!(store.has_run());
    compare(&server, &inner, &manifest, &expected);
    assert_ne!(PASSWORD, "new");
}

/// A table that no reader has locked may be emptied unseen once the leader's locks are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_an_error_where_it_alone_held_locks() {
    let Some(server) = server() else { return };
    // With two readers and the usual settings, about a thousand tables are locked by each of
    // them: not the last one.
    server.sql(
        "shop",
        "DO $$ BEGIN FOR n IN 1..1200 LOOP
           EXECUTE format('CREATE TABLE t%s AS SELECT %s AS i', n, n); COMMIT;
         END LOOP; END $$",
    );
    let (kill, empty) = (sql(&server, LEADER), sql(&server, "TRUNCATE t1200"));
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, move || {
        kill();
        empty();
    });
    let error = dump(&server, &store).await.unwrap_err();
    assert!(store.has_run());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.what().contains("held the locks"), "{error}");
    left_nothing(&inner);

    let store = MemoryStore::default();
    assert_eq!(dump(&server, &store).await.unwrap().tables.len(), 1203);
}

/// A replica that must go on cancels what is in its way, and the error says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_conflict_is_a_clear_error_and_leaves_nothing() {
    let Some(server) = server() else { return };
    let replica = server.replica(&["max_standby_streaming_delay=0", "hot_standby_feedback=off"]);
    server.caught_up(&replica);
    let remove = sql(&server, "DELETE FROM large");
    let vacuum = sql(&server, "VACUUM large");
    let cancelled = "SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts";
    let mut watch = replica.query("postgres", cancelled);
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, move || {
        remove();
        vacuum();
        while watch.output().unwrap().stdout.starts_with(b"0") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // With memory for two parts there is still something to read when the conflict comes.
    let mut dump = Dump::new(engine(&replica), access_to(&fields(&replica)), jobs(1));
    dump.settings.limits.memory = 24 << 20;
    let error = dump.run(&store, std::future::pending()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("conflict with recovery") && text.contains("hot_standby_feedback"),
        "{text}"
    );
    left_nothing(&inner);
}
