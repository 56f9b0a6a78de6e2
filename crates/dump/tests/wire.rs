//! Against a real PostgreSQL server: the wire client.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::Path;

use autodump_core::{Error, ErrorClass};
use autodump_dump::engine::postgres::wire::{CopyOut, Endpoint, Failure, Piece, Session};
use serde_json::{Value, json};
use support::postgres::{PASSWORD, Server, start};
use support::secret;

/// How much a session's buffer holds.
const BUFFER: usize = 256 * 1024;

fn endpoint(server: &Server, changes: &Value) -> Endpoint {
    let mut fields = json!({
        "engine": "postgres", "host": "localhost", "port": server.port, "dbname": "postgres",
        "username": "postgres", "password": PASSWORD, "sslrootcert": server.certificate(),
    });
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    Endpoint::new(&secret(&fields), Path::new("/nowhere/bundle.pem")).unwrap()
}

async fn connect(server: &Server) -> Session {
    Session::connect(&endpoint(server, &json!({}))).await.unwrap()
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
async fn every_sslmode_means_what_it_means_to_libpq() {
    let Some(server) = start() else { return };
    let on = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (mode, certificate, tls) in [
        ("disable", false, "f"),
        ("prefer", false, "t"),
        ("require", false, "t"),
        ("require", true, "t"),
        ("verify-ca", true, "t"),
        ("verify-full", true, "t"),
    ] {
        let mut changes = json!({"sslmode": mode});
        if !certificate {
            changes["sslrootcert"] = Value::Null;
        }
        let mut session = Session::connect(&endpoint(&server, &changes)).await.unwrap();
        assert_eq!(value(&mut session, on).await, tls, "{mode}");
        let pid = value(&mut session, "SELECT pg_backend_pid()").await;
        assert_eq!(pid, session.process_id().to_string());
        let name = value(&mut session, "SELECT current_setting('application_name')").await;
        assert_eq!(name, "autodump");
        session.close().await;
    }
    let by_address = json!({"host": "127.0.0.1", "sslmode": "verify-ca"});
    Session::connect(&endpoint(&server, &by_address)).await.unwrap();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE TABLE hidden ()");
    server.sql("postgres", "CREATE DATABASE closed");
    server.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM public");
    server.sql("postgres", "CREATE DATABASE shut ALLOW_CONNECTIONS false");
    let other = other_authority();
    for (change, class, says) in [
        (json!({"password": "wrong"}), ErrorClass::Credentials, "password authentication failed"),
        (json!({"username": "nobody"}), ErrorClass::Credentials, "authentication failed"),
        (json!({"dbname": "nowhere"}), ErrorClass::Configuration, "\"nowhere\" does not exist"),
        (json!({"dbname": "shut"}), ErrorClass::Configuration, "not currently accepting"),
        (
            json!({"username": "weak", "password": "weak", "dbname": "closed"}),
            ErrorClass::Credentials,
            "GRANT CONNECT",
        ),
        (json!({"port": 1}), ErrorClass::Source, "Connection refused"),
        (json!({"port": 1}), ErrorClass::Source, "cannot connect to localhost:1 ("),
        (json!({"host": "127.0.0.1"}), ErrorClass::Configuration, "not valid for name"),
        (json!({"host": "no-such-host.invalid"}), ErrorClass::Configuration, "no-such-host"),
        (json!({"sslrootcert": other}), ErrorClass::Configuration, "certificate verify failed"),
        (
            json!({"sslrootcert": other, "sslmode": "verify-ca"}),
            ErrorClass::Configuration,
            "certificate verify failed",
        ),
        (
            json!({"sslrootcert": other, "sslmode": "require"}),
            ErrorClass::Configuration,
            "relax sslmode",
        ),
    ] {
        let failure = Session::connect(&endpoint(&server, &change)).await.unwrap_err();
        assert!(!format!("{failure:?}").contains("wrong"), "{failure:?}");
        let error = Error::from(failure);
        assert_eq!(error.class(), class, "{change}: {error}");
        assert!(error.to_string().contains(says), "{change}: {error}");
    }
    let weak = endpoint(&server, &json!({"username": "weak", "password": "weak"}));
    let mut weak = Session::connect(&weak).await.unwrap();
    let error = Error::from(weak.execute("TABLE hidden").await.unwrap_err());
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.hint().contains("pg_read_all_data"), "{error}");
}

/// Another authority's certificate.
fn other_authority() -> String {
    let done = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"])
        .args(["-keyout", "/dev/null"])
        .output()
        .unwrap();
    let certificate = String::from_utf8(done.stdout).unwrap();
    assert!(certificate.contains("BEGIN CERTIFICATE"));
    certificate
}

/// A certificate whose only name is a common name, and one of an authority of its own.
#[tokio::test]
async fn certificates_are_taken_as_libpq_takes_them() {
    let Some(server) = start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let openssl = |arguments: &str| {
        let done = std::process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
    );
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout new.key -out new.csr");
    std::fs::write(at("plain"), "basicConstraints=CA:FALSE\n").unwrap();
    openssl(
        "x509 -req -in new.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile plain -out new.crt",
    );
    for (setting, file) in [("ssl_cert_file", "new.crt"), ("ssl_key_file", "new.key")] {
        let path = server.sql("postgres", &format!("SHOW {setting}"));
        std::fs::copy(at(file), path.trim()).unwrap();
    }
    server.sql("postgres", "SELECT pg_reload_conf()");
    let ca = std::fs::read_to_string(at("ca.crt")).unwrap();
    let full = endpoint(&server, &json!({"sslrootcert": ca}));
    let mut session = loop {
        match Session::connect(&full).await {
            Ok(session) => break session,
            Err(failure) => {
                let what = failure.to_string();
                assert!(what.contains("certificate verify failed"), "{what}");
            }
        }
    };
    assert_eq!(value(&mut session, "SELECT 1").await, "1");
    let wrong = endpoint(&server, &json!({"sslrootcert": ca, "host": "127.0.0.1"}));
    let failure = Session::connect(&wrong).await.unwrap_err();
    assert!(failure.to_string().contains("not valid for name"), "{failure}");
}

#[tokio::test]
async fn the_servers_ways_to_ask_for_a_password() {
    let Some(server) = start() else { return };
    server.sql(
        "postgres",
        "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'alt:\\ $x'; \
         SET password_encryption = 'scram-sha-256'; CREATE ROLE plain LOGIN PASSWORD 'offen'; \
         CREATE ROLE free LOGIN; CREATE ROLE barred LOGIN PASSWORD 'x'",
    );
    let hba = server.sql("postgres", "SHOW hba_file");
    let before = std::fs::read_to_string(hba.trim()).unwrap();
    let lines = "host all old all md5\nhost all plain all password\nhost all free all trust\n\
                 host all barred all reject\n";
    std::fs::write(hba.trim(), format!("{lines}{before}")).unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()");
    // The last line of the new file counts once the postmaster has read it.
    let role = |name: &str, password: &str, mode: &str| {
        endpoint(&server, &json!({"username": name, "password": password, "sslmode": mode}))
    };
    let barred = loop {
        let failure = Session::connect(&role("barred", "x", "prefer")).await;
        if let Err(failure) = failure {
            break failure;
        }
    };
    assert!(barred.to_string().contains("pg_hba.conf rejects connection"), "{barred}");
    assert_eq!(Error::from(barred).class(), ErrorClass::Credentials);
    for mode in ["disable", "verify-full"] {
        for (name, password) in [("old", "alt:\\ $x"), ("plain", "offen"), ("free", "any")] {
            let mut session = Session::connect(&role(name, password, mode)).await.unwrap();
            assert_eq!(value(&mut session, "SELECT current_user").await, name);
        }
        for name in ["old", "plain"] {
            let failure = Session::connect(&role(name, "wrong", mode)).await.unwrap_err();
            assert_eq!(failure.code(), Some("28P01"), "{failure}");
        }
    }
}

#[tokio::test]
async fn passwords_may_hold_anything() {
    let Some(server) = start() else { return };
    let mut admin = connect(&server).await;
    // SASLprep maps the soft hyphen away, and forbids the control characters.
    for password in ["a\nb\r", "I\u{ad}X", "\u{7}bell", "\u{2168}", "日本語 %s", &"x".repeat(900)]
    {
        let quoted = password.replace('\'', "''");
        let sql = format!("DROP ROLE IF EXISTS r; CREATE ROLE r LOGIN PASSWORD '{quoted}'");
        admin.execute(&sql).await.unwrap();
        let endpoint = endpoint(&server, &json!({"username": "r", "password": password}));
        Session::connect(&endpoint).await.unwrap();
    }
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
        let endpoint = endpoint(&server, &json!({"sslmode": mode}));
        let mut session = Session::connect(&endpoint).await.unwrap();
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
        let endpoint = endpoint(&server, &json!({"sslmode": mode}));
        let mut session = Session::connect(&endpoint).await.unwrap();
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
