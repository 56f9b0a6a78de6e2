//! COPY in both directions: whole, cancelled, broken in the middle.

use autodump_core::{Error, ErrorClass};
use autodump_dump::engine::postgres::wire::{CopyOut, Failure, Session};
use serde_json::json;

use super::support::postgres::start;
use super::{all, connect, connect_with, endpoint, value};

const ROWS: &[(&str, u64)] = &[
    ("SELECT 1 WHERE false", 0),
    ("SELECT FROM generate_series(1, 1000)", 1000),
    ("SELECT i, NULL, E'\\t\\n\\\\ü', md5(i::text) FROM generate_series(1, 300000) i", 300_000),
    ("SELECT repeat('x', i * 997 % 300000) FROM generate_series(1, 400) i", 400),
    // Around the size of the buffer: header, row and newline have 6 bytes more.
    ("SELECT repeat('y', 262144 - 10 + i) FROM generate_series(1, 20) i", 20),
    ("SELECT i, repeat('z', 1048576) FROM generate_series(1, 9) i", 9),
    ("SELECT i, repeat('z', 20971520), 1 FROM generate_series(1, 2) i", 2),
];

#[tokio::test]
async fn copy_out_gives_what_psql_gives() {
    let Some(server) = start() else { return };
    for mode in ["verify-full", "disable"] {
        let mut session = connect_with(&server, &json!({"sslmode": mode})).await.unwrap();
        for (select, rows) in ROWS {
            let sql = format!("COPY ({select}) TO STDOUT");
            let mut copy = session.copy_out(&sql).await.unwrap();
            let (bytes, seen) = all(&mut copy).await.unwrap();
            assert_eq!((seen, copy.rows()), (*rows, Some(*rows)), "{sql}");
            assert!(!copy.read(&mut |_| panic!("nothing is left")).await.unwrap());
            let expected = server.psql("postgres", &sql);
            assert!(bytes == expected.stdout, "{sql}");
        }
        assert_eq!(value(&mut session, "SELECT 42").await, "42");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_copy_out_is_the_servers() {
    let Some(server) = start() else { return };
    let mut session = connect(&server).await;
    let sql = "COPY (SELECT 1/(200000 - i) FROM generate_series(1, 300000) i) TO STDOUT";
    let mut copy = session.copy_out(sql).await.unwrap();
    let failure = all(&mut copy).await.unwrap_err();
    assert_eq!(failure.code(), Some("22012"), "{failure}");
    let again = copy.read(&mut |_| panic!("nothing is left")).await;
    assert!(matches!(again, Err(Failure::Protocol(_))));
    assert_eq!(value(&mut session, "SELECT 42").await, "42");

    let failure = session.copy_out("COPY no_such TO STDOUT").await.unwrap_err();
    assert_eq!(failure.code(), Some("42P01"));
    assert_eq!(value(&mut session, "SELECT 42").await, "42");
}

/// More than fits into any buffer on the way.
const ENDLESS: &str = "COPY (SELECT md5(i::text) FROM generate_series(1, 50000000) i) TO STDOUT";

#[tokio::test]
async fn a_cancelled_copy_out_leaves_the_session_usable() {
    let Some(server) = start() else { return };
    let mut session = connect(&server).await;
    let pid = session.process_id();
    let mut copy = session.copy_out(ENDLESS).await.unwrap();
    assert!(copy.read(&mut |_| {}).await.unwrap());
    server.sql("postgres", &format!("SELECT pg_cancel_backend({pid})"));
    let failure = drained(&mut copy).await;
    assert_eq!(failure.code(), Some("57014"), "{failure}");
    assert!(!failure.is_lost());
    assert_eq!(Error::from(failure).class(), ErrorClass::Source);
    assert_eq!(value(&mut session, "SELECT 42").await, "42");
}

async fn drained(copy: &mut CopyOut<'_>) -> Failure {
    loop {
        match copy.read(&mut |_| {}).await {
            Ok(more) => assert!(more),
            Err(failure) => return failure,
        }
    }
}

/// A server that is ended while it waits to be read gives no reason; with this it never waits.
const TRICKLE: &str =
    "COPY (SELECT repeat('x', 9000), pg_sleep(0.001) FROM generate_series(1, 1000000)) TO STDOUT";

#[tokio::test]
async fn a_terminated_session_says_why() {
    let Some(mut server) = start() else { return };
    for mode in ["verify-full", "disable"] {
        let endpoint = endpoint(&server, &json!({"sslmode": mode}));
        let mut session = Session::connect(&endpoint).await.unwrap();
        let end = format!("SELECT pg_terminate_backend({})", session.process_id());
        let mut copy = session.copy_out(TRICKLE).await.unwrap();
        assert!(copy.read(&mut |_| {}).await.unwrap());
        server.sql("postgres", &end);
        let failure = drained(&mut copy).await;
        assert_eq!(failure.code(), Some("57P01"), "{failure}");
        assert!(failure.is_lost() && !session.is_ready());

        let mut session = Session::connect(&endpoint).await.unwrap();
        let end = format!("SELECT pg_terminate_backend({})", session.process_id());
        let mut copy = session.copy_out(ENDLESS).await.unwrap();
        assert!(copy.read(&mut |_| {}).await.unwrap());
        server.sql("postgres", &end);
        let failure = drained(&mut copy).await;
        assert!(failure.is_lost(), "{failure}");
        assert_eq!(Error::from(failure).class(), ErrorClass::Source);

        let mut idle = Session::connect(&endpoint).await.unwrap();
        let end = format!("SELECT pg_terminate_backend({}, 10000)", idle.process_id());
        server.sql("postgres", &end);
        let failure = idle.execute("SELECT 1").await.unwrap_err();
        assert_eq!(failure.code(), Some("57P01"), "{failure}");

        let mut session = Session::connect(&endpoint).await.unwrap();
        session.execute("CREATE TEMP TABLE t (a text)").await.unwrap();
        let end = format!("SELECT pg_terminate_backend({}, 10000)", session.process_id());
        let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.write(b"a row\n").await.unwrap();
        server.sql("postgres", &end);
        let line = vec![b'x'; 100_000];
        let failure = loop {
            if let Err(failure) = copy.write(&line).await {
                break failure;
            }
        };
        assert_eq!(failure.code(), Some("57P01"), "{failure}");
        assert!(matches!(copy.finish().await, Err(Failure::Protocol(_))));
    }
    let mut session = connect(&server).await;
    let mut copy = session.copy_out(ENDLESS).await.unwrap();
    assert!(copy.read(&mut |_| {}).await.unwrap());
    server.kill();
    let failure = drained(&mut copy).await;
    assert!(failure.is_lost(), "{failure}");
    assert_eq!(Error::from(failure).class(), ErrorClass::Source);
}

#[tokio::test]
async fn copy_in_takes_any_split() {
    let Some(server) = start() else { return };
    server.sql(
        "postgres",
        "CREATE TABLE source AS SELECT i, md5(i::text) m, repeat('q', i * 31 % 5000) q, \
         E'\\t\\\\' || i t FROM generate_series(1, 20000) i; CREATE TABLE target (LIKE source)",
    );
    let mut session = connect(&server).await;
    let mut copy = session.copy_out("COPY source TO STDOUT").await.unwrap();
    let (bytes, rows) = all(&mut copy).await.unwrap();
    for sizes in [&[1_000_000_000][..], &[1, 65_531, 65_532, 65_536, 7, 300_001], &[100, 9_999]] {
        session.execute("TRUNCATE target").await.unwrap();
        let mut copy = session.copy_in("COPY target FROM STDIN").await.unwrap();
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*size));
            copy.write(now).await.unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(copy.finish().await.unwrap(), rows);
        let same = "SELECT count(*) FROM (TABLE source EXCEPT ALL TABLE target) d";
        assert_eq!(value(&mut session, same).await, "0");
    }
    let copy = session.copy_in("COPY target FROM STDIN").await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 0);
}

#[tokio::test]
async fn a_bad_row_is_reported_while_much_is_written() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE TABLE number (i int)");
    for mode in ["verify-full", "disable"] {
        let mut session = connect_with(&server, &json!({"sslmode": mode})).await.unwrap();
        let mut copy = session.copy_in("COPY number FROM STDIN").await.unwrap();
        copy.write(b"1\n2\nthree\n").await.unwrap();
        let good = b"12345678\n".repeat(10_000);
        let mut written = 0;
        let failure = loop {
            match copy.write(&good).await {
                Ok(()) => written += good.len(),
                Err(failure) => break failure,
            }
            assert!(written < 200_000_000, "nobody noticed");
        };
        assert_eq!(failure.code(), Some("22P02"), "{failure}");
        assert!(failure.to_string().contains("COPY number, line 3"), "{failure}");
        assert!(matches!(copy.write(b"4\n").await, Err(Failure::Protocol(_))));
        copy.fail("over already").await.unwrap();
        assert_eq!(value(&mut session, "SELECT count(*) FROM number").await, "0");

        let mut copy = session.copy_in("COPY number FROM STDIN").await.unwrap();
        copy.write(b"1\nx\n").await.unwrap();
        assert_eq!(copy.finish().await.unwrap_err().code(), Some("22P02"));
        assert_eq!(value(&mut session, "SELECT count(*) FROM number").await, "0");
    }
}

/// A trigger's notices fill the way back: who does not read while writing waits for ever.
#[tokio::test]
async fn a_talkative_server_does_not_block_copy_in() {
    let Some(server) = start() else { return };
    server.sql(
        "postgres",
        "CREATE TABLE loud (t text); \
         CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN RAISE NOTICE '%', repeat('!', 20000); RETURN NULL; END$$; \
         CREATE TRIGGER shout BEFORE INSERT ON loud FOR EACH ROW EXECUTE FUNCTION shout()",
    );
    let mut session = connect(&server).await;
    session.execute("SET client_min_messages = notice").await.unwrap();
    let mut copy = session.copy_in("COPY loud FROM STDIN").await.unwrap();
    let row = [&[b'r'; 2000][..], b"\n"].concat();
    for _ in 0..5000 {
        copy.write(&row).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap(), 0);
    let rows = session.query("DO $$BEGIN RAISE NOTICE '%', repeat('n', 900000); END$$; SELECT 1");
    assert_eq!(rows.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_failed_or_dropped_copy_in_leaves_nothing() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE TABLE t (i int)");
    let mut session = connect(&server).await;
    let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.write(&b"1\n".repeat(200_000)).await.unwrap();
    copy.fail("the source broke").await.unwrap();
    assert_eq!(value(&mut session, "SELECT count(*) FROM t").await, "0");

    let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.write(&b"1\n".repeat(200_000)).await.unwrap();
    drop(copy);
    let failure = session.execute("SELECT 1").await.unwrap_err();
    assert!(failure.to_string().contains("middle of a command"), "{failure}");
    let pid = session.process_id();
    drop(session);
    let mut other = connect(&server).await;
    let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    while value(&mut other, &there).await != "0" {}
    assert_eq!(value(&mut other, "SELECT count(*) FROM t").await, "0");

    let mut copy = other.copy_out(ENDLESS).await.unwrap();
    assert!(copy.read(&mut |_| {}).await.unwrap());
    assert!(!other.is_ready() && other.execute("SELECT 1").await.is_err());
}
