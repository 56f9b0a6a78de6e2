use super::tests::read_as;
use super::*;
use crate::table::choose::Who;
use crate::table::options::{Replica, TableOptions};

fn read(tags: &[(&str, &str)]) -> Result<DumpSpec, Vec<String>> {
    let keys: Vec<_> = tags.iter().map(|(name, _)| format!("autodump:{name}")).collect();
    let values = tags.iter().map(|(_, value)| *value);
    let tags: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
    read_as(Kind::Table, &[&[("autodump:start-schedule", "@daily")], &tags[..]].concat()).unwrap()
}

fn options(tags: &[(&str, &str)]) -> TableOptions {
    match read(tags).unwrap().options {
        Options::Table(options) => options,
        options => panic!("{options:?}"),
    }
}

#[test]
fn a_schedule_alone_makes_a_target_of_a_table() {
    assert_eq!(options(&[]), TableOptions::default());
    let auto = [("method", "auto"), ("segments", "auto"), ("consistency", "eventual")];
    assert_eq!(options(&auto), TableOptions::default());
    assert!(read_as(Kind::Table, &[("autodump:segments", "4")]).is_none());
}

#[test]
fn every_tag_of_a_table_is_read() {
    let spec = read(&[
        ("timezone", "Europe/Berlin"),
        ("format", "native"),
        ("size", "large"),
        ("method", "scan"),
        ("segments", "10000"),
        ("jobs", "40"),
        ("max-read-percent", "25"),
        ("consistency", "strong"),
        ("compression", "gzip:6"),
        ("replicate", "orders-copy"),
        ("verify", "archive"),
        ("verify-schedule", "@weekly"),
        ("restore-target", "yes"),
    ])
    .unwrap();
    assert_eq!((spec.size, spec.verify), (Size::Large, Level::Archive));
    let expected = TableOptions {
        method: Some(Who::Scan),
        segments: Some(10_000),
        jobs: Some(40),
        max_read_percent: Some(25),
        consistent: true,
        compression: Some("gzip:6".parse().unwrap()),
        replica: Some(Replica::Named("orders-copy".to_owned())),
    };
    assert_eq!(spec.options, Options::Table(expected));
}

#[test]
fn every_wrong_tag_of_a_table_says_what_is_allowed() {
    for (name, value, says) in [
        ("method", "copy", "is no method: allowed are auto, scan and export"),
        ("segments", "0", "is no number of segments: allowed are auto, and 1 to 10000"),
        ("max-read-percent", "50%", "is no share of the table's read capacity: allowed are 1 to"),
        ("consistency", "yes", "is not allowed: it is eventual or strong"),
        ("compression", "lz4", "is nothing that ImportTable reads: allowed are none, gzip, "),
        ("replicate", "a/b", "is not allowed: it is yes, no, or the name of another table, which"),
        ("verify", "restore", "is not offered for tables: use checksum or archive"),
        ("verify", "full", "is no level of verification: allowed are none, checksum and archive"),
        ("jobs", "0", "is no number of jobs that read the table: allowed are 1 to 10000"),
        (
            "tables",
            "a",
            "is a tag of secrets and means nothing to tables: the tags of tables are st",
        ),
        (
            "segment",
            "4",
            "is unknown: the tags are start-schedule, timezone, format, size, method,",
        ),
        ("retention", "30d", "is not supported yet: "),
    ] {
        let errors = read(&[(name, value)]).unwrap_err();
        let start = format!("tag autodump:{name} with value {value:?} {says}");
        assert!(errors.len() == 1 && errors[0].starts_with(&start), "{errors:?}");
    }
}

#[test]
fn a_tag_of_tables_means_nothing_to_a_secret() {
    let tags = [("autodump:start-schedule", "@daily"), ("autodump:segments", "4")];
    let errors = read_as(Kind::Secret, &tags).unwrap().unwrap_err();
    assert!(errors[0].contains("is a tag of tables and means nothing to secrets: "), "{errors:?}");
}

#[test]
fn what_an_export_takes_no_notice_of_is_refused_with_it() {
    for (name, value) in [
        ("segments", "4"),
        ("max-read-percent", "50"),
        ("consistency", "strong"),
        ("compression", "zstd"),
    ] {
        let errors = read(&[("method", "export"), (name, value)]).unwrap_err();
        let says = "does nothing with the tag autodump:method = export: ";
        assert!(errors.len() == 1 && errors[0].contains(says), "{errors:?}");
        assert!(read(&[("method", "auto"), (name, value)]).is_ok(), "{name}");
    }
    let export = [("method", "export"), ("segments", "auto"), ("consistency", "eventual")];
    assert_eq!(options(&export).method, Some(Who::Export));
}
