use super::tests::read_as;
use super::*;
use crate::snapshot::options::{KEPT, Origin, SnapshotOptions};

fn read(tags: &[(&str, &str)]) -> Result<DumpSpec, Vec<String>> {
    let keys: Vec<_> = tags.iter().map(|(name, _)| format!("autodump:{name}")).collect();
    let values = tags.iter().map(|(_, value)| *value);
    let tags: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
    read_as(Kind::Database, &[&[("autodump:start-schedule", "@daily")], &tags[..]].concat())
        .unwrap()
}

#[test]
fn a_schedule_alone_makes_a_target_of_a_database() {
    let spec = read(&[]).unwrap();
    let expected = SnapshotOptions { origin: Origin::Create, export_only: Vec::new(), keep: KEPT };
    assert_eq!(spec.options, Options::Snapshots(expected));
    assert_eq!((spec.format, spec.verify), (Format::Parquet, Level::None));
    assert!(read_as(Kind::Database, &[("autodump:snapshot", "create")]).is_none());
}

#[test]
fn every_tag_of_a_database_is_read() {
    let spec = read(&[
        ("timezone", "Europe/Berlin"),
        ("format", "parquet"),
        ("snapshot", "automated"),
        ("export-only", "shop shop.public.orders"),
        ("keep-snapshots", "90"),
    ])
    .unwrap();
    let expected = SnapshotOptions {
        origin: Origin::Automated,
        export_only: vec!["shop".to_owned(), "shop.public.orders".to_owned()],
        keep: 90,
    };
    assert_eq!(spec.options, Options::Snapshots(expected));
    assert_eq!(spec.timezone, Tz::Europe__Berlin);
}

#[test]
fn every_wrong_tag_of_a_database_says_what_is_allowed() {
    for (name, value, says) in [
        ("format", "native", "is no format: only parquet is supported"),
        ("snapshot", "manual", "is not allowed: it is create or automated"),
        ("export-only", "a/b", "has \"a/b\", which RDS cannot export by name: allowed are"),
        ("export-only", "", "names nothing: give names, or remove the tag"),
        ("keep-snapshots", "91", "is no number of snapshots: allowed are 1 to 90"),
        (
            "size",
            "small",
            "is a tag of secrets and tables and means nothing to RDS databases: the tags of RDS \
             databases are start-schedule, timezone, format, snapshot, export-only, keep-",
        ),
        ("segments", "4", "is a tag of tables and means nothing to RDS databases: the tags of R"),
        ("tables", "a", "is a tag of secrets and means nothing to RDS databases: the tags of R"),
        ("verify", "archive", "is a tag of secrets and tables and means nothing to RDS databases"),
        ("snapshots", "create", "is unknown: the tags are start-schedule, timezone, format, snap"),
        ("retention", "30d", "is not supported yet: "),
    ] {
        let errors = read(&[(name, value)]).unwrap_err();
        let start = format!("tag autodump:{name} with value {value:?} {says}");
        assert!(errors.len() == 1 && errors[0].starts_with(&start), "{errors:?}");
    }
}

#[test]
fn a_tag_of_databases_means_nothing_to_others() {
    for (kind, noun) in [(Kind::Secret, "secrets"), (Kind::Table, "tables")] {
        for (name, value) in [("keep-snapshots", "7"), ("export-only", "a"), ("snapshot", "create")]
        {
            let name = format!("autodump:{name}");
            let tags = [("autodump:start-schedule", "@daily"), (name.as_str(), value)];
            let errors = read_as(kind, &tags).unwrap().unwrap_err();
            let says = format!("is a tag of RDS databases and means nothing to {noun}: ");
            assert!(errors.len() == 1 && errors[0].contains(&says), "{errors:?}");
        }
    }
}

/// A database that was restored from a snapshot bears the snapshot's tags.
#[test]
fn what_autodump_wrote_on_a_snapshot_configures_nothing() {
    let inherited = [("made-for", "arn:aws:rds:eu-central-1:1:db:orders"), ("made-in", "rds/x/")];
    assert_eq!(read(&inherited).unwrap().options, read(&[]).unwrap().options);
}
