//! Credentials that are replaced while a dump runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::testing::MemoryStore;
use autodump_core::{ErrorClass, Result};
use autodump_documentdb::{Content, Ids, Shape};
use serde_json::{Value, json};

use super::shop::{PASSWORD, Shop, dump_by, jobs, open_stub};
use super::support::backup::changed;
use super::support::{left_nothing, secret};

/// A secret that is another one from the second time on.
#[derive(Debug)]
struct Rotated {
    asked: AtomicUsize,
    secrets: [SecretValue; 2],
}

impl Rotated {
    fn new(shop: &Shop, then: &Value) -> Arc<Self> {
        let secrets = [shop.fields(), changed(shop.fields(), then)];
        Arc::new(Self { asked: AtomicUsize::new(0), secrets: secrets.map(|s| secret(&s)) })
    }
}

impl DatabaseAccess for Rotated {
    async fn secret(&self) -> Result<SecretValue> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.secrets[usize::from(asked > 0)].clone())
    }
}

async fn shop() -> Shop {
    let large = (Shape::Kilobyte, Ids::ObjectId, 60_000);
    open_stub(Content::new().generated("shop", "large", large).unwrap()).await
}

/// Both readers lose the connection, and one of them asks for the secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_comes_back_with_the_credentials_of_now() {
    let shop = shop().await;
    shop.server.faults().drop_at_get_more(3);
    let access = Rotated::new(&shop, &json!({"username": "eve", "password": "another"}));
    let store = MemoryStore::default();
    let done = dump_by(&access, "shop", jobs(2), &store, std::future::pending()).await;
    assert_eq!(done.unwrap().tables[0].rows, 60_000);
    assert_eq!(access.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_now_that_are_wrong_end_the_dump() {
    let shop = shop().await;
    shop.server.faults().drop_at_get_more(3);
    let access = Rotated::new(&shop, &json!({"password": "geheim"}));
    let store = MemoryStore::default();
    let done = dump_by(&access, "shop", jobs(2), &store, std::future::pending()).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("geheim") && !text.contains(PASSWORD), "{text}");
    left_nothing(&store);
}
