//! The types and formats that a table schema names, and which texts can be read as them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::column::{Column, Shape};
use crate::number::Number;
use crate::text::Kind;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `true` or `false`, also as PostgreSQL's `t` and `f`.
    Boolean,
    /// A number without fraction.
    Integer,
    /// A number; `NaN` and the infinities too.
    Number,
    /// Any text.
    String,
    /// `2026-11-22`.
    Date,
    /// `12:34:56.789`.
    Time,
    /// `2026-11-22 12:34:56.789+00`.
    DateTime,
    /// `00000000-0000-0000-0000-000000000000`.
    Uuid,
    /// Base64 with padding.
    Base64,
    /// Pairs of hexadecimal digits.
    Base16,
    /// A list as JSON.
    Array,
    /// A map or structure as JSON.
    Object,
    /// Nothing but NULL.
    Null,
}

/// What a form is to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The file says so itself.
    Always,
    /// It depends on the value.
    Perhaps,
    Never,
}

impl Form {
    /// A `type` of JSON Schema.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            "null" => Self::Null,
            _ => return None,
        })
    }

    /// A `format` or `contentEncoding` of texts.
    pub(crate) fn of_text(keyword: &str, name: &str) -> Option<Self> {
        Some(match (keyword, name) {
            ("format", "date") => Self::Date,
            ("format", "time") => Self::Time,
            ("format", "date-time") => Self::DateTime,
            ("format", "uuid") => Self::Uuid,
            ("format", "byte") | ("contentEncoding", "base64") => Self::Base64,
            ("contentEncoding", "base16") => Self::Base16,
            _ => return None,
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date-time",
            Self::Uuid => "uuid",
            Self::Base64 => "base64",
            Self::Base16 => "base16",
            Self::Array => "array",
            Self::Object => "object",
            Self::Null => "null",
        }
    }

    /// Whether the values of a file's column are of it.
    #[allow(clippy::unnested_or_patterns, reason = "by what the column holds, one in a line")]
    pub(crate) fn fit(self, column: &Column) -> Fit {
        if self == Self::Null {
            return Fit::Perhaps;
        }
        let always = |fits: bool| if fits { Fit::Always } else { Fit::Never };
        let kind = match &column.node.shape {
            Shape::Leaf(kind) => kind,
            Shape::List(_) => return always(self == Self::Array),
            Shape::Struct(_) | Shape::Map(..) => return always(self == Self::Object),
        };
        match (kind, self) {
            (Kind::Text | Kind::Json, Self::String)
            | (Kind::Bool, Self::Boolean)
            | (Kind::Int | Kind::Unsigned, Self::Integer | Self::Number)
            | (Kind::Decimal { scale: 0 }, Self::Integer)
            | (Kind::Float | Kind::Decimal { .. }, Self::Number)
            | (Kind::Date, Self::Date | Self::String)
            | (Kind::Time { .. }, Self::Time | Self::String)
            | (Kind::Timestamp { .. }, Self::DateTime | Self::String)
            | (Kind::Interval, Self::String)
            | (Kind::Uuid, Self::Uuid | Self::String)
            | (Kind::Binary, Self::Base64 | Self::Base16 | Self::String) => Fit::Always,
            (Kind::Text | Kind::Json, _) | (Kind::Float | Kind::Decimal { .. }, Self::Integer) => {
                Fit::Perhaps
            }
            _ => Fit::Never,
        }
    }

    /// Whether a text can be read as it.
    pub(crate) fn fits(self, text: &[u8]) -> bool {
        match self {
            Self::Boolean => matches!(text, b"true" | b"false" | b"t" | b"f"),
            Self::Integer => Number::read(text).is_some_and(|number| number.is_whole()),
            Self::Number => text == b"NaN" || Number::read(text).is_some(),
            Self::String => true,
            Self::Date => is_date(text),
            Self::Time => is_time(text),
            Self::DateTime => {
                let mut parts = text.splitn(2, |byte| matches!(byte, b' ' | b'T'));
                parts.next().is_some_and(is_date) && parts.next().is_some_and(is_time)
            }
            Self::Uuid => is_uuid(text),
            Self::Base64 => STANDARD.decode(text).is_ok(),
            Self::Base16 => text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit),
            Self::Array => is_json(text, b'['),
            Self::Object => is_json(text, b'{'),
            Self::Null => false,
        }
    }
}

/// A text of JSON whose value begins so.
fn is_json(text: &[u8], begins: u8) -> bool {
    text.trim_ascii_start().first() == Some(&begins)
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
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
