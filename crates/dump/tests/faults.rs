//! What goes wrong while rows are read, and what is left behind: a whole backup, or nothing.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodump_core::manifest::Manifest;
use autodump_core::options::DumpOptions;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::SecretValue;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::{ErrorClass, Result};
use autodump_dump::open_uploads::SharedStore;
use autodump_dump::run::{DumpJob, Settings, run};
use autodump_dump::uploader::Limits;
use serde_json::json;
use support::backup::{dump_with, engine, fields, restore};
use support::hooked::Hooked;
use support::postgres::{PASSWORD, Server, start};
use support::{job, secret, settings};

/// Some 120 MB that hardly compress, in one table; a few rows in others.
const LARGE: &str = "
    CREATE TABLE large AS SELECT i, md5(i::text) || md5((i + 1)::text) || md5((i * 7)::text) AS x
    FROM generate_series(1, 1000000) i;
    CREATE TABLE small AS SELECT i FROM generate_series(1, 100) i;
    CREATE TABLE parent (i int) PARTITION BY RANGE (i);
    CREATE TABLE part PARTITION OF parent FOR VALUES FROM (0) TO (100);
    INSERT INTO parent SELECT i FROM generate_series(0, 99) i;";

const CONTENT: &str = "SELECT count(*), sum(i), md5(string_agg(x, '' ORDER BY i)) FROM large;
    SELECT count(*), sum(i) FROM small; SELECT count(*), sum(i) FROM parent";

fn server() -> Option<Server> {
    let server = start()?;
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", LARGE);
    Some(server)
}

/// With two readers the first part comes when two thirds are still to be read.
async fn dump(server: &Server, store: &impl SharedStore) -> Result<Manifest> {
    let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
    dump_with(server, &fields(server), options, store).await
}

fn left_nothing(store: &MemoryStore) {
    assert_eq!(store.keys(), Vec::<String>::new(), "something was published");
    assert_eq!(store.open_uploads(), Vec::<String>::new(), "an upload is still open");
}

/// What a client has to know to run SQL from a hook.
fn sql(server: &Server, sql: &'static str) -> impl FnOnce() + Send + 'static {
    let mut client = server.client("psql");
    client.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "shop", "-c", sql]);
    move || {
        let done = client.output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn compare(server: &Server, store: &MemoryStore, manifest: &Manifest, expected: &str) {
    assert!(store.open_uploads().is_empty());
    restore(server, store, manifest);
    assert_eq!(server.sql("restored", CONTENT), expected);
}

/// One session of the dump that is copying rows.
const ONE_READER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND query LIKE 'COPY%' AND state = 'active' LIMIT 1";
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND query LIKE 'COPY%' AND state = 'active'";
const LEADER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump' AND state = 'idle in transaction'
    AND query NOT LIKE 'COPY%' AND query NOT LIKE 'LOCK%'";
const EVERYBODY: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'autodump'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_replaced_and_no_row_is_lost_or_doubled() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    for loss in [ONE_READER, CANCEL, LEADER] {
        let inner = MemoryStore::default();
        let store = Hooked::new(&inner, 1, sql(&server, loss));
        let manifest = dump(&server, &store).await.unwrap();
        assert!(store.has_run());
        compare(&server, &inner, &manifest, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_connection_is_lost_nothing_is_left() {
    let Some(server) = server() else { return };
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, sql(&server, EVERYBODY));
    let error = dump(&server, &store).await.unwrap_err();
    assert!(store.has_run());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    left_nothing(&inner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_middle_is_an_error_of_the_source() {
    let Some(server) = server() else { return };
    let fields = fields(&server);
    let server = Arc::new(Mutex::new(server));
    let inner = MemoryStore::default();
    let dying = Arc::clone(&server);
    let store = Hooked::new(&inner, 1, move || dying.lock().unwrap().kill());
    let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
    let job = DumpJob { options, ..job() };
    let access = Arc::new(support::Fixed(secret(&fields)));
    let engine = engine(&server.lock().unwrap());
    let never = std::future::pending();
    let error = run(&engine, &store, &access, &job, &settings(), never).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    left_nothing(&inner);
}

/// Rows that come and go meanwhile are not seen; pages that are given back harm nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_meanwhile_is_dumped_as_it_was() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let inner = MemoryStore::default();
    let change =
        "DELETE FROM large WHERE i > 500000; UPDATE large SET x = 'changed' WHERE i % 2 = 0;
        INSERT INTO large SELECT -i, 'new' FROM generate_series(1, 100000) i;
        INSERT INTO small SELECT i FROM generate_series(1, 1000) i; DELETE FROM parent";
    let store = Hooked::new(&inner, 1, sql(&server, change));
    let manifest = dump(&server, &store).await.unwrap();
    compare(&server, &inner, &manifest, &expected);
}

/// A change of a table's definition that comes after the start waits for the end of the dump,
/// and the dump does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_definition_meanwhile_waits_and_blocks_nobody() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let inner = MemoryStore::default();
    let changes = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::clone(&changes);
    let clients: Vec<_> =
        ["ALTER TABLE large ADD COLUMN y int", "TRUNCATE small", "DROP TABLE parent"]
            .map(|sql| {
                let mut client = server.client("psql");
                client.args(["-XAtq", "-d", "shop", "-c", sql]);
                client
            })
            .into();
    let mut watch = server.client("psql");
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    watch.args(["-XAtq", "-d", "shop", "-c", waiting]);
    let store = Hooked::new(&inner, 1, move || {
        for mut client in clients {
            started.lock().unwrap().push(client.spawn().unwrap());
        }
        while watch.output().unwrap().stdout != b"3\n" {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let dumping = tokio::time::timeout(Duration::from_mins(1), dump(&server, &store));
    let manifest = dumping.await.unwrap().unwrap();
    for mut change in changes.lock().unwrap().drain(..) {
        assert!(change.wait().unwrap().success());
    }
    compare(&server, &inner, &manifest, &expected);
    assert_eq!(server.sql("shop", "SELECT count(*) FROM small"), "0\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_the_way_is_waited_for_and_not_for_ever() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let locked = server.hold("shop", "BEGIN; LOCK TABLE small");
    let short =
        DumpOptions { lock_timeout: Some(Duration::from_secs(1)), ..DumpOptions::default() };
    let store = MemoryStore::default();
    let error = dump_with(&server, &fields(&server), short, &store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source);
    assert!(error.what().contains("public.small"), "{error}");
    left_nothing(&store);

    let store = MemoryStore::default();
    let free = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // Whoever waits holds nothing: nobody is blocked by the dump meanwhile.
        server
            .sql("shop", "SET lock_timeout = '1s'; ALTER TABLE large ALTER COLUMN x SET NOT NULL");
        drop(locked);
    };
    let (manifest, ()) = tokio::join!(dump(&server, &store), free);
    compare(&server, &store, &manifest.unwrap(), &expected);
}

/// A relation without rows of its own is locked by `pg_dump` alone; what comes in its way there
/// makes the dump begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_the_way_of_pg_dump_makes_it_begin_anew() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let locked = server.hold("shop", "BEGIN; LOCK TABLE ONLY parent");
    let inner = MemoryStore::default();
    let store = FaultyStore::new(inner.clone(), Vec::new());
    let free = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        drop(locked);
    };
    let (manifest, ()) = tokio::join!(dump(&server, &store), free);
    let manifest = manifest.unwrap();
    compare(&server, &inner, &manifest, &expected);
    // Each attempt began uploads of its own; those of the first were thrown away.
    let kept = u32::try_from(manifest.objects.len()).unwrap() + 1;
    assert!(store.count(Call::Create) > kept, "{}", store.count(Call::Create));
}

/// Tables that are dropped and made while they are being listed and locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_come_and_go_do_not_stop_it() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    let mut churn = server.client("psql");
    churn.args(["-XAtq", "-d", "shop", "-c"]).arg(
        "DO $$ BEGIN FOR n IN 1..400000 LOOP
           EXECUTE format('CREATE TABLE t%s AS SELECT 1 AS i', n); COMMIT;
           EXECUTE format('DROP TABLE t%s', n); COMMIT;
         END LOOP; END $$",
    );
    let mut churn = churn.spawn().unwrap();
    for _ in 0..5 {
        let store = MemoryStore::default();
        let manifest = dump(&server, &store).await.unwrap();
        assert!(store.open_uploads().is_empty());
        restore(&server, &store, &manifest);
        assert_eq!(server.sql("restored", CONTENT), expected);
    }
    assert!(churn.try_wait().unwrap().is_none(), "nothing came and went any more");
    churn.kill().unwrap();
    churn.wait().unwrap();
}

/// A secret that is rotated while the dump is under way.
struct Rotating(Mutex<serde_json::Value>);

impl DatabaseAccess for Rotating {
    async fn secret(&self) -> Result<SecretValue> {
        Ok(secret(&self.0.lock().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_use_fresh_credentials() {
    let Some(server) = server() else { return };
    let expected = server.sql("shop", CONTENT);
    server.sql("shop", "CREATE ROLE clerk SUPERUSER LOGIN PASSWORD 'old'");
    let mut fields = fields(&server);
    fields["username"] = json!("clerk");
    fields["password"] = json!("old");
    let access = Arc::new(Rotating(Mutex::new(fields)));
    let (rotated, inner) = (Arc::clone(&access), MemoryStore::default());
    let rotate = sql(&server, "ALTER ROLE clerk PASSWORD 'new'");
    let kill = sql(&server, ONE_READER);
    let store = Hooked::new(&inner, 1, move || {
        rotate();
        rotated.0.lock().unwrap()["password"] = json!("new");
        kill();
    });
    let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
    let job = DumpJob { options, ..job() };
    let never = std::future::pending();
    let done = run(&engine(&server), &store, &access, &job, &settings(), never).await.unwrap();
    assert!(store.has_run());
    compare(&server, &inner, &done[0], &expected);
    assert_ne!(PASSWORD, "new");
}

/// Whatever request to the store fails for good: nothing is left, and the server has no
/// session of ours any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_request_fails_nothing_is_left() {
    let Some(server) = server() else { return };
    for fault in [
        Fault::nth(Call::Create, 1),
        Fault::nth(Call::Create, 2),
        Fault::nth(Call::Create, 5),
        Fault::nth(Call::PutPart, 1),
        Fault::nth(Call::PutPart, 3),
        Fault::nth(Call::PutPart, 5),
        Fault { times: u32::MAX, ..Fault::nth(Call::Complete, 1) },
    ] {
        let inner = MemoryStore::default();
        let store = FaultyStore::new(inner.clone(), vec![fault]);
        let error = dump(&server, &store).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}: {error}");
        left_nothing(&inner);
        no_session_is_left(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_leaves_nothing_and_no_session() {
    let Some(server) = server() else { return };
    for at in [1, 2, 4] {
        let inner = MemoryStore::default();
        let (ask, asked) = tokio::sync::oneshot::channel::<()>();
        let store = Hooked::new(&inner, at, move || drop(ask));
        let options = DumpOptions { jobs: Some(2), ..DumpOptions::default() };
        let job = DumpJob { options, ..job() };
        let access = Arc::new(support::Fixed(secret(&fields(&server))));
        let stop = async { drop(asked.await) };
        let engine = engine(&server);
        let error = run(&engine, &store, &access, &job, &settings(), stop).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Interrupted);
        left_nothing(&inner);
        no_session_is_left(&server).await;
    }
}

async fn no_session_is_left(server: &Server) {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'autodump'";
    for _ in 0..200 {
        if server.sql("shop", count) == "0\n" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "a session of the dump is left: {}",
        server.sql("shop", "SELECT query FROM pg_stat_activity")
    );
}

/// A table that no reader has locked may be emptied unseen once the leader's locks are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_an_error_where_it_alone_held_locks() {
    let Some(server) = server() else { return };
    // With two readers and the usual settings, about a thousand tables are locked by each of
    // them: not the last one.
    server.sql(
        "shop",
        "DO $$ BEGIN FOR n IN 1..1200 LOOP
           EXECUTE format('CREATE TABLE t%s AS SELECT %s AS i', n, n); COMMIT;
         END LOOP; END $$",
    );
    let (kill, empty) = (sql(&server, LEADER), sql(&server, "TRUNCATE t1200"));
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, move || {
        kill();
        empty();
    });
    let error = dump(&server, &store).await.unwrap_err();
    assert!(store.has_run());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    assert!(error.what().contains("held the locks"), "{error}");
    left_nothing(&inner);

    let store = MemoryStore::default();
    assert_eq!(dump(&server, &store).await.unwrap().tables.len(), 1203);
}

/// A replica that must go on cancels what is in its way, and the error says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_conflict_is_a_clear_error_and_leaves_nothing() {
    let Some(server) = server() else { return };
    let replica = server.replica(&["max_standby_streaming_delay=0", "hot_standby_feedback=off"]);
    server.caught_up(&replica);
    let remove = sql(&server, "DELETE FROM large");
    let vacuum = sql(&server, "VACUUM large");
    let cancelled = "SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts";
    let mut watch = replica.client("psql");
    watch.args(["-XAtq", "-d", "postgres", "-c", cancelled]);
    let inner = MemoryStore::default();
    let store = Hooked::new(&inner, 1, move || {
        remove();
        vacuum();
        while watch.output().unwrap().stdout.starts_with(b"0") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // With memory for two parts there is still something to read when the conflict comes.
    let limits = Limits { memory: 24 << 20, ..Limits::default() };
    let job = DumpJob { options: DumpOptions { jobs: Some(1), ..DumpOptions::default() }, ..job() };
    let access = Arc::new(support::Fixed(secret(&fields(&replica))));
    let (engine, settings) = (engine(&replica), Settings { limits, ..settings() });
    let never = std::future::pending();
    let error = run(&engine, &store, &access, &job, &settings, never).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("conflict with recovery") && text.contains("hot_standby_feedback"),
        "{text}"
    );
    left_nothing(&inner);
}

/// A directory of clients whose `pg_dump` is the server's, with `before` and `after` around it
/// when it dumps (`$file` is where to).
fn clients(server: &Server, before: &str, after: &str) -> tempfile::TempDir {
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
    let made = std::process::Command::new("/bin/bash")
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
    clients: &tempfile::TempDir,
    store: &MemoryStore,
    stop: impl Future<Output = ()> + Send,
) -> Result<Manifest> {
    let engine = autodump_dump::engine::Postgres::new(
        clients.path().to_str(),
        "/nowhere/bundle.pem",
        std::env::temp_dir(),
    );
    let access = Arc::new(support::Fixed(secret(&fields(server))));
    let done = run(&engine, store, &access, &job(), &settings(), stop).await?;
    let [manifest] = done.try_into().unwrap();
    Ok(manifest)
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
    let started = std::time::Instant::now();
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
    assert_eq!(manifest.method.kind, autodump_core::manifest::MethodKind::Client);
    let reason = manifest.method.reason.clone().unwrap();
    assert!(reason.contains("1.99"), "{reason}");
    compare(&server, &store, &manifest, &expected);
}
