//! What `pg_dump` does alone, and encodings, some of which are left to it.

use autodump_core::manifest::{Manifest, MethodKind};
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use autodump_dump::verify;
use serde_json::json;

use super::support::backup::{
    changed, dump, dump_with, empty_like, engine, engines, fields, location, restore, restore_like,
    shop, verification,
};
use super::support::postgres::{Server, start};
use super::{CONTENT, FINGERPRINT, compression};

/// A server that shares no snapshot is dumped by `pg_dump` alone, and the manifest says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_shared_snapshot_pg_dump_does_it_alone() {
    let Some(server) = shop(CONTENT) else { return };
    // One text column, so that two halves of a row would be two rows.
    server.sql(
        "shop",
        "CREATE TABLE lines AS SELECT string_agg(md5((i * 40 + j)::text), '') AS line
         FROM generate_series(1, 30000) i, generate_series(1, 20) j GROUP BY i",
    );
    server.sql(
        "shop",
        "CREATE ROLE reader LOGIN PASSWORD 'reader' SUPERUSER; ALTER ROLE reader NOSUPERUSER;
         GRANT pg_read_all_data TO reader; GRANT SELECT ON LARGE OBJECT 4711 TO reader;
         REVOKE EXECUTE ON FUNCTION pg_catalog.pg_export_snapshot() FROM public",
    );
    let reader = json!({"username": "reader", "password": "reader"});
    let fields = changed(fields(&server), &reader);
    let lines = "SELECT count(*), md5(string_agg(line, '' ORDER BY line)) FROM lines";
    for text in ["gzip:1", "none"] {
        let store = MemoryStore::default();
        let manifest = dump_with(&server, &fields, compression(text), &store).await.unwrap();
        assert_eq!(manifest.method.kind, MethodKind::Client);
        let reason = manifest.method.reason.clone().unwrap();
        assert!(
            reason.contains("exports no snapshot") && reason.contains("permission"),
            "{reason}"
        );
        assert!(manifest.tables.is_empty() && store.open_uploads().is_empty());
        restore(&server, &store, &manifest);
        assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
        assert_eq!(server.sql("restored", lines), server.sql("shop", lines));
        // What is cut anywhere into parts has no pieces that make sense alone.
        let large = manifest.objects.iter().filter(|object| object.bytes > 9 << 20);
        let large: Vec<_> = large.map(|object| object.segments.len()).collect();
        assert_eq!(large.iter().max(), Some(&0), "{:?}", manifest.objects);
        assert_eq!(verified(&server, &store, &manifest).await, Vec::<String>::new());
    }
}

/// The problems that the level `archive` finds.
async fn verified(server: &Server, store: &MemoryStore, manifest: &Manifest) -> Vec<String> {
    let engine = engine(server);
    let engines = engines(&engine);
    let verify = verification(&engines, store, location(manifest), Level::Archive, None);
    verify::run(&verify, std::future::pending()).await.unwrap().problems
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encodings_come_back() {
    let Some(server) = start() else { return };
    for (encoding, text, bytes) in [
        ("LATIN1", "'größe ' || chr(233)", "convert_to(x, 'UTF8')"),
        ("SQL_ASCII", r"E'\xe9\xff'", "x::bytea"),
    ] {
        let like = like(encoding);
        empty_like(&server, "shop", &like);
        server.sql(
            "shop",
            &format!("CREATE TABLE t AS SELECT i, {text} AS x FROM generate_series(1, 9) i"),
        );
        let print = format!("SELECT count(*), md5(string_agg({bytes}, ',' ORDER BY i)) FROM t");
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        restore_like(&server, &store, &manifest, &like);
        assert_eq!(server.sql("restored", &print), server.sql("shop", &print), "{encoding}");
    }
}

/// Bytes that UTF-8 has no character for, and an encoding that is not converted to it: what
/// `pg_dump` can dump is dumped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encodings_beyond_utf8_are_left_to_pg_dump() {
    let Some(server) = start() else { return };
    for (encoding, text) in [("WIN1252", r"E'\x81'"), ("MULE_INTERNAL", "'plain'")] {
        let like = like(encoding);
        empty_like(&server, "shop", &like);
        let make =
            format!("SET client_encoding = '{encoding}'; CREATE TABLE t AS SELECT {text} AS x");
        server.sql("shop", &make);
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        assert_eq!(manifest.method.kind, MethodKind::Client, "{encoding}");
        restore_like(&server, &store, &manifest, &like);
        let print = "SELECT encode(convert_to(x, getdatabaseencoding()), 'hex') FROM t";
        let print = format!("SET client_encoding = '{encoding}'; {print}");
        assert_eq!(server.sql("restored", &print), server.sql("shop", &print), "{encoding}");
    }
}

fn like(encoding: &str) -> String {
    format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
}
