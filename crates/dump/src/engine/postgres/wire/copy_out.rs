//! Rows from the server.

use super::auth::unexpected;
use super::failure::Failure;
use super::input::{Next, Rows};
use super::{Session, count};

/// What [`CopyOut::read`] gives: slices of the session's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole row with its newline.
    Row(&'a [u8]),
    /// A part of a row that is larger than the buffer (256 KiB); more of it follows.
    Part(&'a [u8]),
    /// The end of such a row, with its newline.
    Last(&'a [u8]),
}

/// A `COPY … TO STDOUT` that is running.
#[derive(Debug)]
pub struct CopyOut<'a> {
    session: &'a mut Session,
    rows: Option<u64>,
    over: bool,
}

impl<'a> CopyOut<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        Self { session, rows: None, over: false }
    }

    /// Waits for data and gives all that came to `take`, piece by piece, without copying it.
    /// Returns false at the end: the server has confirmed that these were all rows, and the
    /// session can be used again, which it can after a failure that is not
    /// [lost](Failure::is_lost), too.
    ///
    /// If the future is dropped, pieces may have been given, and the session stays in the
    /// middle of the COPY: go on reading, or drop the session.
    pub async fn read(&mut self, take: &mut impl FnMut(Piece<'_>)) -> Result<bool, Failure> {
        while !self.over {
            match self.session.input.rows(take)? {
                (true, _) => return Ok(true),
                (false, Next::Read) => self.session.fill().await?,
                (false, Next::Message) => self.message().await?,
            }
        }
        match self.rows {
            Some(_) => Ok(false),
            None => Err(Failure::Protocol("this COPY has failed".to_owned())),
        }
    }

    /// How many rows the server says it has sent; known at the end.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// One message that is no row.
    async fn message(&mut self) -> Result<(), Failure> {
        let message = loop {
            match self.session.input.message(Rows::Keep)? {
                Some(message) => break self.session.note(message),
                None => self.session.fill().await?,
            }
        };
        let Some(message) = message else { return Ok(()) };
        match message.tag {
            b'c' => {}
            b'C' => self.rows = count(&message.body),
            b'Z' if self.rows.is_some() => {
                self.session.ready = true;
                self.over = true;
            }
            b'E' => {
                (self.over, self.rows) = (true, None);
                return Err(self.session.recover(Failure::database(&message.body)).await);
            }
            _ => return Err(unexpected(&message)),
        }
        Ok(())
    }
}
