use super::*;
use crate::engine::postgres::toc::Version;
use crate::engine::postgres::toc::samples::{self, bytes};

/// Where nothing is known of the circumstances, but the table of contents.
fn plain(toc: &Toc) -> Circumstances<'_> {
    Circumstances { toc, substitute: None, dumped: Some(17), restored: Some(17) }
}

fn toc(entries: &[(&str, &str, Section)]) -> Toc {
    let entry = |&(desc, name, section): &(&str, &str, Section)| Entry {
        namespace: bytes((desc != "SCHEMA").then_some("app")),
        ..samples::entry(1, desc, name, section)
    };
    samples::toc(Version::V1_15, entries.iter().map(entry).collect())
}

/// The error that a failure is, and `None` for damage.
fn unknown(circumstances: &Circumstances<'_>, class: ErrorClass, what: &str) -> Option<Error> {
    match circumstances.meaning(Error::new(class, what, "")) {
        Meaning::OfTheBackup(_) => None,
        Meaning::Unknown(error) => Some(error),
    }
}

#[test]
fn what_the_server_lacks_is_told_from_what_is_wrong_with_the_backup() {
    for says in [
        "ERROR:  extension \"postgis\" is not available",
        "could not extend file \"base/5/1\": No space left on device",
        "role \"alice\" does not exist",
        "language \"plperl\" does not exist",
        "collation \"de_DE.utf8\" for encoding \"UTF8\" does not exist",
        "could not create locale \"xx_XX.utf8\": No such file or directory",
        "could not open collator for locale \"xx\": U_ILLEGAL_ARGUMENT_ERROR",
        "could not open dictionary file \"/usr/share/tsearch_data/de.dict\": No such file",
        "could not open stop-word file \"/usr/share/tsearch_data/de.stop\": No such file",
        "ICU is not supported in this build",
        "pg_cron must be loaded via shared_preload_libraries",
        "only superuser can define a leakproof function",
        "invalid input syntax for type money: \"1.000,00 €\"",
        "pg_restore was killed by signal 9 and wrote no error",
        "could not execute query: ERROR:  deadlock detected (INDEX ATTACH app t_pkey alice)",
        "permission denied for table t (TABLE app t alice)",
    ] {
        assert!(is_of_the_server(says), "{says}");
    }
    for says in [
        "could not create unique index \"t_pkey\"",
        "relation \"app.t\" does not exist",
        "relation \"superuser_log\" does not exist",
        "relation \"app.role\" does not exist",
        "relation \"deadlock detected\" does not exist",
        "ERROR:  division by zero (MATERIALIZED VIEW DATA app superuser_log alice)",
        "invalid input syntax for type integer: \"x\"",
    ] {
        assert!(!is_of_the_server(says), "{says}");
    }
}

#[test]
fn in_another_locale_no_failure_says_anything_about_the_backup() {
    let toc = toc(&[]);
    let here = plain(&toc);
    let elsewhere = Circumstances { substitute: Some("C"), ..plain(&toc) };
    let what = "could not create unique index \"t_pkey\"";
    for class in [ErrorClass::Engine, ErrorClass::Verification] {
        let error = unknown(&elsewhere, class, what).unwrap();
        assert_eq!(error.class(), ErrorClass::Engine);
        assert!(error.what().contains("locale C,"), "{error}");
        assert!(unknown(&here, class, what).is_none(), "{class}");
    }
    let lost = unknown(&elsewhere, ErrorClass::Source, "it went away").unwrap();
    assert_eq!(lost.class(), ErrorClass::Source);
}

#[test]
fn in_another_version_a_server_may_refuse_what_is_good() {
    let toc = toc(&[]);
    let other = Circumstances { dumped: Some(13), restored: Some(14), ..plain(&toc) };
    let what = "could not create unique index \"t_pkey\"";
    let error = unknown(&other, ErrorClass::Engine, what).unwrap();
    assert!(error.what().contains("into PostgreSQL 14, and 13 was dumped: could"), "{error}");
    assert!(unknown(&other, ErrorClass::Verification, what).is_none());
}

#[test]
fn what_the_backup_does_not_make_is_not_damaged() {
    let toc = toc(&[
        ("SCHEMA", "app", Section::PreData),
        ("TABLE", "orders", Section::PreData),
        ("TABLE DATA", "spatial", Section::Data),
        ("FUNCTION", "f(integer)", Section::PreData),
        ("OPERATOR", "===", Section::PreData),
        ("TYPE", "mood", Section::PreData),
    ]);
    for (says, kind, name, is_made) in [
        ("relation \"app.customers\" does not exist (FK ..)", "relation", "app.customers", false),
        ("relation \"app.spatial\" does not exist", "relation", "app.spatial", false),
        ("relation \"other.orders\" does not exist", "relation", "other.orders", false),
        ("relation \"app.orders\" does not exist", "relation", "app.orders", true),
        ("column \"x\" of relation \"orders\" does not exist", "relation", "orders", true),
        ("schema \"orders\" does not exist", "schema", "orders", false),
        ("schema \"app\" does not exist", "schema", "app", true),
        ("type \"app.mood[]\" does not exist", "type", "app.mood", true),
        ("type \"public.citext\" does not exist", "type", "public.citext", false),
        ("function app.f(unknown) does not exist", "function", "app.f", true),
        ("function app.audit() does not exist", "function", "app.audit", false),
        ("operator does not exist: integer app.=== integer", "operator", "app.===", true),
        ("operator does not exist: app.a[] app.~~ app.b", "operator", "app.~~", false),
        ("server \"far\" does not exist", "server", "far", false),
    ] {
        assert_eq!(Missing::of(says), Some(Missing { kind, name }), "{says}");
        let error = unknown(&plain(&toc), ErrorClass::Engine, says);
        assert_eq!(error.is_none(), is_made, "{says}");
        if let Some(error) = error {
            assert!(error.what().contains(&format!("refers to {kind} {name}, which")), "{error}");
        }
    }
    for says in ["column \"x\" does not exist", "division by zero", "type \"x\" is not defined"] {
        assert_eq!(Missing::of(says), None, "{says}");
        assert!(unknown(&plain(&toc), ErrorClass::Engine, says).is_none());
    }
}
