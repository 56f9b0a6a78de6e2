//! Every value as the text that stands in the CSV: what PostgreSQL and others read back as the
//! same value.

mod decimal;
mod kind;
mod time;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub(crate) use self::kind::Kind;
#[cfg(test)]
pub(crate) use self::kind::Unit;
use crate::read::Cell;

/// How bytes that are no text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binary {
    /// `\x` and two hexadecimal digits for each byte, as `COPY` takes `bytea`.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// Why a value has no text, as the end of a sentence that begins with the value's name.
pub(crate) type Bad = String;

/// Appends the text of a value.
pub(crate) fn write(
    kind: Kind,
    cell: Cell<'_>,
    binary: Binary,
    out: &mut Vec<u8>,
) -> Result<(), Bad> {
    match (kind, cell) {
        (Kind::Bool, Cell::Bool(value)) => {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        (Kind::Int, Cell::Int32(value)) => integer(value, out),
        (Kind::Int, Cell::Int64(value)) => integer(value, out),
        (Kind::Unsigned, Cell::Int32(value)) => integer(value.cast_unsigned(), out),
        (Kind::Unsigned, Cell::Int64(value)) => integer(value.cast_unsigned(), out),
        (Kind::Float, Cell::Float(value)) => float(value, out),
        (Kind::Float, Cell::Double(value)) => float(value, out),
        (Kind::Float, Cell::Bytes(bytes)) => float(half(bytes)?, out),
        (Kind::Decimal { scale }, Cell::Int32(value)) => {
            decimal::small(i128::from(value), scale, out);
        }
        (Kind::Decimal { scale }, Cell::Int64(value)) => {
            decimal::small(i128::from(value), scale, out);
        }
        (Kind::Decimal { scale }, Cell::Bytes(bytes)) => decimal::write(bytes, scale, out)?,
        (Kind::Date, Cell::Int32(days)) => time::date(i64::from(days), out),
        (Kind::Time { unit, utc }, Cell::Int32(value)) => {
            time::time(i64::from(value), unit, utc, out);
        }
        (Kind::Time { unit, utc }, Cell::Int64(value)) => time::time(value, unit, utc, out),
        (Kind::Timestamp { unit, utc }, Cell::Int64(value)) => {
            time::timestamp(value, unit, utc, out);
        }
        (Kind::Timestamp { .. }, Cell::Int96(nanos, day)) => time::julian(nanos, day, out)?,
        (Kind::Interval, Cell::Bytes(bytes)) => time::interval(bytes, out)?,
        (Kind::Uuid, Cell::Bytes(bytes)) => uuid(bytes, out)?,
        (Kind::Text | Kind::Json, Cell::Bytes(bytes)) => out.extend_from_slice(utf8(bytes)?),
        (Kind::Binary, Cell::Bytes(bytes)) => binary.write(bytes, out),
        (kind, _) => return Err(format!("is not of type {}", kind.name())),
    }
    Ok(())
}

/// The bytes of a text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&[u8], Bad> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("is no UTF-8 from byte {} on", error.valid_up_to())),
    }
}

impl Binary {
    fn write(self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Hex => {
                out.extend_from_slice(b"\\x");
                out.resize(start + 2 + bytes.len() * 2, 0);
                for (pair, byte) in out[start + 2..].chunks_exact_mut(2).zip(bytes) {
                    pair[0] = HEX[usize::from(byte >> 4)];
                    pair[1] = HEX[usize::from(byte & 15)];
                }
            }
            Self::Base64 => {
                let mut rest = bytes.chunks(3 << 10);
                rest.by_ref()
                    .for_each(|chunk| out.extend_from_slice(STANDARD.encode(chunk).as_bytes()));
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest text that is read as the same number.
fn float<F: ryu::Float + Into<f64> + Copy>(value: F, out: &mut Vec<u8>) {
    let wide: f64 = value.into();
    if wide.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if wide.is_infinite() {
        out.extend_from_slice(if wide > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else {
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(value);
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
}

fn half(bytes: &[u8]) -> Result<f32, Bad> {
    let bytes = bytes.try_into().map_err(|_| format!("has {} bytes, not 2", bytes.len()))?;
    Ok(half::f16::from_le_bytes(bytes).to_f32())
}

fn uuid(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    if bytes.len() != 16 {
        return Err(format!("has {} bytes, not the 16 of a UUID", bytes.len()));
    }
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    Ok(())
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
