//! Backups of other versions of PostgreSQL.

use std::path::Path;

use autodump_core::ErrorClass;
use autodump_core::verification::Level;
use autodump_dump::engine::Postgres;
use autodump_dump::verify::run;

use super::support::backup::{engines, jobs, verification};
use super::support::exotic;
use super::support::postgres::{Server, has_clients, installed, major, others, start_in};
use super::{Backup, at, is_empty, refuses, scratch};

/// Everything that PostgreSQL has, of every version that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exotic_backup_of_every_version_passes() {
    for bin in installed() {
        if !has_clients(&bin) {
            continue;
        }
        let server = start_in(&bin);
        exotic::make(&server);
        exotic_passes(&server, &bin).await;
        // The same without what only a superuser can restore.
        server.sql("shop", NEED_SUPERUSERS);
        let elsewhere = format!("AND inet_server_port() <> {}", server.port);
        server.sql("shop", &refuses("exotic", &elsewhere));
        exotic_passes(&server, &bin).await;
    }
}

const NEED_SUPERUSERS: &str = r#"
    DROP EVENT TRIGGER watch_commands; DROP EVENT TRIGGER "is off";
    DROP PUBLICATION "every table"; DROP PUBLICATION IF EXISTS whole_schema;
    DROP FOREIGN DATA WRAPPER no_handler CASCADE; DROP TYPE exotic.not_defined;
"#;

async fn exotic_passes(server: &Server, bin: &Path) {
    let backup = Backup::with(server, jobs(2)).await;
    let scratch = scratch();
    let engines = engines(&Postgres::new(bin.to_str(), "/nowhere/bundle.pem", scratch.path()));
    for given in [None, Some(server)] {
        let manifest = at(&backup.key("manifest.json"));
        let verify = verification(&engines, &backup.store, manifest, Level::Restore, given);
        let done = run(&verify, std::future::pending()).await;
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", bin.display()));
        assert_eq!(done.problems, Vec::<String>::new(), "{}", bin.display());
        assert!(done.seen.rows > 0);
    }
    assert!(is_empty(scratch.path()), "something was left");
}

/// From 12 on floating-point numbers are written differently, which is no damage.
#[tokio::test]
async fn floats_of_an_old_server_pass_in_a_new_one() {
    let Some(old) = others().into_iter().find(|bin| major(&bin.join("postgres")) == 11) else {
        eprintln!("SKIPPED: no server 11 in AUTODUMP_TEST_POSTGRES");
        return;
    };
    let server = start_in(&old);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TYPE part AS (a int, b real); CREATE DOMAIN ratio AS double precision;
         CREATE TYPE span AS RANGE (subtype = float8);
         CREATE TABLE f AS SELECT i, i / 3.0::float8 AS x FROM generate_series(1, 500) i;
         CREATE TABLE g AS SELECT ARRAY[(1, 0.1)::part] AS p;
         CREATE TABLE h AS SELECT (1 / 3.0::float8)::ratio AS r;
         CREATE TABLE s AS SELECT span(0.1, 0.2) AS s;
         CREATE TABLE q AS SELECT point(0.1, 1 / 3.0::float8) AS p, circle '((0.1,0.2),0.3)' AS c;
         CREATE TABLE n AS SELECT i, i / 3.0 AS exact FROM generate_series(1, 500) i;",
    );
    let mut backup = Backup::with(&server, jobs(2)).await;
    let newer = server.clients().to_str().unwrap();
    let verified = async |backup: &Backup| {
        let scratch = scratch();
        let engines = engines(&Postgres::new(Some(newer), "/nowhere/bundle.pem", scratch.path()));
        let (reader, manifest) = (&backup.store, backup.write_manifest());
        let verify = verification(&engines, reader, manifest, Level::Restore, None);
        run(&verify, std::future::pending()).await
    };
    let done = verified(&backup).await.unwrap();
    assert_eq!(done.problems, Vec::<String>::new());
    assert!(!done.restored_into.unwrap().starts_with("11."));
    // Rows without such numbers are compared as ever.
    let mut other_rows = backup.copy();
    other_rows.replace_text("    exact numeric\n", "exact numeric(9,2)");
    let done = verified(&other_rows).await.unwrap();
    assert!(done.problems[0].contains("n has 500 rows with the hash"), "{done:?}");
    // What a newer server refuses, its own version may have taken.
    backup.replace_text("exact numeric", "exact  bigint");
    let error = verified(&backup).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().contains(", and 11 was dumped: "), "{error}");
}
