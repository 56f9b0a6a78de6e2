//! Every server with every client that is not older: `docs/postgres-versions.md`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use autodump_core::manifest::MethodKind;
use autodump_core::options::DumpOptions;
use autodump_core::testing::MemoryStore;
use support::backup::{dump_by, empty, engine_in, fetched, plain_fields};
use support::postgres::{Server, installed, major, start_in};

/// What every version from 10 on has, some of it large enough for several ranges.
const CONTENT: &str = r#"
    CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Note" text, at timestamptz,
        amount numeric, tags text[], raw bytea, doc jsonb);
    INSERT INTO orders ("Note", at, amount, tags, raw, doc)
    SELECT 'Größe ' || i || E'\\t\\\\.\\n', timestamptz '2026-01-01 00:00Z' + i * interval '1 s', i / 7.0,
        ARRAY['a', NULL, i::text], decode(md5(i::text), 'hex'), jsonb_build_object('i', i)
    FROM generate_series(1, 120000) i;
    CREATE TABLE parts (i int, x text) PARTITION BY RANGE (i);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    INSERT INTO parts SELECT i, repeat('x', i) FROM generate_series(0, 19) i;
    CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n, sum(amount) FROM orders;
    SELECT lo_from_bytea(77, decode(repeat('c0ffee', 1000), 'hex'));
"#;

const FINGERPRINT: &str = r"
    SELECT count(*), md5(string_agg(o::text, '|' ORDER BY id)) FROM orders o;
    SELECT count(*), sum(i), sum(length(x)) FROM ONLY parts_1; SELECT count(*), sum(i) FROM parts_2;
    SELECT * FROM sums; SELECT md5(lo_get(77)); SELECT last_value FROM orders_id_seq;
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_is_dumped_by_every_client_that_is_not_older() {
    let clients: Vec<_> =
        installed().into_iter().filter(|bin| bin.join("pg_dump").exists()).collect();
    let mut pairs = 0;
    for bin in installed() {
        let server = start_in(&bin);
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("shop", CONTENT);
        for client in &clients {
            if major(&client.join("pg_dump")) >= server.major() {
                pair(&server, client).await;
                pairs += 1;
            }
        }
    }
    assert!(pairs > 0);
}

async fn pair(server: &Server, client: &std::path::Path) {
    let newest = major(&client.join("pg_dump"));
    let what = format!("server {}, client {newest} in {}", server.major(), client.display());
    let options = DumpOptions { jobs: Some(3), ..DumpOptions::default() };
    let store = MemoryStore::default();
    let done = dump_by(&engine_in(client), &plain_fields(server), options, &store).await;
    let manifest = done.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(manifest.method.kind, MethodKind::Ranges, "{what}: {:?}", manifest.method);

    let directory = tempfile::tempdir().unwrap();
    let archive = fetched(&store, &manifest, directory.path());
    empty(server, "restored");
    let restored = server
        .client_of(client, "pg_restore")
        .args(["--no-owner", "--jobs=2", "--dbname=restored"])
        .arg(archive)
        .output()
        .unwrap();
    // Newer clients set what older servers do not know, and say so.
    let complaints = String::from_utf8_lossy(&restored.stderr).into_owned();
    let errors = complaints.lines().filter(|line| line.contains("ERROR:"));
    let unknown: Vec<_> = errors.filter(|line| !line.contains("transaction_timeout")).collect();
    assert!(unknown.is_empty(), "{what}: {complaints}");
    assert!(restored.status.success() || newest > server.major(), "{what}: {complaints}");
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT), "{what}");
    eprintln!("{what}: equal, {}", manifest.method.compression);
}
