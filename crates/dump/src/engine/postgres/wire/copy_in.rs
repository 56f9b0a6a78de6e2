//! Rows to the server.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::auth::unexpected;
use super::failure::Failure;
use super::input::{Message, Rows};
use super::{Session, closed, count};

/// How much goes into one message, header included, in bytes.
const CHUNK: usize = 64 * 1024;
const HEADER: usize = 5;

/// `query_canceled`: what the server answers when we let a COPY fail.
const CANCELLED: &str = "57014";

/// A `COPY … FROM STDIN` that is running. Nothing is stored unless [`finish`](Self::finish)
/// succeeds (and the transaction around it, if there is one).
#[derive(Debug)]
pub struct CopyIn<'a> {
    session: &'a mut Session,
    failure: Option<Failure>,
    rows: Option<u64>,
    over: bool,
}

enum Event {
    Came,
    Sent,
}

impl<'a> CopyIn<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        session.output.clear();
        Self { session, failure: None, rows: None, over: false }
    }

    /// Takes data, split anywhere, and sends it in chunks of 64 KiB. While it waits for the
    /// server to take more, it reads what the server says: an error is returned as soon as it
    /// is known, by the next call at the latest that sends a chunk. Then nothing more can be
    /// written, and the session can be used again unless the failure is
    /// [lost](Failure::is_lost).
    ///
    /// If the future is dropped, the session can only be dropped too.
    pub async fn write(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        if self.over {
            return Err(Failure::Protocol("this COPY is over".to_owned()));
        }
        while !data.is_empty() {
            let output = &mut self.session.output;
            if output.is_empty() {
                output.reserve(CHUNK);
                output.put_slice(&[b'd', 0, 0, 0, 0]);
            }
            let (now, later) = data.split_at(data.len().min(CHUNK - output.len()));
            output.put_slice(now);
            data = later;
            if output.len() == CHUNK {
                self.close_chunk();
                self.exchange().await?;
            }
        }
        Ok(())
    }

    /// Ends the COPY and returns how many rows the server has taken, once it confirms.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        if self.over {
            return Err(Failure::Protocol("this COPY is over".to_owned()));
        }
        self.close_chunk();
        frontend::copy_done(&mut self.session.output);
        self.exchange().await?;
        self.until_ready().await?;
        let none = || Failure::Protocol("the server does not say how many rows it took".to_owned());
        self.rows.ok_or_else(none)
    }

    /// Lets the COPY fail: the server takes back what it has. `why` gets into its log and its
    /// error. Fails only if something else happened than that; then too nothing is stored.
    pub async fn fail(mut self, why: &str) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        self.session.output.clear();
        frontend::copy_fail(&why.replace('\0', " "), &mut self.session.output)
            .map_err(|error| Failure::Protocol(error.to_string()))?;
        let ended = match self.exchange().await {
            Ok(()) => self.until_ready().await,
            failed => failed,
        };
        match ended {
            Err(failure) if failure.code() == Some(CANCELLED) => Ok(()),
            Err(failure) => Err(failure),
            Ok(()) => Err(Failure::Protocol("the server ended a failed COPY well".to_owned())),
        }
    }

    /// Writes the length of the message that is being filled.
    fn close_chunk(&mut self) {
        let output = &mut self.session.output;
        if let Some(body) = output.len().checked_sub(1).and_then(|n| u32::try_from(n).ok()) {
            output[1..HEADER].copy_from_slice(&body.to_be_bytes());
        }
    }

    /// Sends all of the output while reading what comes, so that two full buffers never wait
    /// for each other. After an error the output is still sent to its end: half a message
    /// would make the session useless.
    async fn exchange(&mut self) -> Result<(), Failure> {
        let mut written = 0;
        loop {
            let session = &mut *self.session;
            match poll_fn(|cx| poll_exchange(session, &mut written, cx)).await {
                Ok(Event::Came) => {
                    if let Err(failure) = self.hear() {
                        self.over = true;
                        return Err(failure);
                    }
                }
                Ok(Event::Sent) => break,
                Err(error) => {
                    self.over = true;
                    let heard = self.failure.take();
                    return Err(match heard {
                        Some(failure) => failure,
                        None => self.session.write_failed(error).await,
                    });
                }
            }
        }
        self.session.output.clear();
        if self.failure.is_some() { self.until_ready().await } else { Ok(()) }
    }

    async fn until_ready(&mut self) -> Result<(), Failure> {
        while !self.over {
            let message = self.session.next(Rows::Discard).await;
            let noted = message.and_then(|message| self.note(&message));
            if let Err(failure) = noted {
                self.over = true;
                return Err(self.failure.take().unwrap_or(failure));
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Takes note of all messages that have come.
    fn hear(&mut self) -> Result<(), Failure> {
        while let Some(message) = self.session.input.message(Rows::Discard)? {
            if let Some(message) = self.session.note(message) {
                self.note(&message)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, message: &Message) -> Result<(), Failure> {
        match message.tag {
            b'E' => {
                let failure = Failure::database(&message.body);
                if failure.is_lost() {
                    self.over = true;
                    return Err(failure);
                }
                self.failure.get_or_insert(failure);
            }
            b'C' => self.rows = count(&message.body),
            b'Z' => {
                self.session.ready = true;
                self.over = true;
            }
            _ => return Err(unexpected(message)),
        }
        Ok(())
    }
}

/// Reads if there is something, else writes if there is room.
fn poll_exchange(
    session: &mut Session,
    written: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Event>> {
    let Session { stream, input, output, .. } = session;
    let mut stream = Pin::new(stream);
    let mut room = ReadBuf::new(input.room());
    match stream.as_mut().poll_read(cx, &mut room) {
        Poll::Ready(Ok(())) if room.filled().is_empty() => return Poll::Ready(Err(closed())),
        Poll::Ready(Ok(())) => {
            let came = room.filled().len();
            input.filled(came);
            return Poll::Ready(Ok(Event::Came));
        }
        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
        Poll::Pending => {}
    }
    while *written < output.len() {
        match ready!(stream.as_mut().poll_write(cx, &output[*written..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            bytes => *written += bytes,
        }
    }
    ready!(stream.poll_flush(cx))?;
    Poll::Ready(Ok(Event::Sent))
}
