//! A real database dumped into memory, and what came of it verified, or restored by the stock
//! `pg_restore`.

use std::path::Path;
use std::sync::Arc;

use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
use autodump_core::ports::{DatabaseAccess, ObjectLocation};
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use autodump_core::{Result, layout};
use autodump_dump::engine::{Engines, Mongodb, Postgres};
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::restore::SharedReader;
use autodump_dump::run::{DumpJob, Settings, run};
use autodump_dump::verify::Verify;
use serde_json::{Value, json};

use super::postgres::{PASSWORD, Server, start};
use super::{Fixed, access_to, job, now, settings};

/// A server whose database `shop` has this content; `None` where none is installed.
pub(crate) fn shop(content: &str) -> Option<Server> {
    let server = start()?;
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", content);
    Some(server)
}

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

/// The fields with some of them replaced.
pub(crate) fn changed(mut fields: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    fields
}

/// The engine with the server's own clients.
pub(crate) fn engine(server: &Server) -> Postgres {
    engine_in(server.clients())
}

/// The engine with the clients of a directory.
pub(crate) fn engine_in(clients: &Path) -> Postgres {
    Postgres::new(clients.to_str(), "/nowhere/bundle.pem", std::env::temp_dir())
}

/// All engines, with this one.
pub(crate) fn engines(postgres: &Postgres) -> Engines {
    Engines { postgres: postgres.clone(), mongodb: Mongodb::new(None, "/nowhere/bundle.pem") }
}

/// A dump of the database `shop`, unless something is changed before it runs.
pub(crate) struct Dump<A> {
    engine: Postgres,
    access: Arc<A>,
    pub(crate) job: DumpJob,
    pub(crate) settings: Settings,
}

impl<A: DatabaseAccess + 'static> Dump<A> {
    pub(crate) fn new(engine: Postgres, access: Arc<A>, options: DumpOptions) -> Self {
        Self { engine, access, job: DumpJob { options, ..job() }, settings: settings() }
    }

    pub(crate) async fn run(
        &self,
        store: &impl SharedStore,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Manifest> {
        let Self { engine, access, job, settings } = self;
        let done = run(engine, store, access, job, settings, stop).await?;
        let [manifest] = done.try_into().unwrap();
        Ok(manifest)
    }
}

/// With so many jobs.
pub(crate) fn jobs(jobs: u16) -> DumpOptions {
    DumpOptions { jobs: Some(jobs), ..DumpOptions::default() }
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
    let dump = Dump::new(engine.clone(), access_to(fields), options);
    dump.run(store, std::future::pending()).await
}

/// Dumps the database `shop` with four jobs.
pub(crate) async fn dump(server: &Server, store: &impl SharedStore) -> Result<Manifest> {
    dump_with(server, &fields(server), jobs(4), store).await
}

/// Where the manifest of a backup is.
pub(crate) fn location(manifest: &Manifest) -> ObjectLocation {
    let toc = manifest.objects.iter().find(|object| object.key.ends_with("/toc.dat")).unwrap();
    let mut parts = toc.key.rsplitn(3, '/');
    let run = parts.nth(2).unwrap();
    ObjectLocation { bucket: toc.bucket.clone(), key: format!("{run}/{}", layout::MANIFEST) }
}

/// A verification with two jobs, in a server of our own unless one is given.
pub(crate) fn verification<'a, R: SharedReader>(
    engines: &'a Engines,
    reader: &R,
    manifest: ObjectLocation,
    level: Level,
    server: Option<&Server>,
) -> Verify<'a, R, Fixed> {
    let server = server.map(|server| access_to(&fields(server)));
    Verify { engines, reader: reader.clone(), manifest, level, server, jobs: 2, now }
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

/// A new, empty database in place of what has this name.
pub(crate) fn empty(server: &Server, database: &str) {
    empty_like(server, database, "TEMPLATE template0");
}

/// A new, empty database in place of what has this name, made `like` so: what follows the name
/// in `CREATE DATABASE`.
pub(crate) fn empty_like(server: &Server, database: &str, like: &str) {
    server.sql("postgres", &format!("DROP DATABASE IF EXISTS {database}"));
    server.sql("postgres", &format!("CREATE DATABASE {database} {like}"));
}

/// Restores a backup into the new database `restored` with the server's own `pg_restore`.
pub(crate) fn restore(server: &Server, store: &MemoryStore, manifest: &Manifest) {
    restore_like(server, store, manifest, "TEMPLATE template0");
}

/// The same, with a database like that of [`empty_like`].
pub(crate) fn restore_like(server: &Server, store: &MemoryStore, manifest: &Manifest, like: &str) {
    let directory = tempfile::tempdir().unwrap();
    let archive = fetched(store, manifest, directory.path());
    empty_like(server, "restored", like);
    let restored = server
        .client("pg_restore")
        .args(["--exit-on-error", "--no-owner", "--jobs=2", "--dbname=restored"])
        .arg(archive)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}
