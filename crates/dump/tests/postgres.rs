//! Against a real PostgreSQL server: dump, restore, compare; and what its refusals mean.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::manifest::{Manifest, MethodKind};
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use serde_json::{Value, json};
use support::backup::{dump, dump_with, fields, location, restore};
use support::exotic;
use support::postgres::{Server, has_clients, installed, start, start_in};

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

fn left_nothing(store: &MemoryStore) {
    assert!(store.keys().is_empty() && store.open_uploads().is_empty(), "{:?}", store.keys());
}

fn compression(text: &str) -> DumpOptions {
    let compression = Some(text.parse().unwrap());
    DumpOptions { jobs: Some(4), compression, ..DumpOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dumped_can_be_restored() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
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
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encodings_come_back() {
    let Some(server) = start() else { return };
    for (encoding, text) in [("LATIN1", "'größe ' || chr(233)"), ("SQL_ASCII", r"E'\xe9\xff'")] {
        server.sql("postgres", "DROP DATABASE IF EXISTS shop");
        server.sql(
            "postgres",
            &format!("CREATE DATABASE shop TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"),
        );
        server.sql(
            "shop",
            &format!("CREATE TABLE t AS SELECT i, {text} AS x FROM generate_series(1, 9) i"),
        );
        let print = "SELECT count(*), md5(string_agg(convert_to(x, getdatabaseencoding()), ',' ORDER BY i)) FROM t";
        let print = print.replace("convert_to(x, getdatabaseencoding())", "x::bytea");
        let print = if encoding == "LATIN1" {
            print.replace("x::bytea", "convert_to(x, 'UTF8')")
        } else {
            print
        };
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let archive = support::backup::fetched(&store, &manifest, directory.path());
        server.sql("postgres", "DROP DATABASE IF EXISTS restored");
        server.sql(
            "postgres",
            &format!(
                "CREATE DATABASE restored TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
            ),
        );
        let done = server
            .client("pg_restore")
            .args(["--exit-on-error", "--dbname=restored"])
            .arg(archive)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(server.sql("restored", &print), server.sql("shop", &print), "{encoding}");
    }
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::table(text).unwrap()).collect()
}

/// What is chosen is what `pg_dump` itself chooses with the same options.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_chosen_as_pg_dump_does() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE SCHEMA app; CREATE SCHEMA \"Odd\"; CREATE TABLE log_1 AS SELECT 1 AS i;
         CREATE TABLE log_2 AS SELECT 2 AS i; CREATE TABLE app.log_1 AS SELECT 3 AS i;
         CREATE TABLE app.big AS SELECT i FROM generate_series(1, 1000) i;
         CREATE TABLE \"Odd\".\"Log\" AS SELECT 4 AS i; CREATE TABLE \"Odd\".\"a.b*\" AS SELECT 5 AS i",
    );
    let everything = Selection::default();
    for (selection, arguments) in [
        (everything.clone(), vec![]),
        (Selection { tables: patterns(&["log_*"]), ..everything.clone() }, vec!["-t", "log_*"]),
        (
            Selection { tables: patterns(&["*.log_1", "\"Odd\".*"]), ..everything.clone() },
            vec!["-t", "*.log_1", "-t", "\"Odd\".*"],
        ),
        (
            Selection { exclude_tables: patterns(&["app.b?g", "log_2"]), ..everything.clone() },
            vec!["-T", "app.b?g", "-T", "log_2"],
        ),
        (
            Selection { schemas: patterns(&["app", "\"Odd\""]), ..everything.clone() },
            vec!["-n", "app", "-n", "\"Odd\""],
        ),
        (Selection { exclude_schemas: patterns(&["a*"]), ..everything.clone() }, vec!["-N", "a*"]),
        (
            Selection {
                tables: patterns(&["app.*"]),
                exclude_schemas: patterns(&["app"]),
                ..everything.clone()
            },
            vec!["-t", "app.*", "-N", "app"],
        ),
        (
            Selection {
                exclude_table_data: patterns(&["*.log_1", "\"Odd\".\"a.b*\""]),
                ..everything
            },
            vec!["--exclude-table-data=*.log_1", "--exclude-table-data=\"Odd\".\"a.b*\""],
        ),
    ] {
        let store = MemoryStore::default();
        let options = DumpOptions { selection, ..DumpOptions::default() };
        let manifest = dump_with(&server, &fields(&server), options, &store).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let archive = support::backup::fetched(&store, &manifest, directory.path());
        let theirs = directory.path().join("theirs");
        let dumped = server
            .client("pg_dump")
            .args(["-Fd", "-d", "shop", "-f"])
            .arg(&theirs)
            .args(&arguments)
            .output()
            .unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        assert_eq!(listed(&server, &archive), listed(&server, &theirs), "{arguments:?}");
        assert_eq!(
            manifest.tables.len(),
            listed(&server, &theirs).iter().filter(|line| line.contains("TABLE DATA")).count()
        );
    }
}

/// A pattern that fits nothing is a mistake that would be noticed when the backup is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_fits_nothing_is_an_error() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT 1 AS i");
    let tables = patterns(&["orders", "custommers"]);
    let selection = Selection { tables, ..Selection::default() };
    let options = DumpOptions { selection, ..DumpOptions::default() };
    let store = MemoryStore::default();
    let error = dump_with(&server, &fields(&server), options, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    assert!(error.what().contains("custommers"), "{error}");
    left_nothing(&store);
}

/// What is in an archive, without ids.
fn listed(server: &Server, archive: &Path) -> Vec<String> {
    let done = server.client("pg_restore").arg("--list").arg(archive).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with(';'))
        .map(|line| line.splitn(4, ' ').nth(3).unwrap().to_owned())
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_come_along_when_asked_for() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "postgres",
        "CREATE ROLE clerk LOGIN PASSWORD 'secret'; CREATE ROLE weak LOGIN PASSWORD 'weak'",
    );
    // A name that programs could take for a connection string.
    server.sql("postgres", "CREATE DATABASE \"host=evil.invalid \\ it's\"");
    let options = DumpOptions { globals: Some(true), ..DumpOptions::default() };
    let mut job = support::job();
    "host=evil.invalid \\ it's".clone_into(&mut job.database);
    job.options = options.clone();
    let access = std::sync::Arc::new(support::Fixed(support::secret(&fields(&server))));
    let (engine, store) = (support::backup::engine(&server), MemoryStore::default());
    let (settings, never) = (support::settings(), std::future::pending());
    let done = autodump_dump::run::run(&engine, &store, &access, &job, &settings, never).await;
    assert!(done.unwrap()[0].restore.last().unwrap().contains("dbname="));
    for (user, password, hashes) in [("postgres", None, true), ("weak", Some("weak"), false)] {
        let mut fields = fields(&server);
        fields["username"] = json!(user);
        if let Some(password) = password {
            fields["password"] = json!(password);
        }
        let store = MemoryStore::default();
        let manifest = dump_with(&server, &fields, options.clone(), &store).await.unwrap();
        let object = manifest.objects.iter().find(|o| o.key.ends_with("/globals.sql")).unwrap();
        let text = store.object("backups", &object.key).unwrap().content;
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("CREATE ROLE clerk"), "{text}");
        assert_eq!(text.contains("SCRAM-SHA-256"), hashes, "{text}");
        assert!(manifest.restore.contains(&"psql --file=globals.sql postgres".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told_apart_and_leave_nothing() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE hidden (id int); CREATE ROLE weak LOGIN PASSWORD 'weak'");
    server.sql("shop", "CREATE DATABASE closed");
    server.sql("shop", "REVOKE CONNECT ON DATABASE closed FROM public");
    let other = other_authority(&server);
    for (change, class, says) in [
        (json!({"password": "wrong"}), ErrorClass::Credentials, "password authentication failed"),
        (json!({"username": "nobody"}), ErrorClass::Credentials, "authentication failed"),
        (json!({"dbname": "nowhere"}), ErrorClass::Configuration, "\"nowhere\" does not exist"),
        (
            json!({"username": "weak", "password": "weak"}),
            ErrorClass::Engine,
            "permission denied for table hidden",
        ),
        (
            json!({"username": "weak", "password": "weak", "dbname": "closed"}),
            ErrorClass::Credentials,
            "GRANT CONNECT",
        ),
        (json!({"port": 1}), ErrorClass::Source, "Connection refused"),
        (json!({"host": "127.0.0.1"}), ErrorClass::Configuration, "does not match host name"),
        (json!({"host": "no-such-host.invalid"}), ErrorClass::Configuration, "endpoint"),
        (json!({"sslrootcert": other}), ErrorClass::Configuration, "certificate verify failed"),
        (json!({"sslrootcert": null}), ErrorClass::Configuration, "/nowhere/bundle.pem"),
    ] {
        let mut fields = fields(&server);
        for (name, value) in change.as_object().unwrap() {
            fields[name] = value.clone();
        }
        let store = MemoryStore::default();
        let mut job = support::job();
        fields["dbname"].as_str().unwrap().clone_into(&mut job.database);
        let access = std::sync::Arc::new(support::Fixed(support::secret(&fields)));
        let engine = support::backup::engine(&server);
        let never = std::future::pending();
        let settings = support::settings();
        let outcome = autodump_dump::run::run(&engine, &store, &access, &job, &settings, never);
        let error = outcome.await.unwrap_err();
        assert_eq!(error.class(), class, "{change}: {error}");
        assert!(error.to_string().contains(says), "{change}: {error}");
        left_nothing(&store);
    }
}

/// Another authority's certificate.
fn other_authority(server: &Server) -> String {
    let done = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"])
        .args(["-keyout", "/dev/null"])
        .output()
        .unwrap();
    let certificate = String::from_utf8(done.stdout).unwrap();
    assert!(certificate.contains("BEGIN CERTIFICATE") && certificate != server.certificate());
    certificate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_tls_modes_work_without_certificates() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS i");
    for mode in ["require", "prefer", "disable"] {
        let mut fields = fields(&server);
        fields["sslmode"] = json!(mode);
        fields["sslrootcert"] = Value::Null;
        let store = MemoryStore::default();
        let manifest = dump_with(&server, &fields, DumpOptions::default(), &store).await.unwrap();
        assert_eq!(manifest.method.kind, MethodKind::Ranges);
    }
}

/// Row-level security would hide rows; settings of the role would end the dump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_role_do_no_harm_and_hidden_rows_are_an_error() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT pg_read_all_data TO reader;
         CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i;
         ALTER ROLE reader SET statement_timeout = 1; ALTER ROLE reader SET lock_timeout = 1;
         ALTER ROLE reader SET idle_in_transaction_session_timeout = 1;
         ALTER ROLE reader SET datestyle = 'German'; ALTER ROLE reader SET search_path = 'nowhere'",
    );
    let mut fields = fields(&server);
    fields["username"] = json!("reader");
    fields["password"] = json!("reader");
    // A limit of 1 ms would already end the question that libpq's own tools ask.
    server.sql("shop", "ALTER ROLE reader SET statement_timeout = '200ms'");
    let store = MemoryStore::default();
    let manifest = dump_with(&server, &fields, DumpOptions::default(), &store).await.unwrap();
    assert_eq!(manifest.tables[0].rows, 100_000);

    server.sql("shop", "ALTER TABLE t ENABLE ROW LEVEL SECURITY");
    let store = MemoryStore::default();
    let error = dump_with(&server, &fields, DumpOptions::default(), &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.to_string().contains("BYPASSRLS"), "{error}");
    left_nothing(&store);
}

/// A server that shares no snapshot is dumped by `pg_dump` alone, and the manifest says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_shared_snapshot_pg_dump_does_it_alone() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
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
    let mut fields = fields(&server);
    fields["username"] = json!("reader");
    fields["password"] = json!("reader");
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
    let verify = autodump_dump::verify::Verify {
        postgres: &support::backup::engine(server),
        reader: store.clone(),
        manifest: location(manifest),
        level: autodump_core::verification::Level::Archive,
        server: None::<std::sync::Arc<support::Fixed>>,
        jobs: 2,
        now: support::now,
    };
    autodump_dump::verify::run(&verify, std::future::pending()).await.unwrap().problems
}

/// Bytes that UTF-8 has no character for, and an encoding that is not converted to it: what
/// `pg_dump` can dump is dumped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encodings_beyond_utf8_are_left_to_pg_dump() {
    let Some(server) = start() else { return };
    for (encoding, text) in [("WIN1252", r"E'\x81'"), ("MULE_INTERNAL", "'plain'")] {
        server.sql("postgres", "DROP DATABASE IF EXISTS shop");
        let like = format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
        server.sql("postgres", &format!("CREATE DATABASE shop {like}"));
        let make =
            format!("SET client_encoding = '{encoding}'; CREATE TABLE t AS SELECT {text} AS x");
        server.sql("shop", &make);
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        assert_eq!(manifest.method.kind, MethodKind::Client, "{encoding}");
        let directory = tempfile::tempdir().unwrap();
        let archive = support::backup::fetched(&store, &manifest, directory.path());
        server.sql("postgres", "DROP DATABASE IF EXISTS restored");
        server.sql("postgres", &format!("CREATE DATABASE restored {like}"));
        let done = server
            .client("pg_restore")
            .args(["--exit-on-error", "--dbname=restored"])
            .arg(archive)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let print = "SELECT encode(x::bytea, 'hex') FROM t";
        let print = print.replace("x::bytea", "convert_to(x, getdatabaseencoding())");
        let print = format!("SET client_encoding = '{encoding}'; {print}");
        assert_eq!(server.sql("restored", &print), server.sql("shop", &print), "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_written_is_found_before_the_database_has_any_work() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS i");
    let locker = server.hold("shop", "BEGIN; LOCK TABLE t");
    let store = FaultyStore::new(MemoryStore::default(), vec![Fault::nth(Call::Create, 1)]);
    let outcome = tokio::time::timeout(Duration::from_secs(20), dump(&server, &store)).await;
    assert_eq!(outcome.unwrap().unwrap_err().class(), ErrorClass::Destination);
    drop(locker);
}

/// A replica is dumped as its primary is, but for what it does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_dumped_too() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
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
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
         CREATE TABLE moods (m mood, i int) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO moods SELECT (enum_range(NULL::mood))[i % 8 + 1], i FROM generate_series(1, 800) i;
         CREATE TABLE plain AS SELECT 1 AS i",
    );
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
