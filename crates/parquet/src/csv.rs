//! CSV as RFC 4180 has it, quoted only where it must be.
//!
//! NULL is the null text without quotes, by default nothing at all; a value that is that text, or
//! empty, is in quotes. So `COPY … (FORMAT csv)` tells them apart.

use autodump_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// As `PostgreSQL` and `DuckDB` write it.
    #[default]
    Lf,
    /// As the RFC says.
    Crlf,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Format {
    /// How lines end.
    pub line_end: LineEnd,
    /// Whether the names of the columns come first.
    pub header: bool,
    /// What stands for NULL.
    pub null: String,
}

impl Default for Format {
    fn default() -> Self {
        Self { line_end: LineEnd::Lf, header: true, null: String::new() }
    }
}

impl Format {
    /// Refuses a null text that could not be told from something else.
    pub fn check(&self) -> Result<()> {
        if self.null.bytes().any(|byte| needs_quotes(&[byte])) {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the text for NULL is {:?}", self.null),
                "Use one without commas, quotes and line ends, or none",
            ));
        }
        Ok(())
    }

    pub(crate) fn null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.null.as_bytes());
    }

    pub(crate) const fn line_end(&self) -> &'static [u8] {
        match self.line_end {
            LineEnd::Lf => b"\n",
            LineEnd::Crlf => b"\r\n",
        }
    }

    /// Appends a text that is not NULL.
    pub(crate) fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        if text == self.null.as_bytes() || text.is_empty() || text == END || needs_quotes(text) {
            quoted(text, out);
        } else {
            out.extend_from_slice(text);
        }
    }

    /// Puts what was appended from `start` on, and needs no quotes for what is in it, into quotes
    /// where it is the text for NULL, or empty.
    pub(crate) fn unlike_null(&self, start: usize, out: &mut Vec<u8>) {
        if out.len() == start || out[start..] == *self.null.as_bytes() {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }

    /// A line of names or other texts.
    pub(crate) fn line<'a>(&self, texts: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.text(text.as_bytes(), out);
        }
        out.extend_from_slice(self.line_end());
    }
}

/// Alone on a line, it was the end of the data to older versions of PostgreSQL.
const END: &[u8] = b"\\.";

/// Whether there is a byte that CSV gives a meaning.
fn needs_quotes(text: &[u8]) -> bool {
    #[allow(clippy::needless_bitwise_bool, reason = "without a branch, many are looked at at once")]
    let special = |found: bool, byte: &u8| {
        found | (*byte == b'"') | (*byte == b',') | (*byte == b'\n') | (*byte == b'\r')
    };
    text.chunks(256).any(|chunk| chunk.iter().fold(false, special))
}

fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for piece in text.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
