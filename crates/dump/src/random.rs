//! What nobody can guess.

use std::fs::File;
use std::io::Read as _;

use autodump_core::{Error, ErrorClass, Result};

/// That many random bytes as hexadecimal digits.
pub(crate) fn random(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut buffer)).map_err(
        |error| {
            let what = format!("there is no randomness: {error}");
            Error::new(ErrorClass::Internal, what, "Run on Linux with /dev/urandom")
        },
    )?;
    Ok(hex::encode(buffer))
}
