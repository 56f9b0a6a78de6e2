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
        ("pg_restore: error: ERROR:  relation \"t\" already exists", ErrorClass::Engine, "clean"),
        ("pg_restore: error: ERROR:  role \"app\" does not exist", ErrorClass::Engine, "no-owner"),
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
