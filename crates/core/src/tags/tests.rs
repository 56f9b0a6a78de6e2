use std::time;

use proptest::prelude::*;

use super::*;
use crate::manifest::MethodKind;
use crate::options::{DumpOptions, ReadPreference};
use crate::pattern::Pattern;

fn read(tags: &[(&str, &str)]) -> Option<Result<DumpSpec, Vec<String>>> {
    read_as(Kind::Secret, tags)
}

pub(super) fn read_as(kind: Kind, tags: &[(&str, &str)]) -> Option<Result<DumpSpec, Vec<String>>> {
    let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(&TagPrefix::default(), kind, &tags)
        .map(|spec| spec.map_err(|errors| errors.iter().map(ToString::to_string).collect()))
}

fn database(spec: DumpSpec) -> DumpOptions {
    match spec.options {
        Options::Dump(options) => options,
        options => panic!("{options:?}"),
    }
}

/// What is wrong with a daily target that bears this tag too.
fn reason(name: &str, value: &str) -> Option<String> {
    let name = format!("autodump:{name}");
    let mut errors =
        read(&[("autodump:start-schedule", "@daily"), (&name, value)]).unwrap().err()?;
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    let start = format!("tag {name} with value {value:?} ");
    Some(error.strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned())
}

#[test]
fn a_schedule_alone_makes_a_target() {
    let spec = read(&[("autodump:start-schedule", " 0 8 - - 1:3:5 "), ("team", "x")]);
    let spec = spec.unwrap().unwrap();
    assert_eq!(spec.schedule.as_str(), "0 8 * * 1,3,5");
    assert_eq!(spec.timezone, Tz::UTC);
    assert_eq!((spec.size.vcpu(), spec.size.memory_mib()), (1, 2048));
    assert_eq!(spec.format, Format::Native);
    assert_eq!(spec.options, Options::Dump(DumpOptions::default()));
    assert_eq!((spec.verify, spec.verify_schedule.is_none()), (Level::None, true));
}

#[test]
fn without_a_schedule_it_is_no_target() {
    assert!(read(&[("autodump:size", "huge"), ("start-schedule", "@daily")]).is_none());
    assert!(read(&[("autodump2:start-schedule", "@daily")]).is_none());
    assert!(read(&[("autodump:restore-target", "yes")]).is_none());
}

#[test]
fn every_option_is_read() {
    let spec = read(&[
        ("autodump:start-schedule", "@daily"),
        ("autodump:compression", "gzip:6"),
        ("autodump:jobs", "8"),
        ("autodump:lock-timeout", "90s"),
        ("autodump:databases", "one"),
        ("autodump:globals", "no"),
        ("autodump:exclude-tables", "App.log_+ orders"),
        ("autodump:schemas", "app"),
        ("autodump:exclude-schemas", "audit_+"),
        ("autodump:exclude-table-data", "app.cache app.sessions"),
        ("autodump:verify", "archive"),
        ("autodump:verify-schedule", "@weekly"),
        ("autodump:restore-target", "yes"),
    ])
    .unwrap()
    .unwrap();
    let options = database(spec.clone());
    assert_eq!(options.compression.unwrap().to_string(), "gzip:6");
    assert_eq!(options.jobs, Some(8));
    assert_eq!(options.lock_timeout, Some(time::Duration::from_secs(90)));
    assert_eq!((options.all_databases, options.globals), (Some(false), Some(false)));
    let selection = &options.selection;
    for (patterns, expected) in [
        (&selection.tables, ""),
        (&selection.exclude_tables, "App.log_* orders"),
        (&selection.schemas, "app"),
        (&selection.exclude_schemas, "audit_*"),
        (&selection.exclude_table_data, "app.cache app.sessions"),
    ] {
        let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(patterns.join(" "), expected);
    }
    assert_eq!(spec.verify, Level::Archive);
    assert_eq!(spec.verify_schedule.unwrap().as_str(), "0 0 * * 0");

    let spec = read(&[
        ("autodump:start-schedule", "@daily"),
        ("autodump:databases", "all"),
        ("autodump:exclude-tables", "+.tmp"),
    ]);
    assert_eq!(database(spec.unwrap().unwrap()).all_databases, Some(true));
    let spec =
        read(&[("autodump:start-schedule", "@daily"), ("autodump:tables", "+.log \t orders")]);
    let tables = database(spec.unwrap().unwrap()).selection.tables;
    assert_eq!(tables.iter().map(ToString::to_string).collect::<Vec<_>>(), ["*.log", "orders"]);
}

#[test]
fn every_option_of_mongodb_is_read() {
    let schedule = ("autodump:start-schedule", "@daily");
    let spec = read(&[
        schedule,
        ("autodump:collections", "Orders.+ \"a b\""),
        ("autodump:exclude-collections", "Orders.tmp"),
        ("autodump:method", "ranges"),
        ("autodump:read-preference", "secondary"),
        ("autodump:oplog", "no"),
    ]);
    let options = database(spec.unwrap().unwrap());
    let shown = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&options.selection.collections), ["Orders.*", "\"a b\""]);
    assert_eq!(shown(&options.selection.exclude_collections), ["Orders.tmp"]);
    assert_eq!(options.method, Some(MethodKind::Ranges));
    assert_eq!(options.read_preference, Some(ReadPreference::Secondary));
    assert_eq!(options.oplog, Some(false));
    // The secret may yet name the engine that has it, and say that it is all databases.
    let spec = read(&[schedule, ("autodump:oplog", "yes")]);
    assert_eq!(database(spec.unwrap().unwrap()).oplog, Some(true));

    let errors = read(&[
        schedule,
        ("autodump:oplog", "yes"),
        ("autodump:method", "ranges"),
        ("autodump:read-preference", "nearest"),
        ("autodump:tables", "orders"),
    ]);
    let errors = errors.unwrap().unwrap_err();
    for (error, says) in errors.iter().zip([
        "tag autodump:method with value \"ranges\" does not go with the tag autodump:oplog = yes: ",
        "tag autodump:read-preference with value \"nearest\" does not go with the tag autodump:oplog",
        "tag autodump:method with value \"ranges\" does not go with the tag autodump:tables: ",
    ]) {
        assert!(error.starts_with(says), "{error}");
    }
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn options_that_do_not_go_together_are_named_with_each_other() {
    let errors = read(&[
        ("autodump:start-schedule", "@daily"),
        ("autodump:databases", "all"),
        ("autodump:tables", " app.orders "),
        ("autodump:exclude-schemas", "audit"),
    ]);
    assert_eq!(
        errors.unwrap().unwrap_err(),
        [
            "tag autodump:tables with value \"app.orders\" does not go with the tag autodump:databases = all: a database in which nothing fits could not be dumped; remove one of them, or name what is left out, by exclude-tables or exclude-schemas",
            "tag autodump:exclude-schemas with value \"audit\" does not go with the tag autodump:tables: tables are chosen whatever their schemas; remove one of them, or name the tables that are left out, by exclude-tables",
        ]
    );
}

#[test]
fn every_wrong_tag_is_named_with_its_value_and_what_is_allowed() {
    let errors = read(&[
        ("autodump:start-schedule", "8 o'clock"),
        ("autodump:timezone", "Europe/Atlantis"),
        ("autodump:size", "huge"),
        ("autodump:format", "csv"),
        ("autodump:retention", "30d"),
        ("autodump:shedule", "x"),
        ("autodump:last-success", "whatever AutoDump wrote"),
        ("autodump:next-run", "whatever AutoDump wrote"),
    ]);
    assert_eq!(
        errors.unwrap().unwrap_err(),
        [
            "tag autodump:start-schedule with value \"8 o'clock\" has 2 fields instead of 5",
            "tag autodump:timezone with value \"Europe/Atlantis\" is no IANA time zone, such as UTC or Europe/Berlin",
            "tag autodump:format with value \"csv\" is no format: only native is supported",
            "tag autodump:size with value \"huge\" is no size: allowed are small, medium, large and xlarge",
            "tag autodump:retention with value \"30d\" is not supported yet: how long backups are kept is set by the construct",
            "tag autodump:shedule with value \"x\" is unknown: the tags are start-schedule, timezone, format, size, compression, jobs, lock-timeout, databases, globals, tables, exclude-tables, schemas, exclude-schemas, exclude-table-data, collections, exclude-collections, method, read-preference, oplog, verify, verify-schedule, restore-target",
        ]
    );
}

#[test]
fn every_option_says_what_is_allowed() {
    for (name, value, says) in [
        ("compression", "bz2", "is no compression: allowed are none, lz4, gzip,"),
        ("jobs", "65", "is no number of connections: allowed are 1 to 64"),
        ("lock-timeout", "25h", "is no time to wait for a lock: allowed are 1s to 24h,"),
        ("databases", "two", "is not allowed: it is one or all"),
        ("globals", "true", "is not allowed: it is yes or no"),
        ("tables", "", "names nothing: give patterns, or remove the tag"),
        ("tables", "a.b.c", "has the pattern \"a.b.c\" with more than one dot"),
        ("exclude-tables", "ok a|b", "has the pattern \"a|b\" with '|'"),
        ("schemas", "app.orders", "has the pattern \"app.orders\", but the name of a schema"),
        ("exclude-schemas", "a.+", "has the pattern \"a.*\", but the name of a schema"),
        ("exclude-table-data", "(x)", "has the pattern \"(x)\" with '('"),
        ("collections", "a|b", "has the pattern \"a|b\" with '|'"),
        ("exclude-collections", "", "names nothing: give patterns, or remove the tag"),
        ("method", "scan", "is no method: allowed are ranges and client"),
        ("read-preference", "any", "is no read preference: allowed are primary, primaryPreferred"),
        ("oplog", "true", "is not allowed: it is yes or no"),
        ("verify", "full", "is no level of verification: allowed are none, checksum,"),
        ("verify-schedule", "@weekly", "does nothing without the tag autodump:verify,"),
        ("restore-target", "no", "is not allowed: it is yes, or the tag is removed"),
    ] {
        let found = reason(name, value).unwrap();
        assert!(found.starts_with(says), "{name}={value}: {found}");
    }
    let wrong = [("verify", "none"), ("verify-schedule", "weekly")];
    let mut tags = vec![("autodump:start-schedule".to_owned(), "@daily".to_owned())];
    tags.extend(wrong.map(|(name, value)| (format!("autodump:{name}"), value.to_owned())));
    let errors = parse(&TagPrefix::default(), Kind::Secret, &tags.into_iter().collect())
        .unwrap()
        .unwrap_err();
    assert_eq!(errors[0].reason, "has 1 fields instead of 5");
}

#[test]
fn a_run_is_verified_when_the_moment_comes_before_the_next() {
    let spec = |schedule: &str, verify_schedule: Option<&str>| {
        let mut tags = vec![
            ("autodump:start-schedule", schedule),
            ("autodump:timezone", "Europe/Berlin"),
            ("autodump:verify", "restore"),
        ];
        tags.extend(verify_schedule.map(|value| ("autodump:verify-schedule", value)));
        read(&tags).unwrap().unwrap()
    };
    // Berlin is two hours ahead of UTC; the 4th of October 2026 is a Sunday.
    for (schedule, verify_schedule, when, verified) in [
        ("0 8 * * *", None, "2026-10-03T06:00:00Z", true),
        // The very moment, and the last before it.
        ("0 8 * * *", Some("0 8 * * 0"), "2026-10-04T06:00:00Z", true),
        ("0 8 * * *", Some("0 8 * * 0"), "2026-10-03T06:00:00Z", false),
        ("0 8 * * *", Some("@weekly"), "2026-10-03T06:00:00Z", true),
        ("0 8 * * *", Some("@weekly"), "2026-10-04T06:00:00Z", false),
        ("0 8 * * *", Some("59 7 * * 0"), "2026-10-03T06:00:00Z", true),
        // More often than dumps are made: each is verified.
        ("@weekly", Some("@hourly"), "2026-10-03T22:00:00Z", true),
        // Many dumps to a moment: only that which the moment falls to.
        ("*/15 * * * *", Some("7 12 * * *"), "2026-10-04T10:00:00Z", true),
        ("*/15 * * * *", Some("7 12 * * *"), "2026-10-04T10:15:00Z", false),
        ("*/15 * * * *", Some("7 12 * * *"), "2026-10-04T09:45:00Z", false),
    ] {
        let level = spec(schedule, verify_schedule).verification_of(when.parse().unwrap());
        assert_eq!(level == Level::Restore, verified, "{schedule} {verify_schedule:?} {when}");
        assert!(verified || level == Level::None);
    }
}

proptest! {
    /// Whatever the schedules: each moment falls to exactly one run.
    #[test]
    fn every_moment_verifies_one_run(
        minutes in (0..60u32, 0..60u32), hours in (0..24u32, 0..24u32), day in 0..7u32,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Nuuk"]),
        from in 1_700_000_000i64..1_800_000_000,
    ) {
        let (start, moment) = (
            format!("{} {} * * *", minutes.0, hours.0),
            format!("{} {} * * {day}", minutes.1, hours.1),
        );
        let spec = read(&[
            ("autodump:start-schedule", &start),
            ("autodump:timezone", zone),
            ("autodump:verify", "checksum"),
            ("autodump:verify-schedule", &moment),
        ]).unwrap().unwrap();
        let next = |schedule: &Schedule, after| schedule.next_after(after, spec.timezone).unwrap();
        let from = DateTime::from_timestamp(from, 0).unwrap();
        let mut at = next(&spec.schedule, from);
        let (first, mut verified) = (at, 0);
        for _ in 0..29 {
            verified += u32::from(spec.verification_of(at) == Level::Checksum);
            at = next(&spec.schedule, at);
        }
        let moments = spec.verify_schedule.as_ref().unwrap();
        let mut moment = next(moments, first - Duration::seconds(1));
        let mut expected = 0;
        while moment < at {
            expected += 1;
            moment = next(moments, moment);
        }
        prop_assert_eq!(verified, expected);
    }

    #[test]
    fn the_parser_never_panics(
        schedule in "\\PC{0,30}",
        other in prop::collection::btree_map("(autodump:)?\\PC{0,20}", "\\PC{0,30}", 0..6),
        known in prop::collection::btree_map(prop::sample::select(&OF_SECRETS[..]), "\\PC{0,30}", 0..6),
        tables in prop::collection::btree_map(prop::sample::select(&OF_TABLES[..]), "\\PC{0,30}", 0..6),
        databases in prop::collection::btree_map(prop::sample::select(&OF_DATABASES[..]), "\\PC{0,30}", 0..6),
    ) {
        let mut tags = other;
        tags.extend(known.into_iter().chain(tables).chain(databases).map(|(name, value)| (format!("autodump:{name}"), value)));
        tags.insert("autodump:start-schedule".to_owned(), schedule);
        for kind in Kind::ALL {
            let _ = parse(&TagPrefix::default(), kind, &tags);
        }
    }
}
