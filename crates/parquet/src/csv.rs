//! CSV as RFC 4180 has it, quoted only where it must be.
//!
//! NULL is the null text without quotes, by default nothing at all; a value that is that text, or
//! empty, is in quotes. So `COPY … (FORMAT csv)` tells them apart.

use autodump_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};

use crate::look::Look;

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
        if Look::at(self.null.as_bytes()).special {
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
        self.looked_at(text, Look::at(text), out);
    }

    /// The same with a text that was looked at already.
    #[inline]
    pub(crate) fn looked_at(&self, text: &[u8], look: Look, out: &mut Vec<u8>) {
        if look.special || text.is_empty() || text == END || text == self.null.as_bytes() {
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

/// Up to this length, a text is faster copied byte by byte than searched.
const SHORT: usize = 64;

fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if text.len() <= SHORT {
        short(text, out);
        out.push(b'"');
        return;
    }
    let mut rest = text;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        let (piece, after) = rest.split_at(quote + 1);
        out.extend_from_slice(piece);
        out.push(b'"');
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends a short text with its quotes doubled.
fn short(text: &[u8], out: &mut Vec<u8>) {
    let mut doubled = [0; 2 * SHORT + 1];
    let mut at = 0;
    for byte in text {
        // Without a branch: where it is no quote, the next one is written over the second.
        doubled[at..at + 2].fill(*byte);
        at += 1 + usize::from(*byte == b'"');
    }
    out.extend_from_slice(&doubled[..at]);
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
