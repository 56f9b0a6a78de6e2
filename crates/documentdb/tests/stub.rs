//! The stub, by the official driver and by MongoDB's own tools.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;

use autodump_documentdb::{Content, Ids, Server, Settings, Shape, document, given};
use bson::{Document, RawDocumentBuf, doc, rawdoc};
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::options::Hint;

use support::{client, content, run};

fn replica_set() -> Settings {
    Settings { set_name: Some("rs0".to_owned()), ..Settings::default() }
}

fn start(content: Content) -> Server {
    Server::stub(content, &replica_set()).unwrap()
}

/// 5000 events with integers as `_id`, and 300 orders with object ids.
fn shop() -> Content {
    let content =
        Content::new().generated("shop", "events", (Shape::Small, Ids::Int, 5000)).unwrap();
    content.generated("shop", "orders", (Shape::Kilobyte, Ids::ObjectId, 300)).unwrap()
}

async fn ids(collection: &Collection<Document>, filter: Document) -> Vec<i32> {
    let cursor = collection.find(filter).batch_size(700).hint(Hint::Name("_id_".to_owned()));
    let found: Vec<_> = cursor.await.unwrap().try_collect().await.unwrap();
    found.iter().map(|found| found.get_i32("_id").unwrap()).collect()
}

#[tokio::test]
async fn prepared_documents_are_served_byte_by_byte() {
    let server = start(shop());
    let client = client(&server.uri()).await;
    let orders = client.database("shop").collection::<RawDocumentBuf>("orders");
    let found: Vec<_> = orders.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    let wanted: Vec<_> = (0..300).map(|n| document(Shape::Kilobyte, Ids::ObjectId, n)).collect();
    assert!(found == wanted);
    assert_eq!(server.faults().get_mores(), 1);
}

#[tokio::test]
async fn ranges_of_ids_together_are_everything() {
    let server = start(shop());
    let client = client(&server.uri()).await;
    let events = client.database("shop").collection::<Document>("events");
    let sample = [
        doc! { "$sample": { "size": 90 } },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$project": { "_id": 1 } },
    ];
    let sampled: Vec<_> = events.aggregate(sample).await.unwrap().try_collect().await.unwrap();
    assert_eq!(sampled.len(), 90);
    assert!(sampled.iter().all(|one| one.len() == 1));
    let bounds: Vec<_> =
        sampled.iter().map(|one| one.get_i32("_id").unwrap()).step_by(30).collect();
    assert!(bounds.is_sorted() && bounds.len() == 3);
    let mut found = ids(&events, doc! { "_id": { "$lt": bounds[0] } }).await;
    for pair in bounds.windows(2) {
        found.extend(ids(&events, doc! { "_id": { "$gte": pair[0], "$lt": pair[1] } }).await);
    }
    found.extend(ids(&events, doc! { "_id": { "$gte": bounds[2] } }).await);
    assert!(found == (0..5000).collect::<Vec<_>>());

    let last = events.find_one(doc! {}).sort(doc! { "_id": -1 }).projection(doc! { "_id": 1 });
    assert_eq!(last.await.unwrap().unwrap(), doc! { "_id": 4999 });
    assert_eq!(events.count_documents(doc! {}).await.unwrap(), 5000);
    assert_eq!(events.estimated_document_count().await.unwrap(), 5000);
    let sizes = client.database("shop").run_command(doc! { "collStats": "events" }).await.unwrap();
    assert!((180..220).contains(&sizes.get_i64("avgObjSize").unwrap()), "{sizes}");
    let stage = [doc! { "$collStats": { "count": {}, "storageStats": {} } }];
    let sizes: Vec<_> = events.aggregate(stage).await.unwrap().try_collect().await.unwrap();
    assert_eq!(sizes[0].get_i64("count").unwrap(), 5000);
}

#[tokio::test]
async fn options_and_kinds_of_collections_are_listed() {
    let server = start(Content::new().exotic("odd").unwrap());
    let client = client(&server.uri()).await;
    let database = client.database("odd");
    let listed: Vec<_> = database.list_collections().await.unwrap().try_collect().await.unwrap();
    let named: BTreeMap<_, _> = listed.iter().map(|one| (one.name.as_str(), one)).collect();
    assert_eq!(named.len(), 6);
    assert_eq!(named["capped"].options.capped, Some(true));
    assert_eq!(named["collation"].options.collation.as_ref().unwrap().locale, "de");
    assert!(named["validated"].options.validator.is_some());
    assert_eq!(named["series"].options.timeseries.as_ref().unwrap().time_field, "at");
    assert!(named["capped"].info.uuid.is_some() && named["view"].info.uuid.is_none());
    let view = database.collection::<Document>("view").find(doc! {}).await.unwrap();
    assert_eq!(view.try_collect::<Vec<_>>().await.unwrap().len(), 10);
}

#[tokio::test]
async fn what_is_inserted_is_found_and_taken_once() {
    let server = start(shop());
    let client = client(&server.uri()).await;
    let events = client.database("shop").collection::<Document>("events");
    events.insert_many([doc! { "_id": 5000, "a": 1 }, doc! { "_id": 5001 }]).await.unwrap();
    let twice = events.insert_one(doc! { "_id": 17 }).await.unwrap_err();
    assert!(twice.to_string().contains("11000"), "{twice}");
    assert_eq!(ids(&events, doc! { "_id": { "$gte": 4998 } }).await, [4998, 4999, 5000, 5001]);
    assert_eq!(ids(&events, doc! { "a": 1 }).await, [5000]);
}

#[tokio::test]
async fn lost_cursors_are_found_again_by_nobody() {
    let server = start(shop());
    let client = client(&server.uri()).await;
    let events = client.database("shop").collection::<Document>("events");
    server.faults().forget_at_get_more(2);
    let cursor = events.find(doc! {}).batch_size(100).await.unwrap();
    let lost = cursor.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(lost.to_string().contains("43"), "{lost}");
    assert_eq!(ids(&events, doc! {}).await.len(), 5000);
    assert_eq!(server.faults().open_cursors(), 0);
}

#[tokio::test]
async fn mongodump_and_mongorestore_copy_from_stub_to_stub() {
    let Some(tools) = given::tools() else { return };
    let index = rawdoc! { "v": 2, "key": { "customer": 1 }, "name": "customer_1" };
    let source = start(shop().exotic("shop").unwrap().index("shop", "events", index));
    let archive = dump(&source, &["-d", "shop"]);
    let target = start(Content::new());
    run(&tools, "mongorestore", &["--uri", &target.uri(), "--archive"], &archive);
    let original = content(&client(&source.uri()).await, "shop").await;
    assert_eq!(original["events"].len(), 5000);
    let restored = client(&target.uri()).await;
    assert!(content(&restored, "shop").await == original);
    let events = restored.database("shop").collection::<Document>("events");
    assert_eq!(events.list_index_names().await.unwrap(), ["_id_", "customer_1"]);
}

#[tokio::test]
async fn mongodump_reads_the_oplog_and_users() {
    if given::tools().is_none() {
        return;
    }
    let server = start(shop().oplog().unwrap().users("shop").unwrap());
    let late = client(&server.uri()).await.database("shop").collection::<Document>("late");
    late.insert_one(doc! { "_id": 1 }).await.unwrap();
    let archive = dump(&server, &["--oplog"]);
    assert!(contains(&archive, b"oplog"), "no oplog in {} bytes", archive.len());
    let archive = dump(&server, &["-d", "shop", "--dumpDbUsersAndRoles"]);
    assert!(contains(&archive, b"shop.ann") && contains(&archive, b"shop.reader"));
}

fn dump(server: &Server, arguments: &[&str]) -> Vec<u8> {
    let tools = given::tools().unwrap();
    let uri = server.uri();
    let arguments: Vec<_> =
        ["--uri", &uri, "--archive"].into_iter().chain(arguments.iter().copied()).collect();
    run(&tools, "mongodump", &arguments, b"").stdout
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
