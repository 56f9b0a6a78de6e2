//! Backups of every version of the server, and clients and servers of other versions.

use std::future::pending;

use autodump_core::ErrorClass;
use autodump_core::options::DumpOptions;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::MemoryStore;

use super::support::backup::{dump, dump_by, empty, engine_in, location};
use super::support::exotic;
use super::support::postgres::{Server, has_clients, others, start, start_in};
use super::{CONTENT, FINGERPRINT, into, jobs, plainly_into, restored, restored_by};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exotic_database_comes_back_from_every_version() {
    if let Some(own) = start() {
        comes_back(&own).await;
    }
    for bin in others() {
        if has_clients(&bin) {
            comes_back(&start_in(bin)).await;
        }
    }
}

async fn comes_back(server: &Server) {
    exotic::make(server);
    let store = MemoryStore::default();
    let manifest = dump(server, &store).await.unwrap();
    empty(server, "restored");
    let at = location(&manifest);
    let target = into(server, "restored");
    let (done, _) = restored(server, &target, &store, &at, jobs()).await.unwrap();
    let source = exotic::fingerprint(server, "shop");
    let copy = exotic::fingerprint(server, "restored");
    exotic::assert_same(&source, &copy, &done.plan.server_version);
    // Over what is there, with everything dropped before. Default privileges stay, and make
    // other grants.
    let clean = RestoreOptions { clean: true, ..jobs() };
    restored(server, &target, &store, &at, clean).await.unwrap();
    let content = |text: &str| -> String {
        let kinds = ["[\"rows", "[\"sequence", "[\"large object\"", "[\"comment", "[\"event"];
        let lines = text.lines().filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let copy = exotic::fingerprint(server, "restored");
    exotic::assert_same(&content(&source), &content(&copy), "over what is there");
}

/// Newer clients than the server's, and servers newer and older than the one that was dumped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_may_differ() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let expected = server.sql("shop", FINGERPRINT);
    // Some of these clients are built without TLS.
    let source = plainly_into(&server, "shop");
    for bin in others() {
        if !has_clients(&bin) {
            continue;
        }
        let clients = engine_in(&bin);
        let store = MemoryStore::default();
        let options = DumpOptions {
            compression: Some("gzip".parse().unwrap()),
            jobs: Some(2),
            ..DumpOptions::default()
        };
        let manifest = match dump_by(&clients, &source, options, &store).await {
            Ok(manifest) => manifest,
            Err(error) => {
                assert!(error.what().contains("older"), "{}: {error}", bin.display());
                continue;
            }
        };
        let at = location(&manifest);
        let other = start_in(&bin);
        for target in [&server, &other] {
            empty(target, "restored");
            let fields = plainly_into(target, "restored");
            let options = RestoreOptions { no_owner: true, ..jobs() };
            let done = restored_by(&clients, &fields, &store, &at, options, pending()).await;
            let (done, _) = done.unwrap_or_else(|error| panic!("{} {error}", bin.display()));
            assert_eq!(target.sql("restored", FINGERPRINT), expected, "{:?}", done.plan);
            assert_eq!(done.warnings, Vec::<String>::new());
        }
        // A failure is not taken for the parameter that older servers lack.
        server.sql("restored", "DROP TABLE app.orders CASCADE");
        let fields = plainly_into(&server, "restored");
        let options = RestoreOptions { allow_non_empty: true, ..jobs() };
        let done = restored_by(&clients, &fields, &store, &at, options, pending()).await;
        let error = done.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine, "{error}");
        assert!(error.hint().contains("Restore into an empty database"), "{error}");
    }
}
