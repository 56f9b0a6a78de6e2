//! Dates and times, as PostgreSQL and ISO 8601 write them.

use super::Bad;
use super::kind::Unit;

const DAY: i64 = 86_400;
/// The Julian day of 1970-01-01.
const JULIAN_EPOCH: i64 = 2_440_588;

/// Days since 1970-01-01. Years before the first are written as PostgreSQL does, with ` BC`.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let before = day(days, out);
    era(before, out);
}

/// Time since midnight. What is beyond a day or below zero, as in `MySQL`, is written as it is.
pub(super) fn time(value: i64, unit: Unit, utc: bool, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let per_second = unit.per_second().unsigned_abs();
    let value = value.unsigned_abs();
    clock(value / per_second, value % per_second, unit.digits(), out);
    zone(utc, out);
}

/// Time since 1970-01-01 00:00.
pub(super) fn timestamp(value: i64, unit: Unit, utc: bool, out: &mut Vec<u8>) {
    let per_second = unit.per_second();
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    moment(seconds, fraction.unsigned_abs(), unit.digits(), utc, out);
}

/// Nanoseconds of a Julian day. What zone they are of, nobody says.
pub(super) fn julian(nanos: u64, day: u32, out: &mut Vec<u8>) -> Result<(), Bad> {
    let nanos = i64::try_from(nanos).map_err(|_| format!("has {nanos} nanoseconds in a day"))?;
    let seconds = nanos / Unit::Nanos.per_second();
    let fraction = (nanos % Unit::Nanos.per_second()).unsigned_abs();
    let days = i64::from(day) - JULIAN_EPOCH;
    moment(days * DAY + seconds, fraction, Unit::Nanos.digits(), false, out);
    Ok(())
}

/// Months, days and milliseconds, each of 4 bytes.
pub(super) fn interval(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    if bytes.len() != 12 {
        return Err(format!("has {} bytes, not the 12 of an interval", bytes.len()));
    }
    let part =
        |at: usize| bytes[at..at + 4].iter().rev().fold(0u32, |sum, b| sum << 8 | u32::from(*b));
    let (months, days, millis) = (part(0), part(4), part(8));
    let mut text = format!("P{months}M{days}DT{}", millis / 1000).into_bytes();
    fraction(u64::from(millis % 1000), 3, &mut text);
    text.push(b'S');
    out.extend_from_slice(&text);
    Ok(())
}

fn moment(seconds: i64, fraction: u64, digits: usize, utc: bool, out: &mut Vec<u8>) {
    let before = day(seconds.div_euclid(DAY), out);
    out.push(b' ');
    clock(seconds.rem_euclid(DAY).unsigned_abs(), fraction, digits, out);
    zone(utc, out);
    era(before, out);
}

fn zone(utc: bool, out: &mut Vec<u8>) {
    if utc {
        out.extend_from_slice(b"+00");
    }
}

fn era(before: bool, out: &mut Vec<u8>) {
    if before {
        out.extend_from_slice(b" BC");
    }
}

/// Writes year, month and day, and says whether that is before the first year.
fn day(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil(days);
    let before = year <= 0;
    let year = if before { 1 - year } else { year };
    number(year.unsigned_abs(), 4, out);
    out.push(b'-');
    number(month, 2, out);
    out.push(b'-');
    number(day, 2, out);
    before
}

/// Year, month and day of the Gregorian calendar, which is continued backwards. The year before
/// the first is 0.
fn civil(days: i64) -> (i64, u64, u64) {
    const ERA: i64 = 146_097;
    // Years are counted from March, so that the leap day is the last of them; the era of 400 years
    // that 1970 is in began 719,468 days before it.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(ERA);
    let of_era = shifted.rem_euclid(ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

fn clock(seconds: u64, rest: u64, digits: usize, out: &mut Vec<u8>) {
    number(seconds / 3600, 2, out);
    out.push(b':');
    number(seconds / 60 % 60, 2, out);
    out.push(b':');
    number(seconds % 60, 2, out);
    fraction(rest, digits, out);
}

/// A fraction of a second without zeros at its end.
fn fraction(rest: u64, digits: usize, out: &mut Vec<u8>) {
    if rest == 0 {
        return;
    }
    out.push(b'.');
    number(rest, digits, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// A number of at least so many digits.
fn number(value: u64, digits: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    out.resize(out.len() + digits.saturating_sub(text.len()), b'0');
    out.extend_from_slice(text);
}
