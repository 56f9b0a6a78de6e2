use std::process::ExitStatus;

use super::*;

fn explained(program: &str, code: i32, stderr: &str) -> Error {
    explain(&Exit {
        program: program.to_owned(),
        status: ExitStatus::from_raw(code << 8),
        stderr: stderr.to_owned(),
    })
}

const AT: &str = "connection to server at \"db.internal\" (10.0.0.7), port 5432 failed: ";

/// The messages are those of PostgreSQL 13 to 17, as clients print them.
const CASES: &[(ErrorClass, &str, &str)] = &[
    (ErrorClass::Interrupted, "pg_dump: ", "terminated by user"),
    (ErrorClass::Credentials, "AT", "FATAL:  password authentication failed for user \"app\""),
    (ErrorClass::Credentials, "AT", "FATAL:  PAM authentication failed for user \"app\""),
    (ErrorClass::Credentials, "AT", "fe_sendauth: no password supplied"),
    (ErrorClass::Credentials, "AT", "FATAL:  role \"nobody\" does not exist"),
    (ErrorClass::Credentials, "AT", "FATAL:  role \"app\" is not permitted to log in"),
    (
        ErrorClass::Credentials,
        "AT",
        "FATAL:  no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", database \"shop\", no encryption",
    ),
    (
        ErrorClass::Credentials,
        "AT",
        "FATAL:  permission denied for database \"shop\"\nDETAIL:  User does not have CONNECT privilege.",
    ),
    (ErrorClass::Configuration, "AT", "FATAL:  database \"shop\" does not exist"),
    (
        ErrorClass::Configuration,
        "AT",
        "FATAL:  database \"shop\" is not currently accepting connections",
    ),
    (ErrorClass::Configuration, "AT", "SSL error: certificate verify failed"),
    (
        ErrorClass::Configuration,
        "AT",
        "server certificate for \"other\" (and 1 other name) does not match host name \"db.internal\"",
    ),
    (ErrorClass::Configuration, "AT", "server does not support SSL, but SSL was required"),
    (
        ErrorClass::Configuration,
        "AT",
        "root certificate file \"/x.pem\" does not exist\nEither provide the file or change sslmode to disable server certificate verification.",
    ),
    (
        ErrorClass::Configuration,
        "psql: error: ",
        "could not translate host name \"db.interal\" to address: Name or service not known",
    ),
    (
        ErrorClass::Source,
        "psql: error: ",
        "could not translate host name \"db\" to address: Temporary failure in name resolution",
    ),
    (
        ErrorClass::Configuration,
        "pg_dump: error: ",
        "aborting because of server version mismatch\npg_dump: detail: server version: 17.1; pg_dump version: 15.18",
    ),
    (
        ErrorClass::Source,
        "AT",
        "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
    ),
    (ErrorClass::Source, "AT", "timeout expired"),
    (ErrorClass::Source, "AT", "Connection timed out"),
    (ErrorClass::Source, "AT", "No route to host"),
    (ErrorClass::Source, "AT", "FATAL:  the database system is starting up"),
    (ErrorClass::Source, "AT", "FATAL:  the database system is shutting down"),
    (ErrorClass::Source, "AT", "FATAL:  sorry, too many clients already"),
    (
        ErrorClass::Source,
        "AT",
        "FATAL:  remaining connection slots are reserved for non-replication superuser connections",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "Dumping the contents of table \"t\" failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "Dumping the contents of table \"t\" failed: PQgetResult() failed.\npg_dump: detail: Error message from server: FATAL:  terminating connection due to administrator command",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "Dumping the contents of table \"t\" failed: PQgetResult() failed.\npg_dump: detail: Error message from server: ERROR:  canceling statement due to conflict with recovery",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "query failed: ERROR:  canceling statement due to lock timeout\npg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE",
    ),
    (ErrorClass::Source, "pg_dump: error: ", "query failed: SSL SYSCALL error: EOF detected"),
    (ErrorClass::Source, "AT", "SSL error: unexpected eof while reading"),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "Dumping the contents of table \"t\" failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: SSL error: decryption failed or bad record mac",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "query failed: SSL error: ssl/tls alert bad record mac",
    ),
    (
        ErrorClass::Source,
        "pg_dump: error: ",
        "query failed: SSL connection has been closed unexpectedly",
    ),
    (
        ErrorClass::Engine,
        "pg_dump: error: ",
        "query failed: ERROR:  permission denied for table t\npg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE",
    ),
    (
        ErrorClass::Engine,
        "pg_dump: error: ",
        "query failed: ERROR:  query would be affected by row-level security policy for table \"t\"",
    ),
    (
        ErrorClass::Engine,
        "pg_dump: error: ",
        "query failed: ERROR:  missing chunk number 0 for toast value 16409 in pg_toast_2619",
    ),
];

#[test]
fn messages_mean_what_they_mean() {
    for (class, start, message) in CASES {
        let start = if *start == "AT" { AT } else { start };
        let error = explained("pg_dump", 1, &format!("{start}{message}"));
        assert_eq!(error.class(), *class, "{message}");
        assert!(error.what().starts_with("pg_dump ended with exit code 1: "), "{error}");
        assert!(!error.hint().ends_with('.') && !error.hint().is_empty(), "{error}");
    }
}

#[test]
fn permission_errors_say_what_to_grant() {
    let error = explained(
        "pg_dump",
        1,
        "pg_dump: error: query failed: ERROR:  permission denied for table t",
    );
    assert!(error.hint().contains("pg_read_all_data"));
    let error = explained("psql", 2, "FATAL:  permission denied for database \"shop\"");
    assert!(error.hint().contains("GRANT CONNECT"));
}

#[test]
fn a_connection_problem_in_another_language_may_pass() {
    let error = explained("psql", 2, "FATAL:  das Datenbanksystem startet");
    assert_eq!(error.class(), ErrorClass::Source);
}

#[test]
fn a_killed_client_may_have_lacked_memory() {
    let error = explain(&Exit {
        program: "pg_dump".to_owned(),
        status: ExitStatus::from_raw(9),
        stderr: String::new(),
    });
    assert_eq!(error.class(), ErrorClass::Engine);
    assert!(error.to_string().starts_with("pg_dump was killed by signal 9"));
}
