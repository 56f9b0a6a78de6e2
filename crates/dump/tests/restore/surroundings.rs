//! Databases with more than tables: what is there already, is lacking, or is in the way.

use autodump_core::ErrorClass;
use autodump_core::pattern::Pattern;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::{Call, Fault, FaultyStore};
use autodump_dump::restore::Phase;
use serde_json::json;

use super::support::backup::empty;
use super::support::postgres::{has_clients, others, start, start_in};
use super::{CONTENT, backed_up, into, jobs, restored, tables};

/// An extension that is only known to the catalogue, with two configuration tables, the larger of
/// which refers to the smaller one, and a sequence.
const EXTENSION: &str = r"
    CREATE SCHEMA fixture;
    CREATE TABLE fixture.z_parent (id int PRIMARY KEY);
    CREATE TABLE fixture.a_child (id int PRIMARY KEY, parent int NOT NULL REFERENCES fixture.z_parent,
        email text UNIQUE);
    CREATE SEQUENCE fixture.ticket;
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion,
        extconfig, extcondition)
    VALUES (999999, 'made_up', 10, 'fixture'::regnamespace, false, '1.0',
        ARRAY['fixture.z_parent', 'fixture.a_child', 'fixture.ticket']::regclass[]::oid[],
        ARRAY['', '', '']);
    INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    SELECT 'pg_class'::regclass, o, 0, 'pg_extension'::regclass, 999999, 0, 'e'
    FROM unnest(ARRAY['fixture.z_parent', 'fixture.a_child', 'fixture.ticket']::regclass[]::oid[]) o
    UNION ALL
    SELECT 'pg_namespace'::regclass, 'fixture'::regnamespace::oid, 0, 'pg_extension'::regclass, 999999,
        0, 'e';
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_extensions_that_refer_to_each_other_keep_their_order() {
    let Some(server) = start() else { return };
    let rows = "INSERT INTO fixture.z_parent SELECT generate_series(1, 20); \
        INSERT INTO fixture.a_child SELECT i, 1 + i % 20, 'geheim' || i FROM generate_series(1, 9000) i; \
        SELECT setval('fixture.ticket', 77); CREATE TABLE mine AS SELECT 1 AS i";
    let (store, _, at) = backed_up(&server, &[EXTENSION, rows].concat()).await;
    let print = "SELECT count(*), sum(parent) FROM fixture.a_child; SELECT count(*) FROM mine; \
                 SELECT last_value FROM fixture.ticket";
    let target = into(&server, "restored");
    for connections in [1, 3] {
        empty(&server, "restored");
        server.sql("restored", EXTENSION);
        let options = RestoreOptions { allow_non_empty: true, jobs: Some(connections), ..jobs() };
        restored(&server, &target, &store, &at, options).await.unwrap();
        assert_eq!(server.sql("restored", print), server.sql("shop", print));
    }
    // By its schema, with foreign keys at work.
    empty(&server, "restored");
    server.sql("restored", EXTENSION);
    let options = RestoreOptions {
        schemas: vec![Pattern::schema("fixture").unwrap()],
        allow_non_empty: true,
        ..jobs()
    };
    let chosen = options.clone();
    let (done, _) = restored(&server, &target, &store, &at, chosen).await.unwrap();
    assert!(done.plan.phases.contains(&Phase::OtherData), "{:?}", done.plan);
    let print = "SELECT count(*), sum(parent) FROM fixture.a_child; \
                 SELECT last_value FROM fixture.ticket";
    assert_eq!(server.sql("restored", print), server.sql("shop", print));
    // What does not fit is said without what is in it.
    let error = restored(&server, &target, &store, &at, options).await.unwrap_err();
    assert!(error.what().contains("z_parent") && error.what().contains("duplicate key"), "{error}");
    assert!(!format!("{error:?}").contains("already exists."), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_others_in_it_is_not_to_be_dropped() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    let orders = tables(&["orders"]);
    let reader = |nth| FaultyStore::new(store.clone(), vec![Fault::nth(Call::Get, nth)]);
    let target = into(&server, "restored");
    empty(&server, "restored");
    server.sql("restored", "CREATE TABLE others (i int)");
    let options = RestoreOptions { tables: orders.clone(), allow_non_empty: true, ..jobs() };
    let error = restored(&server, &target, &reader(3), &at, options).await.unwrap_err();
    assert!(error.hint().contains("the table app.orders"), "{error}");
    assert!(error.hint().contains("and not the database"), "{error}");
    assert!(!error.hint().contains("make it anew"), "{error}");
    let options = RestoreOptions { clean: true, tables: orders.clone(), ..jobs() };
    let error = restored(&server, &target, &reader(3), &at, options).await.unwrap_err();
    assert!(error.hint().contains("the table app.orders"), "{error}");
    assert!(error.hint().contains("restore again with clean"), "{error}");
    assert!(!error.hint().contains("make it anew"), "{error}");
    // A table that was there before is in the way, and not ours.
    let options = RestoreOptions { tables: orders, allow_non_empty: true, ..jobs() };
    server.sql(
        "restored",
        "CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE IF NOT EXISTS app.orders (i int)",
    );
    let error = restored(&server, &target, &store, &at, options).await.unwrap_err();
    assert!(error.what().contains("already exists"), "{error}");
    assert!(!error.hint().contains("app.orders"), "{error}");
    // A database that could not be made.
    server.sql("postgres", "CREATE ROLE small LOGIN PASSWORD 's'");
    let mut small = into(&server, "new");
    small["username"] = json!("small");
    small["password"] = json!("s");
    let create = RestoreOptions { create: true, ..jobs() };
    let error = restored(&server, &small, &store, &at, create).await.unwrap_err();
    assert!(error.what().contains("permission denied"), "{error}");
    assert!(error.hint().contains("Restore as a role that may"), "{error}");
    assert!(!error.hint().contains("part of the backup"), "{error}");
    assert!(!error.hint().contains("pg_read_all_data"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_needed_and_lacking_comes_as_it_was() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(
        &server,
        "CREATE SEQUENCE numbers; SELECT setval('numbers', 500); \
         CREATE TABLE t (i int DEFAULT nextval('numbers')); INSERT INTO t DEFAULT VALUES; \
         CREATE TABLE base AS SELECT 7 AS i; CREATE VIEW seen AS SELECT i FROM base; \
         CREATE MATERIALIZED VIEW kept AS SELECT i FROM seen",
    )
    .await;
    let target = into(&server, "restored");
    let options =
        |name| RestoreOptions { tables: tables(&[name]), allow_non_empty: true, ..jobs() };
    let position = "SELECT last_value FROM numbers";
    empty(&server, "restored");
    server.sql("restored", "CREATE TABLE others (i int)");
    restored(&server, &target, &store, &at, options("t")).await.unwrap();
    assert_eq!(server.sql("restored", position).trim(), "501");
    // One that is there goes on from where it is.
    server.sql("restored", "DROP TABLE t; SELECT setval('numbers', 9000)");
    let (done, _) = restored(&server, &target, &store, &at, options("t")).await.unwrap();
    assert_eq!(server.sql("restored", position).trim(), "9000");
    assert_eq!(done.warnings, Vec::<String>::new());

    let (done, _) = restored(&server, &target, &store, &at, options("seen")).await.unwrap();
    assert!(done.warnings[0].starts_with("VIEW public.seen shows nothing"), "{:?}", done.warnings);
    assert!(done.warnings[0].ends_with("without rows: public.base"), "{:?}", done.warnings);
    server.sql("restored", "DROP TABLE base CASCADE");
    let (done, _) = restored(&server, &target, &store, &at, options("kept")).await.unwrap();
    assert!(done.warnings[0].contains("MATERIALIZED VIEW public.kept is restored empty"));
    assert_eq!(server.sql("restored", "SELECT count(*) FROM kept").trim(), "0");
    // Over tables that are there it is not.
    server.sql("restored", "DROP MATERIALIZED VIEW kept; INSERT INTO base VALUES (7)");
    let (done, _) = restored(&server, &target, &store, &at, options("kept")).await.unwrap();
    assert_eq!(done.warnings, Vec::<String>::new());
    assert_eq!(server.sql("restored", "SELECT count(*) FROM kept").trim(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_that_fire_always_are_refused() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(
        &server,
        "CREATE TABLE part (i int) PARTITION BY RANGE (i); \
         CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10); \
         INSERT INTO part VALUES (1); CREATE TABLE noted (i int); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO public.noted VALUES (NEW.i); RETURN NEW; END $$; \
         CREATE TRIGGER notes AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    let target = into(&server, "restored");
    empty(&server, "restored");
    let schema = RestoreOptions { schema_only: true, ..jobs() };
    restored(&server, &target, &store, &at, schema).await.unwrap();
    let data = RestoreOptions { data_only: true, ..jobs() };
    for kind in ["ALWAYS", "REPLICA"] {
        server.sql("restored", &format!("ALTER TABLE part_1 ENABLE {kind} TRIGGER notes"));
        let error = restored(&server, &target, &store, &at, data.clone()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains("notes on public.part_1"), "{error}");
        assert_eq!(server.sql("restored", "SELECT count(*) FROM part").trim(), "0");
    }
    server.sql("restored", "ALTER TABLE part_1 ENABLE TRIGGER notes");
    let (done, _) = restored(&server, &target, &store, &at, data).await.unwrap();
    assert_eq!(done.warnings, Vec::<String>::new());
    assert_eq!(server.sql("restored", "SELECT count(*) FROM noted").trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_dropped_without_its_slot() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(
        &server,
        "CREATE TABLE t AS SELECT 1 AS i; \
         CREATE SUBSCRIPTION \"Sub\" CONNECTION 'host=127.0.0.1 port=1 dbname=none' \
         PUBLICATION p WITH (connect = false, slot_name = 'in_use')",
    )
    .await;
    let target = into(&server, "restored");
    empty(&server, "restored");
    restored(&server, &target, &store, &at, jobs()).await.unwrap();
    server.sql("restored", "ALTER SUBSCRIPTION \"Sub\" ENABLE; DELETE FROM t");
    // Nothing is done, and it is said what would be.
    let clean = RestoreOptions { clean: true, dry_run: true, ..jobs() };
    let (dry, _) = restored(&server, &target, &store, &at, clean.clone()).await.unwrap();
    assert_eq!(dry.plan.dropped, ["TABLE public.t", "SUBSCRIPTION Sub"]);
    assert!(dry.warnings[0].contains("without its replication slot in_use"), "{:?}", dry.warnings);
    let enabled = "SELECT subenabled, subslotname FROM pg_subscription WHERE subdbid = \
                   (SELECT oid FROM pg_database WHERE datname = 'restored')";
    assert_eq!(server.sql("restored", enabled).trim(), "t|in_use");
    let clean = RestoreOptions { dry_run: false, ..clean };
    restored(&server, &target, &store, &at, clean.clone()).await.unwrap();
    assert_eq!(server.sql("restored", enabled).trim(), "f|in_use");
    assert_eq!(server.sql("restored", "SELECT count(*) FROM t").trim(), "1");
    // What is not there is not listed.
    server.sql("restored", "DROP TABLE t");
    let clean = RestoreOptions { dry_run: true, ..clean };
    let (dry, _) = restored(&server, &target, &store, &at, clean).await.unwrap();
    assert_eq!(dry.plan.dropped, ["SUBSCRIPTION Sub"]);
    // So that the databases can be dropped.
    for database in ["shop", "restored"] {
        server.sql(database, "ALTER SUBSCRIPTION \"Sub\" SET (slot_name = NONE)");
        server.sql(database, "DROP SUBSCRIPTION \"Sub\"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_users_made_is_in_the_way() {
    for server in start().into_iter().chain(others().iter().map(start_in)) {
        if !has_clients(server.clients()) {
            continue;
        }
        let (store, _, at) = backed_up(&server, "CREATE TABLE t AS SELECT 1 AS i").await;
        let target = into(&server, "restored");
        let dry = RestoreOptions { dry_run: true, ..jobs() };
        empty(&server, "restored");
        restored(&server, &target, &store, &at, dry.clone()).await.unwrap();
        for (sql, says) in [
            ("CREATE PUBLICATION p", "publication p"),
            ("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w", "server s"),
            ("CREATE CAST (text AS bytea) WITHOUT FUNCTION", "cast text AS bytea"),
            (
                "CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, PROCEDURE = int4eq)",
                "operator public.===",
            ),
            ("CREATE COLLATION c FROM \"C\"", "collation public.c"),
            ("CREATE TEXT SEARCH CONFIGURATION e (COPY = simple)", "configuration public.e"),
            ("CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)", "dictionary public.d"),
        ] {
            empty(&server, "restored");
            server.sql("restored", sql);
            let error = restored(&server, &target, &store, &at, dry.clone()).await.unwrap_err();
            assert!(error.what().contains(says), "{sql}: {error}");
        }
    }
}
