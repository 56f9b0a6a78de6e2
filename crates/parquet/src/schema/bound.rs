//! Bounds of numbers, exactly, and of lengths.

use std::cmp::Ordering;

use crate::number::Number;
use crate::text::Bad;

/// Which keyword a bound is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Minimum,
    ExclusiveMinimum,
    Maximum,
    ExclusiveMaximum,
    MinLength,
    MaxLength,
}

#[derive(Debug, Clone)]
enum Value {
    Number(Number),
    Length(u64),
}

/// A bound, and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    keyword: Keyword,
    value: Value,
    written: String,
}

impl Keyword {
    pub(super) fn read(name: &str) -> Option<Self> {
        Some(match name {
            "minimum" => Self::Minimum,
            "exclusiveMinimum" => Self::ExclusiveMinimum,
            "maximum" => Self::Maximum,
            "exclusiveMaximum" => Self::ExclusiveMaximum,
            "minLength" => Self::MinLength,
            "maxLength" => Self::MaxLength,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::ExclusiveMinimum => "exclusiveMinimum",
            Self::Maximum => "maximum",
            Self::ExclusiveMaximum => "exclusiveMaximum",
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
        }
    }

    /// Whether it is of numbers, and not of texts.
    pub(super) const fn is_of_numbers(self) -> bool {
        !matches!(self, Self::MinLength | Self::MaxLength)
    }
}

impl Bound {
    /// A bound out of a number of JSON; `None` where it is none, or no length.
    pub(super) fn new(keyword: Keyword, written: &str) -> Option<Self> {
        let value = if keyword.is_of_numbers() {
            Value::Number(Number::read(written.as_bytes())?)
        } else {
            Value::Length(written.parse().ok()?)
        };
        Some(Self { keyword, value, written: written.to_owned() })
    }

    /// Looks at a text. A number that is none, as NaN, is within no bounds.
    pub(super) fn check(&self, text: &[u8]) -> Result<(), Bad> {
        let stands = match &self.value {
            Value::Number(bound) => Number::read(text).map(|number| number.cmp(bound)),
            Value::Length(bound) => {
                let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
                Some((text.iter().filter(begins).count() as u64).cmp(bound))
            }
        };
        let fits = match self.keyword {
            Keyword::Minimum | Keyword::MinLength => stands.is_some_and(Ordering::is_ge),
            Keyword::ExclusiveMinimum => stands.is_some_and(Ordering::is_gt),
            Keyword::Maximum | Keyword::MaxLength => stands.is_some_and(Ordering::is_le),
            Keyword::ExclusiveMaximum => stands.is_some_and(Ordering::is_lt),
        };
        let (name, written) = (self.keyword.name(), &self.written);
        if fits { Ok(()) } else { Err(format!("breaks {name} {written}")) }
    }
}
