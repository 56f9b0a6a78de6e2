//! Servers and buckets that refuse, and what is not refused.

use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::manifest::MethodKind;
use autodump_core::options::DumpOptions;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use serde_json::json;

use super::support::backup::{Dump, changed, dump, dump_with, engine, fields, shop};
use super::support::{access_to, left_nothing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told_apart_and_leave_nothing() {
    let Some(server) = shop("CREATE TABLE hidden (id int)") else { return };
    server.sql("shop", "CREATE ROLE weak LOGIN PASSWORD 'weak'");
    server.sql("shop", "CREATE DATABASE closed");
    server.sql("shop", "REVOKE CONNECT ON DATABASE closed FROM public");
    let other = server.other_certificate();
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
        let store = MemoryStore::default();
        let fields = changed(fields(&server), &change);
        let options = DumpOptions::default();
        let mut dump = Dump::new(engine(&server), access_to(&fields), options);
        fields["dbname"].as_str().unwrap().clone_into(&mut dump.job.database);
        let error = dump.run(&store, std::future::pending()).await.unwrap_err();
        assert_eq!(error.class(), class, "{change}: {error}");
        assert!(error.to_string().contains(says), "{change}: {error}");
        left_nothing(&store);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_tls_modes_work_without_certificates() {
    let Some(server) = shop("CREATE TABLE t AS SELECT 1 AS i") else { return };
    for mode in ["require", "prefer", "disable"] {
        let fields = changed(fields(&server), &json!({"sslmode": mode, "sslrootcert": null}));
        let store = MemoryStore::default();
        let manifest = dump_with(&server, &fields, DumpOptions::default(), &store).await.unwrap();
        assert_eq!(manifest.method.kind, MethodKind::Ranges);
    }
}

/// Row-level security would hide rows; settings of the role would end the dump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_role_do_no_harm_and_hidden_rows_are_an_error() {
    let Some(server) = shop(
        "CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT pg_read_all_data TO reader;
         CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i;
         ALTER ROLE reader SET statement_timeout = 1; ALTER ROLE reader SET lock_timeout = 1;
         ALTER ROLE reader SET idle_in_transaction_session_timeout = 1;
         ALTER ROLE reader SET datestyle = 'German'; ALTER ROLE reader SET search_path = 'nowhere'",
    ) else {
        return;
    };
    let reader = json!({"username": "reader", "password": "reader"});
    let fields = changed(fields(&server), &reader);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_written_is_found_before_the_database_has_any_work() {
    let Some(server) = shop("CREATE TABLE t AS SELECT 1 AS i") else { return };
    let locker = server.hold("shop", "BEGIN; LOCK TABLE t");
    let store = FaultyStore::new(MemoryStore::default(), vec![Fault::nth(Call::Create, 1)]);
    let outcome = tokio::time::timeout(Duration::from_secs(20), dump(&server, &store)).await;
    assert_eq!(outcome.unwrap().unwrap_err().class(), ErrorClass::Destination);
    drop(locker);
}
