//! Numbers compared as texts: exactly, whatever their length.

use std::cmp::Ordering;

/// A decimal number, or one of the floats that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    NegativeInfinity,
    Finite {
        negative: bool,
        /// Digits without zeros at either end; none for zero.
        digits: Vec<u8>,
        /// Where the point is: the value is 0.digits × 10^exponent.
        exponent: i64,
    },
    Infinity,
}

impl Number {
    /// Reads `-12.50`, `1e-7`, `Infinity`. `None` for what is no number, NaN too.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix(b"+").unwrap_or(text)),
        };
        if rest == b"Infinity" {
            return Some(if negative { Self::NegativeInfinity } else { Self::Infinity });
        }
        let mut parts = rest.splitn(2, |byte| matches!(byte, b'e' | b'E'));
        let mantissa = parts.next()?;
        let exponent = match parts.next() {
            Some(exponent) => std::str::from_utf8(exponent).ok()?.parse::<i32>().ok()?,
            None => 0,
        };
        let mut parts = mantissa.splitn(2, |byte| *byte == b'.');
        let (whole, fraction) = (parts.next()?, parts.next().unwrap_or_default());
        if whole.len() + fraction.len() == 0 {
            return None;
        }
        let digits = [whole, fraction].concat();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Self::finite(
            negative,
            &digits,
            i64::try_from(whole.len()).ok()? + i64::from(exponent),
        ))
    }

    /// Whether it has no fraction.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Finite { digits, exponent, .. } => {
                i64::try_from(digits.len()).is_ok_and(|digits| digits <= *exponent.max(&0))
            }
            Self::Infinity | Self::NegativeInfinity => false,
        }
    }

    fn finite(negative: bool, digits: &[u8], exponent: i64) -> Self {
        let is_zero = |byte: &&u8| **byte == b'0';
        let leading = digits.iter().take_while(is_zero).count();
        let trailing = digits[leading..].iter().rev().take_while(is_zero).count();
        let digits = digits[leading..digits.len() - trailing].to_vec();
        if digits.is_empty() {
            return Self::Finite { negative: false, digits, exponent: 0 };
        }
        let leading = i64::try_from(leading).unwrap_or(i64::MAX);
        Self::Finite { negative, digits, exponent: exponent.saturating_sub(leading) }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |number: &Self| match number {
            Self::NegativeInfinity => -2,
            Self::Finite { negative: true, .. } => -1,
            Self::Finite { digits, .. } if digits.is_empty() => 0,
            Self::Finite { .. } => 1,
            Self::Infinity => 2,
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (
                Self::Finite { negative, digits, exponent },
                Self::Finite { digits: others, exponent: other, .. },
            ) => {
                let larger = exponent.cmp(other).then_with(|| digits.cmp(others));
                if *negative { larger.reverse() } else { larger }
            }
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::read(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn texts_of_one_value_are_equal() {
        for texts in [&["0", "-0", "0.00", "0e5"][..], &["1.5", "+01.50", "15e-1", "0.015E2"]] {
            for text in texts {
                assert_eq!(number(text), number(texts[0]), "{text}");
            }
        }
        for text in ["", "-", "NaN", "1.2.3", "1e", "0x1", " 1", "1e99999999999", ".", "--1"] {
            assert_eq!(Number::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_values() {
        let all = [
            "-Infinity",
            "-100000000000000000000000000000000000001",
            "-100000000000000000000000000000000000000",
            "-2",
            "-1.999",
            "-1e-9",
            "0",
            "5e-324",
            "0.1",
            "1",
            "10",
            "10.00000000000000000000000001",
            "1e300",
            "Infinity",
        ];
        for pair in all.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        for whole in ["0", "-0.0", "5", "5.00", "1.5e1", "100", "1e300", "-12"] {
            assert!(number(whole).is_whole(), "{whole}");
        }
        for other in ["0.5", "1.5", "-0.01", "15e-1", "1e-300", "Infinity", "-Infinity"] {
            assert!(!number(other).is_whole(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(a in any::<i64>(), b in -300i64..300) {
            let of = |value: i64| number(&value.to_string());
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
            prop_assert_eq!(of(a / 7).cmp(&of(a / 7 + b)), 0.cmp(&b));
        }
    }
}
