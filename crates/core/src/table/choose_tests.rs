use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TIB: u64 = 1024 * GIB;

fn wanted() -> Wanted {
    Wanted {
        method: None,
        segments: None,
        jobs: None,
        max_read_percent: None,
        consistent: false,
        compression: "zstd:1".to_owned(),
        vcpu: 1,
        memory_mib: 2048,
        verify: Level::None,
        replica: None,
    }
}

fn scan_of(wanted: &Wanted, facts: &Facts) -> Scan {
    within(None, wanted, facts)
}

fn within(limits: Option<Limits>, wanted: &Wanted, facts: &Facts) -> Scan {
    match method(wanted, facts, limits, "token").unwrap() {
        Method::Scan(scan) => scan,
        Method::Export(export) => panic!("{export:?}"),
    }
}

#[test]
fn a_table_that_can_be_exported_is_unless_a_scan_is_asked_for() {
    let recoverable = Facts { recoverable: true, ..Facts::default() };
    let export = Method::Export(Export { client_token: "token".to_owned() });
    let by = |who| Wanted { method: Some(who), ..wanted() };
    assert_eq!(method(&wanted(), &recoverable, None, "token").unwrap(), export);
    assert_eq!(method(&by(Who::Export), &recoverable, None, "token").unwrap(), export);
    assert_eq!(scan_of(&by(Who::Scan), &recoverable).ranges, 1);
    assert_eq!(scan_of(&wanted(), &Facts::default()).ranges, 1);
    let error = method(&by(Who::Export), &Facts::default(), None, "token").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("point-in-time recovery"), "{error}");
}

#[test]
fn segments_and_ranges_follow_the_size() {
    for (bytes, vcpu, segments, ranges) in [
        (0, 1, 1, 1),
        (ONE_SEGMENT, 1, 1, 1),
        (ONE_SEGMENT + 1, 1, 16, 1),
        (10 * GIB, 1, 80, 1),
        (10 * MIB, 8, 64, 1),
        (RANGE, 1, 1600, 1),
        (RANGE + 1, 1, 1601, 2),
        (TIB, 1, 8192, 6),
        (100 * TIB, 1, 10_000, 512),
        (u64::MAX, 1, 10_000, 10_000),
    ] {
        let facts = Facts { bytes, ..Facts::default() };
        let scan = scan_of(&Wanted { vcpu, ..wanted() }, &facts);
        assert_eq!((scan.segments, scan.ranges), (segments, ranges), "{bytes}");
    }
    let few = Wanted { segments: Some(3), ..wanted() };
    let scan = scan_of(&few, &Facts { bytes: 100 * TIB, ..Facts::default() });
    assert_eq!((scan.segments, scan.ranges), (3, 3));
    for (segments, jobs, bytes, expected) in [
        (None, 40, 10 * MIB, (40, 40)),
        (None, 3, 10 * MIB, (16, 3)),
        (Some(6), 3, 0, (6, 3)),
        (Some(2), 3, 0, (2, 2)),
        (None, 3, 0, (1, 1)),
        (None, 1, 100 * TIB, (10_000, 1)),
    ] {
        let wanted = Wanted { segments, jobs: Some(jobs), ..wanted() };
        let scan = scan_of(&wanted, &Facts { bytes, ..Facts::default() });
        assert_eq!((scan.segments, scan.ranges), expected, "{segments:?} {jobs} {bytes}");
    }
}

#[test]
fn the_rate_is_a_share_of_what_the_table_has() {
    let facts = |provisioned, read_units| Facts { read_units, provisioned, ..Facts::default() };
    for (facts, percent, rate) in [
        (facts(true, Some(400)), None, Some(200.0)),
        (facts(true, Some(400)), Some(10), Some(40.0)),
        (facts(true, Some(1)), Some(1), Some(0.01)),
        (facts(false, Some(12_000)), None, None),
        (facts(false, Some(12_000)), Some(25), Some(3000.0)),
        (facts(false, None), Some(25), None),
    ] {
        let wanted = Wanted { max_read_percent: percent, ..wanted() };
        assert_eq!(scan_of(&wanted, &facts).units_per_second, rate, "{facts:?} {percent:?}");
    }
}

#[test]
fn facts_are_read_from_descriptions() {
    let recoverable = json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}});
    let never_on_demand = json!({"Table": {"ItemCount": 10, "TableSizeBytes": 1000,
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}});
    assert_eq!(
        Facts::of(&never_on_demand, &recoverable),
        Facts { items: 10, bytes: 1000, read_units: Some(5), provisioned: true, recoverable: true }
    );
    let on_demand = |extra: Value| {
        let mut table = json!({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}});
        table.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Facts::of(&json!({"Table": table}), &Value::Null)
    };
    assert_eq!(on_demand(json!({})), Facts::default());
    let warm = json!({"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4000});
    let limit = |units: i64| json!({"MaxReadRequestUnits": units, "MaxWriteRequestUnits": -1});
    for (extra, units) in [
        (json!({"WarmThroughput": warm}), Some(12_000)),
        (json!({"WarmThroughput": warm, "OnDemandThroughput": limit(-1)}), Some(12_000)),
        (json!({"WarmThroughput": warm, "OnDemandThroughput": limit(100)}), Some(100)),
    ] {
        assert_eq!(on_demand(extra.clone()).read_units, units, "{extra}");
    }
}

#[test]
fn as_many_jobs_run_at_once_as_there_are_processors_for() {
    let facts = Facts { bytes: 93_200 * GIB, ..Facts::default() };
    let limits = |vcpus| Some(Limits { vcpus, time: Duration::from_hours(24) });
    for (vcpus, vcpu, jobs, parallel) in [
        (64, 1, None, 64),
        (64, 4, None, 16),
        (3, 8, None, 1),
        (64, 1, Some(2), 2),
        (1000, 1, None, 466),
    ] {
        let wanted = Wanted { jobs, vcpu, ..wanted() };
        let scan = within(limits(vcpus), &wanted, &facts);
        assert_eq!(scan.parallel, Some(parallel), "{vcpus} {vcpu} {jobs:?}");
    }
    assert_eq!(within(None, &wanted(), &facts).parallel, None);
}

proptest! {
    /// What `ImportTable` takes at most, and what two objects may take of the job's memory.
    #[test]
    fn objects_are_neither_too_many_nor_too_large(
        bytes in 0..200 * TIB, vcpu in prop::sample::select(vec![1u32, 2, 4, 8])
    ) {
        let wanted = Wanted { vcpu, memory_mib: vcpu * 2048, ..wanted() };
        let memory = u64::from(wanted.memory_mib) * MIB;
        let scan = scan_of(&wanted, &Facts { bytes, ..Facts::default() });
        let size = scan.object_bytes;
        prop_assert!(size >= OBJECT);
        prop_assert!(size * 2 <= memory / 4);
        // Not compressed at all; each range ends with one that is not full.
        if size * 8 < memory || bytes <= 7 * TIB {
            prop_assert!(bytes / 10 * 14 / size + u64::from(scan.ranges) < 50_000);
        }
    }
}
