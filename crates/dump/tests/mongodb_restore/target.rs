//! The server that is restored into.

use std::sync::{Arc, Mutex};

use autodump_core::Result;
use autodump_core::restore::RestoreOptions;
use autodump_core::verification::{Level, Verification};
use autodump_documentdb::{Content, Server, Settings, User};
use autodump_dump::engine::{Engines, Mongodb, Postgres};
use autodump_dump::restore::{Event, Restore, Restored, Watcher, run};
use autodump_dump::verify::{self, Verify};
use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt as _;
use mongodb::Client;
use serde_json::{Value, json};

use super::made::{Documents, Made};
use super::support::{Fixed, access_to, now};

const PASSWORD: &str = "p@ss:w/rd%&";

/// A server and its user; `None`, said loudly, where there is none.
pub(crate) struct Target {
    pub(crate) server: Server,
    client: Client,
}

/// What was told during a restore.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<String>>);

impl Watcher for Notes {
    fn note(&self, event: &Event<'_>) {
        let note = match event {
            Event::Phase(phase) => phase.as_str().to_owned(),
            Event::Table { schema, name, rows } => format!("{schema}.{name}: {rows}"),
            Event::Warning(what) => (*what).to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(note);
    }
}

impl Target {
    pub(crate) async fn new() -> Option<Self> {
        let user = User { name: "ann".to_owned(), password: PASSWORD.to_owned() };
        let settings = Settings { users: vec![user], ..Settings::default() };
        Some(Self::of(Server::documentdb(&settings).unwrap()?).await)
    }

    /// One that knows what `DocumentDB` does not, and has no database behind it.
    pub(crate) async fn stub() -> Self {
        let user = User { name: "ann".to_owned(), password: PASSWORD.to_owned() };
        let settings = Settings { users: vec![user], ..Settings::default() };
        Self::of(Server::stub(Content::new(), &settings).unwrap()).await
    }

    async fn of(server: Server) -> Self {
        let uri = server.uri_as("ann:p%40ss%3Aw%2Frd%25%26");
        let client = Client::with_uri_str(uri).await.unwrap();
        Self { server, client }
    }

    /// The fields of a secret for a database of it.
    pub(crate) fn fields(&self, database: &str) -> Value {
        json!({
            "engine": "mongodb", "host": self.server.host(), "port": self.server.port(),
            "databasename": database, "username": "ann", "password": PASSWORD,
            "sslmode": "disable",
        })
    }

    /// Restores into a database.
    pub(crate) async fn restore(
        &self,
        made: &Made,
        database: &str,
        options: Value,
    ) -> Result<Restored> {
        restore(made, &self.fields(database), options, &Arc::default()).await
    }

    /// All documents of a database, but what views show.
    pub(crate) async fn documents(&self, database: &str) -> Documents {
        let database = self.client.database(database);
        let listed: Vec<_> =
            database.list_collections().await.unwrap().try_collect().await.unwrap();
        let mut all = Documents::new();
        for one in listed
            .into_iter()
            .filter(|one| !matches!(one.collection_type, mongodb::results::CollectionType::View))
        {
            let collection = database.collection::<RawDocumentBuf>(&one.name);
            let cursor = collection.find(doc! {}).await.unwrap();
            let found: Vec<_> = cursor.try_collect().await.unwrap();
            let mut found: Vec<_> = found.into_iter().map(RawDocumentBuf::into_bytes).collect();
            found.sort_unstable();
            all.insert(one.name, found);
        }
        all
    }

    /// The indexes of a collection, without that of `_id`.
    pub(crate) async fn indexes(&self, database: &str, collection: &str) -> Vec<Document> {
        let command = doc! { "listIndexes": collection };
        let reply = self.client.database(database).run_command(command).await.unwrap();
        let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let indexes = batch.into_iter().map(|index| index.as_document().unwrap().clone());
        indexes.filter(|index| index.get_str("name").unwrap() != "_id_").collect()
    }

    /// Runs a command.
    pub(crate) async fn run(&self, database: &str, command: Document) -> Document {
        self.client.database(database).run_command(command).await.unwrap()
    }

    /// The names of all databases.
    pub(crate) async fn databases(&self) -> Vec<String> {
        self.client.list_database_names().await.unwrap()
    }
}

/// Restores into what the fields of a secret name.
pub(crate) async fn restore(
    made: &Made,
    fields: &Value,
    options: Value,
    notes: &Arc<Notes>,
) -> Result<Restored> {
    let order = Restore {
        engines: &engines(),
        reader: made.store.clone(),
        access: access_to(fields),
        manifest: Made::at(),
        options: RestoreOptions::parse(&options.to_string())?,
        watcher: Arc::<Notes>::clone(notes),
    };
    run(&order, std::future::pending()).await
}

/// Verifies a backup.
pub(crate) async fn verify(
    made: &Made,
    level: Level,
    server: Option<&Value>,
) -> Result<Verification> {
    let order = Verify::<_, Fixed> {
        engines: &engines(),
        reader: made.store.clone(),
        manifest: Made::at(),
        level,
        server: server.map(access_to),
        jobs: 3,
        now,
    };
    verify::run(&order, std::future::pending()).await
}

fn engines() -> Engines {
    Engines {
        postgres: Postgres::new(None, "/nowhere/bundle.pem", std::env::temp_dir()),
        mongodb: Mongodb::new(None, "/nowhere/bundle.pem"),
    }
}
