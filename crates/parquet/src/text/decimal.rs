//! Decimals, exactly.

use std::fmt::Write as _;

use super::Bad;

/// The longest unscaled value: far beyond any decimal, and quick to write.
const LONGEST: usize = 4096;
/// What is divided by at once: the largest power of ten in 64 bits.
const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;

/// A value of up to 128 bits.
pub(super) fn small(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    placed(unscaled < 0, buffer.format(unscaled.unsigned_abs()).as_bytes(), scale, out);
}

/// An unscaled value in two's complement, the highest byte first.
pub(super) fn write(bytes: &[u8], scale: u32, out: &mut Vec<u8>) -> Result<(), Bad> {
    let Some(first) = bytes.first() else {
        return Err("has no bytes, where a decimal has one or more".to_owned());
    };
    let negative = first & 0x80 != 0;
    let filler = if negative { 0xff } else { 0 };
    if let Some(missing) = 16usize.checked_sub(bytes.len()) {
        let mut wide = [filler; 16];
        wide[missing..].copy_from_slice(bytes);
        small(i128::from_be_bytes(wide), scale, out);
        return Ok(());
    }
    if bytes.len() > LONGEST {
        return Err(format!("has {} bytes, and a decimal has at most {LONGEST}", bytes.len()));
    }
    let digits = digits(magnitude(bytes, negative, filler));
    placed(negative, digits.as_bytes(), scale, out);
    Ok(())
}

/// The absolute value as 32-bit limbs, the highest first.
fn magnitude(bytes: &[u8], negative: bool, filler: u8) -> Vec<u32> {
    let padding = bytes.len().next_multiple_of(4) - bytes.len();
    let mut whole = vec![filler; padding];
    whole.extend_from_slice(bytes);
    let limb = |four: &[u8]| four.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    let mut limbs: Vec<_> = whole.chunks(4).map(limb).collect();
    if negative {
        let mut carry = true;
        for limb in limbs.iter_mut().rev() {
            (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
        }
        // Only the lowest value of all has a carry here: it is its own absolute value.
        if carry {
            limbs.insert(0, 1);
        }
    }
    limbs
}

fn digits(mut limbs: Vec<u32>) -> String {
    let mut chunks = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0u128;
        for limb in &mut limbs {
            let value = rest << 32 | u128::from(*limb);
            *limb = u32::try_from(value / u128::from(CHUNK)).unwrap_or_default();
            rest = value % u128::from(CHUNK);
        }
        chunks.push(rest);
    }
    let mut digits = chunks.pop().unwrap_or_default().to_string();
    for chunk in chunks.iter().rev() {
        // Writing to a string does not fail.
        let _ = write!(digits, "{chunk:0CHUNK_DIGITS$}");
    }
    digits
}

/// The digits with the point in its place, and a zero before it.
fn placed(negative: bool, digits: &[u8], scale: u32, out: &mut Vec<u8>) {
    let scale = scale as usize;
    if negative {
        out.push(b'-');
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale - (digits.len() - whole), b'0');
        out.extend_from_slice(&digits[whole..]);
    }
}
