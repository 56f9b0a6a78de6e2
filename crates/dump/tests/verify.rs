//! Backups of a real server, verified: good ones, and ones that were damaged in every way.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use autodump_core::manifest::{Manifest, Object};
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::verification::{Level, Verification};
use autodump_core::{ErrorClass, Result};
use autodump_dump::codec::{Decoder, Encoder, algorithm_of};
use autodump_dump::engine::Postgres;
use autodump_dump::restore::SharedReader;
use autodump_dump::verify::{Event, Phase, Verify, Watcher, run, run_watched};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::backup::{dump_with, fields};
use support::postgres::{Server, has_clients, installed, major, others, start, start_in};
use support::{Fixed, now, secret};
use tempfile::TempDir;
use tokio::time::{Duration, sleep};

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
        let store = MemoryStore::default();
        let options = DumpOptions {
            jobs: Some(2),
            compression: Some("gzip:1".parse().unwrap()),
            selection: Selection {
                exclude_table_data: vec![Pattern::table("app.hollow").unwrap()],
                ..Selection::default()
            },
            ..DumpOptions::default()
        };
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
    let verify = Verify {
        postgres: &Postgres::new(None, "/nowhere/bundle.pem", scratch),
        reader: reader.clone(),
        manifest,
        level,
        server: server.map(|server| Arc::new(Fixed(secret(&fields(server))))),
        jobs: 3,
        now,
    };
    run(&verify, stop).await
}

async fn verify(backup: &Backup, level: Level, server: Option<&Server>) -> Verification {
    let scratch = scratch();
    let manifest = backup.write_manifest();
    let never = std::future::pending();
    let done = verified(&backup.store, manifest, level, server, scratch.path(), never).await;
    assert!(is_empty(scratch.path()), "something was left");
    done.unwrap()
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
    let verify = Verify {
        postgres: &Postgres::new(None, "/nowhere/bundle.pem", scratch.path()),
        reader: backup.store.clone(),
        manifest: backup.write_manifest(),
        level: Level::Restore,
        server: None::<Arc<Fixed>>,
        jobs: 2,
        now,
    };
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

/// Everything that PostgreSQL has, of every version that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exotic_backup_of_every_version_passes() {
    for bin in installed() {
        if !has_clients(&bin) {
            continue;
        }
        let server = start_in(&bin);
        support::exotic::make(&server);
        exotic_passes(&server, &bin).await;
        // The same without what only a superuser can restore.
        let port = server.sql("postgres", "SHOW port");
        server.sql("shop", &NOT_FOR_SUPERUSERS.replace("PORT", port.trim()));
        exotic_passes(&server, &bin).await;
    }
}

const NOT_FOR_SUPERUSERS: &str = r#"
    DROP EVENT TRIGGER watch_commands; DROP EVENT TRIGGER "is off";
    DROP PUBLICATION "every table"; DROP PUBLICATION IF EXISTS whole_schema;
    DROP FOREIGN DATA WRAPPER no_handler CASCADE; DROP TYPE exotic.not_defined;
    CREATE FUNCTION exotic.refuse() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        IF current_database() ~ '^autodump_verify_' AND inet_server_port() <> PORT
            AND (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
            RAISE EXCEPTION 'this is restored as superuser';
        END IF;
        RETURN 1;
    END $$;
    CREATE MATERIALIZED VIEW exotic.refused AS SELECT exotic.refuse();
"#;

async fn exotic_passes(server: &Server, bin: &Path) {
    let store = MemoryStore::default();
    let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
    let manifest = dump_with(server, &fields(server), options, &store).await.unwrap();
    let backup = Backup { store, manifest };
    let scratch = scratch();
    for given in [None, Some(server)] {
        let verify = Verify {
            postgres: &Postgres::new(bin.to_str(), "/nowhere/bundle.pem", scratch.path()),
            reader: backup.store.clone(),
            manifest: at(&backup.key("manifest.json")),
            level: Level::Restore,
            server: given.map(|server| Arc::new(Fixed(secret(&fields(server))))),
            jobs: 2,
            now,
        };
        let done = run(&verify, std::future::pending()).await;
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", bin.display()));
        assert_eq!(done.problems, Vec::<String>::new(), "{}", bin.display());
        assert!(done.seen.rows > 0);
    }
    assert!(is_empty(scratch.path()), "something was left");
}

/// Reads what it can of the processes above it, and says it in an error.
const PEEK: &str = r"
    CREATE FUNCTION app.peek() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        pid text := 'self'; what text; seen text := '';
    BEGIN
        IF current_database() !~ '^autodump_verify_' THEN RETURN 'at home'; END IF;
        IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
            seen := 'as superuser: ';
        END IF;
        BEGIN
            FOR i IN 1..2 LOOP
                what := encode(pg_read_binary_file('/proc/' || pid || '/stat', 0, 999), 'escape');
                pid := split_part(regexp_replace(what, '^.*[)] ', ''), ' ', 2);
            END LOOP;
            seen := seen || 'found; ';
        EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
        END;
        FOREACH what IN ARRAY ARRAY['environ', 'mem', 'maps'] LOOP
            BEGIN
                seen := seen || encode(pg_read_binary_file('/proc/' || pid || '/' || what, 0, 9999), 'escape');
            EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
            END;
        END LOOP;
        BEGIN
            seen := seen || array(SELECT pg_ls_dir('/proc/' || pid || '/fd'))::text;
        EXCEPTION WHEN OTHERS THEN seen := seen || sqlerrm || '; ';
        END;
        RAISE EXCEPTION 'peeked: %', seen;
    END $$;
    CREATE MATERIALIZED VIEW app.peeked AS SELECT app.peek();
";

/// What the owner of a table has made runs here as nobody in particular; and even where the
/// backup has what needs a superuser, it cannot look into this process. (A root's server runs as
/// another user, who could not anyway: so the state itself is looked at, too.)
#[tokio::test]
async fn what_is_restored_cannot_look_into_us() {
    let Some(server) = shop() else { return };
    server.sql("shop", PEEK);
    for with in [None, Some("CREATE PUBLICATION everything FOR ALL TABLES")] {
        if let Some(with) = with {
            server.sql("shop", with);
        }
        let backup = Backup::of(&server).await;
        let (scratch, manifest) = (scratch(), backup.write_manifest());
        let (store, level, never) = (&backup.store, Level::Restore, std::future::pending());
        let done = verified(store, manifest, level, None, scratch.path(), never).await;
        let error = done.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine, "{error}");
        let said = error.to_string();
        let (_, seen) = said.split_once("peeked: ").unwrap_or_else(|| panic!("{said}"));
        assert_eq!(seen.starts_with("as superuser: found; "), with.is_some(), "{seen}");
        let denied = seen.to_lowercase().matches("permission denied").count();
        assert!(denied >= 3, "{seen}");
        assert!(!seen.contains("CARGO") && !seen.contains("PATH="), "{seen}");
        let state = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(state, rustix::process::DumpableBehavior::NotDumpable);
        assert!(is_empty(scratch.path()), "something was left");
    }
}

/// A server without the dumped locale: what is good is good, and nothing is called damaged that
/// the other locale may be to blame for.
#[tokio::test]
async fn a_locale_that_is_not_there_damages_nothing() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    backup.replace_text(" 'C.UTF-8'", " 'q.UTF-8'");
    for given in [None, Some(&server)] {
        let done = verify(&backup, Level::Restore, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
    }
    let mut other_rows = backup.copy();
    other_rows.replace_text("total numeric(12,2)", "total numeric(12,1)");
    let done = verify(&other_rows, Level::Restore, None).await;
    assert!(done.problems[0].contains("table app.orders has 60000 rows with the hash"));
    backup.replace_text("CREATE TABLE app.nothing (", "CREATE TABLE app.anybody (");
    let (scratch, manifest) = (scratch(), backup.write_manifest());
    let (store, level, never) = (&backup.store, Level::Restore, std::future::pending());
    let done = verified(store, manifest, level, None, scratch.path(), never).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().contains("this server lacks that of the backup"), "{error}");
}

/// Subscriptions would connect to production, and keep the database from being dropped.
#[tokio::test]
async fn subscriptions_are_left_out() {
    let Some(server) = shop() else { return };
    server.sql(
        "shop",
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p \
         WITH (connect = false, slot_name = NONE)",
    );
    server.sql("shop", "COMMENT ON SUBSCRIPTION s IS 'of production'");
    let backup = Backup::of(&server).await;
    assert!(String::from_utf8_lossy(&backup.content("toc.dat")).contains("CREATE SUBSCRIPTION"));
    for given in [None, Some(&server)] {
        let done = verify(&backup, Level::Restore, given).await;
        assert_eq!(done.problems, Vec::<String>::new());
    }
    let left = "SELECT count(*) FROM pg_database WHERE datname ~ '^autodump_verify_'";
    assert_eq!(server.sql("postgres", left).trim(), "0");
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_subscription").trim(), "1");
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
    let store = MemoryStore::default();
    let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
    let manifest = dump_with(&server, &fields(&server), options, &store).await.unwrap();
    let mut backup = Backup { store, manifest };
    let newer = server.clients().to_str().unwrap().to_owned();
    let verified = async |backup: &Backup| {
        let scratch = scratch();
        let verify = Verify {
            postgres: &Postgres::new(Some(&newer), "/nowhere/bundle.pem", scratch.path()),
            reader: backup.store.clone(),
            manifest: backup.write_manifest(),
            level: Level::Restore,
            server: None::<Arc<Fixed>>,
            jobs: 2,
            now,
        };
        run(&verify, std::future::pending()).await.unwrap()
    };
    let done = verified(&backup).await;
    assert_eq!(done.problems, Vec::<String>::new());
    assert!(!done.restored_into.unwrap().starts_with("11."));
    // Rows without such numbers are compared as ever.
    backup.replace_text("exact numeric", "exact  bigint");
    let done = verified(&backup).await;
    assert!(!done.passed, "{done:?}");
}

/// A manifest that cannot be understood is found by its place, and is a result.
#[tokio::test]
async fn a_damaged_manifest_is_a_result() {
    let store = MemoryStore::default();
    let scratch = scratch();
    let location = at("run/manifest.json");
    let golden = include_str!("../../../contract/manifest.json");
    let renumbered = golden.replacen("\"version\": 1", "\"version\": 2", 1);
    assert_ne!(renumbered, golden);
    for (manifest, passed_or_error) in [
        ("{\"version\": 1".to_owned(), Some("is no JSON")),
        ("{\"version\": 1}".to_owned(), Some("is not understood")),
        ("[]".to_owned(), Some("has no version")),
        (golden.replace("/toc.dat", "/tic.dat"), Some("names no toc.dat")),
        (renumbered, None),
    ] {
        store.put(&location, manifest.clone());
        for level in [Level::None, Level::Restore] {
            let never = std::future::pending();
            let done = verified(&store, location.clone(), level, None, scratch.path(), never).await;
            match passed_or_error {
                Some(says) => {
                    let done = done.unwrap();
                    assert!(!done.passed && done.level == level && done.problems.len() == 1);
                    assert!(done.problems[0].contains(says), "{:?}", done.problems);
                    assert_eq!(done.manifest, "s3://backups/run/manifest.json");
                }
                None => assert_eq!(done.unwrap_err().class(), ErrorClass::Verification),
            }
        }
    }
}

type Damage = fn(&mut Backup);

/// Each way, the level at which it is found, and what is said then.
const DAMAGES: &[(&str, Level, Damage, &str)] = &[
    (
        "a flipped byte of data",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("app.orders");
            let middle = content.len() / 2;
            content[middle] ^= 1;
            backup.put("app.orders", content);
        },
        "has SHA-256",
    ),
    (
        "a flipped byte of the table of contents",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("toc.dat");
            content[300] ^= 0x80;
            backup.put("toc.dat", content);
        },
        "has SHA-256",
    ),
    (
        "a missing object",
        Level::Checksum,
        |backup| backup.store.remove(&at(&backup.key("app.customer"))),
        "is not there",
    ),
    (
        "a truncated object",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("app.orders");
            content.truncate(content.len() - 1000);
            backup.put("app.orders", content);
        },
        "bytes, not",
    ),
    (
        "an object that is too long",
        Level::Checksum,
        |backup| {
            let content = [backup.content("app.customer"), vec![b'x'; 9]].concat();
            backup.put("app.customer", content);
        },
        "has more than",
    ),
    (
        "a CRC that is another",
        Level::Checksum,
        |backup| "AAECAwQFBgc=".clone_into(&mut backup.object("toc.dat").crc64nvme),
        "has CRC64-NVME",
    ),
    (
        "a dropped last segment",
        Level::Archive,
        |backup| {
            let last = backup.object("app.orders").segments.pop().unwrap();
            let mut content = backup.content("app.orders");
            content.truncate(content.len() - usize::try_from(last).unwrap());
            backup.replace("app.orders", content);
        },
        "the end marker is missing",
    ),
    (
        "a row lost",
        Level::Archive,
        |backup| {
            let rows = decompressed(&backup.content("app.customer"));
            let end = rows.iter().position(|byte| *byte == b'\n').unwrap();
            backup.object("app.customer").segments = Vec::new();
            backup.replace("app.customer", compressed(&rows[end + 1..]));
        },
        "the data of table app.customer have 299 rows, not 300",
    ),
    (
        "a row changed",
        Level::Archive,
        |backup| {
            let mut rows = decompressed(&backup.content("app.customer"));
            rows[2] ^= 1;
            backup.object("app.customer").segments = Vec::new();
            backup.replace("app.customer", compressed(&rows));
        },
        "the data of table app.customer have 300 rows with the hash",
    ),
    (
        "a hash that is another",
        Level::Archive,
        |backup| backup.manifest.tables[0].hash = "0".repeat(32),
        "not 00000000000000000000000000000000",
    ),
    (
        "segments that are cut elsewhere",
        Level::Archive,
        |backup| {
            let segments = &mut backup.object("app.orders").segments;
            segments[0] -= 1;
            segments[1] += 1;
        },
        "gzip data are damaged",
    ),
    (
        "segments that are not the object",
        Level::Archive,
        |backup| backup.object("app.orders").segments[0] -= 1,
        "the segments of s3://",
    ),
    (
        "a table that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.tables.retain(|table| table.name != "customer"),
        "the manifest does not know how many rows table app.customer has",
    ),
    (
        "a data file that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.objects.retain(|object| !object.key.contains("app.customer")),
        "for TABLE DATA app.customer, and the manifest does not",
    ),
    (
        "a large object that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.objects.retain(|object| !object.key.contains("blob_4711")),
        "names blob_4711.dat, which the manifest does not",
    ),
    (
        "a table of contents that is none",
        Level::Archive,
        |backup| backup.replace("toc.dat", b"none".to_vec()),
        "toc.dat is",
    ),
    (
        "a view that is not there",
        Level::Restore,
        |backup| backup.replace_text("CREATE VIEW app.rich AS", "CREATE VIEW app.poor AS"),
        "view app.rich is not there after a restore",
    ),
    (
        "a table that is not there",
        Level::Restore,
        |backup| backup.replace_text("CREATE TABLE app.hollow (", "CREATE TABLE app.hallow ("),
        "table app.hollow is not there after a restore",
    ),
    (
        "a table that is not there, with rows",
        Level::Restore,
        |backup| backup.replace_text("CREATE TABLE app.nothing (", "CREATE TABLE app.anybody ("),
        "it cannot be restored: ",
    ),
    (
        "rows that become others",
        Level::Restore,
        |backup| backup.replace_text("total numeric(12,2)", "total numeric(12,1)"),
        "table app.orders has 60000 rows with the hash",
    ),
];

fn decompressed(content: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(algorithm_of("x.dat.gz")).unwrap();
    let mut all = Vec::new();
    let mut take = |bytes: &[u8]| {
        all.extend_from_slice(bytes);
        Ok(())
    };
    decoder.write(content, &mut take).unwrap();
    all
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new("gzip:1".parse().unwrap()).unwrap();
    let mut all = Vec::new();
    encoder.write(content, &mut all);
    encoder.end_frame(&mut all);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_damage_is_found_at_the_level_that_promises_it() {
    let Some(server) = shop() else { return };
    let good = Backup::of(&server).await;
    for (name, found_at, damage, says) in DAMAGES {
        let mut backup = good.copy();
        damage(&mut backup);
        for level in [Level::Checksum, Level::Archive, Level::Restore] {
            if level == Level::Restore && *found_at != Level::Restore {
                continue;
            }
            let done = verify(&backup, level, None).await;
            assert_eq!(done.passed, level < *found_at, "{name} at {level}: {:?}", done.problems);
            assert_eq!(done.passed, done.problems.is_empty());
            let said = done.problems.iter().any(|problem| problem.contains(says));
            assert_eq!(said, !done.passed, "{name} at {level}: {:?}", done.problems);
        }
    }
}

/// All problems are named, not only the first.
#[tokio::test]
async fn several_damages_are_all_said() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    for (_, _, damage, _) in [&DAMAGES[0], &DAMAGES[2], &DAMAGES[9]] {
        damage(&mut backup);
    }
    let done = verify(&backup, Level::Restore, None).await;
    for says in [DAMAGES[0].3, DAMAGES[2].3] {
        assert!(done.problems.iter().any(|p| p.contains(says)), "{:?}", done.problems);
    }
    assert!(!done.passed && done.problems.len() >= 3 && done.restored_into.is_none());
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
    let golden = include_str!("../../../contract/manifest.json");
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

#[tokio::test]
async fn what_could_not_be_found_out_is_an_error() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    let (scratch, never) = (scratch(), std::future::pending);
    let manifest = backup.write_manifest();
    let faulty = |nth| {
        FaultyStore::new(
            backup.store.clone(),
            vec![Fault { times: 99, ..Fault::nth(Call::Get, nth) }],
        )
    };
    for nth in [1, 2, 4] {
        let store = faulty(nth);
        let level = Level::Archive;
        let error = verified(&store, manifest.clone(), level, None, scratch.path(), never()).await;
        assert_eq!(error.unwrap_err().class(), ErrorClass::Destination);
    }
    let nowhere = at("run/manifest.json");
    let store = backup.store.clone();
    let error = verified(&store, nowhere, Level::Checksum, None, scratch.path(), never()).await;
    assert_eq!(error.unwrap_err().class(), ErrorClass::Verification);

    // The name of the extension, as an entry's own.
    backup.replace_text("\u{6}\0\0\0citext", "\u{6}\0\0\0cytext");
    let manifest = backup.write_manifest();
    for given in [None, Some(&server)] {
        let level = Level::Restore;
        let done = verified(&store, manifest.clone(), level, given, scratch.path(), never()).await;
        let error = done.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine);
        assert_eq!(error.what(), "extension cytext is not available here");
        assert!(error.hint().contains("give a server"), "{error}");
    }
    assert!(is_empty(scratch.path()), "something was left");
    let left = "SELECT count(*) FROM pg_database WHERE datname ~ '^autodump_verify_'";
    assert_eq!(server.sql("postgres", left).trim(), "0");
}

/// The server processes that run within a directory.
fn processes(directory: &Path) -> Vec<String> {
    let of = |entry: std::fs::DirEntry| {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        command.contains(directory.to_str()?).then_some(command)
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

#[tokio::test]
async fn asked_to_stop_it_leaves_no_server_and_no_directory() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let manifest = backup.write_manifest();
    // The cluster is being made; the server starts; it has a database of ours.
    let phases: [fn(&Path) -> bool; 3] = [
        |server| server.join("data/PG_VERSION").exists(),
        |server| server.join("data/postmaster.pid").exists(),
        |server| server.join("data/base").read_dir().is_ok_and(|bases| bases.count() > 3),
    ];
    for (number, reached) in phases.into_iter().enumerate() {
        let scratch = scratch();
        let path = scratch.path().to_owned();
        let stop = async move {
            let servers = || path.read_dir().unwrap().flatten();
            while !servers().any(|server| reached(&server.path())) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let (store, level) = (&backup.store, Level::Restore);
        let done = verified(store, manifest.clone(), level, None, scratch.path(), stop).await;
        assert_eq!(done.unwrap_err().class(), ErrorClass::Interrupted, "{number}");
        assert!(is_empty(scratch.path()), "{number}: something was left");
        assert_eq!(processes(scratch.path()), Vec::<String>::new(), "{number}");
    }
}

#[tokio::test]
async fn asked_to_stop_it_drops_its_database_on_a_given_server() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let manifest = backup.write_manifest();
    let scratch = scratch();
    let ours = "SELECT count(*) FROM pg_database WHERE datname ~ '^autodump_verify_'";
    let stop = async {
        while server.sql("postgres", ours).trim() == "0" {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let (store, level) = (&backup.store, Level::Restore);
    let done = verified(store, manifest, level, Some(&server), scratch.path(), stop).await;
    assert_eq!(done.unwrap_err().class(), ErrorClass::Interrupted);
    assert_eq!(server.sql("postgres", ours).trim(), "0");
}

/// The server is busy with the making of the database when somebody asks to stop.
#[tokio::test]
async fn asked_to_stop_while_its_database_is_being_made_it_drops_it() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let manifest = backup.write_manifest();
    let scratch = scratch();
    let held = server.hold("postgres", "BEGIN; LOCK TABLE pg_database IN SHARE MODE");
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE query LIKE 'CREATE DATABASE%' AND wait_event_type = 'Lock'";
    let stop = async {
        while server.sql("postgres", waiting).trim() == "0" {
            sleep(Duration::from_millis(2)).await;
        }
        std::thread::spawn(move || drop(held));
    };
    let (store, level) = (&backup.store, Level::Restore);
    let done = verified(store, manifest, level, Some(&server), scratch.path(), stop).await;
    assert_eq!(done.unwrap_err().class(), ErrorClass::Interrupted);
    let going_on = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%'";
    while server.sql("postgres", going_on).trim() != "0" {
        sleep(Duration::from_millis(10)).await;
    }
    let ours = "SELECT count(*) FROM pg_database WHERE datname ~ '^autodump_verify_'";
    assert_eq!(server.sql("postgres", ours).trim(), "0");
}
