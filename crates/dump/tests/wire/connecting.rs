//! TLS and its certificates, passwords, and what refusals mean.

use std::process::Command;

use autodump_core::{Error, ErrorClass};
use autodump_dump::engine::postgres::wire::Session;
use serde_json::{Value, json};

use super::support::postgres::start;
use super::{connect, connect_with, endpoint, value};

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
        let mut session = connect_with(&server, &changes).await.unwrap();
        assert_eq!(value(&mut session, on).await, tls, "{mode}");
        let pid = value(&mut session, "SELECT pg_backend_pid()").await;
        assert_eq!(pid, session.process_id().to_string());
        let name = value(&mut session, "SELECT current_setting('application_name')").await;
        assert_eq!(name, "autodump");
        session.close().await;
    }
    let by_address = json!({"host": "127.0.0.1", "sslmode": "verify-ca"});
    connect_with(&server, &by_address).await.unwrap();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let Some(server) = start() else { return };
    server.sql("postgres", "CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE TABLE hidden ()");
    server.sql("postgres", "CREATE DATABASE closed");
    server.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM public");
    server.sql("postgres", "CREATE DATABASE shut ALLOW_CONNECTIONS false");
    let other = server.other_certificate();
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
        let failure = connect_with(&server, &change).await.unwrap_err();
        assert!(!format!("{failure:?}").contains("wrong"), "{failure:?}");
        let error = Error::from(failure);
        assert_eq!(error.class(), class, "{change}: {error}");
        assert!(error.to_string().contains(says), "{change}: {error}");
    }
    let weak = json!({"username": "weak", "password": "weak"});
    let mut weak = connect_with(&server, &weak).await.unwrap();
    let error = Error::from(weak.execute("TABLE hidden").await.unwrap_err());
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.hint().contains("pg_read_all_data"), "{error}");
}

/// A certificate whose only name is a common name, and one of an authority of its own.
#[tokio::test]
async fn certificates_are_taken_as_libpq_takes_them() {
    let Some(server) = start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let openssl = |arguments: &str| {
        let done = Command::new("openssl")
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
    let wrong = json!({"sslrootcert": ca, "host": "127.0.0.1"});
    let failure = connect_with(&server, &wrong).await.unwrap_err();
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
        let role = json!({"username": "r", "password": password});
        connect_with(&server, &role).await.unwrap();
    }
}
