//! Against a real PostgreSQL server: dump, restore, compare; and what its refusals mean.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod alone;
mod choosing;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use autodump_core::manifest::{Manifest, MethodKind};
use autodump_core::options::DumpOptions;
use autodump_core::testing::MemoryStore;
use support::backup::{dump, dump_with, fields, jobs, restore, shop};
use support::exotic;
use support::postgres::{Server, has_clients, installed, start_in};

/// Several types, a view, a sequence, a large object, NULLs and odd names.
const CONTENT: &str = r#"
    CREATE TABLE customer (id bigserial PRIMARY KEY, name text NOT NULL, born date,
        balance numeric(12,2), tags text[], extra jsonb, seen timestamptz, raw bytea);
    INSERT INTO customer (name, born, balance, tags, extra, seen, raw)
    SELECT 'Üser ' || i || E'\t\\', CASE WHEN i % 7 > 0 THEN date '1950-01-01' + i % 20000 END,
        i * 1.37, ARRAY['a', 'b' || i], jsonb_build_object('i', i, 'n', NULL),
        timestamptz '2026-01-01 00:00Z' + i * interval '1 minute', decode(md5(i::text), 'hex')
    FROM generate_series(1, 200000) i;
    CREATE INDEX ON customer (name);
    CREATE TABLE "odd ""name" ("Col umn" int);
    INSERT INTO "odd ""name" VALUES (1), (NULL);
    CREATE VIEW rich AS SELECT * FROM customer WHERE balance > 1000;
    CREATE SEQUENCE counter START 42; SELECT nextval('counter');
    SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 100000), 'hex'));
"#;

/// One line per thing that has to be the same after a restore.
const FINGERPRINT: &str = r#"
    SELECT count(*), md5(string_agg(c::text, '|' ORDER BY id)) FROM customer c;
    SELECT count(*), sum("Col umn") FROM "odd ""name";
    SELECT count(*) FROM rich;
    SELECT last_value, is_called FROM counter;
    SELECT md5(lo_get(4711));
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
"#;

fn compression(text: &str) -> DumpOptions {
    DumpOptions { compression: Some(text.parse().unwrap()), ..jobs(4) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dumped_can_be_restored() {
    let Some(server) = shop(CONTENT) else { return };
    for options in [DumpOptions::default(), compression("none"), compression("gzip:6")] {
        let store = MemoryStore::default();
        let manifest = dump_with(&server, &fields(&server), options.clone(), &store).await.unwrap();
        assert!(manifest.engine.client.starts_with("pg_dump "));
        let major = |text: &str| text.split('.').next().map(str::to_owned);
        assert_eq!(
            major(&manifest.engine.server_version),
            major(server.sql("shop", "SHOW server_version").trim())
        );
        assert_eq!((manifest.method.kind, &manifest.method.reason), (MethodKind::Ranges, &None));
        assert!(manifest.snapshot.is_some());
        if let Some(compression) = options.compression {
            assert_eq!(manifest.method.compression, compression.to_string());
        }
        let rows: Vec<_> =
            manifest.tables.iter().map(|table| (table.name.as_str(), table.rows)).collect();
        assert_eq!(rows, [("customer", 200_000), ("odd \"name", 2)]);
        let customer = &manifest.tables[0];
        let object = manifest.objects.iter().find(|object| object.key == customer.keys[0]).unwrap();
        assert_eq!(object.segments.iter().sum::<u64>(), object.bytes);
        assert!(store.open_uploads().is_empty());
        restore(&server, &store, &manifest);
        assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    }
}

/// The hashes of rows neither depend on how the table was read nor on where it lies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rows_have_the_same_hash() {
    let Some(server) = shop(CONTENT) else { return };
    let hashes = |manifest: Manifest| -> Vec<_> {
        manifest.tables.into_iter().map(|table| (table.name, table.rows, table.hash)).collect()
    };
    let one = DumpOptions { jobs: Some(1), ..compression("none") };
    let before = dump_with(&server, &fields(&server), one, &MemoryStore::default()).await;
    let before = hashes(before.unwrap());
    server.sql("shop", "UPDATE customer SET name = name WHERE id % 3 = 0");
    server.sql("shop", "VACUUM customer");
    assert_eq!(hashes(dump(&server, &MemoryStore::default()).await.unwrap()), before);
    server.sql("shop", "UPDATE customer SET balance = balance + 1 WHERE id = 77");
    let after = hashes(dump(&server, &MemoryStore::default()).await.unwrap());
    assert_eq!((after[0].1, &after[1]), (before[0].1, &before[1]));
    assert_ne!(after[0].2, before[0].2);
}

/// Everything that a database may hold: `crates/local/sql/exotic.sql`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exotic_database_comes_back_whole_from_every_version() {
    for bin in installed() {
        if has_clients(&bin) {
            comes_back(&start_in(&bin)).await;
        }
    }
}

async fn comes_back(server: &Server) {
    exotic::make(server);
    let source = exotic::fingerprint(server, "shop");
    assert!(source.lines().count() > 100, "{source}");
    let version = server.sql("postgres", "SHOW server_version_num");
    let major = version.trim().parse::<u32>().unwrap() / 10_000;
    let all = ["none", "gzip:1", "zstd:1", "lz4"];
    let mut done = 0;
    for text in all {
        let store = MemoryStore::default();
        let manifest = dump_with(server, &fields(server), compression(text), &store).await;
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) if error.what().contains("pg_restore") && done >= 2 => {
                eprintln!("SKIPPED: {text} on {version}: {error}");
                continue;
            }
            Err(error) => panic!("{text} on {version}: {error}"),
        };
        assert_eq!(manifest.method.kind, MethodKind::Ranges, "{:?}", manifest.method);
        restore(server, &store, &manifest);
        let restored = exotic::fingerprint(server, "restored");
        exotic::assert_same(&source, &restored, &format!("{text} on PostgreSQL {version}"));
        done += 1;
    }
    assert!(done >= if major >= 17 { 3 } else { 2 }, "{done} on {version}");
}

/// A replica is dumped as its primary is, but for what it does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_dumped_too() {
    let Some(server) = shop(CONTENT) else { return };
    server.sql("shop", "CREATE UNLOGGED TABLE cache AS SELECT 1 AS i");
    let replica = server.replica(&[]);
    server.caught_up(&replica);
    let store = MemoryStore::default();
    let manifest = dump(&replica, &store).await.unwrap();
    assert_eq!(manifest.method.kind, MethodKind::Ranges, "{:?}", manifest.method);
    let names: Vec<_> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["customer", "odd \"name"]);
    restore(&server, &store, &manifest);
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    assert_eq!(server.sql("restored", "SELECT count(*) FROM cache"), "0\n");
}

/// The hash of an enum is that of its number, which another database gives anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_may_move_to_another_partition_find_it() {
    let Some(server) = shop(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
         CREATE TABLE moods (m mood, i int) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO moods SELECT (enum_range(NULL::mood))[i % 8 + 1], i FROM generate_series(1, 800) i;
         CREATE TABLE plain AS SELECT 1 AS i",
    ) else {
        return;
    };
    let store = MemoryStore::default();
    let manifest = dump(&server, &store).await.unwrap();
    assert_eq!(manifest.method.kind, MethodKind::Ranges);
    let names: Vec<_> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["plain"]);
    for attempt in 0..4 {
        // Other numbers each time.
        server.sql("shop", &format!("CREATE TYPE waste_{attempt} AS ENUM ('x')"));
        restore(&server, &store, &manifest);
        let all = "SELECT m, count(*), sum(i) FROM moods GROUP BY m ORDER BY m";
        assert_eq!(server.sql("restored", all), server.sql("shop", all));
    }
}
