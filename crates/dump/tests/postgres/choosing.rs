//! What is dumped: tables that are chosen, and roles.

use std::path::Path;

use autodump_core::ErrorClass;
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::testing::MemoryStore;
use serde_json::json;

use super::support::backup::{Dump, changed, dump_with, engine, fetched, fields, shop};
use super::support::postgres::Server;
use super::support::{access_to, left_nothing};

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::table(text).unwrap()).collect()
}

/// What is chosen is what `pg_dump` itself chooses with the same options.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_chosen_as_pg_dump_does() {
    let Some(server) = shop(
        "CREATE SCHEMA app; CREATE SCHEMA \"Odd\"; CREATE TABLE log_1 AS SELECT 1 AS i;
         CREATE TABLE log_2 AS SELECT 2 AS i; CREATE TABLE app.log_1 AS SELECT 3 AS i;
         CREATE TABLE app.big AS SELECT i FROM generate_series(1, 1000) i;
         CREATE TABLE \"Odd\".\"Log\" AS SELECT 4 AS i; CREATE TABLE \"Odd\".\"a.b*\" AS SELECT 5 AS i",
    ) else {
        return;
    };
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
        let archive = fetched(&store, &manifest, directory.path());
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
    let Some(server) = shop("CREATE TABLE orders AS SELECT 1 AS i") else { return };
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
    let Some(server) = shop("CREATE ROLE clerk LOGIN PASSWORD 'secret'") else { return };
    server.sql("shop", "CREATE ROLE weak LOGIN PASSWORD 'weak'");
    // A name that programs could take for a connection string.
    server.sql("postgres", "CREATE DATABASE \"host=evil.invalid \\ it's\"");
    let options = DumpOptions { globals: Some(true), ..DumpOptions::default() };
    let mut dump = Dump::new(engine(&server), access_to(&fields(&server)), options.clone());
    "host=evil.invalid \\ it's".clone_into(&mut dump.job.database);
    let done = dump.run(&MemoryStore::default(), std::future::pending()).await;
    assert!(done.unwrap().restore.last().unwrap().contains("dbname="));
    let weak = json!({"username": "weak", "password": "weak"});
    for (user, hashes) in [(json!({}), true), (weak, false)] {
        let fields = changed(fields(&server), &user);
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
