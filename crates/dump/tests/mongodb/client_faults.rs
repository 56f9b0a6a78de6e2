//! What goes wrong while `mongodump` runs.

use std::time::{Duration, Instant};

use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::{Error, ErrorClass};
use autodump_documentdb::{Content, Ids, Server, Shape};
use autodump_dump::run::{DumpJob, run};
use rustix::process::{Pid, Signal, kill_process};

use super::client_support::{Dumper, by_client, dump, fields, guarded};
use super::support::{access_to, job, left_nothing, settings};

/// About 40 MB in two collections.
fn server() -> Server {
    let mut shop = Content::new();
    for name in ["first", "second"] {
        shop = shop.generated("shop", name, (Shape::Kilobyte, Ids::Int, 20_000)).unwrap();
    }
    Server::stub(shop, &guarded()).unwrap()
}

/// The error of a dump that `act` disturbs when mongodump is at work; nothing is left of it.
async fn disturbed(server: &Server, dumper: &Dumper, act: impl FnOnce(i32)) -> Error {
    server.faults().delay(Duration::from_millis(30));
    let (engine, fields, store) = (dumper.engine(), fields(server), MemoryStore::default());
    let act = async {
        let child = dumper.child().await;
        let start = Instant::now();
        while server.faults().get_mores() == 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "mongodump reads nothing");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        act(child);
    };
    let (outcome, ()) = tokio::join!(dump(&engine, &fields, by_client(), &store), act);
    left_nothing(&store);
    assert!(dumper.children().is_empty());
    outcome.unwrap_err()
}

fn signal(number: i32, signal: Signal) {
    kill_process(Pid::from_raw(number).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_child_that_is_killed_leaves_nothing() {
    let Some(dumper) = Dumper::new() else { return };
    for (name, class, says) in [
        (Signal::KILL, ErrorClass::Engine, "was killed by signal 9"),
        (Signal::TERM, ErrorClass::Interrupted, "received"),
    ] {
        let error = disturbed(&server(), &dumper, |child| signal(child, name)).await;
        assert_eq!(error.class(), class, "{error}");
        assert!(error.what().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_lost_cursor_and_a_lost_connection_are_the_sources() {
    let Some(dumper) = Dumper::new() else { return };
    let faults: [fn(&Server); 2] = [
        |server| server.faults().forget_at_get_more(2),
        |server| server.faults().drop_at_get_more(2),
    ];
    for fault in faults {
        let server = server();
        fault(&server);
        let store = MemoryStore::default();
        let outcome = dump(&dumper.engine(), &fields(&server), by_client(), &store).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{error}");
        assert!(error.what().starts_with("mongodump ended with exit code 1"), "{error}");
        left_nothing(&store);
    }
}

/// It waits 30 s for another server.
#[tokio::test]
async fn a_server_that_dies_is_the_source() {
    let Some(dumper) = Dumper::new() else { return };
    let server = server();
    let dying = std::sync::Mutex::new(None);
    let faults = server.faults().clone();
    faults.delay(Duration::from_millis(30));
    let (engine, fields, store) = (dumper.engine(), fields(&server), MemoryStore::default());
    *dying.lock().unwrap() = Some(server);
    let act = async {
        dumper.child().await;
        while faults.get_mores() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        dying.lock().unwrap().take();
    };
    let start = Instant::now();
    let (outcome, ()) = tokio::join!(dump(&engine, &fields, by_client(), &store), act);
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    left_nothing(&store);
}

#[tokio::test]
async fn a_stop_ends_the_child() {
    let Some(dumper) = Dumper::new() else { return };
    let server = server();
    server.faults().delay(Duration::from_millis(30));
    let (access, store) = (access_to(&fields(&server)), MemoryStore::default());
    let (job, settings) = (DumpJob { options: by_client(), ..job() }, settings());
    let engine = dumper.engine();
    let stop = async {
        dumper.child().await;
    };
    let outcome = run(&engine, &store, &access, &job, &settings, stop).await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Interrupted);
    assert!(dumper.children().is_empty());
    left_nothing(&store);
}

#[tokio::test]
async fn a_store_that_fails_ends_the_child() {
    let Some(dumper) = Dumper::new() else { return };
    let server = server();
    // The first one is the manifest's upload, which is begun before.
    for fault in [Fault::nth(Call::Create, 2), Fault::nth(Call::PutPart, 2)] {
        let inner = MemoryStore::default();
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        let mut options = by_client();
        options.compression = Some("none".parse().unwrap());
        let error = dump(&dumper.engine(), &fields(&server), options, &store).await.unwrap_err();
        assert_eq!(error.class(), fault.class, "{error}");
        assert!(dumper.children().is_empty());
        left_nothing(&inner);
    }
}
