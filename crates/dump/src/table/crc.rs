//! CRC64-NVME as it stands in journals and checkpoints: 16 hexadecimal digits.

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use serde::{Deserialize as _, Deserializer, Serializer, de};

/// The CRC of these bytes.
pub(super) fn of(bytes: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// The CRC of what has `first`, followed by `length` bytes that have `second`.
pub(super) fn joined(first: u64, second: u64, length: u64) -> u64 {
    checksum_combine(CrcAlgorithm::Crc64Nvme, first, second, length)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(crc: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{crc:016x}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let legal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if text.len() != 16 || !text.bytes().all(legal) {
        return Err(de::Error::custom("a CRC has 16 hexadecimal digits"));
    }
    u64::from_str_radix(&text, 16).map_err(de::Error::custom)
}
