//! What pages of delta-encoded byte arrays make of themselves.
//!
//! Their lengths are numbers of their own, so that a short page can declare values without end.
//! They are added up before anything is made of them.

use parquet::basic::Encoding;

/// What a decoded value takes besides its bytes: its length, its prefix, a reference.
const EACH: u64 = 48;

/// Whether a page of this encoding is looked at.
pub(crate) const fn concerns(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

/// Bytes that the levels take at the beginning of a page of the first version.
pub(crate) fn levels(
    page: &[u8],
    max_def: i16,
    max_rep: i16,
    def: Encoding,
    rep: Encoding,
    values: u32,
) -> Option<usize> {
    let mut at = 0usize;
    for (max, encoding) in [(max_rep, rep), (max_def, def)] {
        if max == 0 {
            continue;
        }
        at += if encoding == Encoding::RLE {
            let length = page.get(at..at.checked_add(4)?)?;
            4 + u32::from_le_bytes(length.try_into().ok()?) as usize
        } else {
            let bits = u64::from(16 - max.unsigned_abs().leading_zeros());
            usize::try_from((u64::from(values) * bits).div_ceil(8)).ok()?
        };
    }
    Some(at)
}

/// What the lengths of `values` values take while they are looked at.
pub(crate) const fn looking(values: u32) -> u64 {
    values as u64 * 8
}

/// Bytes that the values of a fixed length take when they are decoded. `None` where their number
/// or a length makes no sense.
pub(crate) fn expanded(bytes: &[u8], values: u32, encoding: Encoding) -> Option<u64> {
    let found = Delta::read(bytes, values, encoding)?;
    found.size().checked_add(u64::from(values) * EACH)
}

/// A page of delta-encoded byte arrays.
pub(crate) struct Delta<'a> {
    /// How much each has of the one before it; none where nobody has.
    prefixes: Vec<u32>,
    lengths: Vec<u32>,
    data: &'a [u8],
}

impl<'a> Delta<'a> {
    /// Reads the lengths alone. There are at most `values` of them.
    pub(crate) fn read(bytes: &'a [u8], values: u32, encoding: Encoding) -> Option<Self> {
        let mut bits = Bits { bytes, at: 0 };
        let mut prefixes = Vec::new();
        if encoding == Encoding::DELTA_BYTE_ARRAY {
            bits.run(values, &mut prefixes)?;
        }
        let mut lengths = Vec::new();
        bits.run(values, &mut lengths)?;
        prefixes.resize(lengths.len(), 0);
        Some(Self { prefixes, lengths, data: bytes.get(bits.at..)? })
    }

    /// How long [`Self::plain`] is, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let sum = |lengths: &[u32]| lengths.iter().map(|length| u64::from(*length)).sum::<u64>();
        sum(&self.prefixes) + sum(&self.lengths) + 4 * self.lengths.len() as u64
    }

    /// Appends the values, each after its length. `None` where they are not there.
    pub(crate) fn plain(&self, out: &mut Vec<u8>) -> Option<()> {
        let mut data = self.data;
        let mut before = out.len()..out.len();
        for (prefix, length) in self.prefixes.iter().zip(&self.lengths) {
            if *prefix as usize > before.len() {
                return None;
            }
            let (suffix, rest) = data.split_at_checked(*length as usize)?;
            data = rest;
            out.extend_from_slice(&prefix.checked_add(*length)?.to_le_bytes());
            let start = out.len();
            out.extend_from_within(before.start..before.start + *prefix as usize);
            out.extend_from_slice(suffix);
            before = start..out.len();
        }
        Some(())
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// Reads one run of `DELTA_BINARY_PACKED` numbers, at most `values` of them and none negative.
    fn run(&mut self, values: u32, out: &mut Vec<u32>) -> Option<()> {
        let block = self.varint()?;
        let minis = self.varint()?;
        let mut left = self.varint()?;
        let mut value = self.zigzag()?;
        if minis == 0 || left > u64::from(values) || block % minis != 0 {
            return None;
        }
        let per_mini = block / minis;
        if left == 0 {
            return Some(());
        }
        out.reserve_exact(usize::try_from(left).ok()?);
        out.push(u32::try_from(value).ok()?);
        left -= 1;
        while left > 0 {
            let smallest = self.zigzag()?;
            let widths = self.take(usize::try_from(minis).ok()?)?;
            for width in widths {
                if left == 0 {
                    break;
                }
                let now = left.min(per_mini);
                let packed = self.take_bits(*width, per_mini)?;
                for index in 0..now {
                    let delta = unpacked(packed, *width, index)?;
                    value = value.wrapping_add(smallest).wrapping_add(delta);
                    // Lengths have 32 bits, one of which is a sign.
                    value = i64::from(i32::try_from(value).ok()?);
                    out.push(u32::try_from(value).ok()?);
                }
                left -= now;
            }
        }
        Some(())
    }

    fn take_bits(&mut self, width: u8, values: u64) -> Option<&'a [u8]> {
        if width > 64 {
            return None;
        }
        let bytes = values.checked_mul(u64::from(width))?.div_ceil(8);
        // The last block of some writers is cut off behind its last value.
        let bytes = usize::try_from(bytes).ok()?.min(self.bytes.len() - self.at);
        self.take(bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    #[allow(clippy::cast_possible_wrap, reason = "zigzag")]
    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

/// The number of `width` bits at `index`.
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "at most 64 bits")]
fn unpacked(packed: &[u8], width: u8, index: u64) -> Option<i64> {
    let first = usize::try_from(index.checked_mul(u64::from(width))?).ok()?;
    let mut value = 0u64;
    for bit in 0..usize::from(width) {
        let byte = packed.get((first + bit) / 8)?;
        value |= u64::from(byte >> ((first + bit) % 8) & 1) << bit;
    }
    Some(value as i64)
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{ByteArray, ByteArrayType};
    use proptest::prelude::*;

    use super::*;

    /// Numbers as a writer of the format packs them: a block of 128, 4 mini blocks.
    fn packed(numbers: &[i32]) -> Vec<u8> {
        let values: Vec<_> = numbers
            .iter()
            .map(|n| ByteArray::from(vec![b'x'; usize::try_from(*n).unwrap()]))
            .collect();
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY);
        let schema = "message m { required binary s; }";
        let file = crate::testing::file(
            schema,
            properties,
            &[&|columns| {
                columns.add::<ByteArrayType>(&values, None, None);
            }],
        );
        // The only page is behind the magic and its header.
        let (_, header) = super::super::header::read(&file[4..]).unwrap();
        file[4 + header..].to_vec()
    }

    fn sum(bytes: &[u8], values: u32) -> Option<u64> {
        let mut numbers = Vec::new();
        Bits { bytes, at: 0 }.run(values, &mut numbers)?;
        Some(numbers.into_iter().map(u64::from).sum())
    }

    proptest! {
        #[test]
        fn lengths_are_added_up(numbers in prop::collection::vec(0i32..300, 1..400)) {
            let bytes = packed(&numbers);
            let count = u32::try_from(numbers.len()).unwrap();
            let expected: i64 = numbers.iter().map(|n| i64::from(*n)).sum();
            prop_assert_eq!(sum(&bytes, count), u64::try_from(expected).ok());
            prop_assert_eq!(sum(&bytes, count - 1), None);
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let sum = expanded(&bytes, 1000, Encoding::DELTA_BYTE_ARRAY);
            prop_assert!(sum.is_none_or(|sum| sum < 1000 * (EACH + (1 << 31))));
        }
    }

    #[test]
    fn a_run_without_end_makes_no_sense() {
        // 128 in a block, 4 mini blocks, 2^35 values from 5 on, each like the one before.
        let run = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 10, 0, 0, 0, 0, 0];
        assert_eq!(sum(&run, u32::MAX), None);
        // 129 values of a million, out of a few bytes.
        let million = [0x80, 1, 4, 0x81, 1, 0x80, 0x89, 0x7a, 0, 0, 0, 0, 0];
        assert_eq!(sum(&million, 129), Some(129_000_000));
        assert_eq!(sum(&million, 128), None);
        assert_eq!(sum(&[0x80, 1, 0, 1, 0], 1), None);
    }

    #[test]
    fn levels_are_passed() {
        let page = [2, 0, 0, 0, 9, 9, 3, 0, 0, 0, 8, 8, 8, 7];
        let of = |def, rep, encoding| levels(&page, def, rep, encoding, encoding, 10);
        assert_eq!(of(0, 0, Encoding::RLE), Some(0));
        assert_eq!(of(1, 0, Encoding::RLE), Some(6));
        assert_eq!(of(1, 1, Encoding::RLE), Some(13));
        #[allow(deprecated, reason = "old files have it")]
        let packed = Encoding::BIT_PACKED;
        assert_eq!(of(3, 1, packed), Some(2 + 3));
        assert_eq!(levels(&[255; 6], 1, 1, Encoding::RLE, Encoding::RLE, 1), None);
    }
}
