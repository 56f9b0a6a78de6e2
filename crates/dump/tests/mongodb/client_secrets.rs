//! The password: it is carried whatever it is, and nobody sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::testing::MemoryStore;
use autodump_core::{ErrorClass, Result};
use autodump_documentdb::{Content, Ids, Server, Settings, Shape, User, strange_ca_pem};
use autodump_dump::run::{DumpJob, run};
use serde_json::json;

use super::client_support::{
    Dumper, ENCODED, PASSWORD, USER, by_client, dump, fields, guarded, tables,
};
use super::support::{Fixed, job, left_nothing, secret, settings};

const WRONG: &str = "g%heim@\"x";
const WRONG_ENCODED: &str = "g%25heim%40%22x";

fn shop() -> Content {
    Content::new().generated("shop", "items", (Shape::Kilobyte, Ids::Int, 3000)).unwrap()
}

/// Runs `work`, and returns what it has logged, whatever the level.
async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = std::sync::Mutex::new(file.reopen().unwrap());
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let done = work.await;
    tracing::warn!("this is written");
    drop(guard);
    let log = std::fs::read_to_string(file.path()).unwrap();
    assert!(log.contains("this is written"), "{log}");
    (done, log)
}

#[track_caller]
fn hides(text: &str, passwords: [&str; 2]) {
    for password in passwords {
        assert!(!text.contains(password), "{text}");
    }
}

#[tokio::test]
async fn nobody_sees_it_while_mongodump_runs() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(shop(), &guarded()).unwrap();
    server.faults().delay(Duration::from_millis(20));
    let (engine, fields, store) = (dumper.engine(), fields(&server), MemoryStore::default());
    let look = async {
        let child = dumper.child().await;
        let read = |file: &str| {
            let bytes = std::fs::read(format!("/proc/{child}/{file}")).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let arguments = read("cmdline");
        let (_, config) = arguments.split_once("--config=/proc/self/").unwrap();
        let config = read(config.split('\0').next().unwrap());
        (arguments, read("environ"), config)
    };
    let work = async { tokio::join!(dump(&engine, &fields, by_client(), &store), look) };
    let ((manifest, (arguments, environment, config)), log) = logged(work).await;
    assert_eq!(tables(&manifest.unwrap())["items"].0, 3000);
    assert!(arguments.contains("--config=/proc/self/fd/"), "{arguments}");
    // It reads the set of the member that was looked at, and not that one whatever it is.
    let set = "&readPreference=secondaryPreferred&tls=false&replicaSet=rs0";
    assert!(config.contains(ENCODED) && config.contains(set), "{config}");
    assert!(environment.contains("PATH="), "{environment}");
    for text in [arguments, environment, log] {
        hides(&text, [PASSWORD, ENCODED]);
    }
}

/// Gives one secret to the driver, and then another one to mongodump.
#[derive(Debug)]
struct Rotated {
    first: SecretValue,
    then: SecretValue,
    asked: AtomicBool,
}

impl DatabaseAccess for Rotated {
    async fn secret(&self) -> Result<SecretValue> {
        let again = self.asked.swap(true, Ordering::SeqCst);
        Ok(if again { &self.then } else { &self.first }.clone())
    }
}

#[tokio::test]
async fn nobody_sees_it_when_mongodump_fails_by_it() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(shop(), &guarded()).unwrap();
    let good = fields(&server);
    let mut wrong = good.clone();
    wrong["password"] = json!(WRONG);
    let access = Rotated { first: secret(&good), then: secret(&wrong), asked: false.into() };
    let (engine, access, store) = (dumper.engine(), Arc::new(access), MemoryStore::default());
    let (job, settings) = (DumpJob { options: by_client(), ..job() }, settings());
    let work = run(&engine, &store, &access, &job, &settings, std::future::pending());
    let (outcome, log) = logged(work).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
    assert!(error.what().starts_with("mongodump ended with exit code 1"), "{error}");
    for text in [log, format!("{error} {error:?}")] {
        hides(&text, [WRONG, WRONG_ENCODED]);
    }
    left_nothing(&store);
}

#[tokio::test]
async fn a_wrong_one_is_refused() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(shop(), &guarded()).unwrap();
    let mut fields = fields(&server);
    fields["password"] = json!(WRONG);
    let (engine, store) = (dumper.engine(), MemoryStore::default());
    let (outcome, log) = logged(dump(&engine, &fields, by_client(), &store)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
    hides(&format!("{log} {error} {error:?}"), [WRONG, WRONG_ENCODED]);
    left_nothing(&store);
}

#[tokio::test]
async fn any_is_carried() {
    let Some(dumper) = Dumper::new() else { return };
    let engine = dumper.engine();
    for password in ["%", "%zz", "'", "- &a *b !c", "{\"a\": [1]}", "# x", "é%C3@", "a\\nb", " x "]
    {
        let user = User { name: USER.to_owned(), password: password.to_owned() };
        let settings = Settings { users: vec![user], ..guarded() };
        let server = Server::stub(shop(), &settings).unwrap();
        let mut fields = fields(&server);
        fields["password"] = json!(password);
        let manifest = dump(&engine, &fields, by_client(), &MemoryStore::default()).await;
        assert_eq!(tables(&manifest.unwrap())["items"].0, 3000, "{password:?}");
    }
}

/// By a connection string, over TLS that is checked.
#[tokio::test]
async fn a_connection_string_over_tls_will_do() {
    let Some(dumper) = Dumper::new() else { return };
    let server = Server::stub(shop(), &Settings { tls: true, ..guarded() }).unwrap();
    let uri = format!(
        "mongodb://{USER}:{ENCODED}@localhost:{}/shop?authSource=admin&readPreference=nearest",
        server.port()
    );
    let own = server.ca_pem().unwrap();
    let fields = json!({ "engine": "mongodb", "uri": uri, "sslrootcert": own });
    let access = Arc::new(Fixed(secret(&fields)));
    let (engine, store) = (dumper.engine(), MemoryStore::default());
    let (job, settings) = (DumpJob { options: by_client(), ..job() }, settings());
    let done = run(&engine, &store, &access, &job, &settings, std::future::pending()).await;
    assert_eq!(tables(&done.unwrap()[0])["items"].0, 3000);

    // Of another authority: mongodump does not trust it by itself, whatever the driver did.
    let mut other = fields.clone();
    other["sslrootcert"] = json!(strange_ca_pem().unwrap());
    let access = Rotated { first: secret(&fields), then: secret(&other), asked: false.into() };
    let store = MemoryStore::default();
    let access = Arc::new(access);
    let done = run(&engine, &store, &access, &job, &settings, std::future::pending()).await;
    let error = done.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    assert!(error.what().contains("x509"), "{error}");
    left_nothing(&store);
}
