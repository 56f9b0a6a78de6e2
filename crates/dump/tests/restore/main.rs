//! Backups of a real server, restored straight from the store into a real server.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod choosing;
mod commits;
mod damage;
mod disk;
mod faults;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod versions;
mod whole;

use std::sync::{Arc, Mutex};

use autodump_core::Result;
use autodump_core::manifest::Manifest;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;
use autodump_core::testing::MemoryStore;
use autodump_dump::engine::Postgres;
use autodump_dump::restore::{Event, Phase, Plan, Restore, Restored, SharedReader, Watcher, run};
use serde_json::{Value, json};
use support::backup::{dump, engine, engines, fields, location, plain_fields};
use support::postgres::Server;
use support::{Fixed, secret};

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

impl Notes {
    /// The bytes read, without those taken back.
    fn bytes(&self) -> u64 {
        u64::try_from(*self.read.lock().unwrap()).unwrap()
    }
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

/// A backup of the new database `shop` with this content, and where its manifest is.
async fn backed_up(server: &Server, content: &str) -> (MemoryStore, Manifest, ObjectLocation) {
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", content);
    let store = MemoryStore::default();
    let manifest = dump(server, &store).await.unwrap();
    let at = location(&manifest);
    (store, manifest, at)
}

fn into(server: &Server, database: &str) -> Value {
    let mut fields = fields(server);
    fields["dbname"] = json!(database);
    fields
}

/// The same without TLS.
fn plainly_into(server: &Server, database: &str) -> Value {
    let mut fields = plain_fields(server);
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
    restored_by(&engine(server), fields, reader, at, options, std::future::pending()).await
}

/// With the clients of another engine, until asked to stop.
async fn restored_by<R: SharedReader>(
    engine: &Postgres,
    fields: &Value,
    reader: &R,
    at: &ObjectLocation,
    options: RestoreOptions,
    stop: impl Future<Output = ()> + Send,
) -> Result<(Restored, Arc<Notes>)> {
    let notes = Arc::new(Notes::default());
    let restore = Restore {
        engines: &engines(engine),
        reader: reader.clone(),
        access: Arc::new(Fixed(secret(fields))),
        manifest: at.clone(),
        options,
        watcher: Arc::<Notes>::clone(&notes),
    };
    Ok((run(&restore, stop).await?, notes))
}

fn jobs() -> RestoreOptions {
    RestoreOptions { jobs: Some(3), ..RestoreOptions::default() }
}

fn tables(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
