//! Backups of a real server, verified: good ones, and ones that were damaged in every way.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod damages;
mod partial;
mod privileges;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod versions;

use std::path::Path;
use std::sync::{Arc, Mutex};

use autodump_core::Result;
use autodump_core::manifest::{Manifest, Object};
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::{Level, Verification};
use autodump_dump::engine::Postgres;
use autodump_dump::restore::SharedReader;
use autodump_dump::verify::{Event, Phase, Verify, Watcher, run, run_watched};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::backup::{dump_with, engines, fields, jobs, verification};
use support::postgres::{Server, start};
use tempfile::TempDir;

/// A table of several segments, and what a new server has to be given first.
const CONTENT: &str = r#"
    CREATE SCHEMA app;
    CREATE SCHEMA "Ex t";
    CREATE EXTENSION citext SCHEMA "Ex t";
    CREATE TABLE app.customer (id bigint PRIMARY KEY, name "Ex t".citext NOT NULL);
    INSERT INTO app.customer SELECT i, 'Üser ' || i || E'\t\\' FROM generate_series(1, 300) i;
    CREATE TABLE app.orders (id bigint, total numeric(12,2), twice numeric GENERATED ALWAYS AS
        (total * 2) STORED, raw text) TABLESPACE fast;
    INSERT INTO app.orders (id, total, raw) SELECT i, i * 1.37,
        (SELECT string_agg(md5((i * 40 + j)::text), '') FROM generate_series(1, 20) j)
        FROM generate_series(1, 60000) i;
    CREATE INDEX orders_by_total ON app.orders (total) TABLESPACE fast;
    CREATE TABLE app.parent (a int); CREATE TABLE app.child (b int, a int);
    INSERT INTO app.child VALUES (1, 2); ALTER TABLE app.child INHERIT app.parent;
    CREATE TABLE app.hollow (secret text); INSERT INTO app.hollow VALUES ('s');
    CREATE TABLE app.nothing ();
    CREATE VIEW app.rich AS SELECT * FROM app.orders WHERE total > 1000;
    ALTER TABLE app.customer ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON app.customer TO alice, "Bob B" USING (true);
    SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 1000), 'hex'));
"#;

/// The server with the database `shop`.
fn shop() -> Option<Server> {
    let server = start()?;
    server.sql("postgres", "ALTER ROLE postgres SET allow_in_place_tablespaces = on");
    server.sql("postgres", "CREATE TABLESPACE fast LOCATION ''");
    server.sql("postgres", "CREATE ROLE alice");
    server.sql("postgres", "CREATE ROLE \"Bob B\"");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    Some(server)
}

/// A backup, and what is done to it.
struct Backup {
    store: MemoryStore,
    manifest: Manifest,
}

impl Backup {
    async fn of(server: &Server) -> Self {
        let options = DumpOptions {
            compression: Some("gzip:1".parse().unwrap()),
            selection: Selection {
                exclude_table_data: vec![Pattern::table("app.hollow").unwrap()],
                ..Selection::default()
            },
            ..jobs(2)
        };
        Self::with(server, options).await
    }

    async fn with(server: &Server, options: DumpOptions) -> Self {
        let store = MemoryStore::default();
        let manifest = dump_with(server, &fields(server), options, &store).await.unwrap();
        Self { store, manifest }
    }

    /// The same in a store of its own.
    fn copy(&self) -> Self {
        let store = MemoryStore::default();
        for key in self.store.keys() {
            store.put(&at(&key), self.store.object("backups", &key).unwrap().content);
        }
        Self { store, manifest: self.manifest.clone() }
    }

    fn key(&self, part: &str) -> String {
        let keys: Vec<_> = self.store.keys().into_iter().filter(|key| key.contains(part)).collect();
        let [key] = keys.try_into().unwrap();
        key
    }

    fn content(&self, part: &str) -> Vec<u8> {
        self.store.object("backups", &self.key(part)).unwrap().content.to_vec()
    }

    fn put(&self, part: &str, content: Vec<u8>) {
        self.store.put(&at(&self.key(part)), content);
    }

    fn object(&mut self, part: &str) -> &mut Object {
        let key = self.key(part);
        self.manifest.objects.iter_mut().find(|object| object.key == key).unwrap()
    }

    /// Another content, of which the manifest knows.
    fn replace(&mut self, part: &str, content: Vec<u8>) {
        let object = self.object(part);
        *object = described(&object.key, &content, object.segments.clone());
        self.put(part, content);
    }

    /// Another text in the table of contents, of which the manifest knows.
    fn replace_text(&mut self, text: &str, other: &str) {
        let toc = self.content("toc.dat");
        let place = toc.windows(text.len()).position(|part| part == text.as_bytes());
        let place = place.unwrap_or_else(|| panic!("toc.dat has not {text:?}"));
        assert_eq!(text.len(), other.len());
        let toc = [&toc[..place], other.as_bytes(), &toc[place + text.len()..]].concat();
        self.replace("toc.dat", toc);
    }

    fn write_manifest(&self) -> ObjectLocation {
        let location = at(&self.key("manifest.json"));
        self.store.put(&location, serde_json::to_vec(&self.manifest).unwrap());
        location
    }
}

/// SQL of a materialised view in `schema` that cannot be filled by a superuser of a verification,
/// as far as `where_too` holds: nothing, or `AND …`.
fn refuses(schema: &str, where_too: &str) -> String {
    format!(
        "CREATE FUNCTION {schema}.refuse() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN
            IF current_database() ~ '^autodump_verify_' {where_too}
                AND (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
                RAISE EXCEPTION 'this is restored as superuser';
            END IF;
            RETURN 1;
        END $$;
        CREATE MATERIALIZED VIEW {schema}.refused AS SELECT {schema}.refuse();"
    )
}

fn described(key: &str, content: &[u8], segments: Vec<u64>) -> Object {
    let crc = checksum(CrcAlgorithm::Crc64Nvme, content);
    Object {
        bucket: "backups".to_owned(),
        key: key.to_owned(),
        bytes: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        crc64nvme: BASE64_STANDARD.encode(crc.to_be_bytes()),
        segments,
    }
}

fn at(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: "backups".to_owned(), key: key.to_owned() }
}

/// A directory that also the user may enter who runs a server when we are root.
fn scratch() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

fn is_empty(directory: &Path) -> bool {
    directory.read_dir().unwrap().next().is_none()
}

async fn verified<R: SharedReader>(
    reader: &R,
    manifest: ObjectLocation,
    level: Level,
    server: Option<&Server>,
    scratch: &Path,
    stop: impl Future<Output = ()> + Send,
) -> Result<Verification> {
    let engines = engines(&Postgres::new(None, "/nowhere/bundle.pem", scratch));
    let verify = verification(&engines, reader, manifest, level, server);
    run(&Verify { jobs: 3, ..verify }, stop).await
}

/// The same to its end, which leaves nothing in the scratch directory.
async fn tried<R: SharedReader>(
    reader: &R,
    manifest: ObjectLocation,
    level: Level,
    server: Option<&Server>,
) -> Result<Verification> {
    let scratch = scratch();
    let never = std::future::pending();
    let done = verified(reader, manifest, level, server, scratch.path(), never).await;
    assert!(is_empty(scratch.path()), "something was left");
    done
}

async fn verify(backup: &Backup, level: Level, server: Option<&Server>) -> Verification {
    tried(&backup.store, backup.write_manifest(), level, server).await.unwrap()
}

/// How many databases of verifications there are.
fn ours(server: &Server) -> u32 {
    let count = "SELECT count(*) FROM pg_database WHERE datname ~ '^autodump_verify_'";
    server.sql("postgres", count).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_backup_passes_every_level() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    let segments = backup.object("app.orders").segments.len();
    assert!(segments > 2, "{segments} segments");
    let bytes = backup.manifest.objects.iter().map(|object| object.bytes).sum::<u64>();
    let databases = "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database";
    let before = server.sql("postgres", databases);
    for (level, given) in [
        (Level::None, None),
        (Level::Checksum, None),
        (Level::Archive, None),
        (Level::Restore, None),
        (Level::Restore, Some(&server)),
    ] {
        let done = verify(&backup, level, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
        assert!(done.passed && done.level == level && done.started_at <= done.finished_at);
        let seen = done.seen;
        if level >= Level::Checksum {
            assert_eq!(seen.objects, backup.manifest.objects.len() as u64);
            assert_eq!(seen.bytes, bytes);
        }
        let tables = u64::from(level >= Level::Archive);
        assert_eq!(seen.tables, tables * backup.manifest.tables.len() as u64);
        assert_eq!(seen.rows, tables * 60_301);
        let version = server.sql("postgres", "SHOW server_version");
        let version = version.split([' ', '\n']).next().unwrap();
        let expected = (level == Level::Restore).then_some(version);
        assert_eq!(done.restored_into.as_deref(), expected);
    }
    assert_eq!(server.sql("postgres", databases), before);
}

/// What a watcher was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Event>>);

impl Watcher for Told {
    fn note(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

#[tokio::test]
async fn a_watcher_sees_how_far_it_is() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let (scratch, told) = (scratch(), Arc::new(Told::default()));
    let engines = engines(&Postgres::new(None, "/nowhere/bundle.pem", scratch.path()));
    let (reader, manifest) = (&backup.store, backup.write_manifest());
    let verify = verification(&engines, reader, manifest, Level::Restore, None);
    let done = run_watched(&verify, told.clone(), std::future::pending()).await.unwrap();
    assert!(done.passed, "{done:?}");
    let (mut bytes, mut phases) = (0, Vec::new());
    let told = told.0.lock().unwrap();
    let Event::Planned { objects: of, bytes: of_bytes } = told[0] else { panic!("{told:?}") };
    for event in told.iter() {
        match event {
            Event::Read(more) => bytes += more,
            Event::Phase(phase) => phases.push(*phase),
            _ => {}
        }
    }
    assert_eq!((done.seen.objects, done.seen.bytes), (of, of_bytes));
    assert_eq!(bytes, of_bytes);
    assert_eq!(phases, [Phase::Objects, Phase::Server, Phase::Restore, Phase::Compare]);
}

/// What `pg_dump` alone has written, of which no rows were counted.
#[tokio::test]
async fn a_dump_by_the_client_alone_is_verified_without_counts() {
    let Some(server) = shop() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop");
    let dumped = server
        .client("pg_dump")
        .args(["--format=directory", "--dbname=shop", "--file"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let golden = include_str!("../../../../contract/manifest.json");
    let mut manifest: Manifest = serde_json::from_str(golden).unwrap();
    manifest.tables.clear();
    manifest.objects.clear();
    manifest.database = "shop".to_owned();
    manifest.method = serde_json::from_value(
        json!({"kind": "client", "jobs": 1, "compression": "gzip:6", "reason": "a test"}),
    )
    .unwrap();
    let version = server.sql("postgres", "SHOW server_version");
    manifest.engine.server_version = version.split([' ', '\n']).next().unwrap().to_owned();
    manifest.engine.client = format!("pg_dump {}", manifest.engine.server_version);
    let store = MemoryStore::default();
    for file in path.read_dir().unwrap().flatten() {
        let content = std::fs::read(file.path()).unwrap();
        let key = format!("run/shop/{}", file.file_name().to_str().unwrap());
        manifest.objects.push(described(&key, &content, Vec::new()));
        store.put(&at(&key), content);
    }
    store.put(&at("run/manifest.json"), "");
    let mut backup = Backup { store, manifest };
    for level in [Level::Checksum, Level::Archive, Level::Restore] {
        let done = verify(&backup, level, None).await;
        assert_eq!(done.problems, Vec::<String>::new(), "{level}");
        assert_eq!(done.seen.rows, if level == Level::Checksum { 0 } else { 60_302 });
    }
    let data = backup.manifest.objects.iter().max_by_key(|object| object.bytes).unwrap();
    let data = data.key.clone();
    let mut content = backup.content(&data);
    content.truncate(content.len() / 2);
    backup.replace(&data, content);
    assert!(verify(&backup, Level::Checksum, None).await.passed);
    let done = verify(&backup, Level::Archive, None).await;
    assert!(done.problems[0].contains("ends within a frame"), "{:?}", done.problems);
}
