use proptest::prelude::*;

use super::*;

fn text(kind: Kind, cell: Cell<'_>) -> String {
    let mut out = b"~".to_vec();
    write(kind, cell, Binary::Hex, &mut out).unwrap();
    String::from_utf8(out).unwrap().split_off(1)
}

fn refused(kind: Kind, cell: Cell<'_>) -> String {
    write(kind, cell, Binary::Hex, &mut Vec::new()).unwrap_err()
}

#[test]
fn numbers_are_whole() {
    assert_eq!(text(Kind::Bool, Cell::Bool(true)), "true");
    assert_eq!(text(Kind::Bool, Cell::Bool(false)), "false");
    assert_eq!(text(Kind::Int, Cell::Int32(i32::MIN)), "-2147483648");
    assert_eq!(text(Kind::Int, Cell::Int64(i64::MIN)), "-9223372036854775808");
    assert_eq!(text(Kind::Unsigned, Cell::Int32(-1)), "4294967295");
    assert_eq!(text(Kind::Unsigned, Cell::Int64(-1)), "18446744073709551615");
}

#[test]
fn floats_are_what_postgresql_takes() {
    let double = |value| text(Kind::Float, Cell::Double(value));
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (f64::MAX, "1.7976931348623157e308"),
        (5e-324, "5e-324"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(double(value), expected);
    }
    assert_eq!(text(Kind::Float, Cell::Float(0.1)), "0.1");
    assert_eq!(text(Kind::Float, Cell::Float(f32::MAX)), "3.4028235e38");
    assert_eq!(text(Kind::Float, Cell::Bytes(&[0, 0x3c])), "1");
    assert_eq!(text(Kind::Float, Cell::Bytes(&[0, 0xfc])), "-Infinity");
    assert_eq!(refused(Kind::Float, Cell::Bytes(&[0])), "has 1 bytes, not 2");
}

#[test]
fn decimals_are_exact_to_the_last_digit() {
    fn decimal(scale: u32, cell: Cell<'_>) -> String {
        text(Kind::Decimal { scale }, cell)
    }
    for (value, scale, expected) in [
        (0, 0, "0"),
        (0, 3, "0.000"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (12_345, 2, "123.45"),
        (-12_345, 5, "-0.12345"),
        (7, 0, "7"),
    ] {
        assert_eq!(decimal(scale, Cell::Int64(value)), expected);
        assert_eq!(decimal(scale, Cell::Bytes(&value.to_be_bytes())), expected);
    }
    assert_eq!(decimal(1, Cell::Int32(-15)), "-1.5");
    let most = 10i128.pow(38) - 1;
    assert_eq!(decimal(0, Cell::Bytes(&most.to_be_bytes())), "9".repeat(38));
    let least = decimal(37, Cell::Bytes(&(-most).to_be_bytes()));
    assert_eq!(least, format!("-9.{}", "9".repeat(37)));
    assert_eq!(decimal(2, Cell::Bytes(&[0xff])), "-0.01");
    // 2^136, and -2^135: 17 bytes.
    let mut wide = [0; 18];
    wide[0] = 1;
    let power = "87112285931760246646623899502532662132736";
    assert_eq!(decimal(0, Cell::Bytes(&wide)), power);
    let mut least = [0; 17];
    least[0] = 0x80;
    assert_eq!(decimal(40, Cell::Bytes(&least)), "-4.3556142965880123323311949751266331066368");
    let kind = Kind::Decimal { scale: 2 };
    assert!(refused(kind, Cell::Bytes(b"")).contains("no bytes"));
    assert!(refused(kind, Cell::Bytes(&[1; 5000])).contains("5000 bytes"));
}

#[test]
fn dates_reach_as_far_as_their_bits() {
    let date = |days| text(Kind::Date, Cell::Int32(days));
    for (days, expected) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (11_016, "2000-02-29"),
        (19_782, "2024-02-29"),
        (-25_508, "1900-03-01"),
        (2_932_896, "9999-12-31"),
        (2_932_897, "10000-01-01"),
        (-719_162, "0001-01-01"),
        (-719_163, "0001-12-31 BC"),
        (i32::MAX, "5881580-07-11"),
        (i32::MIN, "5877642-06-23 BC"),
    ] {
        assert_eq!(date(days), expected);
    }
}

#[test]
fn times_keep_their_fraction_and_their_zone() {
    let time = |value, unit, utc| text(Kind::Time { unit, utc }, Cell::Int64(value));
    assert_eq!(time(0, Unit::Micros, false), "00:00:00");
    assert_eq!(time(86_399_999_999, Unit::Micros, true), "23:59:59.999999+00");
    assert_eq!(time(1, Unit::Nanos, false), "00:00:00.000000001");
    assert_eq!(time(-3_020_399_000_000, Unit::Micros, false), "-838:59:59");
    let millis = Kind::Time { unit: Unit::Millis, utc: false };
    assert_eq!(text(millis, Cell::Int32(45_296_500)), "12:34:56.5");
    let stamp = |value, unit, utc| text(Kind::Timestamp { unit, utc }, Cell::Int64(value));
    assert_eq!(stamp(0, Unit::Millis, true), "1970-01-01 00:00:00+00");
    assert_eq!(stamp(-1, Unit::Micros, false), "1969-12-31 23:59:59.999999");
    assert_eq!(stamp(1_709_210_096_123, Unit::Millis, true), "2024-02-29 12:34:56.123+00");
    assert_eq!(stamp(i64::MIN, Unit::Nanos, false), "1677-09-21 00:12:43.145224192");
    assert_eq!(stamp(i64::MIN, Unit::Micros, true), "290309-12-21 19:59:05.224192+00 BC");
    assert_eq!(stamp(i64::MAX, Unit::Millis, true), "292278994-08-17 07:12:55.807+00");
    let legacy = Kind::Timestamp { unit: Unit::Nanos, utc: false };
    let noon = Cell::Int96(43_200_000_000_001, 2_440_588);
    assert_eq!(text(legacy, noon), "1970-01-01 12:00:00.000000001");
    assert!(refused(legacy, Cell::Int96(u64::MAX, 0)).contains("nanoseconds"));
}

#[test]
fn other_types_are_what_postgresql_takes() {
    let mut interval = [0; 12];
    (interval[0], interval[4], interval[8], interval[9]) = (14, 3, 0xdc, 5);
    assert_eq!(text(Kind::Interval, Cell::Bytes(&interval)), "P14M3DT1.5S");
    let id: Vec<u8> = (0..16).collect();
    assert_eq!(text(Kind::Uuid, Cell::Bytes(&id)), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    assert_eq!(text(Kind::Binary, Cell::Bytes(b"\0\xffa")), "\\x00ff61");
    assert_eq!(text(Kind::Binary, Cell::Bytes(b"")), "\\x");
    let mut out = Vec::new();
    write(Kind::Binary, Cell::Bytes(&[0, 255, b'a', 1]), Binary::Base64, &mut out).unwrap();
    assert_eq!(out, b"AP9hAQ==");
    assert_eq!(text(Kind::Text, Cell::Bytes("\u{e4}\0".as_bytes())), "\u{e4}\0");
    assert_eq!(refused(Kind::Text, Cell::Bytes(b"ab\xff")), "is no UTF-8 from byte 2 on");
    assert_eq!(refused(Kind::Uuid, Cell::Bytes(b"ab")), "has 2 bytes, not the 16 of a UUID");
    assert_eq!(refused(Kind::Date, Cell::Bool(true)), "is not of type date");
}

proptest! {
    #[test]
    fn numbers_are_read_as_what_was_written(bits in any::<u64>(), single in any::<u32>()) {
        let value = f64::from_bits(bits);
        let read: f64 = text(Kind::Float, Cell::Double(value)).parse().unwrap();
        prop_assert!(read.to_bits() == bits || (value.is_nan() && read.is_nan()));
        let value = f32::from_bits(single);
        let read: f32 = text(Kind::Float, Cell::Float(value)).parse().unwrap();
        prop_assert!(read.to_bits() == single || (value.is_nan() && read.is_nan()));
    }

    #[test]
    fn decimals_of_any_width_are_one_number(value in any::<i128>(), extra in 0usize..40, scale in 0u32..60) {
        let filler = if value < 0 { 0xff } else { 0 };
        let mut wide = vec![filler; extra];
        wide.extend_from_slice(&value.to_be_bytes());
        let kind = Kind::Decimal { scale };
        let written = text(kind, Cell::Bytes(&wide));
        prop_assert_eq!(&written, &text(kind, Cell::Bytes(&value.to_be_bytes())));
        let digits = written.replace('.', "");
        prop_assert_eq!(digits.parse::<i128>().unwrap(), value);
        let fraction = written.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert_eq!(fraction, scale as usize);
    }

    #[test]
    fn dates_follow_each_other(days in -3_000_000i32..3_000_000) {
        use std::str::FromStr as _;
        // Within the years that have four digits, the texts are in the order of the days.
        let (today, tomorrow) = (text(Kind::Date, Cell::Int32(days)), text(Kind::Date, Cell::Int32(days + 1)));
        if (-719_162..2_932_896).contains(&days) {
            prop_assert!(today < tomorrow, "{today} {tomorrow}");
        }
        prop_assert_ne!(&today, &tomorrow);
        let month = u32::from_str(today.split('-').nth(1).unwrap()).unwrap();
        prop_assert!((1..=12).contains(&month));
    }

    #[test]
    fn base64_of_any_length_is_one_text(bytes in prop::collection::vec(any::<u8>(), 0..10_000)) {
        let mut out = Vec::new();
        write(Kind::Binary, Cell::Bytes(&bytes), Binary::Base64, &mut out).unwrap();
        prop_assert_eq!(STANDARD.decode(&out).unwrap(), bytes);
    }
}
