//! Against a real PostgreSQL server: the wire client.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod connecting;
mod copying;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use autodump_dump::engine::postgres::wire::{CopyOut, Endpoint, Failure, Piece, Session};
use serde_json::{Value, json};
use support::backup::{changed, fields};
use support::postgres::{Server, start};
use support::secret;

/// How much a session's buffer holds.
const BUFFER: usize = 256 * 1024;

fn endpoint(server: &Server, changes: &Value) -> Endpoint {
    let fields = changed(fields(server), &json!({"dbname": "postgres"}));
    Endpoint::new(&secret(&changed(fields, changes)), Path::new("/nowhere/bundle.pem")).unwrap()
}

async fn connect(server: &Server) -> Session {
    connect_with(server, &json!({})).await.unwrap()
}

async fn connect_with(server: &Server, changes: &Value) -> Result<Session, Failure> {
    Session::connect(&endpoint(server, changes)).await
}

async fn value(session: &mut Session, sql: &str) -> String {
    session.query(sql).await.unwrap()[0][0].clone().unwrap()
}

/// All that a COPY gives, put together, with the number of rows; checks the order of pieces.
async fn all(copy: &mut CopyOut<'_>) -> Result<(Vec<u8>, u64), Failure> {
    let (mut bytes, mut rows, mut open) = (Vec::new(), 0, 0);
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Row(row) => {
            assert!(open == 0 && row.ends_with(b"\n"));
            bytes.extend_from_slice(row);
            rows += 1;
        }
        Piece::Part(part) => {
            open += part.len();
            bytes.extend_from_slice(part);
        }
        Piece::Last(last) => {
            assert!(open + last.len() > BUFFER - 8 && last.ends_with(b"\n"));
            open = 0;
            bytes.extend_from_slice(last);
            rows += 1;
        }
    };
    while copy.read(&mut take).await? {}
    assert_eq!(open, 0);
    Ok((bytes, rows))
}

#[tokio::test]
async fn queries_give_text_and_errors_leave_the_session_usable() {
    let Some(server) = start() else { return };
    let mut session = connect(&server).await;
    let rows = session.query("SELECT 1, NULL, ''; SELECT 'ü' WHERE true; SET x.y = 1;").await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows.unwrap(), [vec![text("1"), None, text("")], vec![text("ü")]]);
    assert_eq!(session.query("").await.unwrap(), Vec::<Vec<_>>::new());
    assert_eq!(session.query("SELECT FROM generate_series(1, 2)").await.unwrap(), [vec![], vec![]]);
    let long = value(&mut session, "SELECT repeat('ab', 1000000)").await;
    assert!(long.len() == 2_000_000 && long.ends_with("ab"));

    let failure = session.query("SELECT 1; SELECT 1/0; SELECT 2").await.unwrap_err();
    assert_eq!(failure.code(), Some("22012"));
    assert!(!failure.is_lost() && session.is_ready());
    let failure = session.query("SELECT i, 1/(50000-i) FROM generate_series(1, 99999) i").await;
    assert_eq!(failure.unwrap_err().code(), Some("22012"));
    let failure =
        session.execute("COPY (SELECT 1/(1000-i) FROM generate_series(1,2000) i) TO STDOUT");
    assert_eq!(failure.await.unwrap_err().code(), Some("22012"));
    session.execute("COPY (SELECT 1) TO STDOUT; CREATE TEMP TABLE t (i int)").await.unwrap();
    let failure = session.execute("COPY t FROM STDIN").await.unwrap_err();
    assert!(failure.to_string().contains("no data is sent by this command"), "{failure}");
    assert!(matches!(session.copy_out("SELECT 1").await, Err(Failure::Protocol(_))));
    assert!(matches!(session.copy_in("SELECT 1").await, Err(Failure::Protocol(_))));
    assert!(matches!(session.execute("SELECT '\0'").await, Err(Failure::Protocol(_))));
    session.execute("SET client_encoding = 'LATIN1'").await.unwrap();
    assert_eq!(session.parameter("client_encoding"), Some("LATIN1"));
    let failure = session.query("SELECT 'x' || chr(228)").await.unwrap_err();
    assert!(failure.to_string().contains("not in UTF-8"), "{failure}");
    assert!(!session.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_share_a_snapshot() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i");
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut leader = connect(&server).await;
    leader.execute(begin).await.unwrap();
    let snapshot = value(&mut leader, "SELECT pg_export_snapshot()").await;
    server.sql("postgres", "INSERT INTO t SELECT 0 FROM generate_series(1, 1000)");
    let endpoint = endpoint(&server, &json!({}));
    let workers: Vec<_> = (0..4)
        .map(|part| {
            let (endpoint, snapshot) = (endpoint.clone(), snapshot.clone());
            tokio::spawn(async move {
                let mut session = Session::connect(&endpoint).await.unwrap();
                let import = format!("{begin}; SET TRANSACTION SNAPSHOT '{snapshot}'");
                session.execute(&import).await.unwrap();
                let sql = format!("COPY (SELECT i FROM t WHERE i % 4 = {part}) TO STDOUT");
                let mut copy = session.copy_out(&sql).await.unwrap();
                all(&mut copy).await.unwrap().1
            })
        })
        .collect();
    let mut rows = 0;
    for worker in workers {
        rows += worker.await.unwrap();
    }
    assert_eq!(rows, 100_000);
    leader.execute("COMMIT").await.unwrap();
    leader.close().await;
}
