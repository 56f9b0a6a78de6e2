use std::path::PathBuf;

use super::*;
use crate::engine::postgres::wire::{Endpoint, Session};

/// The programs of the oldest server that is installed.
async fn programs() -> Option<Programs> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return None };
    let directories: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path().join("bin")).collect();
    let found = Programs::find(&directories, 0).await.ok();
    if found.is_none() {
        eprintln!("SKIPPED: no PostgreSQL server in /usr/lib/postgresql/*/bin");
    }
    found
}

fn alive(directory: &Path) -> bool {
    let pid = std::fs::read_to_string(directory.join("data/postmaster.pid"));
    let Ok(pid) = pid else { return false };
    Path::new("/proc").join(pid.lines().next().unwrap()).exists()
}

#[tokio::test]
async fn a_server_takes_connections_and_leaves_nothing() {
    let Some(programs) = programs().await else { return };
    for by_stop in [true, false] {
        let scratch = scratch();
        let (_raise, flag) = StopFlag::new();
        let server = Server::start(&programs, scratch.path(), flag).await.unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let endpoint = Endpoint::new(&server.secret(), Path::new("/nowhere")).unwrap();
        let mut session = Session::connect(&endpoint).await.unwrap();
        assert_eq!(session.query("SHOW fsync").await.unwrap(), [[Some("off".to_owned())]]);
        let place = server.make_directory("more").unwrap();
        let sql = format!("CREATE TABLESPACE more LOCATION '{}'", place.display());
        session.execute(&sql).await.unwrap();
        let directory = server.directory.path().to_owned();
        assert!(alive(&directory));
        let pid = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
        if by_stop {
            server.stop().await;
        } else {
            drop(server);
        }
        let pid = pid.lines().next().unwrap();
        assert!(!Path::new("/proc").join(pid).exists(), "the server still runs");
        assert!(scratch.path().read_dir().unwrap().next().is_none(), "something was left");
    }
}

#[tokio::test]
async fn asked_to_stop_it_leaves_nothing() {
    let Some(programs) = programs().await else { return };
    let scratch = scratch();
    let (raise, flag) = StopFlag::new();
    let path = scratch.path().to_owned();
    let start = tokio::spawn(async move { Server::start(&programs, &path, flag).await });
    // It has begun when its directory is there.
    while scratch.path().read_dir().unwrap().next().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    raise.send_replace(true);
    let error = start.await.unwrap().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(scratch.path().read_dir().unwrap().next().is_none(), "something was left");
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    if programs().await.is_none() {
        return;
    }
    let scratch = scratch();
    // A directory whose initdb ends with an error.
    let bin = tempfile::tempdir().unwrap();
    let script = "for p in initdb postgres; do printf '#!/bin/sh\\ncase $1 in --version) echo \
         \"postgres (PostgreSQL) 15.1\";; *) echo no luck >&2; exit 3;; esac\\n' > $1/$p; \
         chmod +x $1/$p; done; chmod 755 $1";
    let made =
        std::process::Command::new("/bin/sh").args(["-ec", script, "sh"]).arg(bin.path()).status();
    assert!(made.unwrap().success());
    let broken = Programs::find(&[bin.path().to_owned()], 15).await.unwrap();
    let (_raise, flag) = StopFlag::new();
    let error = Server::start(&broken, scratch.path(), flag).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.what().ends_with("with exit code 3: no luck"), "{error}");
    assert!(scratch.path().read_dir().unwrap().next().is_none(), "something was left");
}

/// A directory that everybody may enter, as a server that is not ours has to.
fn scratch() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}
