//! Verifications that come to no result: what could not be found out, and requests to stop.

use std::path::Path;

use autodump_core::ErrorClass;
use autodump_core::testing::{Call, Fault, FaultyStore};
use autodump_core::verification::Level;
use tokio::time::{Duration, sleep};

use super::support::postgres::Server;
use super::{Backup, at, is_empty, ours, scratch, shop, tried, verified};

#[tokio::test]
async fn what_could_not_be_found_out_is_an_error() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    let manifest = backup.write_manifest();
    let faulty = |nth| {
        FaultyStore::new(
            backup.store.clone(),
            vec![Fault { times: 99, ..Fault::nth(Call::Get, nth) }],
        )
    };
    for nth in [1, 2, 4] {
        let store = faulty(nth);
        let done = tried(&store, manifest.clone(), Level::Archive, None).await;
        assert_eq!(done.unwrap_err().class(), ErrorClass::Destination);
    }
    let done = tried(&backup.store, at("run/manifest.json"), Level::Checksum, None).await;
    assert_eq!(done.unwrap_err().class(), ErrorClass::Verification);

    // The name of the extension, as an entry's own.
    backup.replace_text("\u{6}\0\0\0citext", "\u{6}\0\0\0cytext");
    let manifest = backup.write_manifest();
    for given in [None, Some(&server)] {
        let done = tried(&backup.store, manifest.clone(), Level::Restore, given).await;
        let error = done.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Engine);
        assert_eq!(error.what(), "extension cytext is not available here");
        assert!(error.hint().contains("give a server"), "{error}");
    }
    assert_eq!(ours(&server), 0);
}

/// The server processes that run within a directory.
fn processes(directory: &Path) -> Vec<String> {
    let of = |entry: std::fs::DirEntry| {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        command.contains(directory.to_str()?).then_some(command)
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

/// Why a restore ends that is asked to stop.
async fn stopped(
    backup: &Backup,
    server: Option<&Server>,
    scratch: &Path,
    stop: impl Future<Output = ()> + Send,
) -> ErrorClass {
    let (store, manifest) = (&backup.store, backup.write_manifest());
    let done = verified(store, manifest, Level::Restore, server, scratch, stop).await;
    done.unwrap_err().class()
}

#[tokio::test]
async fn asked_to_stop_it_leaves_no_server_and_no_directory() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    // The cluster is being made; the server starts; it has a database of ours.
    let phases: [fn(&Path) -> bool; 3] = [
        |server| server.join("data/PG_VERSION").exists(),
        |server| server.join("data/postmaster.pid").exists(),
        |server| server.join("data/base").read_dir().is_ok_and(|bases| bases.count() > 3),
    ];
    for (number, reached) in phases.into_iter().enumerate() {
        let scratch = scratch();
        let path = scratch.path().to_owned();
        let stop = async move {
            let servers = || path.read_dir().unwrap().flatten();
            while !servers().any(|server| reached(&server.path())) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let class = stopped(&backup, None, scratch.path(), stop).await;
        assert_eq!(class, ErrorClass::Interrupted, "{number}");
        assert!(is_empty(scratch.path()), "{number}: something was left");
        assert_eq!(processes(scratch.path()), Vec::<String>::new(), "{number}");
    }
}

#[tokio::test]
async fn asked_to_stop_it_drops_its_database_on_a_given_server() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let stop = async {
        while ours(&server) == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let class = stopped(&backup, Some(&server), scratch().path(), stop).await;
    assert_eq!(class, ErrorClass::Interrupted);
    assert_eq!(ours(&server), 0);
}

/// The server is busy with the making of the database when somebody asks to stop.
#[tokio::test]
async fn asked_to_stop_while_its_database_is_being_made_it_drops_it() {
    let Some(server) = shop() else { return };
    let backup = Backup::of(&server).await;
    let held = server.hold("postgres", "BEGIN; LOCK TABLE pg_database IN SHARE MODE");
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE query LIKE 'CREATE DATABASE%' AND wait_event_type = 'Lock'";
    let stop = async {
        while server.sql("postgres", waiting).trim() == "0" {
            sleep(Duration::from_millis(2)).await;
        }
        std::thread::spawn(move || drop(held));
    };
    let class = stopped(&backup, Some(&server), scratch().path(), stop).await;
    assert_eq!(class, ErrorClass::Interrupted);
    let going_on = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%'";
    while server.sql("postgres", going_on).trim() != "0" {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ours(&server), 0);
}
