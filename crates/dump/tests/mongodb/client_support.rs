//! Dumps by `mongodump`, and what they are compared with.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use autodump_core::Result;
use autodump_core::manifest::{Manifest, MethodKind};
use autodump_core::options::DumpOptions;
use autodump_core::testing::MemoryStore;
use autodump_documentdb::given::{self, Tools};
use autodump_documentdb::{Server, Settings, User};
use autodump_dump::engine::Mongodb;
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::rows::RowDigest;
use autodump_dump::run::{DumpJob, run};
use bson::{RawDocumentBuf, doc};
use futures_util::TryStreamExt as _;
use mongodb::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{access_to, job, settings};

/// The user of all servers here, with a password that nobody encodes by chance.
pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "p%41 @:/\\\"'#{x}: y&?";
pub(crate) const ENCODED: &str = "p%2541%20%40%3A%2F%5C%22%27%23%7Bx%7D%3A%20y%26%3F";

/// A server's settings: with its user, and as a member of a replica set.
pub(crate) fn guarded() -> Settings {
    let user = User { name: USER.to_owned(), password: PASSWORD.to_owned() };
    Settings { users: vec![user], set_name: Some("rs0".to_owned()), ..Settings::default() }
}

/// `mongodump`, in a directory of its own: as `nobody` where we are root.
pub(crate) struct Dumper {
    pub(crate) tools: Tools,
    directory: TempDir,
}

impl Dumper {
    /// `None`, said loudly, where there are no tools.
    pub(crate) fn new() -> Option<Self> {
        let tools = given::tools()?;
        let directory = tempfile::tempdir().unwrap();
        // The file with the password is its owner's alone.
        let script = "#!/bin/sh\n\
            [ $(id -u) = 0 ] || exec \"$0.real\" \"$@\"\n\
            for f in /proc/$$/fd/*; do case $(readlink $f) in /memfd:*) chown 65534 $f;; esac; done\n\
            exec setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$0.real\" \"$@\"\n";
        // A shell writes it: a file that this process wrote could still be open in a child.
        let text = "printf %s \"$1\" > $2/mongodump; chmod 755 $2 $2/mongodump; \
                    ln -s $3/mongodump $2/mongodump.real";
        let made = std::process::Command::new("/bin/sh")
            .args(["-ec", text, "sh", script])
            .args([directory.path(), tools.directory.as_path()])
            .status();
        assert!(made.unwrap().success());
        Some(Self { tools, directory })
    }

    /// One that does not get this argument; the directory it is in has to stay.
    pub(crate) fn without(&self, argument: &str) -> (Mongodb, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\n\
             for a; do shift; [ \"$a\" = {argument} ] || set -- \"$@\" \"$a\"; done\n\
             exec {}/mongodump \"$@\"\n",
            self.directory.path().display()
        );
        let text = "printf %s \"$1\" > $2/mongodump; chmod 755 $2 $2/mongodump";
        let mut shell = std::process::Command::new("/bin/sh");
        let made = shell.args(["-ec", text, "sh", &script]).arg(directory.path()).status();
        assert!(made.unwrap().success());
        (engine(directory.path()), directory)
    }

    pub(crate) fn engine(&self) -> Mongodb {
        engine(self.directory.path())
    }

    /// Those of its children that are at work: their numbers.
    pub(crate) fn children(&self) -> Vec<i32> {
        let program = self.directory.path().join("mongodump.real");
        let program = program.to_str().unwrap();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let begins = |number: &i32| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            line.starts_with(program.as_bytes()) && !line.ends_with(b"--version\0")
        };
        numbers.filter(begins).collect()
    }

    /// Waits until one is at work.
    pub(crate) async fn child(&self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(child) = self.children().first() {
                return *child;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "mongodump does not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Restores an archive by the stock `mongorestore` into this server.
    pub(crate) fn restore(&self, server: &Server, archive: &[u8], arguments: &[&str]) {
        let uri = server.uri_as(&format!("{USER}:{ENCODED}"));
        let mut child = self
            .tools
            .command("mongorestore")
            .args(["--uri", &uri, "--archive", "--stopOnError"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let archive = archive.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&archive)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(crate) fn engine(directory: &Path) -> Mongodb {
    Mongodb::new(directory.to_str(), "/nowhere/bundle.pem")
}

/// The fields of a secret that fits a server without TLS.
pub(crate) fn fields(server: &Server) -> Value {
    json!({
        "engine": "mongodb", "host": server.host(), "port": server.port(), "dbname": "shop",
        "username": USER, "password": PASSWORD, "sslmode": "disable",
    })
}

/// The option method is client.
pub(crate) fn by_client() -> DumpOptions {
    DumpOptions { method: Some(MethodKind::Client), jobs: Some(2), ..DumpOptions::default() }
}

pub(crate) async fn dump_all(
    engine: &Mongodb,
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
) -> Result<Vec<Manifest>> {
    let job = DumpJob { options, ..job() };
    let access = access_to(fields);
    run(engine, store, &access, &job, &settings(), std::future::pending()).await
}

pub(crate) async fn dump(
    engine: &Mongodb,
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
) -> Result<Manifest> {
    let [manifest] = dump_all(engine, fields, options, store).await?.try_into().unwrap();
    Ok(manifest)
}

/// What the objects of a manifest hold, one after another.
pub(crate) fn archive(store: &MemoryStore, manifest: &Manifest) -> Vec<u8> {
    let object = |key: &str| store.object("backups", key).unwrap().content;
    manifest.objects.iter().flat_map(|one| object(&one.key).to_vec()).collect()
}

pub(crate) async fn driver(server: &Server) -> Client {
    Client::with_uri_str(server.uri_as(&format!("{USER}:{ENCODED}"))).await.unwrap()
}

/// All collections of a database with their documents, in order.
pub(crate) async fn content(client: &Client, database: &str) -> BTreeMap<String, Vec<Vec<u8>>> {
    let database = client.database(database);
    let mut content = BTreeMap::new();
    for name in database.list_collection_names().await.unwrap() {
        let collection = database.collection::<RawDocumentBuf>(&name);
        let found: Vec<_> = collection.find(doc! {}).await.unwrap().try_collect().await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(RawDocumentBuf::into_bytes).collect();
        found.sort();
        content.insert(name, found);
    }
    content
}

/// What the manifest has to say of these documents: how many, and their hash.
pub(crate) fn told(documents: &[Vec<u8>]) -> (u64, String) {
    let mut digest = RowDigest::default();
    for document in documents {
        digest.add(document);
    }
    (digest.rows, digest.hex())
}

/// What the manifest says, by the collections' names.
pub(crate) fn tables(manifest: &Manifest) -> BTreeMap<String, (u64, String)> {
    let tables = manifest.tables.iter();
    tables.map(|table| (table.name.clone(), (table.rows, table.hash.clone()))).collect()
}
