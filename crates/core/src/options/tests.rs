use std::time::Duration;

use super::*;
use crate::error::ErrorClass;
use crate::secret::EngineName;

#[test]
fn values_are_read_and_others_are_not() {
    assert_eq!((jobs("1"), jobs("64")), (Ok(1), Ok(64)));
    for value in ["", "0", "65", "65537", "+8", "8.0", "many"] {
        assert!(jobs(value).is_err(), "{value}");
    }
    for (value, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("24h", 86400)] {
        assert_eq!(lock_timeout(value), Ok(Duration::from_secs(seconds)), "{value}");
    }
    for value in ["", "s", "15", "0s", "25h", "86401s", "+1s", "1.5h", "1d", "1 s", "1é"] {
        assert!(lock_timeout(value).is_err(), "{value}");
    }
    assert!(lock_timeout("18446744073709551615h").is_err());
    assert_eq!((databases("one"), databases("all")), (Ok(false), Ok(true)));
    assert_eq!((yes_or_no("no"), yes_or_no("yes")), (Ok(false), Ok(true)));
    assert!(databases("ALL").is_err() && yes_or_no("true").is_err());
}

#[test]
fn what_was_given_wins_also_where_it_says_no() {
    let tables = |name: &str| vec![Pattern::table(name).unwrap()];
    let tags = DumpOptions {
        globals: Some(false),
        jobs: Some(2),
        oplog: Some(false),
        selection: Selection { tables: tables("a"), ..Selection::default() },
        ..DumpOptions::default()
    };
    let secret = DumpOptions {
        compression: Some("gzip:9".parse().unwrap()),
        jobs: Some(8),
        lock_timeout: Some(Duration::from_secs(1)),
        all_databases: Some(true),
        globals: Some(true),
        method: Some(MethodKind::Client),
        read_preference: Some(ReadPreference::Primary),
        oplog: Some(true),
        selection: Selection {
            tables: tables("b"),
            schemas: tables("c"),
            collections: tables("d"),
            exclude_collections: tables("e"),
            ..Selection::default()
        },
    };
    let expected = DumpOptions {
        globals: Some(false),
        jobs: Some(2),
        oplog: Some(false),
        selection: Selection { tables: tables("a"), ..secret.selection.clone() },
        ..secret.clone()
    };
    assert_eq!(tags.clone().or(secret.clone()), expected);
    assert_eq!(DumpOptions::default().or(secret.clone()), secret);
    assert_eq!(tags.clone().or(DumpOptions::default()), tags);
}

#[test]
fn what_does_not_go_together_is_named_with_what_to_do() {
    let some = || vec![Pattern::table("a").unwrap()];
    let options = |all: bool, selection: Selection| DumpOptions {
        all_databases: Some(all),
        selection,
        ..DumpOptions::default()
    };
    let none = Selection::default;
    let tables = || Selection { tables: some(), ..none() };
    let schemas = || Selection { schemas: some(), ..none() };
    let excludes = Selection {
        exclude_tables: some(),
        exclude_schemas: some(),
        exclude_table_data: some(),
        ..none()
    };
    for good in [
        options(true, none()),
        options(true, excludes.clone()),
        options(false, Selection { schemas: some(), ..excludes.clone() }),
        options(false, Selection { exclude_schemas: Vec::new(), tables: some(), ..excludes }),
    ] {
        assert_eq!(good.clone().checked_for(EngineName::Postgres).unwrap(), good);
    }
    for (bad, says) in [
        (options(true, tables()), "the option tables does not go with databases = all: "),
        (options(true, schemas()), "the option schemas does not go with databases = all: "),
        (
            options(false, Selection { schemas: some(), ..tables() }),
            "the option schemas does not go with tables: ",
        ),
        (
            options(false, Selection { exclude_schemas: some(), ..tables() }),
            "the option exclude-schemas does not go with tables: ",
        ),
    ] {
        let error = bad.checked_for(EngineName::Postgres).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().starts_with(says), "{error}");
        assert!(error.hint().contains("exclude-tables"), "{error}");
    }
    // One that a tag gives, and one that the secret does.
    let of_both = |tags: DumpOptions, secret| tags.or(secret).checked_for(EngineName::Postgres);
    assert!(of_both(options(false, none()), options(true, tables())).is_ok());
    assert!(of_both(options(true, none()), options(false, schemas())).is_err());
}

/// One option of each kind that one engine alone has.
fn of_one_engine() -> Vec<(&'static str, EngineName, DumpOptions)> {
    use EngineName::{Mongodb, Postgres};
    let some = || vec![Pattern::collection("a").unwrap()];
    let none = DumpOptions::default;
    let selecting = |selection| DumpOptions { selection, ..none() };
    let empty = Selection::default;
    vec![
        ("lock-timeout", Postgres, DumpOptions { lock_timeout: Some(Duration::MAX), ..none() }),
        ("tables", Postgres, selecting(Selection { tables: some(), ..empty() })),
        ("exclude-tables", Postgres, selecting(Selection { exclude_tables: some(), ..empty() })),
        ("schemas", Postgres, selecting(Selection { schemas: some(), ..empty() })),
        ("exclude-schemas", Postgres, selecting(Selection { exclude_schemas: some(), ..empty() })),
        (
            "exclude-table-data",
            Postgres,
            selecting(Selection { exclude_table_data: some(), ..empty() }),
        ),
        ("collections", Mongodb, selecting(Selection { collections: some(), ..empty() })),
        (
            "exclude-collections",
            Mongodb,
            selecting(Selection { exclude_collections: some(), ..empty() }),
        ),
        ("method", Mongodb, DumpOptions { method: Some(MethodKind::Client), ..none() }),
        (
            "read-preference",
            Mongodb,
            DumpOptions { read_preference: Some(ReadPreference::Nearest), ..none() },
        ),
        ("oplog", Mongodb, DumpOptions { oplog: Some(false), ..none() }),
    ]
}

#[test]
fn an_option_of_another_engine_is_named_with_the_engine() {
    for (name, engine, options) in of_one_engine() {
        assert_eq!(options.clone().checked_for(engine).unwrap(), options);
        for other in EngineName::ALL.into_iter().filter(|other| *other != engine) {
            let error = options.clone().checked_for(other).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            let says = format!("the option {name} means nothing to the engine {}", other.as_str());
            assert_eq!(error.what(), says);
        }
        // Whatever the engine, no two of different ones go together.
        assert_eq!(options.conflicts().count(), 0, "{name}");
        for (other_name, other, others) in of_one_engine() {
            let conflicts = options.clone().or(others).conflicts().any(|conflict| {
                [conflict.option, conflict.with].contains(&name)
                    && [conflict.option, conflict.with].contains(&other_name)
            });
            assert!(conflicts || other == engine, "{name} {other_name}");
        }
    }
}

#[test]
fn mongodb_has_two_compressions() {
    for (compression, is_one) in
        [("none", true), ("gzip", true), ("gzip:9", true), ("zstd:3", false), ("lz4", false)]
    {
        let options =
            DumpOptions { compression: Some(compression.parse().unwrap()), ..Default::default() };
        assert!(options.clone().checked_for(EngineName::Postgres).is_ok());
        let found = options.checked_for(EngineName::Mongodb);
        assert_eq!(found.is_ok(), is_one, "{compression}");
        if let Err(error) = found {
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(compression), "{error}");
            assert!(error.hint().starts_with("mongorestore reads gzip or none"), "{error}");
        }
    }
}

#[test]
fn what_does_not_go_together_for_mongodb_is_named() {
    let some = || vec![Pattern::collection("a").unwrap()];
    let only = || Selection { collections: some(), ..Selection::default() };
    let except = || Selection { exclude_collections: some(), ..Selection::default() };
    let options = |all, oplog, method, selection| DumpOptions {
        all_databases: all,
        oplog,
        method,
        selection,
        ..DumpOptions::default()
    };
    let (yes, no) = (Some(true), Some(false));
    let (ranges, client) = (Some(MethodKind::Ranges), Some(MethodKind::Client));
    let none = Selection::default;
    let of_oplog = || options(yes, yes, None, none());
    for good in [
        DumpOptions { read_preference: Some(ReadPreference::Primary), ..of_oplog() },
        options(yes, yes, client, none()),
        options(yes, yes, None, none()),
        options(yes, no, ranges, except()),
        options(None, no, ranges, Selection { collections: some(), ..except() }),
        options(no, None, client, only()),
    ] {
        assert_eq!(good.clone().checked_for(EngineName::Mongodb).unwrap(), good);
        assert_eq!(good.conflicts().count(), 0);
    }
    for (bad, says) in [
        (options(yes, None, None, only()), "collections does not go with databases = all: "),
        (options(None, yes, None, only()), "collections does not go with oplog = yes: "),
        (options(yes, yes, None, except()), "exclude-collections does not go with oplog = yes: "),
        (options(yes, yes, ranges, none()), "method does not go with oplog = yes: "),
        (options(no, yes, None, none()), "oplog does not go with databases = one: "),
        (
            DumpOptions { read_preference: Some(ReadPreference::Nearest), ..of_oplog() },
            "read-preference does not go with oplog = yes: ",
        ),
    ] {
        assert_eq!(bad.conflicts().count(), 1, "{says}");
        let error = bad.checked_for(EngineName::Mongodb).unwrap_err();
        assert!(error.what().starts_with(&format!("the option {says}")), "{error}");
    }
    // The secret may yet say that it is all of them.
    let oplog = options(None, yes, None, none());
    assert_eq!(oplog.conflicts().count(), 0);
    assert!(
        oplog.clone().or(options(yes, None, None, none())).checked_for(EngineName::Mongodb).is_ok()
    );
    let error = oplog.checked_for(EngineName::Mongodb).unwrap_err();
    assert!(error.what().starts_with("the option oplog does not go with one database"), "{error}");
    assert!(error.hint().contains("databases = all"), "{error}");
}

#[test]
fn users_of_one_database_are_not_read_by_ranges() {
    let options = |all| DumpOptions {
        all_databases: all,
        globals: Some(true),
        method: Some(MethodKind::Ranges),
        ..DumpOptions::default()
    };
    assert!(options(Some(true)).checked_for(EngineName::Mongodb).is_ok());
    assert_eq!([options(None), options(Some(false))].map(|o| o.conflicts().count()), [0, 1]);
    for all in [None, Some(false)] {
        let error = options(all).checked_for(EngineName::Mongodb).unwrap_err();
        let says = "the option method does not go with globals = yes: ";
        assert!(error.what().starts_with(says), "{error}");
    }
}
