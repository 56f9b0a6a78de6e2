//! Against a real PostgreSQL server: dump, restore, compare; and what its refusals mean.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::Write;
use std::time::Duration;

use autodump_core::manifest::Manifest;
use autodump_core::testing::MemoryStore;
use autodump_core::{ErrorClass, Result};
use autodump_dump::engine::{Engine, Postgres};
use autodump_dump::run::{DumpJob, run};
use serde_json::{Value, json};
use support::postgres::{PASSWORD, Server, start};
use support::{job, secret, settings};

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

/// The secret that fits the server: TLS is checked, against its own certificate.
fn fields(server: &Server) -> Value {
    json!({
        "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "shop",
        "username": "postgres", "password": PASSWORD, "sslrootcert": server.certificate(),
    })
}

async fn dump(fields: &Value, store: &MemoryStore) -> Result<Manifest> {
    let engine = Postgres::new(None, "/nowhere/bundle.pem");
    let job = DumpJob { secret: secret(fields), ..job() };
    run(&engine, store, &job, &settings(), std::future::pending()).await
}

fn left_nothing(store: &MemoryStore) {
    assert!(store.keys().is_empty() && store.open_uploads().is_empty());
}

#[tokio::test]
async fn what_is_dumped_can_be_restored() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let store = MemoryStore::default();
    let manifest = dump(&fields(&server), &store).await.unwrap();
    assert!(manifest.engine.client.starts_with("pg_dump "));
    let major = |text: &str| text.split('.').next().map(str::to_owned);
    assert_eq!(
        major(&manifest.engine.server_version),
        major(server.sql("shop", "SHOW server_version").trim())
    );

    let object = store.object("backups", &manifest.objects[0].key).unwrap();
    assert!(object.length > 5_000_000, "{}", object.length);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&object.content).unwrap();
    server.sql("postgres", "CREATE DATABASE restored");
    let restored = server
        .client("pg_restore")
        .args(["--exit-on-error", "--no-owner", "--dbname=restored"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}

#[tokio::test]
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
        let error = dump(&fields, &store).await.unwrap_err();
        assert_eq!(error.class(), class, "{change}: {error}");
        assert!(error.to_string().contains(says), "{change}: {error}");
        left_nothing(&store);
    }
}

/// Another authority's certificate.
fn other_authority(server: &Server) -> String {
    let done = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"])
        .args(["-keyout", "/dev/null"])
        .output()
        .unwrap();
    let certificate = String::from_utf8(done.stdout).unwrap();
    assert!(certificate.contains("BEGIN CERTIFICATE") && certificate != server.certificate());
    certificate
}

#[tokio::test]
async fn the_other_tls_modes_work_without_certificates() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    for mode in ["require", "prefer", "disable"] {
        let mut fields = fields(&server);
        fields["sslmode"] = json!(mode);
        fields["sslrootcert"] = Value::Null;
        let engine = Postgres::new(None, "/nowhere/bundle.pem");
        let prepared = engine.prepare(&secret(&fields)).await.unwrap();
        let command = format!("{:?}", prepared.command);
        assert!(!command.contains("$HOME") && !command.contains("bundle.pem"), "{command}");
        dump(&fields, &MemoryStore::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_an_error_of_the_source() {
    let Some(mut server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS m \
         FROM generate_series(1, 1500000) i",
    );
    let store = MemoryStore::default();
    let (fields, watched) = (fields(&server), store.clone());
    let killer = tokio::task::spawn_blocking(move || {
        // The dump is under way as soon as its upload is there.
        while watched.open_uploads().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(400));
        server.kill();
    });
    let error = dump(&fields, &store).await.unwrap_err();
    killer.await.unwrap();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.what().contains("PQgetCopyData") || error.what().contains("server"), "{error}");
    left_nothing(&store);
}
