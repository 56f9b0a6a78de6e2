//! Backups of a real server, restored straight from the store into a real server.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use autodump_core::manifest::{Consistency, Manifest, Method, MethodKind, Object, Target};
use autodump_core::options::DumpOptions;
use autodump_core::pattern::Pattern;
use autodump_core::ports::{Content, Listed, ObjectLocation, ObjectReader};
use autodump_core::restore::RestoreOptions;
use autodump_core::tags::Format;
use autodump_core::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::Level;
use autodump_core::{ErrorClass, Result, layout};
use autodump_dump::engine::Postgres;
use autodump_dump::restore::{
    Event, Phase, Plan, Restore, Restored, SharedReader, Watcher, read_manifest, run,
};
use autodump_dump::run::{DumpJob, run as dump_by};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::backup::{dump, dump_with, engine, fields};
use support::postgres::{Server, others, start, start_in};
use support::{Fixed, job, secret, settings};

/// A large table, several small ones, and some of everything else.
const CONTENT: &str = r#"
    CREATE SCHEMA app;
    CREATE TYPE app.state AS ENUM ('new', 'paid');
    CREATE FUNCTION app.tax(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 0.19';
    CREATE TABLE app.customer (id bigserial PRIMARY KEY, name text NOT NULL);
    INSERT INTO app.customer (name) SELECT 'Üser ' || i || E'\t\\' FROM generate_series(1, 3000) i;
    CREATE TABLE app.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer bigint NOT NULL REFERENCES app.customer, state app.state DEFAULT 'new',
        total numeric(12,2), tax numeric GENERATED ALWAYS AS (app.tax(total)) STORED, raw text);
    INSERT INTO app.orders (customer, total, raw)
    SELECT 1 + i % 3000, i * 1.37, repeat(md5(i::text), 8) FROM generate_series(1, 60000) i;
    CREATE INDEX orders_by_total ON app.orders (total);
    COMMENT ON TABLE app.orders IS 'all of them';
    CREATE VIEW app.rich AS SELECT * FROM app.orders WHERE total > 1000;
    CREATE TABLE "odd ""name" ("Col umn" int); INSERT INTO "odd ""name" VALUES (1), (NULL);
    CREATE TABLE empty (); CREATE TABLE nothing (i int);
    CREATE TABLE part (i int, t text) PARTITION BY RANGE (i);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (1000);
    INSERT INTO part SELECT i, 'x' FROM generate_series(0, 500) i;
    CREATE SEQUENCE counter START 42; SELECT nextval('counter');
    SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 100000), 'hex'));
    CREATE MATERIALIZED VIEW summary AS SELECT count(*) FROM app.orders;
"#;

const FINGERPRINT: &str = r#"
    SELECT count(*), md5(string_agg(c::text, '|' ORDER BY id)) FROM app.customer c;
    SELECT count(*), md5(string_agg(o::text, '|' ORDER BY id)) FROM app.orders o;
    SELECT count(*), sum("Col umn") FROM "odd ""name";
    SELECT count(*) FROM app.rich;
    SELECT count(*), sum(i) FROM part; SELECT count(*) FROM part_2;
    SELECT * FROM summary;
    SELECT last_value, is_called FROM counter;
    SELECT last_value FROM app.customer_id_seq;
    SELECT last_value FROM app.orders_id_seq;
    SELECT md5(lo_get(4711));
    SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'app') ORDER BY 1;
    SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace::regnamespace::text IN ('public', 'app') AND contype <> 'n'
    ORDER BY 1::text, 2;
    SELECT obj_description('app.orders'::regclass);
    SELECT relname, relowner::regrole FROM pg_class WHERE relnamespace::regnamespace::text = 'app'
    ORDER BY 1;
"#;

/// Notes what happened.
#[derive(Debug, Default)]
struct Notes {
    phases: Mutex<Vec<Phase>>,
    tables: Mutex<Vec<(String, u64)>>,
    warnings: Mutex<Vec<String>>,
    plan: Mutex<Option<Plan>>,
    read: Mutex<i64>,
}

impl Watcher for Notes {
    fn note(&self, event: &Event<'_>) {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap();
        match event {
            Event::Planned(plan) => *self.plan.lock().unwrap() = Some((*plan).clone()),
            Event::Phase(phase) => self.phases.lock().unwrap().push(*phase),
            Event::Read(bytes) => *self.read.lock().unwrap() += signed(*bytes),
            Event::TakenBack(bytes) => *self.read.lock().unwrap() -= signed(*bytes),
            Event::Table { name, rows, .. } => {
                self.tables.lock().unwrap().push(((*name).to_owned(), *rows));
            }
            Event::Warning(what) => self.warnings.lock().unwrap().push((*what).to_owned()),
            _ => {}
        }
    }
}

/// A backup of `shop`, and where its manifest is.
async fn backed_up(server: &Server) -> (MemoryStore, Manifest, ObjectLocation) {
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let store = MemoryStore::default();
    let manifest = dump(server, &store).await.unwrap();
    let at = location(&manifest);
    (store, manifest, at)
}

fn location(manifest: &Manifest) -> ObjectLocation {
    let toc = manifest.objects.iter().find(|object| object.key.ends_with("/toc.dat")).unwrap();
    let mut parts = toc.key.rsplitn(3, '/');
    let run = parts.nth(2).unwrap();
    ObjectLocation { bucket: toc.bucket.clone(), key: format!("{run}/{}", layout::MANIFEST) }
}

fn into(server: &Server, database: &str) -> Value {
    let mut fields = fields(server);
    fields["dbname"] = json!(database);
    fields
}

async fn restored<R: SharedReader>(
    server: &Server,
    fields: &Value,
    reader: &R,
    at: &ObjectLocation,
    options: RestoreOptions,
) -> Result<(Restored, Arc<Notes>)> {
    let notes = Arc::new(Notes::default());
    let engine = engine(server);
    let restore = Restore {
        postgres: &engine,
        reader: reader.clone(),
        access: Arc::new(Fixed(secret(fields))),
        manifest: at.clone(),
        options,
        watcher: Arc::<Notes>::clone(&notes),
    };
    Ok((run(&restore, std::future::pending()).await?, notes))
}

fn jobs() -> RestoreOptions {
    RestoreOptions { jobs: Some(3), ..RestoreOptions::default() }
}

/// A new, empty database.
fn empty(server: &Server, database: &str) {
    server.sql("postgres", &format!("DROP DATABASE IF EXISTS {database}"));
    server.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
}

fn tables(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::table(text).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_comes_back_whole() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server).await;
    let orders = manifest.tables.iter().find(|table| table.name == "orders").unwrap();
    let object = manifest.objects.iter().find(|object| object.key == orders.keys[0]).unwrap();
    let content = store.object(&object.bucket, &object.key).unwrap();
    assert_eq!(content.length, object.bytes);
    empty(&server, "restored");
    let target = into(&server, "restored");
    let (done, notes) = restored(&server, &target, &store, &at, jobs()).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    assert_eq!((done.rows, done.tables), (rows, manifest.tables.len() as u64));
    assert_eq!(done.warnings, Vec::<String>::new());
    let phases = [Phase::PreData, Phase::Rows, Phase::OtherData, Phase::PostData];
    assert_eq!(
        (done.plan.phases.as_slice(), notes.phases.lock().unwrap().as_slice()),
        (&phases[..], &phases[..])
    );
    assert_eq!(done.plan.tables[0].name, "orders");
    assert_eq!(done.plan.tables[0].rows, Some(60_000));
    assert_eq!(u64::try_from(*notes.read.lock().unwrap()).unwrap(), done.plan.bytes);
    assert!(done.bytes >= done.plan.bytes);
    assert!(notes.tables.lock().unwrap().contains(&("orders".to_owned(), 60_000)));
    // What is there is not overwritten.
    let again = restored(&server, &target, &store, &at, jobs()).await.unwrap_err();
    assert_eq!(again.class(), ErrorClass::Configuration);
    assert!(
        again.what().contains("not empty: it has") && again.what().contains("table app."),
        "{again}"
    );
    assert!(!again.hint().contains("holds only a part"), "{again}");
}

/// Segments of a table are loaded each by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compression_and_many_segments() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT i, md5(i::text) || md5((-i)::text) || md5((i+9)::text) AS x FROM generate_series(1, 300000) i");
    let print = "SELECT count(*), sum(i), md5(string_agg(x, ',' ORDER BY i)) FROM t";
    let expected = server.sql("shop", print);
    for compression in ["none", "gzip:1", "zstd:1", "lz4"] {
        let options = DumpOptions {
            jobs: Some(3),
            compression: Some(compression.parse().unwrap()),
            ..DumpOptions::default()
        };
        let store = MemoryStore::default();
        let Ok(manifest) = dump_with(&server, &fields(&server), options, &store).await else {
            assert!(["zstd:1", "lz4"].contains(&compression), "{compression}");
            continue;
        };
        let object = manifest.objects.iter().find(|o| o.key.contains("public.t-")).unwrap();
        assert!(object.segments.len() > 1, "{:?}", object.segments);
        empty(&server, "restored");
        let at = location(&manifest);
        restored(&server, &into(&server, "restored"), &store, &at, jobs()).await.unwrap();
        assert_eq!(server.sql("restored", print), expected, "{compression}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exotic_database_comes_back_from_every_version() {
    let own = start().map(exotic);
    if let Some(own) = own {
        own.await;
    }
    for bin in others() {
        if bin.join("pg_dump").exists() && bin.join("pg_restore").exists() {
            exotic(start_in(bin)).await;
        }
    }
}

async fn exotic(server: Server) {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/sql");
    server.sql("postgres", "CREATE DATABASE shop");
    script(&server, "shop", &sql.join("exotic.sql"));
    let store = MemoryStore::default();
    let manifest = dump(&server, &store).await.unwrap();
    empty(&server, "restored");
    let at = location(&manifest);
    let target = into(&server, "restored");
    let (done, _) = restored(&server, &target, &store, &at, jobs()).await.unwrap();
    let print = sql.join("fingerprint.sql");
    let source = script(&server, "shop", &print);
    assert_same(&source, &script(&server, "restored", &print), &done.plan.server_version);
    // Over what is there, with everything dropped before. Default privileges stay, and make
    // other grants.
    let clean = RestoreOptions { clean: true, ..jobs() };
    restored(&server, &target, &store, &at, clean).await.unwrap();
    let content = |text: &str| -> String {
        let kinds = ["[\"rows", "[\"sequence", "[\"large object\"", "[\"comment", "[\"event"];
        let lines = text.lines().filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let copy = script(&server, "restored", &print);
    assert_same(&content(&source), &content(&copy), "over what is there");
}

fn assert_same(source: &str, copy: &str, what: &str) {
    let without = |these: &str, those: &str| -> Vec<String> {
        let those: std::collections::BTreeSet<_> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(str::to_owned).collect()
    };
    assert_eq!(without(source, copy), without(copy, source), "{what}");
    assert_eq!(source.lines().count(), copy.lines().count(), "{what}");
}

fn script(server: &Server, database: &str, file: &Path) -> String {
    let done = server
        .client("psql")
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f"])
        .arg(file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Newer clients than the server's, and servers newer and older than the one that was dumped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_may_differ() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let expected = server.sql("shop", FINGERPRINT);
    // Some of these clients are built without TLS.
    let plain = |server: &Server, database: &str| {
        let mut fields = into(server, database);
        fields["sslmode"] = json!("disable");
        fields.as_object_mut().unwrap().remove("sslrootcert");
        Arc::new(Fixed(secret(&fields)))
    };
    for bin in others() {
        if !bin.join("pg_dump").exists() || !bin.join("pg_restore").exists() {
            continue;
        }
        let clients = Postgres::new(bin.to_str(), "/nowhere/bundle.pem", std::env::temp_dir());
        let store = MemoryStore::default();
        let options = DumpOptions {
            compression: Some("gzip".parse().unwrap()),
            jobs: Some(2),
            ..DumpOptions::default()
        };
        let job = DumpJob { options, ..job() };
        let access = plain(&server, "shop");
        let never = std::future::pending();
        let manifest = match dump_by(&clients, &store, &access, &job, &settings(), never).await {
            Ok(done) => done.into_iter().next().unwrap(),
            Err(error) => {
                assert!(error.what().contains("older"), "{}: {error}", bin.display());
                continue;
            }
        };
        let at = location(&manifest);
        let other = start_in(&bin);
        for target in [&server, &other] {
            empty(target, "restored");
            let restore = Restore {
                postgres: &clients,
                reader: store.clone(),
                access: plain(target, "restored"),
                manifest: at.clone(),
                options: RestoreOptions { no_owner: true, ..jobs() },
                watcher: Arc::new(Notes::default()),
            };
            let done = run(&restore, std::future::pending()).await;
            let done = done.unwrap_or_else(|error| panic!("{} {error}", bin.display()));
            assert_eq!(target.sql("restored", FINGERPRINT), expected, "{:?}", done.plan);
            assert_eq!(done.warnings, Vec::<String>::new());
        }
        // A failure is not taken for the parameter that older servers lack.
        server.sql("restored", "DROP TABLE app.orders CASCADE");
        let restore = Restore {
            postgres: &clients,
            reader: store.clone(),
            access: plain(&server, "restored"),
            manifest: at.clone(),
            options: RestoreOptions { allow_non_empty: true, ..jobs() },
            watcher: Arc::new(Notes::default()),
        };
        let error = run(&restore, std::future::pending()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine, "{error}");
        assert!(error.hint().contains("Restore into an empty database"), "{error}");
    }
}

/// What `pg_dump` alone has written, without segments and hashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_pg_dump_alone_comes_back() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("shop");
    let dumped = server
        .client("pg_dump")
        .args(["-Fd", "-j2", "-d", "shop", "-f"])
        .arg(&archive)
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let store = MemoryStore::default();
    let (manifest, at) = put(&server, &store, &archive);
    assert_eq!(read_manifest(&store, &at).await.unwrap(), manifest);
    empty(&server, "restored");
    let target = into(&server, "restored");
    let (done, _) = restored(&server, &target, &store, &at, jobs()).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    assert_eq!(done.plan.tables[0].rows, None);
    assert!(done.rows > 63_000);
}

/// Puts an archive into the store as a backup by the engine's own program.
fn put(server: &Server, store: &MemoryStore, archive: &Path) -> (Manifest, ObjectLocation) {
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(archive).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        let key = format!("run/shop/{}", path.file_name().unwrap().to_str().unwrap());
        let at = ObjectLocation { bucket: "backups".to_owned(), key };
        store.put(&at, content.clone());
        let crc = store.object(&at.bucket, &at.key).unwrap().crc64nvme;
        objects.push(Object {
            bucket: at.bucket,
            key: at.key,
            bytes: content.len() as u64,
            sha256: hex::encode(Sha256::digest(&content)),
            crc64nvme: BASE64_STANDARD.encode(crc.to_be_bytes()),
            segments: Vec::new(),
        });
    }
    let version = server.sql("postgres", "SHOW server_version");
    let version = version.split(' ').next().unwrap().trim();
    let job = job();
    let manifest = Manifest {
        version: 1,
        target: Target { arn: job.resource_arn.clone(), name: "prod/app".to_owned() },
        engine: autodump_core::manifest::Engine {
            name: "postgres".to_owned(),
            server_version: version.to_owned(),
            client: format!("pg_dump {version}"),
        },
        database: "shop".to_owned(),
        format: Format::Native,
        consistency: Consistency::Snapshot,
        snapshot: None,
        method: Method {
            kind: MethodKind::Client,
            jobs: 2,
            compression: "gzip".to_owned(),
            reason: Some("a test".to_owned()),
        },
        scheduled_for: job.scheduled_for,
        started_at: job.scheduled_for,
        finished_at: job.scheduled_for,
        tag_hash: job.tag_hash,
        execution_arn: job.execution_arn,
        job: job.job,
        autodump_version: "0.1.0".to_owned(),
        verify: Level::None,
        objects,
        tables: Vec::new(),
        restore: Vec::new(),
    };
    let at = ObjectLocation { bucket: "backups".to_owned(), key: "run/manifest.json".to_owned() };
    store.put(&at, serde_json::to_vec(&manifest).unwrap());
    (manifest, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_do_what_they_say() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
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
    let (store, _, at) = backed_up(&server).await;
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

/// A store that gives something else for one object.
fn damaged(store: &MemoryStore, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> ObjectLocation {
    let at = ObjectLocation { bucket: "backups".to_owned(), key: key.to_owned() };
    let mut content = store.object("backups", key).unwrap().content.to_vec();
    change(&mut content);
    store.put(&at, content);
    at
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
                "flip" => drop(damaged(&store, &orders, |bytes| {
                    // A digit of a hash, where nothing is compressed.
                    let middle = bytes.len() / 2;
                    let at = (middle..bytes.len())
                        .find(|at| {
                            bytes[*at] != b'\n' && bytes[*at] != b'\t' && bytes[*at] != b'\\'
                        })
                        .unwrap();
                    bytes[at] ^= 1;
                })),
                "cut" => drop(damaged(&store, &orders, |bytes| bytes.truncate(bytes.len() - 9))),
                "missing" => {
                    store.remove(&ObjectLocation { bucket: "backups".to_owned(), key: orders });
                }
                "toc" => {
                    let toc = manifest.objects.iter().find(|o| o.key.ends_with("toc.dat")).unwrap();
                    damaged(&store, &toc.key.clone(), |bytes| bytes[100] ^= 1);
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
    let (store, manifest, at) = backed_up(&server).await;
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

/// A backup that was copied elsewhere is found there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_backup_is_read_from_its_copy() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server).await;
    let copy = MemoryStore::default();
    let run = at.key.strip_suffix("manifest.json").unwrap();
    for key in manifest.objects.iter().map(|object| &object.key).chain([&at.key]) {
        let to = key.strip_prefix(run).unwrap();
        let to = ObjectLocation { bucket: "elsewhere".to_owned(), key: to.to_owned() };
        copy.put(&to, store.object("backups", key).unwrap().content);
    }
    empty(&server, "restored");
    let at = ObjectLocation { bucket: "elsewhere".to_owned(), key: "manifest.json".to_owned() };
    let target = into(&server, "restored");
    restored(&server, &target, &copy, &at, jobs()).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A reader that does something when the n-th piece of data files' content is given.
#[derive(Clone)]
struct Hooked {
    inner: MemoryStore,
    at: u32,
    pieces: Arc<AtomicU32>,
    hook: Hook,
}

struct HookedContent {
    inner: <MemoryStore as ObjectReader>::Content,
    reader: Option<Hooked>,
}

impl ObjectReader for Hooked {
    type Content = HookedContent;

    async fn get(&self, at: &ObjectLocation, range: Option<Range<u64>>) -> Result<HookedContent> {
        let inner = self.inner.get(at, range).await?;
        let reader = at.key.contains("app.orders-").then(|| self.clone());
        Ok(HookedContent { inner, reader })
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>> {
        self.inner.list(bucket, prefix).await
    }
}

impl Content for HookedContent {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(reader) = &self.reader
            && reader.pieces.fetch_add(1, Ordering::SeqCst) + 1 == reader.at
        {
            let hook = Arc::clone(&reader.hook);
            tokio::task::spawn_blocking(move || hook()).await.unwrap();
        }
        self.inner.next().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_lose_and_double_no_row() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    empty(&server, "restored");
    let server = Arc::new(server);
    let killer = Arc::clone(&server);
    let hook: Hook = Arc::new(move || {
        let count = killer.sql(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = 'restored' AND query LIKE 'COPY%' AND state = 'active'",
        );
        assert_ne!(count.trim(), "0");
    });
    let reader = Hooked { inner: store, at: 7, pieces: Arc::default(), hook };
    let target = into(&server, "restored");
    let (done, notes) = restored(&server, &target, &reader, &at, jobs()).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
    assert_eq!(u64::try_from(*notes.read.lock().unwrap()).unwrap(), done.plan.bytes);
}

/// A server that broke down may have forgotten what it had confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_down_ends_the_restore() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    empty(&server, "restored");
    let target = into(&server, "restored");
    let engine = engine(&server);
    let server = Arc::new(Mutex::new(server));
    let killer = Arc::clone(&server);
    let hook: Hook = Arc::new(move || killer.lock().unwrap().kill());
    let reader = Hooked { inner: store, at: 7, pieces: Arc::default(), hook };
    let restore = Restore {
        postgres: &engine,
        reader,
        access: Arc::new(Fixed(secret(&target))),
        manifest: at,
        options: jobs(),
        watcher: Arc::new(Notes::default()),
    };
    let error = run(&restore, std::future::pending()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.hint().contains("holds only a part of the backup (it came to rows)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_stop_is_heard() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    empty(&server, "restored");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = Mutex::new(Some(stop));
    let hook: Hook = Arc::new(move || stop.lock().unwrap().take().unwrap().send(()).unwrap());
    let reader = Hooked { inner: store, at: 5, pieces: Arc::default(), hook };
    let engine = engine(&server);
    let restore = Restore {
        postgres: &engine,
        reader,
        access: Arc::new(Fixed(secret(&into(&server, "restored")))),
        manifest: at,
        options: jobs(),
        watcher: Arc::new(Notes::default()),
    };
    let error = run(&restore, async { drop(stopped.await) }).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted, "{error}");
    assert!(error.hint().contains("holds only a part"), "{error}");
    // Nobody is connected any more, so the database can be dropped at once or a moment later.
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'restored'";
    for _ in 0..200 {
        if server.sql("postgres", gone).trim() == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("somebody is still connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_ends_the_restore() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    let target = into(&server, "restored");
    for nth in [1, 2, 3, 6] {
        empty(&server, "restored");
        let reader = FaultyStore::new(store.clone(), vec![Fault::nth(Call::Get, nth)]);
        let error = restored(&server, &target, &reader, &at, jobs()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{error}");
        assert_eq!(error.hint().contains("holds only a part"), nth > 2, "{nth}: {error}");
    }
    empty(&server, "restored");
    let cut = Cut { nth_get: 3, after: 10, class: ErrorClass::Destination };
    let reader = FaultyStore::new(store, Vec::new()).with_cuts(vec![cut]);
    let error = restored(&server, &target, &reader, &at, jobs()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination, "{error}");
}

/// What a proxy does with the answer to a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loses {
    /// It is committed, and nobody hears of it.
    Answer,
    /// The server never hears of it.
    Question,
}

/// A proxy before the server that cuts the first connection that commits after a statement that
/// begins with `after`. Returns its port, and how often it did so.
fn proxy(to: u16, after: &'static str, loses: Loses) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cuts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&cuts);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let cuts = Arc::clone(&count);
            std::thread::spawn(move || pass(&client, &server, after, loses, &cuts));
        }
    });
    (port, cuts)
}

/// Passes messages of the protocol on, until one side has enough.
fn pass(client: &TcpStream, server: &TcpStream, after: &str, loses: Loses, cuts: &AtomicU32) {
    let end = || {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    };
    let swallows = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (server, client);
            let mut bytes = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                if swallows.load(Ordering::SeqCst) || to.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            end();
        });
        let (mut from, mut to) = (client, server);
        let mut has_kind = false;
        let mut is_after = false;
        loop {
            // The first message has no kind.
            let mut head = vec![0; if has_kind { 5 } else { 4 }];
            if from.read_exact(&mut head).is_err() {
                break;
            }
            let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap());
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            if from.read_exact(&mut body).is_err() {
                break;
            }
            let is_query = has_kind && head[0] == b'Q';
            has_kind = true;
            is_after |= is_query && body.starts_with(after.as_bytes());
            if is_query
                && is_after
                && body == b"COMMIT\0"
                && cuts.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                if loses == Loses::Question {
                    break;
                }
                swallows.store(true, Ordering::SeqCst);
            }
            if to.write_all(&[head, body].concat()).is_err() {
                break;
            }
        }
        end();
    });
}

/// The same database through a proxy that reads what is said.
fn through(server: &Server, database: &str, port: u16) -> Value {
    let mut fields = into(server, database);
    fields["port"] = json!(port);
    fields["sslmode"] = json!("disable");
    fields.as_object_mut().unwrap().remove("sslrootcert");
    fields
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_answer_loses_and_doubles_no_row() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server).await;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    for loses in [Loses::Answer, Loses::Question] {
        empty(&server, "restored");
        let (port, cuts) = proxy(server.port, "COPY app.orders", loses);
        let target = through(&server, "restored", port);
        let (done, notes) = restored(&server, &target, &store, &at, jobs()).await.unwrap();
        assert_eq!(cuts.load(Ordering::SeqCst), 1, "{loses:?}");
        assert_eq!(done.rows, rows, "{loses:?}");
        assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
        assert_eq!(u64::try_from(*notes.read.lock().unwrap()).unwrap(), done.plan.bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_whose_commit_is_not_answered_is_unknown() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    for (loses, left) in [(Loses::Answer, "f"), (Loses::Question, "t")] {
        empty(&server, "restored");
        let direct = into(&server, "restored");
        restored(&server, &direct, &store, &at, jobs()).await.unwrap();
        let (port, _) = proxy(server.port, "DROP ", loses);
        let target = through(&server, "restored", port);
        let clean = RestoreOptions { clean: true, ..jobs() };
        let error = restored(&server, &target, &store, &at, clean).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{error}");
        assert!(error.what().contains("it is not known whether it was"), "{error}");
        assert!(!error.hint().contains("nothing was dropped"), "{error}");
        let there = server.sql("restored", "SELECT to_regclass('app.orders') IS NOT NULL");
        assert_eq!(there.trim(), left);
    }
}

/// A server without room for many locks drops one by one, and it is said how far that came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_one_by_one_says_how_far_it_came() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
    empty(&server, "restored");
    let target = into(&server, "restored");
    restored(&server, &target, &store, &at, jobs()).await.unwrap();
    // As if there were no room within a transaction of several statements.
    server.sql(
        "restored",
        "CREATE FUNCTION public.full() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF pg_catalog.now() <> pg_catalog.statement_timestamp() THEN \
         RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END IF; \
         IF pg_catalog.to_regclass('app.orders') IS NULL THEN \
         RAISE EXCEPTION 'no more'; END IF; END $$; \
         CREATE EVENT TRIGGER full_of_locks ON ddl_command_start WHEN TAG IN ('DROP TABLE') \
         EXECUTE FUNCTION public.full()",
    );
    let clean = RestoreOptions { clean: true, ..jobs() };
    let error = restored(&server, &target, &store, &at, clean.clone()).await.unwrap_err();
    assert!(error.what().contains("one by one failed after ") && error.what().contains(" of "));
    assert!(error.what().contains("no more"), "{error}");
    assert!(!error.what().contains("after 0 of"), "{error}");
    assert!(!error.hint().contains("nothing was dropped"), "{error}");
    // What is left of it is no obstacle.
    server.sql("restored", "DROP EVENT TRIGGER full_of_locks; DROP FUNCTION public.full()");
    restored(&server, &target, &store, &at, clean).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}

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
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", EXTENSION);
    server.sql(
        "shop",
        "INSERT INTO fixture.z_parent SELECT generate_series(1, 20); \
         INSERT INTO fixture.a_child SELECT i, 1 + i % 20, 'geheim' || i FROM generate_series(1, 9000) i; \
         SELECT setval('fixture.ticket', 77); CREATE TABLE mine AS SELECT 1 AS i",
    );
    let store = MemoryStore::default();
    let manifest = dump(&server, &store).await.unwrap();
    let at = location(&manifest);
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
async fn rows_that_do_not_fit_are_not_shown() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE t (i int, e text); INSERT INTO t VALUES (1, 'geheim'), (2, 'geheim')",
    );
    let store = MemoryStore::default();
    let at = location(&dump(&server, &store).await.unwrap());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_others_in_it_is_not_to_be_dropped() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server).await;
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
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE SEQUENCE numbers; SELECT setval('numbers', 500); \
         CREATE TABLE t (i int DEFAULT nextval('numbers')); INSERT INTO t DEFAULT VALUES; \
         CREATE TABLE base AS SELECT 7 AS i; CREATE VIEW seen AS SELECT i FROM base; \
         CREATE MATERIALIZED VIEW kept AS SELECT i FROM seen",
    );
    let store = MemoryStore::default();
    let at = location(&dump(&server, &store).await.unwrap());
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
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE part (i int) PARTITION BY RANGE (i); \
         CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10); \
         INSERT INTO part VALUES (1); CREATE TABLE noted (i int); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO public.noted VALUES (NEW.i); RETURN NEW; END $$; \
         CREATE TRIGGER notes AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION note()",
    );
    let store = MemoryStore::default();
    let at = location(&dump(&server, &store).await.unwrap());
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
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE t AS SELECT 1 AS i; \
         CREATE SUBSCRIPTION \"Sub\" CONNECTION 'host=127.0.0.1 port=1 dbname=none' \
         PUBLICATION p WITH (connect = false, slot_name = 'in_use')",
    );
    let store = MemoryStore::default();
    let at = location(&dump(&server, &store).await.unwrap());
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
        if !server.clients().join("pg_restore").exists()
            || !server.clients().join("pg_dump").exists()
        {
            continue;
        }
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("shop", "CREATE TABLE t AS SELECT 1 AS i");
        let store = MemoryStore::default();
        let at = location(&dump(&server, &store).await.unwrap());
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
