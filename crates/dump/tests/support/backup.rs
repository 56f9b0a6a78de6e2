//! A real database dumped into memory, and what came of it restored by the stock `pg_restore`.

use std::path::Path;
use std::sync::Arc;

use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
use autodump_core::ports::ObjectLocation;
use autodump_core::testing::MemoryStore;
use autodump_core::{Result, layout};
use autodump_dump::engine::Postgres;
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::run::{DumpJob, run};
use serde_json::{Value, json};

use super::postgres::{PASSWORD, Server};
use super::{Fixed, job, secret, settings};

/// The fields of a secret that fits the server: TLS is checked, against its own certificate,
/// where there is TLS.
pub(crate) fn fields(server: &Server) -> Value {
    if !server.tls {
        return plain_fields(server);
    }
    json!({
        "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "shop",
        "username": "postgres", "password": PASSWORD, "sslrootcert": server.certificate(),
    })
}

/// The same without TLS, which not every client is built with.
pub(crate) fn plain_fields(server: &Server) -> Value {
    json!({
        "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "shop",
        "username": "postgres", "password": PASSWORD, "sslmode": "disable",
    })
}

/// The engine with the server's own clients.
pub(crate) fn engine(server: &Server) -> Postgres {
    engine_in(server.clients())
}

/// The engine with the clients of a directory.
pub(crate) fn engine_in(clients: &Path) -> Postgres {
    Postgres::new(clients.to_str(), "/nowhere/bundle.pem", std::env::temp_dir())
}

/// Dumps the database `shop`.
pub(crate) async fn dump_with(
    server: &Server,
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
) -> Result<Manifest> {
    dump_by(&engine(server), fields, options, store).await
}

/// Dumps the database `shop` with the clients of this engine.
pub(crate) async fn dump_by(
    engine: &Postgres,
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
) -> Result<Manifest> {
    let job = DumpJob { options, ..job() };
    let access = Arc::new(Fixed(secret(fields)));
    let never = std::future::pending();
    let done = run(engine, store, &access, &job, &settings(), never).await?;
    let [manifest] = done.try_into().unwrap();
    Ok(manifest)
}

/// Dumps the database `shop` with four jobs.
pub(crate) async fn dump(server: &Server, store: &impl SharedStore) -> Result<Manifest> {
    let options = DumpOptions { jobs: Some(4), ..DumpOptions::default() };
    dump_with(server, &fields(server), options, store).await
}

/// Where the manifest of a backup is.
pub(crate) fn location(manifest: &Manifest) -> ObjectLocation {
    let toc = manifest.objects.iter().find(|object| object.key.ends_with("/toc.dat")).unwrap();
    let mut parts = toc.key.rsplitn(3, '/');
    let run = parts.nth(2).unwrap();
    ObjectLocation { bucket: toc.bucket.clone(), key: format!("{run}/{}", layout::MANIFEST) }
}

/// A new, empty database in place of what has this name.
pub(crate) fn empty(server: &Server, database: &str) {
    server.sql("postgres", &format!("DROP DATABASE IF EXISTS {database}"));
    server.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
}

/// Writes the objects of a backup into `directory` as `aws s3 sync` would: returns the
/// archive's directory.
pub(crate) fn fetched(
    store: &MemoryStore,
    manifest: &Manifest,
    directory: &Path,
) -> std::path::PathBuf {
    let archive = layout::archive_directory(&manifest.database);
    for object in &manifest.objects {
        let (_, name) = object.key.split_once(&format!("/{archive}/")).unwrap();
        let path = directory.join(&archive).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = store.object(&object.bucket, &object.key).unwrap().content;
        assert_eq!(content.len() as u64, object.bytes);
        std::fs::write(path, content).unwrap();
    }
    directory.join(archive)
}

/// Restores a backup into the new database `restored` with the server's own `pg_restore`.
pub(crate) fn restore(server: &Server, store: &MemoryStore, manifest: &Manifest) {
    let directory = tempfile::tempdir().unwrap();
    let archive = fetched(store, manifest, directory.path());
    empty(server, "restored");
    let restored = server
        .client("pg_restore")
        .args(["--exit-on-error", "--no-owner", "--jobs=2", "--dbname=restored"])
        .arg(archive)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}
