//! A server with a database `shop`, dumps of it, and what came of them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use autodump_core::Result;
use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::testing::MemoryStore;
use autodump_documentdb::{Content, Server, Settings, User, given};
use autodump_dump::codec::{Decoder, algorithm_of};
use autodump_dump::engine::Mongodb;
use autodump_dump::engine::mongodb::archive::{Prelude, Scanner, Visitor};
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::rows::RowDigest;
use autodump_dump::run::{DumpJob, run};
use bson::raw::RawDocumentBuf;
use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::Client;
use mongodb::options::ClientOptions;
use serde_json::{Value, json};

use super::support::{access_to, job, settings};

pub(crate) const USER: &str = "ann";
/// All that a URI would take for something else.
pub(crate) const PASSWORD: &str = "p%41&:@/?# ß";
const ENCODED: &str = "p%2541%26%3A%40%2F%3F%23%20%C3%9F";

/// A server, and a client of it.
pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) client: Client,
}

/// A server without TLS; `None`, said loudly, where there is none.
pub(crate) async fn open() -> Option<Shop> {
    open_with(false).await
}

pub(crate) async fn open_with(tls: bool) -> Option<Shop> {
    let settings = Settings { tls, users: users(), ..Settings::default() };
    let server = tokio::task::spawn_blocking(move || Server::documentdb(&settings).unwrap());
    Some(Shop::of(server.await.unwrap()?).await)
}

/// The only member of a replica set, without a database behind it.
pub(crate) async fn open_stub(content: Content) -> Shop {
    let set_name = Some("rs0".to_owned());
    let settings = Settings { set_name, users: users(), ..Settings::default() };
    Shop::of(Server::stub(content, &settings).unwrap()).await
}

/// The same behind a router to shards.
pub(crate) async fn open_routed(content: Content) -> Shop {
    let settings = Settings { router: true, users: users(), ..Settings::default() };
    Shop::of(Server::stub(content, &settings).unwrap()).await
}

fn users() -> Vec<User> {
    // The other one is for secrets that change.
    [(USER, PASSWORD), ("eve", "another")]
        .map(|(name, password)| User { name: name.to_owned(), password: password.to_owned() })
        .into()
}

fn uri(server: &Server) -> String {
    server.uri_as(&format!("{USER}:{ENCODED}"))
}

impl Shop {
    async fn of(server: Server) -> Self {
        let mut options = ClientOptions::parse(uri(&server)).await.unwrap();
        if server.ca_pem().is_some() {
            let mut unchecked = mongodb::options::TlsOptions::default();
            unchecked.allow_invalid_certificates = Some(true);
            options.tls = Some(mongodb::options::Tls::Enabled(unchecked));
        }
        let client = Client::with_options(options).unwrap();
        Self { server, client }
    }

    /// The fields of a secret that fits.
    pub(crate) fn fields(&self) -> Value {
        let mut fields = json!({
            "engine": "mongodb", "host": "localhost", "port": self.server.port(),
            "dbname": "shop", "username": USER, "password": PASSWORD,
        });
        match self.server.ca_pem() {
            Some(pem) => fields["sslrootcert"] = json!(pem),
            None => fields["sslmode"] = json!("disable"),
        }
        fields
    }

    pub(crate) async fn insert(&self, collection: &str, documents: Vec<Document>) {
        let collection = self.client.database("shop").collection::<Document>(collection);
        collection.insert_many(documents).await.unwrap();
    }

    pub(crate) async fn command(&self, database: &str, command: Document) -> Document {
        self.client.database(database).run_command(command).await.unwrap()
    }

    /// All documents of a collection as they are in BSON, sorted.
    pub(crate) async fn documents(&self, database: &str, collection: &str) -> Vec<Vec<u8>> {
        let collection = self.client.database(database).collection::<RawDocumentBuf>(collection);
        let cursor = collection.find(doc! {}).batch_size(5000).await.unwrap();
        let mut found: Vec<_> =
            cursor.map_ok(RawDocumentBuf::into_bytes).try_collect().await.unwrap();
        found.sort_unstable();
        found
    }

    /// The definitions of a database: options and indexes by collection.
    pub(crate) async fn definitions(
        &self,
        database: &str,
    ) -> BTreeMap<String, (Document, Vec<Document>)> {
        let database = self.client.database(database);
        let command = doc! {"listCollections": 1, "cursor": {"batchSize": 1000}};
        let listed = database.run_cursor_command(command).await.unwrap();
        let listed: Vec<Document> = listed.try_collect().await.unwrap();
        let mut found = BTreeMap::new();
        for one in listed {
            let name = one.get_str("name").unwrap().to_owned();
            let mut indexes = Vec::new();
            if one.get_str("type").unwrap() != "view" {
                let command = doc! {"listIndexes": &name, "cursor": {"batchSize": 1000}};
                let cursor = database.run_cursor_command(command).await.unwrap();
                indexes = cursor.try_collect::<Vec<Document>>().await.unwrap();
                // mongorestore makes them in an order of its own.
                indexes.sort_by_key(|index| index.get_str("name").unwrap().to_owned());
            }
            let options = one.get_document("options").cloned().unwrap_or_default();
            found.insert(name, (options, indexes));
        }
        found
    }

    /// Dumps the database `shop`.
    pub(crate) async fn dump(
        &self,
        options: DumpOptions,
        store: &impl SharedStore,
    ) -> Result<Manifest> {
        dump_with(&self.fields(), options, store, std::future::pending()).await
    }

    /// Restores a backup into the database `restored`, by `mongorestore` alone; false, said
    /// loudly, where there is none.
    pub(crate) async fn restore(&self, store: &MemoryStore, manifest: &Manifest) -> bool {
        let Some(tools) = given::tools() else { return false };
        self.client.database("restored").drop().await.unwrap();
        let mut command = tools.command("mongorestore");
        command
            .args(["--uri", &uri(&self.server), "--archive", "--stopOnError"])
            .args(["--nsFrom=shop.*", "--nsTo=restored.*"])
            .args(self.server.ca_pem().map(|_| "--tlsInsecure"))
            .args(manifest.method.compression.starts_with("gzip").then_some("--gzip"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let bytes = archive(store, manifest);
        let done = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let writing = std::thread::spawn(move || input.write_all(&bytes));
            let done = child.wait_with_output().unwrap();
            drop(writing.join().unwrap());
            done
        });
        let done = done.await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        true
    }

    /// Compares a dump with what is in the server: the manifest, what our own reader finds in the
    /// archive, and what `mongorestore` makes of it.
    pub(crate) async fn compare(&self, store: &MemoryStore, manifest: &Manifest) -> Seen {
        assert_eq!(store.open_uploads(), Vec::<String>::new());
        let seen = seen(store, manifest);
        let restored = self.restore(store, manifest).await;
        let tables: BTreeMap<_, _> =
            manifest.tables.iter().map(|table| (table.name.clone(), table)).collect();
        assert_eq!(tables.len(), manifest.tables.len());
        for (name, digest) in &seen.digests {
            let table = tables[name];
            let expected = self.documents("shop", name).await;
            let is_view = seen
                .prelude
                .collections
                .iter()
                .any(|c| c.namespace.collection == *name && c.kind == "view");
            assert_eq!((table.rows, &table.hash), (digest.rows, &digest.hex()), "{name}");
            if is_view {
                assert_eq!(digest.rows, 0, "{name}");
            } else {
                let mut of_server = RowDigest::default();
                for document in &expected {
                    of_server.add(document);
                }
                assert_eq!(*digest, of_server, "{name}");
            }
            if restored {
                assert!(self.documents("restored", name).await == expected, "{name} differs");
            }
        }
        seen
    }
}

/// Dumps the database that the secret names.
pub(crate) async fn dump_with(
    fields: &Value,
    options: DumpOptions,
    store: &impl SharedStore,
    stop: impl Future<Output = ()> + Send,
) -> Result<Manifest> {
    let database = fields["dbname"].as_str().unwrap_or("shop");
    dump_by(&access_to(fields), database, options, store, stop).await
}

/// Dumps a database with what `access` gives.
pub(crate) async fn dump_by<A: DatabaseAccess + 'static>(
    access: &Arc<A>,
    database: &str,
    options: DumpOptions,
    store: &impl SharedStore,
    stop: impl Future<Output = ()> + Send,
) -> Result<Manifest> {
    let job = DumpJob { options, database: database.to_owned(), ..job() };
    let engine = Mongodb::new(None, "/nowhere/bundle.pem");
    let done = run(&engine, store, access, &job, &settings(), stop).await?;
    let [manifest] = done.try_into().unwrap();
    Ok(manifest)
}

/// With so many jobs.
pub(crate) fn jobs(jobs: u16) -> DumpOptions {
    DumpOptions { jobs: Some(jobs), ..DumpOptions::default() }
}

/// The bytes of a backup's objects, one after another.
pub(crate) fn archive(store: &MemoryStore, manifest: &Manifest) -> Vec<u8> {
    let content = |object: &autodump_core::manifest::Object| {
        let content = store.object(&object.bucket, &object.key).unwrap().content;
        assert_eq!(content.len() as u64, object.bytes);
        content.to_vec()
    };
    manifest.objects.iter().flat_map(content).collect()
}

/// What our own reader finds in an archive.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) prelude: Prelude,
    /// By the names under which they are stored.
    pub(crate) digests: BTreeMap<String, RowDigest>,
    pub(crate) most_open: usize,
}

impl Visitor for Seen {
    fn prelude(&mut self, prelude: &Prelude) {
        self.prelude = prelude.clone();
        for collection in &prelude.collections {
            self.digests.insert(collection.stored().collection, RowDigest::default());
        }
    }

    fn document(&mut self, collection: usize, document: &[u8]) {
        let name = self.prelude.collections[collection].stored().collection;
        self.digests.get_mut(&name).unwrap().add(document);
    }

    fn end(&mut self, _collection: usize) {}
}

pub(crate) fn seen(store: &MemoryStore, manifest: &Manifest) -> Seen {
    let mut scanner = Scanner::new(Seen::default());
    let mut decoder = Decoder::new(algorithm_of(&manifest.objects[0].key)).unwrap();
    let damaged = |error| panic!("{error}");
    decoder
        .write(&archive(store, manifest), &mut |bytes| {
            scanner.write(bytes).unwrap_or_else(damaged);
            Ok(())
        })
        .unwrap();
    decoder.finish().unwrap();
    let most_open = scanner.most_open();
    let seen = scanner.finish().unwrap_or_else(|error| panic!("{error}"));
    assert!(most_open <= usize::try_from(seen.prelude.concurrent).unwrap(), "{most_open}");
    Seen { most_open, ..seen }
}

/// Bytes that do not compress, and are the same for the same number.
pub(crate) fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

pub(crate) fn binary(bytes: Vec<u8>) -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes }
}

/// `count` documents of about `length` bytes that do not compress, with these numbers as `_id`.
pub(crate) async fn fill(shop: &Shop, collection: &str, count: u64, length: usize) {
    let numbers: Vec<u64> = (0..count).collect();
    for numbers in numbers.chunks(5000) {
        let one = |number: &u64| {
            let id = i64::try_from(*number).unwrap();
            doc! {"_id": id, "x": binary(noise(*number, length))}
        };
        shop.insert(collection, numbers.iter().map(one).collect()).await;
    }
}
