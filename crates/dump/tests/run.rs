//! Whole dumps with a shell script as the engine: what is left behind when something fails.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::{Duration, Instant};

use autodump_core::ErrorClass;
use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_dump::publish::Patience;
use autodump_dump::run::{Settings, run};
use autodump_dump::uploader::Limits;
use sha2::{Digest, Sha256};
use support::{Script, access, job, left_nothing, now, settings};
use tokio::time::sleep;

/// 20 MiB in three parts.
const THREE_PARTS: &str = "head -c 20971520 /dev/zero";

fn never() -> impl Future<Output = ()> + Send {
    std::future::pending()
}

/// The manifest of a run that makes one.
fn one(outcome: autodump_core::Result<Vec<Manifest>>) -> Manifest {
    let [manifest] = outcome.unwrap().try_into().unwrap();
    manifest
}

#[tokio::test]
async fn a_dump_that_succeeds_has_its_manifest_beside_it() {
    let store = MemoryStore::default();
    let engine = Script("printf 'hello, '; sleep 0.1; printf world");
    let manifest = one(run(&engine, &store, &access(), &job(), &settings(), never()).await);
    let [proof, data] = store.keys().try_into().unwrap();
    let directory = data.strip_suffix("shop.dump").unwrap();
    assert_eq!(proof, format!("{directory}manifest.json"));
    assert!(directory.starts_with("postgres/prod.app-"), "{directory}");

    let object = store.object("backups", &data).unwrap();
    assert_eq!(object.content, "hello, world");
    let [stored] = manifest.objects.as_slice() else { panic!("{manifest:?}") };
    assert_eq!(stored.sha256, hex::encode(Sha256::digest("hello, world")));
    assert_eq!((stored.bytes, stored.key.as_str()), (12, data.as_str()));

    let proof = store.object("backups", &proof).unwrap();
    assert_eq!(proof.content_type, "application/json");
    let read: autodump_core::manifest::Manifest = serde_json::from_slice(&proof.content).unwrap();
    assert_eq!(read.objects, manifest.objects);
    assert_eq!(read.restore, ["restore shop"]);
    assert_eq!(store.open_uploads(), Vec::<String>::new());
}

/// To a bucket's lifecycle an object is as old as the beginning of its upload: no manifest may
/// outlive its data.
#[tokio::test]
async fn the_manifest_is_begun_before_its_data() {
    let inner = MemoryStore::default();
    let kept = Fault { times: u32::MAX, ..Fault::nth(Call::Abort, 1) };
    let store = FaultyStore::new(inner.clone(), vec![Fault::nth(Call::Create, 2), kept]);
    run(&Script("echo x"), &store, &access(), &job(), &settings(), never()).await.unwrap_err();
    let [begun] = inner.open_uploads().try_into().unwrap();
    assert!(begun.ends_with("/manifest.json"), "{begun}");
}

/// Each database is a backup of its own; one that fails does not stop the others.
#[tokio::test]
async fn all_databases_of_a_server_are_backed_up_each_by_itself() {
    let store = MemoryStore::default();
    let options = DumpOptions { all_databases: Some(true), ..DumpOptions::default() };
    let job = autodump_dump::run::DumpJob { options, ..job() };
    let engine = Script("echo \"$1\"");
    let manifests = run(&engine, &store, &access(), &job, &settings(), never()).await.unwrap();
    let databases: Vec<_> = manifests.iter().map(|manifest| manifest.database.as_str()).collect();
    assert_eq!(databases, ["first", "shop", "third"]);
    assert_eq!(store.keys().len(), 6);
    for manifest in &manifests {
        let [object] = manifest.objects.as_slice() else { panic!("{manifest:?}") };
        let content = store.object("backups", &object.key).unwrap().content;
        assert_eq!(content, format!("{}\n", manifest.database));
    }

    let store = MemoryStore::default();
    let engine = Script("echo \"$1\"; test \"$1\" != shop || { echo broken >&2; exit 7; }");
    let error = run(&engine, &store, &access(), &job, &settings(), never()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().starts_with("1 of 3 databases were not dumped: shop: "), "{error}");
    assert!(error.what().ends_with("exit code 7: broken"), "{error}");
    assert_eq!(store.keys().len(), 4);
    assert_eq!(store.open_uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_child_that_fails_leaves_nothing() {
    for (script, says) in [
        (format!("{THREE_PARTS}; echo broken >&2; exit 3"), "exit code 3: broken"),
        (format!("{THREE_PARTS}; kill -9 $$"), "killed by signal 9"),
        ("exit 1".to_owned(), "exit code 1"),
        ("exit 0".to_owned(), "wrote nothing"),
    ] {
        let store = MemoryStore::default();
        let engine = Script(script.leak());
        let error =
            run(&engine, &store, &access(), &job(), &settings(), never()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine);
        assert!(error.what().contains(says), "{error}");
        left_nothing(&store);
    }
}

#[tokio::test]
async fn whatever_call_fails_nothing_is_left() {
    for fault in [
        Fault::nth(Call::Create, 1),
        Fault::nth(Call::PutPart, 1),
        Fault::nth(Call::PutPart, 2),
        Fault::nth(Call::PutPart, 3),
        Fault::nth(Call::Create, 2),
        Fault::nth(Call::PutPart, 4),
        Fault { times: u32::MAX, ..Fault::nth(Call::Complete, 1) },
    ] {
        let inner = MemoryStore::default();
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        let engine = Script(THREE_PARTS);
        let error =
            run(&engine, &store, &access(), &job(), &settings(), never()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}");
        assert!(error.what().contains("fault injected"), "{error}");
        left_nothing(&inner);
    }
}

#[tokio::test]
async fn data_and_manifest_are_tried_patiently() {
    for first in [1, 2] {
        let inner = MemoryStore::default();
        let fault = Fault { times: 3, ..Fault::nth(Call::Complete, first) };
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        run(&Script(THREE_PARTS), &store, &access(), &job(), &settings(), never()).await.unwrap();
        assert_eq!(store.count(Call::Complete), 5);
        assert_eq!(inner.keys().len(), 2);
    }
}

#[tokio::test]
async fn data_without_manifest_is_named() {
    let inner = MemoryStore::default();
    let fault = Fault { times: u32::MAX, ..Fault::nth(Call::Complete, 2) };
    let store = FaultyStore::new(inner.clone(), vec![fault]);
    let error = run(&Script(THREE_PARTS), &store, &access(), &job(), &settings(), never())
        .await
        .unwrap_err();
    let [data] = inner.keys().try_into().unwrap();
    assert!(error.what().ends_with(&format!("; data was written to s3://backups/{data}")));
    assert!(error.hint().starts_with("If there is no manifest.json beside it, it is no backup"));
    assert_eq!(error.class(), ErrorClass::Destination);
    assert_eq!(inner.open_uploads(), Vec::<String>::new());
    assert!(store.count(Call::Complete) > 3);
}

#[tokio::test]
async fn a_manifest_that_is_refused_for_good_is_not_tried_again() {
    let fault = Fault { class: ErrorClass::Credentials, times: 9, ..Fault::nth(Call::Complete, 2) };
    let store = FaultyStore::new(MemoryStore::default(), vec![fault]);
    let error =
        run(&Script("echo x"), &store, &access(), &job(), &settings(), never()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Credentials);
    assert_eq!(store.count(Call::Complete), 2);
}

/// The manifest is published and the answer is lost: it must not be denied.
#[tokio::test]
async fn a_manifest_that_may_be_there_is_not_denied() {
    let inner = MemoryStore::default();
    let fault = Fault { takes_effect: true, ..Fault::nth(Call::Complete, 2) };
    let fault = Fault { class: ErrorClass::Credentials, ..fault };
    let store = FaultyStore::new(inner.clone(), vec![fault]);
    let error =
        run(&Script("echo x"), &store, &access(), &job(), &settings(), never()).await.unwrap_err();
    assert_eq!(inner.keys().len(), 2);
    let text = error.to_string();
    assert!(text.contains("data was written to s3://"), "{text}");
    assert!(!text.contains("no manifest") || text.contains("If there is no manifest"), "{text}");
    assert!(!text.contains("has no manifest"), "{text}");
}

#[tokio::test]
async fn an_abort_that_fails_does_not_hide_why_it_was_needed() {
    let inner = MemoryStore::default();
    let store = FaultyStore::new(inner.clone(), vec![Fault::nth(Call::Abort, 1)]);
    let engine = Script("head -c 9000000 /dev/zero; echo the reason >&2; exit 1");
    let error = run(&engine, &store, &access(), &job(), &settings(), never()).await.unwrap_err();
    assert!(error.what().contains("the reason"), "{error}");
    assert_eq!(inner.open_uploads().len(), 1);
}

#[tokio::test]
async fn asked_to_stop_it_stops_and_leaves_nothing() {
    for script in ["cat /dev/zero", "sleep 600", "trap '' TERM; while :; do sleep 0.1; done"] {
        let store = MemoryStore::sink();
        let start = Instant::now();
        let stop = sleep(Duration::from_millis(300));
        let error =
            run(&Script(script), &store, &access(), &job(), &settings(), stop).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Interrupted, "{script}");
        assert!(start.elapsed() < Duration::from_secs(9), "{script}: {:?}", start.elapsed());
        left_nothing(&store);
    }
}

#[tokio::test]
async fn asked_to_stop_while_publishing_it_finishes_if_that_is_quick() {
    let fault = Fault { times: 2, ..Fault::nth(Call::Complete, 2) };
    let store = FaultyStore::new(MemoryStore::default(), vec![fault]);
    let pause = Duration::from_millis(200);
    let patience =
        Patience { first_pause: pause, longest_pause: pause, total: Duration::from_mins(1) };
    let settings = Settings { patience, ..settings() };
    let stop = sleep(Duration::from_millis(250));
    run(&Script("echo x"), &store, &access(), &job(), &settings, stop).await.unwrap();

    let fault = Fault { times: u32::MAX, ..fault };
    let store = FaultyStore::new(MemoryStore::default(), vec![fault]);
    let settings = Settings { publish_grace: Duration::from_millis(300), ..settings };
    let stop = sleep(Duration::from_millis(250));
    let error =
        run(&Script("echo x"), &store, &access(), &job(), &settings, stop).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
}

#[tokio::test]
async fn when_the_parts_are_used_up_it_goes_on_in_a_further_object() {
    let store = MemoryStore::default();
    let limits = Limits { parts: 2, memory: 32 * 1024 * 1024, ..Limits::default() };
    let settings = Settings { limits, ..settings() };
    let script = "i=0; while [ $i -lt 5000000 ]; do echo line $i; i=$((i+10)); done | head -c 40000000; \
                  head -c 30000000 /dev/zero";
    let manifest = one(run(&Script(script), &store, &access(), &job(), &settings, never()).await);
    let keys: Vec<_> = manifest.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys[0].ends_with("/shop.dump") && keys[2].ends_with("/shop.dump.3"), "{keys:?}");
    let all: Vec<u8> = keys
        .iter()
        .flat_map(|key| store.object("backups", key).unwrap().content.to_vec())
        .collect();
    let expected = std::process::Command::new("/bin/sh").args(["-c", script]).output().unwrap();
    assert!(all == expected.stdout, "the objects together are not what was written");
    assert_eq!(store.keys().len(), 4);
}

#[tokio::test]
async fn progress_is_in_the_log() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = std::sync::Mutex::new(file.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().json().with_writer(log).finish();
    let settings = Settings { progress: Duration::from_millis(100), ..settings() };
    let dump = async {
        let script = Script("head -c 1000000 /dev/zero; sleep 0.5");
        run(&script, &MemoryStore::default(), &access(), &job(), &settings, never()).await
    };
    let _guard = tracing::subscriber::set_default(subscriber);
    dump.await.unwrap();
    let log = std::fs::read_to_string(file.path()).unwrap();
    let line = log.lines().rfind(|line| line.contains("dump in progress")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["fields"]["bytes_read"], 1_000_000);
    assert!(line["fields"]["mb_per_second"].is_number(), "{line}");
}

#[test]
fn what_follows_a_request_to_stop_takes_less_than_ten_seconds() {
    let settings = Settings::new(now);
    assert!(settings.child_grace + settings.abort_grace < Duration::from_secs(10));
    assert!(settings.publish_grace + settings.abort_grace < Duration::from_secs(10));
}
