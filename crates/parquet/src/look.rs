//! What a text is made of, found out in one pass.

/// What CSV and UTF-8 have to know of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// There is a byte that CSV gives a meaning: a quote, a comma or an end of line.
    pub(crate) special: bool,
    /// There is a byte that is no ASCII, so it may be no UTF-8.
    pub(crate) beyond_ascii: bool,
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = EACH << 7;

impl Look {
    /// Of what is not looked at.
    pub(crate) const NONE: Self = Self { special: false, beyond_ascii: false };

    /// Looks at all of a text, 8 bytes at a time.
    pub(crate) fn at(text: &[u8]) -> Self {
        let (mut special, mut all) = (0, 0);
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            special |= specials(word);
            all |= word;
        }
        if !rest.is_empty() {
            let word = match text.last_chunk::<8>() {
                // Some are looked at twice.
                Some(last) => u64::from_le_bytes(*last),
                None => short(rest),
            };
            special |= specials(word);
            all |= word;
        }
        Self { special: special & HIGH != 0, beyond_ascii: all & HIGH != 0 }
    }
}

/// Fewer than 8 bytes, and zeros.
fn short(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The highest bit of some byte is set if and only if one of the bytes is special.
const fn specials(word: u64) -> u64 {
    zeros(word ^ (EACH * b'"' as u64))
        | zeros(word ^ (EACH * b',' as u64))
        | zeros(word ^ (EACH * b'\n' as u64))
        | zeros(word ^ (EACH * b'\r' as u64))
}

/// The highest bit of the first byte that is zero is set, and perhaps of ones behind it; of none
/// where no byte is zero.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_is_seen_wherever_it_stands() {
        for length in 0..30 {
            assert_eq!(Look::at(&vec![b'+'; length]), Look { special: false, beyond_ascii: false });
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let look =
                        Look { special: b"\",\n\r".contains(&byte), beyond_ascii: byte > 127 };
                    assert_eq!(Look::at(&text), look, "{byte} at {at} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_seen_through(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let special = bytes.iter().any(|byte| b"\",\n\r".contains(byte));
            let look = Look { special, beyond_ascii: !bytes.is_ascii() };
            prop_assert_eq!(Look::at(&bytes), look);
        }
    }
}
