//! BSON as it stands in memory: cut into elements without decoding any value, and written as far
//! as the headers of an archive need it.

use std::fmt;

/// The shortest document: its length, and the zero at its end.
pub const SHORTEST: usize = 5;

/// Why bytes are no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Its length is not that of the bytes.
    Length,
    /// There is no zero at its end.
    End,
    /// A name has no end, or is no UTF-8.
    Name,
    /// A value is longer than the document.
    Value,
    /// A type that BSON does not have.
    Type(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("its length is not what it says"),
            Self::End => f.write_str("it does not end in a zero"),
            Self::Name => f.write_str("a field's name is not whole"),
            Self::Value => f.write_str("a field's value is not whole"),
            Self::Type(number) => {
                write!(f, "a field has the type {number:#04x}, which BSON has not")
            }
        }
    }
}

impl std::error::Error for Malformed {}

/// The length that four bytes at the beginning of a document name, if there are four.
#[must_use]
pub fn length_of(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().map(|length| i32::from_le_bytes(*length))
}

/// One field of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The number of its type.
    pub kind: u8,
    /// Its name; in an array its place, from `0`.
    pub name: &'a str,
    /// Its value's bytes.
    pub value: &'a [u8],
}

impl<'a> Element<'a> {
    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let text = self.value.get(4..)?.strip_suffix(&[0])?;
        if self.kind == STRING { std::str::from_utf8(text).ok() } else { None }
    }

    /// The truth value, where it is one.
    #[must_use]
    pub const fn truth(&self) -> Option<bool> {
        match (self.kind, self.value) {
            (BOOLEAN, [0]) => Some(false),
            (BOOLEAN, [1]) => Some(true),
            _ => None,
        }
    }

    /// The whole number, where it is one of 32 or 64 bits.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self.kind {
            INT32 => Some(i64::from(i32::from_le_bytes(self.value.try_into().ok()?))),
            INT64 => Some(i64::from_le_bytes(self.value.try_into().ok()?)),
            _ => None,
        }
    }
}

const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BOOLEAN: u8 = 0x08;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;

/// The fields of a document or the items of an array, in their order. After an error nothing comes.
#[derive(Debug, Clone)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The fields of a whole document.
    pub fn of(document: &'a [u8]) -> Result<Self, Malformed> {
        let length = length_of(document).and_then(|length| usize::try_from(length).ok());
        if length != Some(document.len()) || document.len() < SHORTEST {
            return Err(Malformed::Length);
        }
        document[4..].strip_suffix(&[0]).map(Self).ok_or(Malformed::End)
    }

    fn element(&mut self) -> Result<Element<'a>, Malformed> {
        let (kind, rest) = self.0.split_first().ok_or(Malformed::Value)?;
        let end = text_end(rest).ok_or(Malformed::Name)?;
        let name = std::str::from_utf8(&rest[..end]).map_err(|_| Malformed::Name)?;
        let rest = &rest[end + 1..];
        let length = value_length(*kind, rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(Malformed::Value)?;
        self.0 = rest;
        Ok(Element { kind: *kind, name, value })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_err() {
            self.0 = &[];
        }
        Some(element)
    }
}

fn text_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

/// How long the value of this type is that `bytes` begins with.
fn value_length(kind: u8, bytes: &[u8]) -> Result<usize, Malformed> {
    let told = || {
        let length = length_of(bytes).and_then(|length| usize::try_from(length).ok());
        length.ok_or(Malformed::Value)
    };
    Ok(match kind {
        // Undefined, null, the smallest and the largest key.
        0x06 | 0x0a | 0x7f | 0xff => 0,
        BOOLEAN => 1,
        INT32 => 4,
        // Double, date, timestamp.
        0x01 | 0x09 | 0x11 | INT64 => 8,
        // Object id.
        0x07 => 12,
        // Decimal.
        0x13 => 16,
        // String, code, symbol.
        STRING | 0x0d | 0x0e => 4 + told()?.max(1),
        // Binary, with a byte for its subtype.
        0x05 => 5 + told()?,
        // Document, array, code with its scope: their length counts itself.
        DOCUMENT | ARRAY | 0x0f => told()?.max(4),
        // A pointer into a collection: a string and an object id.
        0x0c => 16 + told()?.max(1),
        // A regular expression: two texts.
        0x0b => {
            let first = text_end(bytes).ok_or(Malformed::Value)? + 1;
            first + text_end(&bytes[first..]).ok_or(Malformed::Value)? + 1
        }
        other => return Err(Malformed::Type(other)),
    })
}

/// A document in the making, appended to a buffer. Names hold no zero.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    /// Begins a document at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend([0; 4]);
        Self { out, start }
    }

    /// A field with a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(STRING, name);
        self.out.extend(length_bytes(value.len() + 1));
        self.out.extend(value.as_bytes());
        self.out.push(0);
        self
    }

    /// A field with a truth value.
    #[must_use]
    pub fn truth(mut self, name: &str, value: bool) -> Self {
        self.name(BOOLEAN, name);
        self.out.push(u8::from(value));
        self
    }

    /// A field with a number of 32 bits.
    #[must_use]
    pub fn int32(mut self, name: &str, value: i32) -> Self {
        self.name(INT32, name);
        self.out.extend(value.to_le_bytes());
        self
    }

    /// A field with a number of 64 bits.
    #[must_use]
    pub fn int64(mut self, name: &str, value: i64) -> Self {
        self.name(INT64, name);
        self.out.extend(value.to_le_bytes());
        self
    }

    /// A field with a value that was read from another document.
    #[must_use]
    pub fn value(mut self, name: &str, kind: u8, value: &[u8]) -> Self {
        self.name(kind, name);
        self.out.extend(value);
        self
    }

    /// A field with a document, that `write` fills.
    #[must_use]
    pub fn document(mut self, name: &str, write: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Self {
        self.name(DOCUMENT, name);
        write(Writer::new(self.out)).end();
        self
    }

    /// A field with a document that was written before.
    #[must_use]
    pub fn raw(self, name: &str, document: &[u8]) -> Self {
        self.value(name, DOCUMENT, document)
    }

    /// A field with an array of documents.
    #[must_use]
    pub fn array<'b>(mut self, name: &str, documents: impl IntoIterator<Item = &'b [u8]>) -> Self {
        self.name(ARRAY, name);
        let items = documents.into_iter().enumerate();
        let array = Writer::new(self.out);
        let array =
            items.fold(array, |array, (number, document)| array.raw(&number.to_string(), document));
        array.end();
        self
    }

    /// Ends the document.
    pub fn end(self) {
        self.out.push(0);
        let length = length_bytes(self.out.len() - self.start);
        self.out[self.start..self.start + 4].copy_from_slice(&length);
    }

    fn name(&mut self, kind: u8, name: &str) {
        debug_assert!(!name.contains('\0'), "a name holds no zero");
        self.out.push(kind);
        self.out.extend(name.as_bytes());
        self.out.push(0);
    }
}

/// A length in four bytes. What is longer than 2 GiB gets one that no reader accepts.
fn length_bytes(length: usize) -> [u8; 4] {
    i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes()
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
