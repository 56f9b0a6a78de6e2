//! What is restored, and how, is what the options ask for.

use autodump_core::ErrorClass;
use autodump_core::pattern::Pattern;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::MemoryStore;
use autodump_dump::restore::Phase;
use serde_json::json;

use super::support::backup::{dump, empty, location};
use super::support::postgres::start;
use super::{CONTENT, FINGERPRINT, backed_up, into, jobs, restored, tables};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_do_what_they_say() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    server
        .sql("postgres", "CREATE ROLE app_owner; CREATE ROLE loader SUPERUSER LOGIN PASSWORD 'l'");
    let all = server.sql("shop", FINGERPRINT);
    let mut target = into(&server, "other");

    // The database is made; what is already there is refused.
    let create = RestoreOptions { create: true, ..jobs() };
    target["dbname"] = json!("Näw \"x\" = 1");
    let dry = RestoreOptions { dry_run: true, ..create.clone() };
    let (planned, notes) = restored(&server, &target, &store, &at, dry).await.unwrap();
    assert!(planned.dry_run && planned.plan.bytes > 0 && planned.rows == 0);
    assert_eq!(notes.plan.lock().unwrap().as_ref(), Some(&planned.plan));
    assert!(notes.phases.lock().unwrap().is_empty());
    let there = "SELECT count(*) FROM pg_database WHERE datname LIKE 'Näw%'";
    assert_eq!(server.sql("postgres", there).trim(), "0");
    restored(&server, &target, &store, &at, create.clone()).await.unwrap();
    assert_eq!(server.sql("dbname='Näw \"x\" = 1'", FINGERPRINT), all);
    let again = restored(&server, &target, &store, &at, create).await.unwrap_err();
    assert!(again.what().contains("is there already"), "{again}");

    // Schema and data apart.
    empty(&server, "other");
    let target = into(&server, "other");
    let schema = RestoreOptions { schema_only: true, ..jobs() };
    let (done, _) = restored(&server, &target, &store, &at, schema).await.unwrap();
    assert_eq!(done.plan.phases, [Phase::PreData, Phase::PostData]);
    assert_eq!(server.sql("other", "SELECT count(*) FROM app.orders").trim(), "0");
    assert_eq!(server.sql("other", "SELECT count(*) FROM pg_largeobject_metadata").trim(), "0");
    let data = RestoreOptions { data_only: true, ..jobs() };
    let (done, _) = restored(&server, &target, &store, &at, data.clone()).await.unwrap();
    assert_eq!(done.plan.phases, [Phase::Rows, Phase::OtherData]);
    server.sql("other", "REFRESH MATERIALIZED VIEW summary");
    assert_eq!(server.sql("other", FINGERPRINT), all);
    let again = restored(&server, &target, &store, &at, data.clone()).await.unwrap_err();
    assert!(again.what().contains("rows already in"), "{again}");
    empty(&server, "other");
    let lacking = restored(&server, &target, &store, &at, data).await.unwrap_err();
    assert!(lacking.what().contains("lacks tables"), "{lacking}");

    // Owners.
    server.sql(
        "shop",
        "ALTER TABLE app.customer OWNER TO app_owner; GRANT SELECT ON app.orders TO app_owner",
    );
    let store = MemoryStore::default();
    let at = location(&dump(&server, &store).await.unwrap());
    let mut as_loader = target.clone();
    as_loader["username"] = json!("loader");
    as_loader["password"] = json!("l");
    let own = RestoreOptions { no_owner: true, no_privileges: true, ..jobs() };
    restored(&server, &as_loader, &store, &at, own).await.unwrap();
    let owners =
        "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname IN ('customer', 'orders')";
    assert_eq!(server.sql("other", owners).trim(), "loader");
    let grants =
        "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'app_owner'";
    assert_eq!(server.sql("other", grants).trim(), "0");
    // Into what is there: what the backup does not have stays.
    server.sql("other", "CREATE TABLE mine (i int); TRUNCATE app.orders; DROP TABLE nothing");
    let clean = RestoreOptions { clean: true, ..jobs() };
    let (done, _) = restored(&server, &as_loader, &store, &at, clean).await.unwrap();
    assert_eq!(done.plan.phases[0], Phase::Clean);
    assert_eq!(server.sql("other", FINGERPRINT), server.sql("shop", FINGERPRINT));
    assert_eq!(server.sql("other", "SELECT count(*) FROM mine").trim(), "0");
    assert_ne!(server.sql("other", grants).trim(), "0");
    // What depends on it is in the way, and nothing is dropped.
    server.sql("other", "CREATE VIEW on_top AS SELECT * FROM app.orders");
    let clean = RestoreOptions { clean: true, ..jobs() };
    let error = restored(&server, &as_loader, &store, &at, clean).await.unwrap_err();
    assert!(
        error.what().contains("cannot be dropped") && error.what().contains("on_top"),
        "{error}"
    );
    assert_eq!(server.sql("other", FINGERPRINT), server.sql("shop", FINGERPRINT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_chosen_with_what_belongs_to_them() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    let target = into(&server, "restored");
    let relations = "SELECT string_agg(n.nspname || '.' || c.relname, ' ' ORDER BY n.nspname, c.relname) \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname IN ('app', 'public')";
    for (patterns, schemas, expected) in [
        (vec!["orders"], vec![], "app.orders app.orders_id_seq"),
        (vec!["app.customer"], vec![], "app.customer app.customer_id_seq"),
        (vec!["part"], vec![], "public.part public.part_1 public.part_2"),
        (vec!["part_1"], vec![], "public.part_1"),
        (
            vec!["app.c*", "\"odd \"\"name\""],
            vec![],
            "app.customer app.customer_id_seq public.odd \"name",
        ),
        (vec!["rich"], vec![], "app.orders app.rich"),
        (
            vec![],
            vec!["app"],
            "app.customer app.customer_id_seq app.orders app.orders_id_seq app.rich",
        ),
        (vec!["orders", "part"], vec!["app"], "app.orders app.orders_id_seq"),
    ] {
        empty(&server, "restored");
        let schemas: Vec<&str> = schemas;
        let options = RestoreOptions {
            tables: tables(&patterns),
            schemas: schemas.iter().map(|text| Pattern::schema(text).unwrap()).collect(),
            ..jobs()
        };
        let (done, _) = restored(&server, &target, &store, &at, options).await.unwrap();
        assert_eq!(server.sql("restored", relations).trim(), expected, "{patterns:?}");
        let left_out = done.warnings.iter().any(|warning| warning.contains("FK CONSTRAINT"));
        assert_eq!(
            left_out,
            patterns.first() == Some(&"orders"),
            "{patterns:?}: {:?}",
            done.warnings
        );
        if patterns == ["orders"] {
            for sql in [
                "SELECT count(*), md5(string_agg(o::text, '|' ORDER BY id)) FROM app.orders o",
                "SELECT last_value FROM app.orders_id_seq",
                "SELECT indexdef FROM pg_indexes WHERE schemaname = 'app' AND tablename = 'orders' ORDER BY 1",
                "SELECT obj_description('app.orders'::regclass)",
            ] {
                assert_eq!(server.sql("restored", sql), server.sql("shop", sql), "{sql}");
            }
        }
    }
    // One table into a database that has the others.
    server.sql("shop", "DROP TABLE app.orders CASCADE");
    let options = RestoreOptions { tables: tables(&["orders"]), allow_non_empty: true, ..jobs() };
    let shop = into(&server, "shop");
    restored(&server, &shop, &store, &at, options).await.unwrap();
    assert_eq!(server.sql("shop", "SELECT count(*) FROM app.orders").trim(), "60000");

    let options = RestoreOptions { tables: tables(&["app.nosuch"]), ..jobs() };
    let error = restored(&server, &target, &store, &at, options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(
        error.to_string().contains("app.nosuch") && error.to_string().contains("app.customer"),
        "{error}"
    );
}
