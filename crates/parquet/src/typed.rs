//! The types that a table schema names, and which texts can be read as them.

use serde::{Deserialize, Serialize};

use crate::column::{Column, Shape};
use crate::number::Number;
use crate::text::Kind;

/// A type of a table schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// `true` or `false`, also as PostgreSQL's `t` and `f`.
    Boolean,
    /// A number without fraction.
    Integer,
    /// A number.
    Decimal,
    /// A number, `NaN`, `Infinity` or `-Infinity`.
    Float,
    /// `2026-11-22`.
    Date,
    /// `12:34:56.789`.
    Time,
    /// `2026-11-22 12:34:56.789+00`.
    Timestamp,
    /// An interval of Parquet.
    Interval,
    /// `00000000-0000-0000-0000-000000000000`.
    Uuid,
    /// Any text.
    String,
    /// A text of JSON, and lists, maps and structures.
    Json,
    /// Bytes.
    Binary,
}

impl Type {
    /// The type of a file's column.
    pub(crate) fn of(column: &Column) -> Self {
        let Shape::Leaf(kind) = &column.node.shape else { return Self::Json };
        match kind {
            Kind::Bool => Self::Boolean,
            Kind::Int | Kind::Unsigned => Self::Integer,
            Kind::Float => Self::Float,
            Kind::Decimal { .. } => Self::Decimal,
            Kind::Date => Self::Date,
            Kind::Time { .. } => Self::Time,
            Kind::Timestamp { .. } => Self::Timestamp,
            Kind::Interval => Self::Interval,
            Kind::Uuid => Self::Uuid,
            Kind::Text => Self::String,
            Kind::Json => Self::Json,
            Kind::Binary => Self::Binary,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::String => "string",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// Whether a text can be read as it.
    pub(crate) fn fits(self, text: &[u8]) -> bool {
        match self {
            Self::Boolean => matches!(text, b"true" | b"false" | b"t" | b"f"),
            Self::Integer => {
                let digits = text.strip_prefix(b"-").unwrap_or(text);
                !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
            Self::Decimal => is_finite(text),
            Self::Float => text == b"NaN" || Number::read(text).is_some(),
            Self::Date => is_date(text),
            Self::Time => is_time(text),
            Self::Timestamp => {
                let mut parts = text.splitn(2, |byte| matches!(byte, b' ' | b'T'));
                parts.next().is_some_and(is_date) && parts.next().is_some_and(is_time)
            }
            Self::Uuid => is_uuid(text),
            Self::Json => serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok(),
            Self::Interval => text.starts_with(b"P"),
            Self::String | Self::Binary => true,
        }
    }
}

fn is_finite(text: &[u8]) -> bool {
    matches!(Number::read(text), Some(Number::Finite { .. }))
}

fn is_uuid(text: &[u8]) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, &u8)| {
        if hyphen(at) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
    };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

/// A number of so many digits.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |sum, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn is_date(text: &[u8]) -> bool {
    let read = || {
        let parts: Vec<_> = text.split(|byte| *byte == b'-').collect();
        let [year, month, day] = parts[..] else { return None };
        if year.len() < 4 || month.len() != 2 || day.len() != 2 {
            return None;
        }
        let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            _ => return None,
        };
        (1..=days).contains(&day).then_some(())
    };
    read().is_some()
}

/// Hours, minutes, seconds, perhaps a fraction, perhaps a zone.
fn is_time(text: &[u8]) -> bool {
    let read = || {
        let (clock, rest) = text.split_at_checked(8)?;
        let parts: Vec<_> = clock.split(|byte| *byte == b':').collect();
        let [hour, minute, second] = parts[..] else { return None };
        if [hour, minute, second].iter().any(|part| part.len() != 2) {
            return None;
        }
        if digits(hour)? > 24 || digits(minute)? > 59 || digits(second)? > 60 {
            return None;
        }
        let zone = match rest.strip_prefix(b".") {
            Some(rest) => {
                let fraction = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (fraction > 0).then(|| &rest[fraction..])?
            }
            None => rest,
        };
        let offset = || matches!(zone.first(), Some(b'+' | b'-')) && zone.len() >= 3;
        let legal = |byte: &u8| byte.is_ascii_digit() || *byte == b':';
        (zone.is_empty() || zone == b"Z" || (offset() && zone[1..].iter().all(legal))).then_some(())
    };
    read().is_some()
}
