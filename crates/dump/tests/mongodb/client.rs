//! A database dumped by `mongodump`, restored by the stock `mongorestore`, compared.

use autodump_core::ErrorClass;
use autodump_core::manifest::{Consistency, MethodKind};
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::testing::MemoryStore;
use autodump_documentdb::{Content, Ids, Server, Shape};
use bson::{Document, doc};
use mongodb::{Client, IndexModel};
use serde_json::json;

use super::client_support::{
    Dumper, archive, by_client, content, driver, dump, engine, fields, guarded, tables, told,
};
use super::support::left_nothing;

/// Odd names, a view, an index, an empty collection, a large document, and many small ones.
async fn fill(client: &Client) {
    let shop = client.database("shop");
    let items = shop.collection::<Document>("items");
    let text = "x".repeat(300);
    items
        .insert_many((0..20_000).map(|n| doc! { "_id": n, "n": n % 7, "t": &text }))
        .await
        .unwrap();
    items.create_index(IndexModel::builder().keys(doc! { "n": 1 }).build()).await.unwrap();
    let odd = shop.collection::<Document>("b c/ü.x");
    let large = "é".repeat(7 << 20);
    odd.insert_many([doc! { "_id": "large", "t": large }, doc! { "_id": 1.5 }]).await.unwrap();
    shop.create_collection("empty").await.unwrap();
    shop.create_collection("view").view_on("items".to_owned()).await.unwrap();
}

fn compression(text: &str) -> DumpOptions {
    DumpOptions { compression: Some(text.parse().unwrap()), ..by_client() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dumped_comes_back_by_the_stock_mongorestore() {
    let Some(dumper) = Dumper::new() else { return };
    let Some(server) = Server::documentdb(&guarded()).unwrap() else { return };
    let client = driver(&server).await;
    fill(&client).await;
    let source = content(&client, "shop").await;
    for (text, options, file) in [
        ("none", compression("none"), "/shop.archive"),
        ("gzip:1", by_client(), "/shop.archive.gz"),
    ] {
        let store = MemoryStore::default();
        let manifest = dump(&dumper.engine(), &fields(&server), options, &store).await.unwrap();
        assert!(manifest.engine.client.starts_with("mongodump 100."), "{}", manifest.engine.client);
        assert_eq!(manifest.method.kind, MethodKind::Client);
        assert_eq!(manifest.method.reason.as_deref(), Some("the option method is client"));
        assert_eq!(manifest.method.compression, text);
        assert_eq!(manifest.consistency, Consistency::Range);
        assert!(manifest.objects[0].key.ends_with(file), "{}", manifest.objects[0].key);
        assert!(manifest.restore[0].contains("--nsInclude='shop.*'"), "{:?}", manifest.restore);
        let segments = &manifest.objects[0].segments;
        assert_eq!(segments.iter().sum::<u64>(), manifest.objects[0].bytes);
        let known = tables(&manifest);
        assert_eq!(known.len(), 4, "{known:?}");
        for (name, documents) in &source {
            let expected = told(if name == "view" { &[] } else { documents });
            assert_eq!(known[name], expected, "{name}");
        }
        let mut arguments = vec!["--nsFrom=shop.*", "--nsTo=back.*", "--drop"];
        arguments.extend((text != "none").then_some("--gzip"));
        dumper.restore(&server, &archive(&store, &manifest), &arguments);
        assert!(content(&client, "back").await == source, "{text}");
        let items = client.database("back").collection::<Document>("items");
        assert_eq!(items.list_index_names().await.unwrap(), ["_id_", "n_1"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_other_server_refuses_comes_back_too() {
    let Some(dumper) = Dumper::new() else { return };
    let source = Content::new().exotic("shop").unwrap();
    let source = Server::stub(source, &guarded()).unwrap();
    let target = Server::stub(Content::new(), &guarded()).unwrap();
    let store = MemoryStore::default();
    let manifest = dump(&dumper.engine(), &fields(&source), by_client(), &store).await.unwrap();
    let known = tables(&manifest);
    let original = content(&driver(&source).await, "shop").await;
    for name in ["capped", "collation", "validated"] {
        assert_eq!(known[name], told(&original[name]), "{name}");
    }
    assert_eq!(known["series"], told(&original["system.buckets.series"]));
    assert_eq!(known["view"].0, 0);
    dumper.restore(&target, &archive(&store, &manifest), &["--gzip"]);
    assert!(content(&driver(&target).await, "shop").await == original);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_chosen_is_dumped_and_nothing_else() {
    let Some(dumper) = Dumper::new() else { return };
    let mut shop = Content::new();
    for name in ["orders.2025", "orders.2026", "items", "log"] {
        shop = shop.generated("shop", name, (Shape::Small, Ids::Int, 10)).unwrap();
    }
    let server = Server::stub(shop, &guarded()).unwrap();
    let patterns = |texts: &[&str]| -> Vec<_> {
        texts.iter().map(|text| Pattern::collection(text).unwrap()).collect()
    };
    for (of, but, expected) in [
        (&["orders.*"][..], &[][..], &["orders.2025", "orders.2026"][..]),
        (&[], &["orders.*", "log"], &["items"]),
        (&["orders.*", "log"], &["*2025"], &["log", "orders.2026"]),
    ] {
        let selection = Selection {
            collections: patterns(of),
            exclude_collections: patterns(but),
            ..Selection::default()
        };
        let options = DumpOptions { selection, ..by_client() };
        let store = MemoryStore::default();
        let manifest = dump(&dumper.engine(), &fields(&server), options, &store).await.unwrap();
        assert_eq!(tables(&manifest).keys().collect::<Vec<_>>(), expected);
    }
}

/// mongodump itself ends well then, and writes next to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_refused_before_anything_is_written() {
    let Some(dumper) = Dumper::new() else { return };
    let shop = Content::new().generated("shop", "items", (Shape::Small, Ids::Int, 10)).unwrap();
    let server = Server::stub(shop, &guarded()).unwrap();
    let nosuch = vec![Pattern::collection("Items").unwrap()];
    let selection = Selection { collections: nosuch, ..Selection::default() };
    let nosuch = DumpOptions { selection, ..by_client() };
    let mut other = fields(&server);
    other["dbname"] = json!("Shop");
    for (fields, options, says) in
        [(other, by_client(), "\"Shop\""), (fields(&server), nosuch, "\"Items\"")]
    {
        let store = MemoryStore::default();
        let job = autodump_dump::run::DumpJob {
            database: fields["dbname"].as_str().unwrap().to_owned(),
            options,
            ..super::support::job()
        };
        let access = super::support::access_to(&fields);
        let settings = super::support::settings();
        let never = std::future::pending();
        let outcome =
            autodump_dump::run::run(&dumper.engine(), &store, &access, &job, &settings, never)
                .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.what().contains(says), "{error}");
        left_nothing(&store);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_without_the_tools_is_named_as_the_cause() {
    let shop = Content::new().generated("shop", "items", (Shape::Small, Ids::Int, 10)).unwrap();
    let server = Server::stub(shop, &guarded()).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let outcome = dump(&engine(empty.path()), &fields(&server), by_client(), &store).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("the option method is client"), "{error}");
    assert!(error.hint().contains("mongodbTools"), "{error}");
    left_nothing(&store);
}
