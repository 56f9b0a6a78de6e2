use super::*;

const GB: u64 = 1_000_000_000;

fn scan(units_per_second: Option<f64>, ranges: u32, parallel: Option<u32>) -> Scan {
    Scan {
        segments: 1600,
        ranges,
        parallel,
        at_once: 16,
        consistent: false,
        units_per_second,
        compression: "zstd:1".to_owned(),
        object_bytes: 32 << 20,
        item_bytes: 1000,
        items: 200 * GB / 1000,
    }
}

fn limits() -> Limits {
    Limits { vcpus: 64, time: Duration::from_hours(24) }
}

fn told(scan: &Scan) -> (String, String) {
    let forecast = Forecast::of(scan).unwrap();
    (hours(forecast.job), hours(forecast.all))
}

fn pair(job: &str, all: &str) -> (String, String) {
    (job.to_owned(), all.to_owned())
}

#[test]
fn the_time_is_that_of_the_units() {
    // 24.4 million units of 8192 bytes.
    assert_eq!(told(&scan(Some(2.5), 1, None)), pair("2712.7", "2712.7"));
    assert_eq!(told(&scan(Some(2500.0), 1, None)), pair("2.7", "2.7"));
    let consistent = Scan { consistent: true, ..scan(Some(2500.0), 1, None) };
    assert_eq!(told(&consistent), pair("5.4", "5.4"));
    // Whether one job reads alone, or two of them half as fast: it is the same.
    assert_eq!(told(&scan(Some(2500.0), 2, Some(2))), pair("2.7", "2.7"));
    // Those that wait for the others leave them the whole share.
    assert_eq!(told(&scan(Some(2500.0), 4, Some(1))), pair("0.7", "2.7"));
    assert_eq!(told(&scan(Some(2500.0), 3, Some(2))), pair("1.8", "3.6"));
}

#[test]
fn nothing_is_told_where_nothing_is_known() {
    assert_eq!(Forecast::of(&scan(None, 1, None)), None);
    assert_eq!(Forecast::of(&Scan { items: 0, ..scan(Some(2.5), 1, None) }), None);
    limits().check(&scan(None, 1, None), "orders").unwrap();
    let endless = Scan { items: u64::MAX, ..scan(Some(1e-300), 1, None) };
    assert_eq!(Forecast::of(&endless).unwrap().job, Duration::MAX);
}

#[test]
fn a_scan_that_cannot_end_in_time_is_refused_with_what_helps() {
    let error = limits().check(&scan(Some(2.5), 1, Some(1)), "orders").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    for part in ["orders", "2.5 read units", "1 jobs (1 at once)", "2712.7 hours", "a job 24.0"] {
        assert!(error.what().contains(part), "{error}");
    }
    for help in ["max-read-percent", "capacity", "export", "dumpTimeout", "jobs"] {
        assert!(error.hint().contains(help), "{error}");
    }
    // What is advised helps: more jobs than run at once.
    limits().check(&scan(Some(2.5), 116, Some(1)), "orders").unwrap();
    limits().check(&scan(Some(2.5), 116, None), "orders").unwrap_err();
    limits().check(&scan(Some(283.0), 1, None), "orders").unwrap();
}

#[test]
fn more_than_half_of_the_time_is_tight() {
    for (units, tight) in [(283.0, true), (566.0, false), (140_000.0, false)] {
        let forecast = Forecast::of(&scan(Some(units), 1, None)).unwrap();
        assert_eq!(limits().is_tight(&forecast), tight, "{units}");
    }
}
