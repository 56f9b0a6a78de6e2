//! A server whose disk is full.

use autodump_core::manifest::MethodKind;
use autodump_core::testing::MemoryStore;

use super::support::backup::restore;
use super::support::disk::Disk;
use super::support::postgres::start;
use super::{CONTENT, compare, dump, no_session_is_left, server};

/// A dump writes nothing where the tables are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_on_a_full_disk_are_dumped() {
    let Some(server) = start() else { return };
    let Some(disk) = Disk::of(&server, 96) else { return };
    disk.tablespace(&server);
    server.sql("postgres", "CREATE DATABASE shop TEMPLATE template0 TABLESPACE small");
    let rows = "SELECT i, md5(i::text) AS x FROM generate_series(1, 300000) i";
    server.sql("shop", &format!("CREATE TABLE large AS {rows}"));
    disk.fill();
    let more = server.psql("shop", &format!("CREATE TABLE more AS {rows}"));
    assert!(String::from_utf8_lossy(&more.stderr).contains("No space left on device"), "{more:?}");
    let store = MemoryStore::default();
    let manifest = dump(&server, &store).await.unwrap();
    disk.relieve();
    restore(&server, &store, &manifest);
    let content = "SELECT count(*), sum(i), md5(string_agg(x, '' ORDER BY i)) FROM large";
    assert_eq!(server.sql("restored", content), server.sql("shop", content));
}

/// The snapshot that connections share is a file on the server; `pg_dump` alone needs none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_a_snapshot_pg_dump_does_it_alone() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let Some(disk) = Disk::of(&server, 1) else { return };
    let snapshots = server.directory().join("data/pg_snapshots");
    std::fs::remove_dir(&snapshots).unwrap();
    std::os::unix::fs::symlink(disk.path(), &snapshots).unwrap();
    disk.fill();
    let store = MemoryStore::default();
    let manifest = dump(&server, &store).await.unwrap();
    assert_eq!((manifest.method.kind, manifest.method.jobs), (MethodKind::Client, 1));
    let reason = manifest.method.reason.clone().unwrap();
    assert!(reason.contains("No space left on device"), "{reason}");
    compare(&server, &store, &manifest, &expected);
    disk.relieve();
    let manifest = dump(&server, &MemoryStore::default()).await.unwrap();
    assert_eq!(manifest.method.kind, MethodKind::Ranges);
    no_session_is_left(&server).await;
}
