//! Tables that others change, lock, make and drop meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::options::DumpOptions;
use autodump_core::testing::{Call, FaultyStore, MemoryStore};
use tokio::sync::oneshot::error::TryRecvError;

use super::support::backup::{dump_with, fields, jobs, shop};
use super::support::hooked::Hooked;
use super::support::left_nothing;
use super::{CONTENT, compare, dump, server, sql};

/// Rows that come and go meanwhile are not seen; pages that are given back harm nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_meanwhile_is_dumped_as_it_was() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let inner = MemoryStore::default();
    let change =
        "DELETE FROM large WHERE i > 500000; UPDATE large SET x = 'changed' WHERE i % 2 = 0;
        INSERT INTO large SELECT -i, 'new' FROM generate_series(1, 100000) i;
        INSERT INTO small SELECT i FROM generate_series(1, 1000) i; DELETE FROM parent";
    let store = Hooked::new(&inner, 1, sql(&server, change));
    let manifest = dump(&server, &store).await.unwrap();
    compare(&server, &inner, &manifest, &expected);
}

/// A change of a table's definition that comes after the start waits for the end of the dump,
/// and the dump does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_definition_meanwhile_waits_and_blocks_nobody() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let inner = MemoryStore::default();
    let changes = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::clone(&changes);
    let clients: Vec<_> =
        ["ALTER TABLE large ADD COLUMN y int", "TRUNCATE small", "DROP TABLE parent"]
            .map(|sql| server.query("shop", sql))
            .into();
    let mut watch = server.query("shop", "SELECT count(*) FROM pg_locks WHERE NOT granted");
    let store = Hooked::new(&inner, 1, move || {
        for mut client in clients {
            started.lock().unwrap().push(client.spawn().unwrap());
        }
        while watch.output().unwrap().stdout != b"3\n" {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let dumping = tokio::time::timeout(Duration::from_mins(1), dump(&server, &store));
    let manifest = dumping.await.unwrap().unwrap();
    for mut change in changes.lock().unwrap().drain(..) {
        assert!(change.wait().unwrap().success());
    }
    compare(&server, &inner, &manifest, &expected);
    assert_eq!(server.sql("shop", "SELECT count(*) FROM small"), "0\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_the_way_is_waited_for_and_not_for_ever() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let locked = server.hold("shop", "BEGIN; LOCK TABLE small");
    let short =
        DumpOptions { lock_timeout: Some(Duration::from_secs(1)), ..DumpOptions::default() };
    let store = MemoryStore::default();
    let error = dump_with(&server, &fields(&server), short, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("public.small"), "{error}");
    left_nothing(&store);

    let store = MemoryStore::default();
    let free = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // Whoever waits holds nothing: nobody is blocked by the dump meanwhile.
        server
            .sql("shop", "SET lock_timeout = '1s'; ALTER TABLE large ALTER COLUMN x SET NOT NULL");
        drop(locked);
    };
    let (manifest, ()) = tokio::join!(dump(&server, &store), free);
    compare(&server, &store, &manifest.unwrap(), &expected);
}

/// A relation without rows of its own is locked by `pg_dump` alone; what comes in its way there
/// makes the dump begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_the_way_of_pg_dump_makes_it_begin_anew() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let locked = server.hold("shop", "BEGIN; LOCK TABLE ONLY parent");
    let inner = MemoryStore::default();
    let store = FaultyStore::new(inner.clone(), Vec::new());
    let free = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        drop(locked);
    };
    let (manifest, ()) = tokio::join!(dump(&server, &store), free);
    let manifest = manifest.unwrap();
    compare(&server, &inner, &manifest, &expected);
    // Each attempt began uploads of its own; those of the first were thrown away.
    let kept = u32::try_from(manifest.objects.len()).unwrap() + 1;
    assert!(store.count(Call::Create) > kept, "{}", store.count(Call::Create));
}

/// Reading locks a table's indexes too. Kept to the end these locks would be too many for the
/// server, and in the way of those who rebuild an index of a table that is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_locked_only_while_their_table_is_read() {
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} AS SELECT i, md5(i::text) || md5((i + 1)::text) AS x
             FROM generate_series(1, 300000) i; CREATE INDEX ON {name} (i);"
        )
    };
    let Some(server) = shop(&(table("one") + &table("two") + &table("three"))) else { return };
    let mut watch = server.query(
        "shop",
        "SELECT string_agg(DISTINCT c.relname, ' ') FROM pg_locks l
         JOIN pg_index i ON i.indexrelid = l.relation JOIN pg_class c ON c.oid = i.indrelid
         WHERE c.relname IN ('one', 'two', 'three')",
    );
    let (done, mut over) = tokio::sync::oneshot::channel::<()>();
    let watching = tokio::task::spawn_blocking(move || {
        let mut seen = BTreeSet::new();
        while over.try_recv() == Err(TryRecvError::Empty) {
            let locked = String::from_utf8(watch.output().unwrap().stdout).unwrap();
            seen.extend(Some(locked.trim().to_owned()).filter(|locked| !locked.is_empty()));
        }
        seen
    });
    dump_with(&server, &fields(&server), jobs(1), &MemoryStore::default()).await.unwrap();
    drop(done);
    let seen = watching.await.unwrap();
    assert_eq!(seen, ["one", "three", "two"].map(str::to_owned).into());
}

/// Tables that are dropped and made while they are being listed and locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_come_and_go_do_not_stop_it() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let mut churn = server.query(
        "shop",
        "DO $$ BEGIN FOR n IN 1..400000 LOOP
           EXECUTE format('CREATE TABLE t%s AS SELECT 1 AS i', n); COMMIT;
           EXECUTE format('DROP TABLE t%s', n); COMMIT;
         END LOOP; END $$",
    );
    let mut churn = churn.spawn().unwrap();
    for _ in 0..5 {
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        compare(&server, &store, &manifest, &expected);
    }
    assert!(churn.try_wait().unwrap().is_none(), "nothing came and went any more");
    churn.kill().unwrap();
    churn.wait().unwrap();
}
