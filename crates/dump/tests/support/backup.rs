//! A real database dumped into memory, and what came of it restored by the stock `pg_restore`.

use std::path::Path;
use std::sync::Arc;

use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
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
        return json!({
            "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "shop",
            "username": "postgres", "password": PASSWORD, "sslmode": "disable",
        });
    }
    json!({
        "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "shop",
        "username": "postgres", "password": PASSWORD, "sslrootcert": server.certificate(),
    })
}

/// The engine with the server's own clients.
pub(crate) fn engine(server: &Server) -> Postgres {
    Postgres::new(server.clients().to_str(), "/nowhere/bundle.pem", std::env::temp_dir())
}

/// Dumps the database `shop`.
pub(crate) async fn dump_with(
    server: &Server,
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
) -> Result<Manifest> {
    let job = DumpJob { options, ..job() };
    let access = Arc::new(Fixed(secret(fields)));
    let never = std::future::pending();
    let done = run(&engine(server), store, &access, &job, &settings(), never).await?;
    let [manifest] = done.try_into().unwrap();
    Ok(manifest)
}

/// Dumps the database `shop` with four jobs.
pub(crate) async fn dump(server: &Server, store: &impl SharedStore) -> Result<Manifest> {
    let options = DumpOptions { jobs: Some(4), ..DumpOptions::default() };
    dump_with(server, &fields(server), options, store).await
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
    server.sql("postgres", "DROP DATABASE IF EXISTS restored");
    server.sql("postgres", "CREATE DATABASE restored TEMPLATE template0");
    let restored = server
        .client("pg_restore")
        .args(["--exit-on-error", "--no-owner", "--jobs=2", "--dbname=restored"])
        .arg(archive)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}
