//! What is wrong with a secret or an option, before anything is written.

use autodump_core::ErrorClass;
use autodump_core::options::{DumpOptions, Selection};
use autodump_core::pattern::Pattern;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use bson::doc;
use serde_json::json;

use super::shop::{PASSWORD, dump_with, jobs, open, open_with};
use super::support::backup::changed;
use super::support::left_nothing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_with_what_to_do_and_without_the_password() {
    let Some(shop) = open_with(true).await else { return };
    shop.insert("a", vec![doc! {"_id": 1}]).await;
    let strange = autodump_documentdb::strange_ca_pem().unwrap();
    for (change, class, says) in [
        (json!({"password": "geheim"}), ErrorClass::Credentials, "authSource"),
        (json!({"username": "nobody"}), ErrorClass::Credentials, "username"),
        (json!({"dbname": "Shop"}), ErrorClass::Configuration, "has no database \"Shop\""),
        (json!({"port": 1}), ErrorClass::Source, "Connection refused"),
        (json!({"host": "no-such-host.invalid"}), ErrorClass::Configuration, "endpoint"),
        (json!({"sslrootcert": strange}), ErrorClass::Configuration, "invalid peer certificate"),
        (json!({"host": "127.0.0.2"}), ErrorClass::Source, "127.0.0.2"),
        (json!({"sslrootcert": null}), ErrorClass::Configuration, "/nowhere/bundle.pem"),
    ] {
        let store = MemoryStore::default();
        let fields = changed(shop.fields(), &change);
        let dumped = dump_with(&fields, DumpOptions::default(), &store, std::future::pending());
        let error = dumped.await.unwrap_err();
        assert_eq!(error.class(), class, "{change}: {error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{change}: {text}");
        assert!(!text.contains("geheim") && !text.contains(PASSWORD), "{text}");
        left_nothing(&store);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_that_the_server_has_not_is_a_clear_error_and_unchecked_tls_works() {
    let Some(shop) = open().await else { return };
    shop.insert("a", vec![doc! {"_id": 1}]).await;
    let store = MemoryStore::default();
    let fields = changed(shop.fields(), &json!({"sslmode": "require"}));
    let dumped = dump_with(&fields, DumpOptions::default(), &store, std::future::pending()).await;
    let error = dumped.unwrap_err();
    assert!(error.hint().contains("TLS"), "{error}");
    left_nothing(&store);

    let Some(shop) = open_with(true).await else { return };
    shop.insert("a", vec![doc! {"_id": 1}]).await;
    let change = json!({"sslmode": "require", "sslrootcert": null});
    let fields = changed(shop.fields(), &change);
    let store = MemoryStore::default();
    dump_with(&fields, DumpOptions::default(), &store, std::future::pending()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_dumped_is_refused_before_anything_is_written() {
    let Some(shop) = open().await else { return };
    shop.insert("a", vec![doc! {"_id": 1}]).await;
    let only = |pattern: &str| Selection {
        collections: vec![Pattern::collection(pattern).unwrap()],
        ..Selection::default()
    };
    let store = MemoryStore::default();
    let options = DumpOptions { selection: only("A"), ..jobs(1) };
    let error = shop.dump(options, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    assert!(error.what().contains("fits the pattern \"A\""), "{error}");
    left_nothing(&store);
    let inner = MemoryStore::default();
    let store = FaultyStore::new(inner.clone(), vec![Fault::nth(Call::Create, 2)]);
    let error = shop.dump(jobs(1), &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination);
    left_nothing(&inner);
}
