//! What is damaged, is no backup or does not fit is found, named and not shown.

use autodump_core::ErrorClass;
use autodump_core::options::DumpOptions;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::MemoryStore;
use serde_json::json;

use super::support::backup::{dump_with, empty, fields, location};
use super::support::postgres::start;
use super::{CONTENT, backed_up, into, jobs, restored};

/// From here on the store gives something else for this object.
fn damaged(store: &MemoryStore, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let at = ObjectLocation { bucket: "backups".to_owned(), key: key.to_owned() };
    let mut content = store.object("backups", key).unwrap().content.to_vec();
    change(&mut content);
    store.put(&at, content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_and_named() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let target = into(&server, "restored");
    for compression in ["none", "gzip:1"] {
        let options = DumpOptions {
            compression: Some(compression.parse().unwrap()),
            ..DumpOptions::default()
        };
        for (what, says) in [
            ("flip", "orders"),
            ("missing", "orders"),
            ("cut", "orders"),
            ("toc", "toc.dat"),
            ("row", "orders"),
        ] {
            let store = MemoryStore::default();
            let mut manifest =
                dump_with(&server, &fields(&server), options.clone(), &store).await.unwrap();
            let at = location(&manifest);
            let orders =
                manifest.tables.iter().find(|t| t.name == "orders").unwrap().keys[0].clone();
            match what {
                "flip" => damaged(&store, &orders, |bytes| {
                    // A digit of a hash, where nothing is compressed.
                    let middle = bytes.len() / 2;
                    let at = (middle..bytes.len())
                        .find(|at| {
                            bytes[*at] != b'\n' && bytes[*at] != b'\t' && bytes[*at] != b'\\'
                        })
                        .unwrap();
                    bytes[at] ^= 1;
                }),
                "cut" => damaged(&store, &orders, |bytes| bytes.truncate(bytes.len() - 9)),
                "missing" => {
                    store.remove(&ObjectLocation { bucket: "backups".to_owned(), key: orders });
                }
                "toc" => {
                    let toc = manifest.objects.iter().find(|o| o.key.ends_with("toc.dat")).unwrap();
                    damaged(&store, &toc.key, |bytes| bytes[100] ^= 1);
                }
                _ => {
                    manifest.tables.iter_mut().find(|t| t.name == "orders").unwrap().rows += 1;
                    store.put(&at, serde_json::to_vec(&manifest).unwrap());
                }
            }
            empty(&server, "restored");
            let error = restored(&server, &target, &store, &at, jobs()).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification, "{what} {compression}: {error}");
            assert!(error.what().contains(says), "{what} {compression}: {error}");
            let begun = what != "toc";
            assert_eq!(error.hint().contains("restored holds only a part"), begun, "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_manifest_is_refused() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server, CONTENT).await;
    empty(&server, "restored");
    let target = into(&server, "restored");
    let mut newer = serde_json::to_value(&manifest).unwrap();
    newer["version"] = json!(2);
    let mut other = serde_json::to_value(&manifest).unwrap();
    other["engine"]["name"] = json!("mysql");
    let mut too_new = serde_json::to_value(&manifest).unwrap();
    too_new["engine"]["client"] = json!("pg_dump 99.1");
    for (content, class, says) in [
        (json!({"version": 1}).to_string(), ErrorClass::Verification, "missing field"),
        ("{".to_owned(), ErrorClass::Verification, "no JSON"),
        (newer.to_string(), ErrorClass::Verification, "version 2"),
        (other.to_string(), ErrorClass::Configuration, "mysql"),
        (too_new.to_string(), ErrorClass::Configuration, "99.1"),
    ] {
        store.put(&at, content);
        let error = restored(&server, &target, &store, &at, jobs()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.what().contains(says), "{error}");
    }
    store.remove(&at);
    let error = restored(&server, &target, &store, &at, jobs()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification, "{error}");
    assert_eq!(
        server
            .sql(
                "restored",
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            )
            .trim(),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_are_not_shown() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(
        &server,
        "CREATE TABLE t (i int, e text); INSERT INTO t VALUES (1, 'geheim'), (2, 'geheim')",
    )
    .await;
    let target = into(&server, "restored");
    let data = RestoreOptions { data_only: true, ..jobs() };
    for (definition, says) in [
        ("i int, e text UNIQUE", "t_e_key"),
        ("i int, e int", "invalid input syntax"),
        ("i int, e text CHECK (i < 2)", "t_i_check"),
    ] {
        empty(&server, "restored");
        server.sql("restored", &format!("CREATE TABLE t ({definition})"));
        let error = restored(&server, &target, &store, &at, data.clone()).await.unwrap_err();
        assert!(error.what().contains("public.t") && error.what().contains(says), "{error}");
        assert!(
            error.what().contains("SQLSTATE 2")
                && error.what().contains("line 2") != says.contains("invalid"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        assert!(
            error.hint().contains("the table public.t") && !error.hint().contains("clean"),
            "{error}"
        );
        assert!(error.hint().contains("Nothing else in it was touched"), "{error}");
        assert!(!error.to_string().contains(".. "), "{error}");
    }
}

/// Statements that fail have passwords in them.
#[tokio::test]
async fn passwords_in_statements_that_fail_are_not_shown() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(
        &server,
        "CREATE ROLE gone; CREATE EXTENSION postgres_fdw;
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'geheim');
         CREATE USER MAPPING FOR gone SERVER far OPTIONS (user 'x', password 'geheim');",
    )
    .await;
    server.sql("shop", "DROP USER MAPPING FOR gone SERVER far; DROP ROLE gone");
    let target = into(&server, "restored");
    for (before, says) in [
        ("", "ERROR:  role \"gone\" does not exist"),
        (
            "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
            "ERROR:  server \"far\" already exists",
        ),
    ] {
        empty(&server, "restored");
        server.sql("restored", before);
        let options = RestoreOptions { allow_non_empty: true, ..jobs() };
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = std::sync::Mutex::new(file.reopen().unwrap());
        let level = tracing::Level::TRACE;
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(log).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let error = restored(&server, &target, &store, &at, options).await.unwrap_err();
        tracing::warn!("this is written");
        drop(guard);
        let log = std::fs::read_to_string(file.path()).unwrap();
        assert!(log.contains("this is written"), "{log}");
        assert!(error.what().contains(says), "{error}");
        let sources = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
        let all: Vec<_> = sources.map(|error| format!("{error} {error:?}")).collect();
        for text in all.iter().chain([&log]) {
            assert!(!text.contains("geheim") && !text.contains("Command was"), "{text}");
        }
    }
}
