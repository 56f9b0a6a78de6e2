//! Rows in the text format of `COPY`: what they are together, whatever their order.
//!
//! A line is a row. The digest of a table is the sum of its rows' XXH3-128 hashes: it does
//! not depend on the order of the rows, on how they were spread over connections, or on where
//! a file was cut. It finds damage and faults, and is no protection against intent.

use std::io::BufRead as _;

use autodump_core::{Error, ErrorClass, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The line that ends the rows.
const END: [u8; 2] = *b"\\.";

/// How many rows, and what they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowDigest {
    /// How many.
    pub rows: u64,
    /// The sum of the rows' XXH3-128 hashes (seed 0), modulo 2^128.
    pub sum: u128,
}

impl RowDigest {
    /// Adds a row: its line without the newline.
    pub fn add(&mut self, line: &[u8]) {
        self.add_hash(xxh3_128(line));
    }

    /// Adds a row whose line is in several parts.
    pub fn add_parts<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        let mut row = SplitRow::default();
        parts.into_iter().for_each(|part| row.part(part));
        row.end(self);
    }

    /// Adds all rows of another digest.
    pub const fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// The sum as 32 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }

    const fn add_hash(&mut self, hash: u128) {
        self.merge(Self { rows: 1, sum: hash });
    }
}

/// A row whose line comes in parts, each at its time.
#[derive(Clone, Default)]
pub struct SplitRow(Box<Xxh3>);

impl SplitRow {
    /// Takes the next part of the line, without the newline.
    pub fn part(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// Adds the row to `digest`, and is ready for another one.
    pub fn end(&mut self, digest: &mut RowDigest) {
        digest.add_hash(self.0.digest128());
        self.0.reset();
    }
}

/// Reads a data file: rows, the line `\.`, blank lines.
#[derive(Clone, Default)]
pub struct RowScanner {
    digest: RowDigest,
    split: SplitRow,
    /// Length of the line that has begun and not yet ended; its bytes are in `split`.
    begun: u64,
    /// The first bytes of that line.
    head: [u8; END.len()],
    ended: bool,
}

impl RowScanner {
    /// Takes the next bytes of the file, decompressed and cut anywhere. Anything but blank
    /// lines after the end marker is an error of class [`ErrorClass::Verification`].
    pub fn write(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            if self.ended {
                return if data.iter().all(|byte| *byte == b'\n') {
                    Ok(())
                } else {
                    Err(self.fault("there is more after the end marker"))
                };
            }
            let mut rest = data;
            // A slice cannot fail to be read.
            let length = rest.skip_until(b'\n').unwrap_or(data.len());
            match data[..length].strip_suffix(b"\n") {
                Some(line) if self.begun == 0 => self.line(line),
                Some(line) => {
                    self.part(line);
                    self.end_of_split();
                }
                None => self.part(data),
            }
            data = rest;
        }
        Ok(())
    }

    /// What the rows were. A file without end marker is an error of class
    /// [`ErrorClass::Verification`].
    pub fn finish(self) -> Result<RowDigest> {
        if self.ended { Ok(self.digest) } else { Err(self.fault("the end marker is missing")) }
    }

    fn line(&mut self, line: &[u8]) {
        if line == END {
            self.ended = true;
        } else {
            self.digest.add(line);
        }
    }

    fn part(&mut self, part: &[u8]) {
        let known = usize::try_from(self.begun).unwrap_or(usize::MAX).min(END.len());
        for (to, from) in self.head[known..].iter_mut().zip(part) {
            *to = *from;
        }
        self.split.part(part);
        self.begun += part.len() as u64;
    }

    fn end_of_split(&mut self) {
        if self.begun == END.len() as u64 && self.head == END {
            self.ended = true;
        } else {
            self.split.end(&mut self.digest);
        }
        self.begun = 0;
    }

    fn fault(&self, what: &str) -> Error {
        Error::new(
            ErrorClass::Verification,
            format!("{what}, after {} rows of a data file", self.digest.rows),
            "Use another backup, and find out what changed or cut off this file",
        )
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
