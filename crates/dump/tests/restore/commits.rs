//! Commits whose answer is lost, and drops that are not all of one commit.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use autodump_core::ErrorClass;
use autodump_core::restore::RestoreOptions;
use serde_json::{Value, json};

use super::support::backup::empty;
use super::support::postgres::{Server, start};
use super::{CONTENT, FINGERPRINT, backed_up, into, jobs, plainly_into, restored};

/// What a proxy does with the answer to a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loses {
    /// It is committed, and nobody hears of it.
    Answer,
    /// The server never hears of it.
    Question,
}

/// A proxy before the server that cuts the first connection that commits after a statement that
/// begins with `after`. Returns its port, and how often it did so.
fn proxy(to: u16, after: &'static str, loses: Loses) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cuts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&cuts);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let cuts = Arc::clone(&count);
            std::thread::spawn(move || pass(&client, &server, after, loses, &cuts));
        }
    });
    (port, cuts)
}

/// Passes messages of the protocol on, until one side has enough.
fn pass(client: &TcpStream, server: &TcpStream, after: &str, loses: Loses, cuts: &AtomicU32) {
    let end = || {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    };
    let swallows = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (server, client);
            let mut bytes = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                if swallows.load(Ordering::SeqCst) || to.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            end();
        });
        let (mut from, mut to) = (client, server);
        let mut has_kind = false;
        let mut is_after = false;
        loop {
            // The first message has no kind.
            let mut head = vec![0; if has_kind { 5 } else { 4 }];
            if from.read_exact(&mut head).is_err() {
                break;
            }
            let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap());
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            if from.read_exact(&mut body).is_err() {
                break;
            }
            let is_query = has_kind && head[0] == b'Q';
            has_kind = true;
            is_after |= is_query && body.starts_with(after.as_bytes());
            if is_query
                && is_after
                && body == b"COMMIT\0"
                && cuts.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                if loses == Loses::Question {
                    break;
                }
                swallows.store(true, Ordering::SeqCst);
            }
            if to.write_all(&[head, body].concat()).is_err() {
                break;
            }
        }
        end();
    });
}

/// The same database through a proxy that reads what is said.
fn through(server: &Server, database: &str, port: u16) -> Value {
    let mut fields = plainly_into(server, database);
    fields["port"] = json!(port);
    fields
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_answer_loses_and_doubles_no_row() {
    let Some(server) = start() else { return };
    let (store, manifest, at) = backed_up(&server, CONTENT).await;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    for loses in [Loses::Answer, Loses::Question] {
        empty(&server, "restored");
        let (port, cuts) = proxy(server.port, "COPY app.orders", loses);
        let target = through(&server, "restored", port);
        let (done, notes) = restored(&server, &target, &store, &at, jobs()).await.unwrap();
        assert_eq!(cuts.load(Ordering::SeqCst), 1, "{loses:?}");
        assert_eq!(done.rows, rows, "{loses:?}");
        assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
        assert_eq!(notes.bytes(), done.plan.bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_whose_commit_is_not_answered_is_unknown() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    for (loses, left) in [(Loses::Answer, "f"), (Loses::Question, "t")] {
        empty(&server, "restored");
        let direct = into(&server, "restored");
        restored(&server, &direct, &store, &at, jobs()).await.unwrap();
        let (port, _) = proxy(server.port, "DROP ", loses);
        let target = through(&server, "restored", port);
        let clean = RestoreOptions { clean: true, ..jobs() };
        let error = restored(&server, &target, &store, &at, clean).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{error}");
        assert!(error.what().contains("it is not known whether it was"), "{error}");
        assert!(!error.hint().contains("nothing was dropped"), "{error}");
        let there = server.sql("restored", "SELECT to_regclass('app.orders') IS NOT NULL");
        assert_eq!(there.trim(), left);
    }
}

/// A server without room for many locks drops one by one, and it is said how far that came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_one_by_one_says_how_far_it_came() {
    let Some(server) = start() else { return };
    let (store, _, at) = backed_up(&server, CONTENT).await;
    empty(&server, "restored");
    let target = into(&server, "restored");
    restored(&server, &target, &store, &at, jobs()).await.unwrap();
    // As if there were no room within a transaction of several statements.
    server.sql(
        "restored",
        "CREATE FUNCTION public.full() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF pg_catalog.now() <> pg_catalog.statement_timestamp() THEN \
         RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END IF; \
         IF pg_catalog.to_regclass('app.orders') IS NULL THEN \
         RAISE EXCEPTION 'no more'; END IF; END $$; \
         CREATE EVENT TRIGGER full_of_locks ON ddl_command_start WHEN TAG IN ('DROP TABLE') \
         EXECUTE FUNCTION public.full()",
    );
    let clean = RestoreOptions { clean: true, ..jobs() };
    let error = restored(&server, &target, &store, &at, clean.clone()).await.unwrap_err();
    assert!(error.what().contains("one by one failed after ") && error.what().contains(" of "));
    assert!(error.what().contains("no more"), "{error}");
    assert!(!error.what().contains("after 0 of"), "{error}");
    assert!(!error.hint().contains("nothing was dropped"), "{error}");
    // What is left of it is no obstacle.
    server.sql("restored", "DROP EVENT TRIGGER full_of_locks; DROP FUNCTION public.full()");
    restored(&server, &target, &store, &at, clean).await.unwrap();
    assert_eq!(server.sql("restored", FINGERPRINT), server.sql("shop", FINGERPRINT));
}
