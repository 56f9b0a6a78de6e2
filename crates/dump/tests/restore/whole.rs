//! All of a backup comes back, however it was written and wherever it lies.

use std::path::{Path, PathBuf};

use autodump_core::ErrorClass;
use autodump_core::manifest::{Consistency, Engine, Manifest, Method, MethodKind, Object, Target};
use autodump_core::options::DumpOptions;
use autodump_core::ports::ObjectLocation;
use autodump_core::restore::RestoreOptions;
use autodump_core::tags::Format;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use autodump_dump::restore::{Phase, read_manifest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::support::backup::{dump_with, empty, fields, location};
use super::support::job;
use super::support::postgres::{Server, start};
use super::{CONTENT, FINGERPRINT, backed_up, into, jobs, restored};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_comes_back_whole() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server, CONTENT).await;
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
    assert_eq!(notes.bytes(), done.plan.bytes);
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

/// A backup that was copied elsewhere is found there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_backup_is_read_from_its_copy() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server, CONTENT).await;
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

/// What `pg_dump` alone has written, without segments and hashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_pg_dump_alone_comes_back() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", CONTENT);
    let directory = tempfile::tempdir().unwrap();
    let archive = by_pg_dump(&server, directory.path());
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

/// The locale of the source is one that the server does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_made_though_its_locale_is_not_there() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE DATABASE shop TEMPLATE template0 LOCALE 'C.UTF-8'");
    server.sql("shop", CONTENT);
    let directory = tempfile::tempdir().unwrap();
    let archive = by_pg_dump(&server, directory.path());
    let toc = std::fs::read(archive.join("toc.dat")).unwrap();
    let (known, unknown) = (b"'C.UTF-8'", b"'Q.UTF-8'");
    let at = toc.windows(known.len()).position(|bytes| bytes == known).unwrap();
    let toc = [&toc[..at], unknown, &toc[at + known.len()..]].concat();
    std::fs::write(archive.join("toc.dat"), toc).unwrap();
    let store = MemoryStore::default();
    let (_, at) = put(&server, &store, &archive);
    let target = into(&server, "restored");
    let create = RestoreOptions { create: true, ..jobs() };
    let (done, _) = restored(&server, &target, &store, &at, create).await.unwrap();
    let said = |text: &str| done.warnings.iter().any(|warning| warning.contains(text));
    assert!(said("has this server's own locale") && said("Q.UTF-8"), "{:?}", done.warnings);
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}

/// An archive of `shop` that `pg_dump` alone has written.
fn by_pg_dump(server: &Server, directory: &Path) -> PathBuf {
    let archive = directory.join("shop");
    let mut command = server.client("pg_dump");
    command.args(["-Fd", "-j2", "-d", "shop", "-f"]).arg(&archive);
    let dumped = command.output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    archive
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
        engine: Engine {
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
