//! A `pg_dump` that is killed, fails, hangs, or writes what nobody knows yet.

use std::process::Command;
use std::time::{Duration, Instant};

use autodump_core::manifest::{Manifest, MethodKind};
use autodump_core::options::DumpOptions;
use autodump_core::testing::MemoryStore;
use autodump_core::{ErrorClass, Result};
use tempfile::TempDir;

use super::support::backup::{Dump, engine_in, fields};
use super::support::postgres::Server;
use super::support::{access_to, left_nothing};
use super::{CONTENT, compare, no_session_is_left, server};

/// A directory of clients whose `pg_dump` is the server's, with `before` and `after` around it
/// when it dumps (`$file` is where to).
fn clients(server: &Server, before: &str, after: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    // A shell writes the program: a file that this process wrote could still be open in a child
    // of another test, and then not be executed.
    let script = r#"ln -s "$2"/psql "$2"/pg_restore "$1"
        { echo '#!/bin/bash'
          echo "real=$2/pg_dump"
          echo 'case "$*" in *--version*|*nonexistent*) exec $real "$@";; esac'
          echo 'for a in "$@"; do case $a in --file=*) file=${a#--file=};; esac; done'
          echo "$3"; echo '$real "$@" || exit $?'; echo "$4"
        } >"$1/pg_dump"
        chmod +x "$1/pg_dump""#;
    let made = Command::new("/bin/bash")
        .args(["-ec", script, "bash"])
        .arg(directory.path())
        .arg(server.clients())
        .args([before, after])
        .status();
    assert!(made.unwrap().success());
    directory
}

async fn dump_by(
    server: &Server,
    clients: &TempDir,
    store: &MemoryStore,
    stop: impl Future<Output = ()> + Send,
) -> Result<Manifest> {
    let access = access_to(&fields(server));
    Dump::new(engine_in(clients.path()), access, DumpOptions::default()).run(store, stop).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pg_dump_that_is_killed_or_fails_leaves_nothing() {
    let Some(server) = server() else { return };
    for (before, after, class, says) in [
        ("kill -9 $$", "", ErrorClass::Engine, "killed by signal 9"),
        ("", "echo 'disk full' >&2; exit 1", ErrorClass::Engine, "disk full"),
        // As after a restart of the server between our connections and its own.
        (
            "set -- \"${@/--snapshot=*/--snapshot=00000003-0000001B-1}\"",
            "",
            ErrorClass::Source,
            "snapshot",
        ),
        ("", "truncate -s 100 $file/toc.dat", ErrorClass::Internal, "toc.dat is damaged"),
        ("", "rm $file/toc.dat", ErrorClass::Internal, "scratch"),
    ] {
        let clients = clients(&server, before, after);
        let store = MemoryStore::default();
        let never = std::future::pending();
        let error = dump_by(&server, &clients, &store, never).await.unwrap_err();
        assert_eq!(error.class(), class, "{before}{after}: {error}");
        assert!(error.what().contains(says), "{before}{after}: {error}");
        left_nothing(&store);
        no_session_is_left(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pg_dump_that_hangs_is_ended_with_the_dump() {
    let Some(server) = server() else { return };
    let clients = clients(&server, "exec sleep 600", "");
    let store = MemoryStore::default();
    let stop = tokio::time::sleep(Duration::from_secs(2));
    let started = Instant::now();
    let error = dump_by(&server, &clients, &store, stop).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(15));
    left_nothing(&store);
    no_session_is_left(&server).await;
}

/// A table of contents in a format that nobody knows yet: `pg_dump` does it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_format_makes_pg_dump_do_it_alone() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let newer = r#"case "$*" in *--snapshot*)
        printf '\143' | dd of=$file/toc.dat bs=1 seek=6 conv=notrunc status=none;; esac"#;
    let clients = clients(&server, "", newer);
    let store = MemoryStore::default();
    let manifest = dump_by(&server, &clients, &store, std::future::pending()).await.unwrap();
    assert_eq!(manifest.method.kind, MethodKind::Client);
    let reason = manifest.method.reason.clone().unwrap();
    assert!(reason.contains("1.99"), "{reason}");
    compare(&server, &store, &manifest, &expected);
}
