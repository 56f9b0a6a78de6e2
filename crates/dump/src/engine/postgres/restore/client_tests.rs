use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

fn exit(stderr: &str) -> Exit {
    Exit {
        program: "pg_restore".to_owned(),
        status: ExitStatus::from_raw(1 << 8),
        stderr: stderr.to_owned(),
    }
}

#[test]
fn an_unknown_timeout_alone_is_no_failure() {
    let complaint = "pg_restore: error: could not execute query: ERROR:  unrecognized \
                     configuration parameter \"transaction_timeout\"\nCommand was: SET \
                     transaction_timeout = 0;\n";
    let end = |n| format!("pg_restore: warning: errors ignored on restore: {n}");
    assert!(only_timeout(&format!("{complaint}{complaint}{}", end(2))));
    assert!(only_timeout(&format!("{complaint}{complaint}{complaint}{}", end(2))));
    assert!(!only_timeout(&format!("{complaint}{}", end(2))));
    let line = complaint.lines().next().unwrap();
    let mixed = format!("pg_restore: {line}\nerror: could not execute query: ERROR:  {TIMEOUT}\n");
    assert!(only_timeout(&format!("{mixed}{}", end(1))));
    assert!(!only_timeout(&format!("{}{}", complaint.repeat(60), end(60))));
    let other = "pg_restore: error: could not execute query: ERROR:  relation \"t\" exists\n";
    assert!(!only_timeout(&format!("{complaint}{other}{}", end(2))));
    assert!(!only_timeout(complaint));
    assert!(!only_timeout(""));
}

#[test]
fn drops_are_cut_out_of_a_script() {
    let script = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n\
        SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\n\
        DROP INDEX IF EXISTS public.i;\n\
        ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c;\n\
        DROP TABLE IF EXISTS public.\"a;\n-- Name: b\";\n\
        --\n-- Name: t; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.t ();\n";
    assert_eq!(
        dropping(script),
        [
            "DROP INDEX IF EXISTS public.i;\n",
            "ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c;\n",
            "DROP TABLE IF EXISTS public.\"a;\n-- Name: b\";\n",
        ]
    );
    assert!(dropping("SET x = 1;\n--\n-- Name: t\n").is_empty());
}

#[test]
fn failures_are_told_apart() {
    for (stderr, class, hint) in [
        ("pg_restore: error: ERROR:  deadlock detected", ErrorClass::Engine, "jobs = 1"),
        ("pg_restore: error: ERROR:  relation \"t\" already exists", ErrorClass::Engine, "clean"),
        ("pg_restore: error: ERROR:  role \"app\" does not exist", ErrorClass::Engine, "no-owner"),
        (
            "pg_restore: error: ERROR:  could not extend file \"base/5/16\": No space left on device",
            ErrorClass::Engine,
            "Give the server",
        ),
        (
            "connection to server at \"h\" failed: FATAL:  role \"app\" does not exist",
            ErrorClass::Credentials,
            "username",
        ),
        ("ERROR:  extension \"postgis\" is not available", ErrorClass::Engine, "extension"),
        ("ERROR:  permission denied for schema public", ErrorClass::Engine, "master user"),
        ("connection to server at \"h\" failed: Connection refused", ErrorClass::Source, "server"),
        ("something else", ErrorClass::Engine, "manifest"),
    ] {
        let error = explain(&exit(stderr), Part::PreData, &RestoreOptions::default());
        assert_eq!(error.class(), class, "{stderr}");
        assert!(error.hint().contains(hint), "{stderr}: {}", error.hint());
    }
}

#[test]
fn the_first_error_that_is_not_tolerated_is_the_cause() {
    let stderr = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration \
                  parameter \"transaction_timeout\"\nCommand was: SET transaction_timeout = 0;\n\
                  pg_restore: from TOC entry 215; 1259 16390 TABLE orders app\n\
                  pg_restore: error: could not execute query: ERROR:  relation \"orders\" already \
                  exists\nCommand was: CREATE TABLE app.orders (\n    id bigint\n);\n\
                  pg_restore: error: could not execute query: ERROR:  role \"x\" does not exist\n\
                  pg_restore: error: a worker process died unexpectedly";
    let error = explain(&exit(stderr), Part::PreData, &RestoreOptions::default());
    assert_eq!(
        error.what(),
        "pg_restore ended with exit code 1: pg_restore: error: could not execute query: ERROR:  \
         relation \"orders\" already exists (TABLE orders app)"
    );
    assert!(error.hint().contains("an empty database, or with clean"), "{error}");
    let data = RestoreOptions { data_only: true, ..RestoreOptions::default() };
    let error = explain(&exit(stderr), Part::PreData, &data);
    assert!(!error.hint().contains("clean"), "{error}");
}

#[test]
fn values_of_rows_are_not_shown() {
    for says in [
        "duplicate key value violates unique constraint \"t_pkey\"\nDETAIL:  Key \
         (email)=(geheim) already exists.\nCONTEXT:  COPY t, line 3",
        "invalid input syntax for type integer: \"geheim\"\nCONTEXT:  COPY t, line 3, column i: \
         \"geheim\"",
        "value \"geheim\" is out of range for type integer",
    ] {
        let stderr = format!(
            "pg_restore: from TOC entry 3; 0 16411 TABLE DATA public t owner\npg_restore: error: \
             COPY failed for table \"t\": ERROR:  {says}"
        );
        let error = explain(&exit(&stderr), Part::Data, &RestoreOptions::default());
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert!(error.what().contains("for table \"t\""), "{error}");
        assert!(error.what().contains("TABLE DATA public t owner"), "{error}");
    }
}

#[test]
fn values_that_post_data_compute_are_not_shown() {
    let shown = |says: &str| {
        let stderr = format!("pg_restore: error: could not execute query: ERROR:  {says}");
        explain(&exit(&stderr), Part::PostData, &RestoreOptions::default()).to_string()
    };
    for says in [
        "invalid input syntax for type integer: \"geheim@example.org\"\nCONTEXT:  SQL function \"f\"\n\
         Command was: REFRESH MATERIALIZED VIEW app.v;",
        "value \"geheim\" is out of range for type integer\nCommand was: CREATE INDEX i ON t (f(a));",
        "could not create unique index \"i\"\nDETAIL:  Key (e)=(geheim) is duplicated.",
    ] {
        let error = shown(says);
        assert!(!error.contains("geheim"), "{error}");
        assert!(error.contains("ERROR:  "), "{error}");
    }
    for says in ["could not create unique index \"i\"", "relation \"app.v\" does not exist"] {
        assert!(shown(says).contains(says), "{says}");
    }
}

#[test]
fn a_statement_says_nothing_about_its_failure() {
    for text in [
        "already exists",
        "Connection refused",
        "terminating connection",
        "FATAL",
        "connection to server",
        "permission denied for schema x",
    ] {
        for stderr in [
            format!("ERROR:  syntax error\nCommand was: CREATE VIEW v AS\n SELECT '{text}';\n"),
            format!("ERROR:  syntax error\nLINE 1: SELECT '{text}'\n        ^\nCommand was: x"),
            format!("ERROR:  syntax error\nQUERY:  SELECT '{text}'\nCONTEXT:  PL/pgSQL"),
            format!("ERROR:  syntax error\nCONTEXT:  SQL statement \"SELECT '{text}'\"\n{text}"),
        ] {
            let stderr = format!("pg_restore: error: could not execute query: {stderr}");
            for part in [Part::PreData, Part::Data, Part::PostData] {
                let error = explain(&exit(&stderr), part, &RestoreOptions::default());
                assert_eq!(error.class(), ErrorClass::Engine, "{stderr}");
                assert!(error.hint().starts_with("See what it says"), "{stderr}: {error}");
                assert!(error.what().ends_with("ERROR:  syntax error"), "{error}");
            }
        }
    }
    // What the server says around it counts.
    let stderr = "pg_restore: error: could not execute query: FATAL:  terminating connection due \
                  to administrator command\nserver closed the connection unexpectedly\nCommand \
                  was: CREATE VIEW v AS SELECT 'already exists';";
    let error = explain(&exit(stderr), Part::PreData, &RestoreOptions::default());
    assert_eq!(error.class(), ErrorClass::Source, "{error}");
}

#[test]
fn no_line_of_a_statement_is_shown() {
    let timeout = format!("pg_restore: error: could not execute query: ERROR:  {TIMEOUT}\n");
    for (stderr, shown) in [
        (
            format!(
                "{timeout}Command was: SET\n x;\npg_restore: dropped by peer\nCommand was: \
                     CREATE USER MAPPING\n password 'geheim'"
            ),
            "pg_restore: dropped by peer",
        ),
        (
            "pg_restore: warning: one\n…\n password 'geheim'\n);".to_owned(),
            "pg_restore: warning: one",
        ),
        ("pg_restore: warning: one\n…\n'geheim'\npg_restore: two".to_owned(), "pg_restore: two"),
    ] {
        let error = explain(&exit(&stderr), Part::PreData, &RestoreOptions::default());
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        assert!(error.what().ends_with(shown), "{error}");
    }
}
