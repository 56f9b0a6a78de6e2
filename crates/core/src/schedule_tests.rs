use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn starts(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(cron).unwrap();
    let zone: Tz = zone.parse().unwrap();
    let mut at = utc(after);
    (0..count)
        .map(|_| {
            at = schedule.next_after(at, zone).unwrap();
            at.with_timezone(&zone).format("%m-%d %H:%M%z").to_string()
        })
        .collect()
}

#[test]
fn aliases_are_those_of_the_tags() {
    for (tag, cron) in [
        ("0 8 - - 1:3:5", "0 8 * * 1,3,5"),
        ("0 8 - - 1-5", "0 8 * * 1-5"),
        ("  30   6 * * * ", "30 6 * * *"),
        ("- - - - -", "* * * * *"),
        ("-/15 - - - mon-fri", "*/15 * * * mon-fri"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
    ] {
        assert_eq!(Schedule::parse(tag).unwrap().as_str(), cron, "{tag}");
    }
}

#[test]
fn what_is_no_schedule_says_why() {
    for (text, reason) in [
        ("", "has 0 fields instead of 5"),
        ("0 8 * *", "has 4 fields instead of 5"),
        ("0 0 8 * * *", "has 6 fields instead of 5"),
        ("0 8 L * *", "has \"L\" where"),
        ("0 8 * * 1#2", "has \"1#2\" where"),
        ("0 8 ? * *", "has \"?\" where"),
        ("61 8 * * *", "is no cron expression"),
        ("0 24 * * *", "is no cron expression"),
        ("@yearly", "is none of @hourly"),
        ("0 0 31 2 *", "never comes"),
    ] {
        let error = Schedule::parse(text).unwrap_err();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn next_is_strictly_after_now_and_nothing_near_is_skipped() {
    let every_minute = Schedule::parse("* * * * *").unwrap();
    let next = |at| every_minute.next_after(utc(at), Tz::UTC).unwrap();
    assert_eq!(next("2026-11-21T08:00:00Z"), utc("2026-11-21T08:01:00Z"));
    assert_eq!(next("2026-11-21T08:00:59.999Z"), utc("2026-11-21T08:01:00Z"));
    let daily = Schedule::parse("0 8 * * *").unwrap();
    let next = |at| daily.next_after(utc(at), Tz::UTC).unwrap();
    assert_eq!(next("2026-11-21T07:59:59.999Z"), utc("2026-11-21T08:00:00Z"));
    assert_eq!(next("2026-11-21T08:00:00Z"), utc("2026-11-22T08:00:00Z"));
}

#[test]
fn a_fixed_time_in_the_skipped_hour_runs_once_just_after() {
    let berlin = |cron| starts(cron, "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
    assert_eq!(berlin("30 2 * * *"), ["03-29 03:00+0200", "03-30 02:30+0200"]);
    assert_eq!(berlin("0,30 2 * * *"), ["03-29 03:00+0200", "03-30 02:00+0200"]);
    let cairo = starts("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 2);
    assert_eq!(cairo, ["04-24 01:00+0300", "04-25 00:00+0300"]);
}

#[test]
fn a_gap_that_ends_on_the_next_day_is_run_before() {
    let nuuk = starts("30 23 * * *", "America/Nuuk", "2026-03-28T12:00:00Z", 2);
    assert_eq!(nuuk, ["03-28 22:59-0200", "03-29 23:30-0100"]);
}

#[test]
fn a_fixed_time_in_the_repeated_hour_runs_at_its_first_pass_only() {
    let berlin = |cron| starts(cron, "Europe/Berlin", "2026-10-24T18:00:00Z", 2);
    assert_eq!(berlin("30 2 * * *"), ["10-25 02:30+0200", "10-26 02:30+0100"]);
    // Vixie cron counts a list as fixed; croner's own rule would run it twice.
    assert_eq!(berlin("30 2,14 * * *"), ["10-25 02:30+0200", "10-25 14:30+0100"]);
}

#[test]
fn a_wildcard_hour_keeps_its_real_spacing() {
    let berlin = |cron, after, n| starts(cron, "Europe/Berlin", after, n);
    assert_eq!(
        berlin("0 * * * *", "2026-10-24T23:30:00Z", 4),
        ["10-25 02:00+0200", "10-25 02:00+0100", "10-25 03:00+0100", "10-25 04:00+0100"]
    );
    assert_eq!(
        berlin("0 * * * *", "2026-03-28T23:30:00Z", 3),
        ["03-29 01:00+0100", "03-29 03:00+0200", "03-29 04:00+0200"]
    );
    assert_eq!(
        starts("*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:15:00Z", 3),
        ["04-05 01:30+1100", "04-05 01:30+1030", "04-05 02:00+1030"]
    );
}

#[test]
fn a_day_that_the_zone_leaves_out_has_no_run() {
    let apia = starts("30 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 2);
    assert_eq!(apia, ["12-29 12:30-1000", "12-31 12:30+1400"]);
}

/// Every zone, 2020 to 2029: each local day has exactly one run, unless the zone has no
/// such day. Times around midnight and in the usual hours of the change are walked for all.
#[test]
fn a_daily_schedule_runs_once_in_every_local_day_of_every_zone() {
    for (minute, hour) in [(0, 0), (30, 0), (0, 1), (30, 2), (15, 3), (30, 23)] {
        for zone in TZ_VARIANTS {
            assert_once_a_day(minute, hour, zone, 2020, 10);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_daily_schedule_runs_once_a_day(
        minute in 0..60u32, hour in 0..24u32, zone in 0..TZ_VARIANTS.len(), year in 2000..2030i32,
    ) {
        assert_once_a_day(minute, hour, TZ_VARIANTS[zone], year, 10);
    }

    #[test]
    fn spaced_schedules_never_stand_still_nor_leave_an_hour_out(
        zone in 0..TZ_VARIANTS.len(), at in 1_577_836_800i64..1_893_456_000, minute in 0..60u32,
    ) {
        let schedule = Schedule::parse(&format!("{minute} * * * *")).unwrap();
        let after = DateTime::from_timestamp(at, 0).unwrap();
        let next = schedule.next_after(after, TZ_VARIANTS[zone]).unwrap();
        prop_assert!(next > after);
        prop_assert_eq!(next.with_timezone(&TZ_VARIANTS[zone]).minute(), minute);
        // Lord Howe's half hour is the largest extra.
        prop_assert!(next - after <= Duration::minutes(90));
    }

    #[test]
    fn the_parser_never_panics(text in "\\PC{0,40}") {
        let _ = Schedule::parse(&text);
    }

    #[test]
    fn whatever_looks_like_cron_is_answered(text in "[-*,/:0-9A-Za-z@# ]{0,24}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            let now = utc("2026-11-21T00:00:00Z");
            prop_assert!(schedule.next_after(now, Tz::Europe__Berlin).is_none_or(|next| next > now));
        }
    }
}

fn assert_once_a_day(minute: u32, hour: u32, zone: Tz, first_year: i32, years: i32) {
    let schedule = Schedule::parse(&format!("{minute} {hour} * * *")).unwrap();
    let first = NaiveDate::from_ymd_opt(first_year, 1, 2).unwrap();
    let last = NaiveDate::from_ymd_opt(first_year + years, 1, 1).unwrap();
    let mut runs: BTreeMap<NaiveDate, u32> = BTreeMap::new();
    let mut at = first.and_hms_opt(0, 0, 0).unwrap().and_utc() - Duration::days(2);
    loop {
        at = schedule.next_after(at, zone).unwrap();
        let day = at.with_timezone(&zone).date_naive();
        if day > last {
            break;
        }
        *runs.entry(day).or_default() += 1;
    }
    for day in first.iter_days().take_while(|day| *day < last) {
        let expected = u32::from(exists(day, zone));
        let ran = runs.get(&day).copied().unwrap_or(0);
        assert_eq!(ran, expected, "{zone} {day} {hour:02}:{minute:02}, weekday {}", day.weekday());
    }
}

/// Whether the zone has any minute of that day.
fn exists(day: NaiveDate, zone: Tz) -> bool {
    [0, 6, 12, 18].into_iter().any(|hour| {
        let time = day.and_hms_opt(hour, 0, 0).unwrap();
        !matches!(zone.from_local_datetime(&time), LocalResult::None)
    })
}
