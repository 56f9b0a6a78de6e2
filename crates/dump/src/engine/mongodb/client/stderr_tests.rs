use std::process::ExitStatus;

use super::*;

const PLACE: &str = "mongodb://db:27017/";

fn exit(status: i32, stderr: &str) -> Exit {
    let status = ExitStatus::from_raw(status);
    Exit { program: "mongodump".to_owned(), status, stderr: stderr.to_owned() }
}

/// What mongodump 100.7.0 writes.
#[test]
fn what_it_says_has_a_meaning() {
    use ErrorClass::{Configuration, Credentials, Engine, Interrupted, Source};
    for (says, class, hint) in [
        (
            "can't create session: could not connect to server: connection() error occurred during \
             connection handshake: auth error: sasl conversation error: unable to authenticate \
             using mechanism \"SCRAM-SHA-256\": (AuthenticationFailed) Authentication failed.",
            Credentials,
            "password",
        ),
        (
            "error writing data for collection `shop.a` to disk: (Unauthorized) not authorized on \
             shop to execute command",
            Credentials,
            "role backup",
        ),
        (
            "can't create session: could not connect to server: server selection error: server \
             selection timeout, current topology: { Type: Single, Servers: [{ Addr: db:27017, Type: \
             Unknown, Last error: connection() error occurred during connection handshake: x509: \
             certificate signed by unknown authority }, ] }",
            Configuration,
            "sslrootcert",
        ),
        (
            "can't create session: could not connect to server: server selection error: server \
             selection timeout, current topology: { Type: Single }",
            Source,
            "server",
        ),
        (
            "can't create session: error configuring the connector: error configuring client, can't \
             load CA file: open /nonexist: no such file or directory",
            Configuration,
            "AUTODUMP_CA_BUNDLE",
        ),
        (
            "error getting oplog start: error getting recent oplog entry: mongo: no documents in \
             result",
            Configuration,
            "replica set",
        ),
        (
            "oplog overflow: mongodump was unable to capture all new oplog entries during execution",
            Source,
            "quieter",
        ),
        (
            "error getting auth schema version for dumpDbUsersAndRoles: found no auth version",
            Configuration,
            "globals",
        ),
        ("error reading collection: (CursorNotFound) cursor id 5 not found", Source, "server"),
        ("error reading collection: socket was unexpectedly closed: EOF", Source, "server"),
        ("error reading collection: unexpected EOF", Source, "server"),
        ("error writing data for collection `shop.EOFs`: it is odd", Engine, "by hand"),
        (
            "error parsing command line options: error parsing uri: lookup \
             _mongodb._tcp.c.example on 10.0.0.2:53: no such host",
            Source,
            "DNS",
        ),
        ("received termination signal", Interrupted, "SIGTERM"),
        ("something that nobody knows", Engine, "by hand"),
    ] {
        let stderr = format!(
            "2026-11-21T22:10:00.000+0000\twriting shop.EOF to archive on stdout\n\
             2026-11-21T22:10:00.000+0000\tFailed: {says}\n\
             2026-11-21T22:10:00.000+0000\tdone dumping shop.b (1 document)\n"
        );
        let error = explain(&exit(1 << 8, &stderr), PLACE, &[]);
        assert_eq!(error.class(), class, "{error}");
        assert!(error.what().starts_with("mongodump ended with exit code 1: 2026"), "{error}");
        assert!(error.what().ends_with(says) || error.what().ends_with('…'), "{error}");
        assert!(error.hint().contains(hint), "{error}");
    }
}

#[test]
fn nothing_is_shown_where_it_quotes_its_settings() {
    for says in [
        "error parsing command line options: error parsing uri: invalid password: invalid URL \
         escape \"%ge\"",
        "Failed: can't create session: Error SASLprepping password 'geheim': prohibited character",
    ] {
        let stderr = format!("2026\t{says}\n2026\ttry 'mongodump --help' for more information\n");
        let error = explain(&exit(1 << 8, &stderr), PLACE, &["geheim"]);
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(!error.to_string().contains("ge\"") && !error.to_string().contains("geheim"));
        assert!(error.what().contains("exit code 1"), "{error}");
    }
}

#[test]
fn secrets_are_hidden_in_whatever_it_writes() {
    let error =
        explain(&exit(1 << 8, "2026\tFailed: odd: p%x and p%25x"), PLACE, &["p%x", "p%25x", ""]);
    assert!(error.what().ends_with("Failed: odd: *** and ***"), "{error}");
}

#[test]
fn without_a_word_the_signal_tells() {
    let progress = "2026\twriting shop.a to archive on stdout\n2026\t[####....] shop.a 1/2\n";
    let error = explain(&exit(9, progress), PLACE, &[]);
    assert_eq!(error.class(), ErrorClass::Engine);
    assert_eq!(error.what(), "mongodump was killed by signal 9 and wrote no error");
    assert!(error.hint().contains("memory"), "{error}");
}

#[test]
fn connection_strings_become_the_place() {
    for uri in ["mongodb://u:pq%zz@db/?tls=true", "mongodb+srv://u:pq%zz@db/EOF"] {
        let says = format!("2026\tFailed: cannot reach \"{uri}\" and {uri}\n");
        let error = explain(&exit(1 << 8, &says), PLACE, &[]);
        let expected = format!("Failed: cannot reach \"{PLACE} and {PLACE}");
        assert!(error.what().ends_with(&expected), "{error}");
        assert_eq!(error.class(), ErrorClass::Engine, "{error}");
        let quoted = format!("2026\tFailed: error parsing uri: lookup {uri}: no such host");
        let error = explain(&exit(1 << 8, &quoted), PLACE, &[]);
        assert!(!error.to_string().contains("pq"), "{error}");
    }
}
