//! What the server sends: one buffer, and messages cut out of it.
//!
//! A message is a tag, its length in four bytes (which it counts, the tag not) and a body
//! (PostgreSQL's documentation, "Message Formats").

use super::Piece;
use super::failure::Failure;

/// Size of the buffer of each session, in bytes.
pub(super) const BUFFER: usize = 256 * 1024;
/// The longest message that is kept whole, in bytes: rows of answers, errors.
pub(super) const LONGEST: usize = 256 * 1024 * 1024;
/// The same as long as the server has not proven who it is.
pub(super) const LONGEST_OF_STRANGERS: usize = 64 * 1024;

const HEADER: usize = 5;
const COPY_DATA: u8 = b'd';
const DATA_ROW: u8 = b'D';

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) tag: u8,
    pub(super) body: Vec<u8>,
}

/// What is to become of rows that [`Input::message`] meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Keep,
    Discard,
}

/// What comes after the rows that were given away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: more has to be read.
    Read,
    /// A message that is no row, or what is still to come of one.
    Message,
}

#[derive(Debug)]
struct Partial {
    message: Message,
    missing: usize,
    keep: bool,
}

#[derive(Debug)]
pub(super) struct Input {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes of a row larger than the buffer that are still to come.
    row: usize,
    /// A message that [`Input::message`] has begun.
    partial: Option<Partial>,
    /// The longest body that is kept.
    pub(super) longest: usize,
}

impl Input {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            buffer: vec![0; capacity].into_boxed_slice(),
            start: 0,
            end: 0,
            row: 0,
            partial: None,
            longest: LONGEST_OF_STRANGERS,
        }
    }

    /// Where to read more to: never empty once all that can be has been taken out. What is
    /// left is moved to the front only when it is less than what was taken out since, or when
    /// its message would not fit otherwise: each byte is moved once at most, on average.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let unread = self.end - self.start;
        let wanted = match self.length() {
            Ok(Some((_, body))) => HEADER.saturating_add(body).min(self.buffer.len()),
            _ => HEADER,
        };
        if self.start > 0 && (unread <= self.start || self.start + wanted > self.buffer.len()) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, unread);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were read into the room.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// Gives all rows of a COPY that are there.
    pub(super) fn rows(
        &mut self,
        take: &mut impl FnMut(Piece<'_>),
    ) -> Result<(bool, Next), Failure> {
        if self.partial.is_some() {
            return Ok((false, Next::Message));
        }
        let mut given = self.more_of_row(take);
        while self.row == 0 {
            let unread = &self.buffer[self.start..self.end];
            let Some((tag, length)) = length(unread)? else { break };
            if tag != COPY_DATA {
                return Ok((given, Next::Message));
            }
            let body = &unread[HEADER..];
            if let Some(row) = body.get(..length) {
                take(Piece::Row(row));
                self.start += HEADER + length;
            } else if HEADER + length <= self.buffer.len() {
                break;
            } else if body.is_empty() {
                (self.start, self.row) = (self.end, length);
                break;
            } else {
                take(Piece::Part(body));
                (self.start, self.row) = (self.end, length - body.len());
            }
            given = true;
        }
        Ok((given, Next::Read))
    }

    /// Goes on with a row that is larger than the buffer.
    fn more_of_row(&mut self, take: &mut impl FnMut(Piece<'_>)) -> bool {
        let here = self.row.min(self.end - self.start);
        if here == 0 {
            return false;
        }
        let piece = &self.buffer[self.start..self.start + here];
        self.row -= here;
        self.start += here;
        take(if self.row == 0 { Piece::Last(piece) } else { Piece::Part(piece) });
        true
    }

    /// The next whole message, or `None` if more has to be read. Discarded rows take no
    /// memory, however long.
    pub(super) fn message(&mut self, rows: Rows) -> Result<Option<Message>, Failure> {
        loop {
            let mut partial = match self.partial.take() {
                Some(partial) => partial,
                None => match self.begin(rows)? {
                    Some(partial) => partial,
                    None => return Ok(None),
                },
            };
            let here = partial.missing.min(self.end - self.start);
            if partial.keep {
                partial.message.body.extend_from_slice(&self.buffer[self.start..][..here]);
            }
            self.start += here;
            partial.missing -= here;
            if partial.missing > 0 {
                self.partial = Some(partial);
                return Ok(None);
            }
            if partial.keep {
                return Ok(Some(partial.message));
            }
        }
    }

    fn begin(&mut self, rows: Rows) -> Result<Option<Partial>, Failure> {
        let Some((tag, missing)) = self.length()? else { return Ok(None) };
        let keep = rows == Rows::Keep || !matches!(tag, COPY_DATA | DATA_ROW);
        if keep && missing > self.longest {
            return Err(Failure::Protocol(format!(
                "the server sends a message {:?} of {missing} bytes, and at most {} are taken",
                char::from(tag),
                self.longest
            )));
        }
        self.start += HEADER;
        Ok(Some(Partial { message: Message { tag, body: Vec::new() }, missing, keep }))
    }

    fn length(&self) -> Result<Option<(u8, usize)>, Failure> {
        if self.row > 0 || self.partial.is_some() {
            return Ok(None);
        }
        length(&self.buffer[self.start..self.end])
    }
}

/// Tag and length of the body of the message that begins here.
fn length(unread: &[u8]) -> Result<Option<(u8, usize)>, Failure> {
    let &[tag, a, b, c, d, ..] = unread else { return Ok(None) };
    let length = i32::from_be_bytes([a, b, c, d]);
    let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    let body = body.ok_or_else(|| {
        let tag = char::from(tag);
        Failure::Protocol(format!("the server sends a message {tag:?} of {length} bytes"))
    })?;
    Ok(Some((tag, body)))
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
