//! Compression of data files, as `pg_restore` reads them.
//!
//! A data file is a sequence of whole gzip members, Zstandard frames or LZ4 frames. Each can
//! be decompressed without the others, so that workers can compress pieces of one file at the
//! same time, and readers can begin at any of them.

mod decoder;
mod encoder;
mod gzip;
mod lz4;

pub use self::decoder::{Decoder, PIECE};
pub use self::encoder::{Encoder, HEADROOM};

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass};

/// What `pg_dump` appends to the name of a data file; nothing where it is not compressed.
#[must_use]
pub const fn extension(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::None => "",
        Algorithm::Gzip => ".gz",
        Algorithm::Zstd => ".zst",
        Algorithm::Lz4 => ".lz4",
    }
}

/// How a file of this name is compressed.
#[must_use]
pub fn algorithm_of(file_name: &str) -> Algorithm {
    [Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4]
        .into_iter()
        .find(|algorithm| file_name.ends_with(extension(*algorithm)))
        .unwrap_or(Algorithm::None)
}

/// The error about compressed data that are not what an encoder has written. `offset` counts
/// the compressed bytes that were good or not yet known to be bad.
fn damaged(algorithm: Algorithm, offset: u64, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorClass::Verification,
        format!("{} data are damaged at or before byte {offset}: {why}", algorithm.as_str()),
        "Use another backup, and find out what changed or cut off this file",
    )
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
