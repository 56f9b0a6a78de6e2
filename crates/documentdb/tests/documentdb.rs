//! The server with `DocumentDB`, by the official driver and by MongoDB's own tools.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::{Duration, Instant};

use autodump_documentdb::{Server, Settings, User, given, strange_ca_pem};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::error::ErrorKind;
use mongodb::options::IndexOptions;
use mongodb::{Client, Collection, IndexModel};

use support::{client, content, run, try_run};

fn start(settings: &Settings) -> Option<Server> {
    Server::documentdb(settings).unwrap()
}

/// So many documents of about 1 KB.
async fn fill(client: &Client, number: i32) -> Collection<Document> {
    let collection = client.database("shop").collection("items");
    let text = "x".repeat(1000);
    let documents = (0..number).map(|n| doc! { "_id": n, "n": n % 7, "text": &text });
    collection.insert_many(documents).await.unwrap();
    collection
}

/// The code of a command that failed.
fn code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_inserted_is_found_in_batches() {
    let Some(server) = start(&Settings::default()) else { return };
    let client = client(&server.uri()).await;
    let collection = fill(&client, 3000).await;

    let cursor = collection.find(doc! {}).batch_size(100).await.unwrap();
    let found: Vec<_> = cursor.try_collect().await.unwrap();
    assert_eq!(found.len(), 3000);
    assert!(server.faults().get_mores() >= 29, "{}", server.faults().get_mores());
    assert_eq!(server.faults().open_cursors(), 0);

    let cursor = collection.find(doc! {}).sort(doc! { "n": 1 }).batch_size(500).await.unwrap();
    let found: Vec<_> = cursor.try_collect().await.unwrap();
    let order: Vec<_> = found.iter().map(|found| found.get_i32("n").unwrap()).collect();
    assert_eq!(order.len(), 3000);
    assert!(order.is_sorted());

    let range = doc! { "_id": { "$gte": 10, "$lt": 20 } };
    assert_eq!(collection.count_documents(range.clone()).await.unwrap(), 10);
    assert_eq!(collection.delete_many(range).await.unwrap().deleted_count, 10);
    collection.update_one(doc! { "_id": 1 }, doc! { "$set": { "n": 70 } }).await.unwrap();
    assert_eq!(collection.count_documents(doc! { "n": 70 }).await.unwrap(), 1);
    assert_eq!(collection.estimated_document_count().await.unwrap(), 2990);
    assert_eq!(collection.distinct("n", doc! {}).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_cursor_that_is_given_up_is_closed() {
    let Some(server) = start(&Settings::default()) else { return };
    let client = client(&server.uri()).await;
    let collection = fill(&client, 1000).await;
    let mut cursor = collection.find(doc! {}).batch_size(10).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    assert_eq!(server.faults().open_cursors(), 1);
    drop(cursor);
    let start = Instant::now();
    while server.faults().open_cursors() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "killCursors does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn indexes_and_views_are_made_and_listed() {
    let Some(server) = start(&Settings::default()) else { return };
    let client = client(&server.uri()).await;
    let collection = fill(&client, 10).await;
    let options = IndexOptions::builder().name("by_n".to_owned()).unique(false).build();
    let index = IndexModel::builder().keys(doc! { "n": -1 }).options(options).build();
    collection.create_index(index).await.unwrap();
    assert_eq!(collection.list_index_names().await.unwrap(), ["_id_", "by_n"]);

    let database = client.database("shop");
    let pipeline = [doc! { "$match": { "n": 3 } }];
    database
        .create_collection("threes")
        .view_on("items".to_owned())
        .pipeline(pipeline)
        .await
        .unwrap();
    let threes = database.collection::<Document>("threes").find(doc! {}).await.unwrap();
    assert_eq!(threes.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    let listed: Vec<_> = database.list_collections().await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(client.list_database_names().await.unwrap().contains(&"shop".to_owned()));

    database.drop().await.unwrap();
    assert!(database.list_collection_names().await.unwrap().is_empty());
}

#[tokio::test]
async fn errors_have_mongodbs_codes() {
    let Some(server) = start(&Settings::default()) else { return };
    let client = client(&server.uri()).await;
    let collection = fill(&client, 1).await;
    let twice = collection.insert_one(doc! { "_id": 0 }).await.unwrap_err();
    assert!(twice.to_string().contains("11000"), "{twice}");
    let wrong = collection.find(doc! { "n": { "$no": 1 } }).await.unwrap_err();
    assert_eq!(code(&wrong), Some(2), "{wrong}");
    let unknown =
        client.database("shop").run_command(doc! { "noSuchCommand": 1 }).await.unwrap_err();
    assert_eq!(code(&unknown), Some(59), "{unknown}");
}

#[tokio::test]
async fn only_users_are_let_in() {
    let user = User { name: "ann".to_owned(), password: "p@ss/word".to_owned() };
    let Some(server) = start(&Settings { users: vec![user], ..Settings::default() }) else {
        return;
    };
    let known = client(&server.uri_as("ann:p%40ss%2Fword")).await;
    fill(&known, 10).await;
    assert_eq!(content(&known, "shop").await["items"].len(), 10);

    let nobody = client(&server.uri()).await;
    let refused = nobody.list_database_names().await.unwrap_err();
    assert_eq!(code(&refused), Some(13), "{refused}");
    for wrong in ["ann:other", "bob:p%40ss%2Fword"] {
        let stranger = client(&server.uri_as(wrong)).await;
        let refused = stranger.list_database_names().await.unwrap_err();
        assert!(matches!(*refused.kind, ErrorKind::Authentication { .. }), "{refused}");
    }
    let Some(tools) = given::tools() else { return };
    let dump = |user| {
        let uri = format!("{}shop?authSource=admin", server.uri_as(user));
        try_run(&tools, "mongodump", &["--uri", &uri, "--archive"], b"")
    };
    assert!(dump("ann:p%40ss%2Fword").status.success());
    let refused = dump("ann:other");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("auth"), "{refused:?}");
    assert_eq!(refused.status.code(), Some(1));
}

#[tokio::test]
async fn tls_is_spoken_with_who_trusts_the_authority() {
    let Some(server) = start(&Settings { tls: true, ..Settings::default() }) else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    let uri = format!("{}&tlsCAFile={}", server.uri(), file.path().display());
    std::fs::write(file.path(), server.ca_pem().unwrap()).unwrap();
    fill(&client(&uri).await, 10).await;

    std::fs::write(file.path(), strange_ca_pem().unwrap()).unwrap();
    let refused = client(&uri).await.list_database_names().await.unwrap_err();
    assert!(matches!(*refused.kind, ErrorKind::ServerSelection { .. }), "{refused}");
    let plain = client(&server.uri().replace("tls=true", "")).await;
    plain.list_database_names().await.unwrap_err();
}

#[tokio::test]
async fn faults_come_when_they_are_wanted() {
    let Some(mut server) = start(&Settings::default()) else { return };
    let client = client(&server.uri()).await;
    let collection = fill(&client, 1000).await;
    let read = || async {
        let cursor = collection.find(doc! {}).batch_size(10).await?;
        Ok::<_, mongodb::error::Error>(cursor.try_collect::<Vec<_>>().await?.len())
    };
    let before = server.faults().get_mores();
    server.faults().forget_at_get_more(3);
    assert_eq!(code(&read().await.unwrap_err()), Some(43));
    assert_eq!(server.faults().get_mores() - before, 3);
    server.faults().drop_at_get_more(2);
    let broken = read().await.unwrap_err();
    assert!(matches!(*broken.kind, ErrorKind::Io(_)), "{broken}");
    assert_eq!(read().await.unwrap(), 1000);

    server.faults().delay(Duration::from_millis(200));
    let start = Instant::now();
    client.database("shop").run_command(doc! { "ping": 1 }).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    server.faults().delay(Duration::ZERO);

    server.faults().refuse(true);
    let uri = format!("{}?serverSelectionTimeoutMS=300", server.uri());
    support::client(&uri).await.list_database_names().await.unwrap_err();
    server.faults().refuse(false);
    assert_eq!(read().await.unwrap(), 1000);
    assert!(server.faults().connections() > 1 && server.faults().open_connections() >= 1);

    server.kill();
    read().await.unwrap_err();
}

#[tokio::test]
async fn mongodump_and_mongorestore_copy_everything() {
    let Some(server) = start(&Settings::default()) else { return };
    let Some(tools) = given::tools() else { return };
    let client = client(&server.uri()).await;
    fill(&client, 500).await;
    let database = client.database("shop");
    let odd = database.collection::<Document>("odd name/ü");
    odd.insert_one(doc! { "_id": { "a": 1 }, "nan": f64::NAN }).await.unwrap();
    database.create_collection("empty").await.unwrap();
    let view = database.create_collection("view").view_on("items".to_owned());
    view.pipeline([doc! { "$match": { "n": 1 } }]).await.unwrap();

    let uri = server.uri();
    let archive = run(&tools, "mongodump", &["--uri", &uri, "-d", "shop", "--archive"], b"").stdout;
    let renamed = ["--uri", &uri, "--archive", "--nsFrom", "shop.*", "--nsTo", "copy.*"];
    run(&tools, "mongorestore", &renamed, &archive);
    let original = content(&client, "shop").await;
    assert_eq!(original.len(), 4);
    assert_eq!(original["items"].len(), 500);
    assert_eq!(content(&client, "copy").await, original);
}
