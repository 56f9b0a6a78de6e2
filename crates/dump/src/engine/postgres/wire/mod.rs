//! A client of PostgreSQL's protocol, version 3.0: just what dump and restore need, with
//! COPY at the speed of memory and in bounded memory (PostgreSQL's documentation,
//! "Frontend/Backend Protocol").
//!
//! The settings of a session (encoding of texts, timeouts, styles) are the server's until the
//! caller sets others.
//!
//! A future of this module that is dropped before it is done leaves its session in the middle
//! of a command, and so does a [`CopyOut`] or [`CopyIn`] that is dropped early. Whatever is
//! asked of such a session afterwards is refused ([`Session::is_ready`]). Dropping it is always
//! right: the server notices and rolls back.

mod auth;
mod connect;
mod copy_in;
mod copy_out;
mod endpoint;
mod failure;
mod input;
mod names;
mod stream;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use self::auth::unexpected;
pub use self::copy_in::CopyIn;
pub use self::copy_out::{CopyOut, Piece};
pub use self::endpoint::Endpoint;
pub use self::failure::{DatabaseError, Failure};
use self::input::{BUFFER, Input, LONGEST, Message, Rows};
use self::stream::Stream;

/// How long we wait for the reason after a connection has failed, and for a good-bye to go out.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A session with a server: one connection, one command at a time.
pub struct Session {
    stream: Stream,
    input: Input,
    output: BytesMut,
    address: String,
    parameters: BTreeMap<String, String>,
    process_id: i32,
    /// A warning that the connection is about to go.
    last_words: Option<Box<DatabaseError>>,
    ready: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("address", &self.address)
            .field("process_id", &self.process_id)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects. All addresses of the name are tried, with 15 s for each. The connection is
    /// named `autodump`, and a peer that vanished is noticed after about two minutes.
    ///
    /// The password goes out in clear text only over TLS or to this very machine.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, Failure> {
        connect::connect(endpoint).await
    }

    fn over(stream: Stream, address: String) -> Self {
        Self {
            stream,
            input: Input::new(BUFFER),
            output: BytesMut::new(),
            address,
            parameters: BTreeMap::new(),
            process_id: 0,
            last_words: None,
            ready: false,
        }
    }

    /// Runs statements, separated by `;`, and discards their rows (also those of a COPY to
    /// standard output). After the first that fails no more are run. Unless the failure
    /// [`is_lost`](Failure::is_lost), the session can be used again.
    pub async fn execute(&mut self, sql: &str) -> Result<(), Failure> {
        self.ask(sql).await?;
        self.answer(Rows::Discard, |_| Ok(())).await
    }

    /// Runs statements as [`execute`](Self::execute) does, and returns the rows of all of them,
    /// one after another, as text; `None` is NULL.
    ///
    /// Texts must come in UTF-8: set `client_encoding` before, if names of another encoding are
    /// to be expected. An answer may have 256 MiB.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Failure> {
        self.ask(sql).await?;
        let mut rows = Vec::new();
        let mut size = 0;
        self.answer(Rows::Keep, |row| {
            size += row.len();
            if size > LONGEST {
                let what = format!("the server's answer has more than {LONGEST} bytes");
                return Err(Failure::Protocol(what));
            }
            rows.push(columns(row)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Begins a `COPY … TO STDOUT`. The rows have to be read to their end before the session
    /// can be used for anything else.
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Failure> {
        self.begin_copy(sql, b'H').await?;
        Ok(CopyOut::new(self))
    }

    /// Begins a `COPY … FROM STDIN`, which [`CopyIn::finish`] has to end.
    pub async fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Failure> {
        self.begin_copy(sql, b'G').await?;
        Ok(CopyIn::new(self))
    }

    /// What the server reports of itself, such as `server_version`, `server_encoding`,
    /// `in_hot_standby` (14 and newer) or `standard_conforming_strings`; as it stands now.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The server process of this session, for `pg_cancel_backend` and the like.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// Whether a command can be given: the connection stands as far as is known, and no
    /// command was left unfinished.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Says good-bye. Nothing is wrong if it fails, so nothing is returned.
    pub async fn close(mut self) {
        self.output.clear();
        frontend::terminate(&mut self.output);
        let good_bye = async {
            self.stream.write_all(&self.output).await?;
            self.stream.shutdown().await
        };
        let _ = timeout(LAST_WORDS, good_bye).await;
    }

    async fn ask(&mut self, sql: &str) -> Result<(), Failure> {
        if !self.ready {
            let what = "the session was left in the middle of a command".to_owned();
            return Err(Failure::Lost(what, std::io::ErrorKind::NotConnected.into()));
        }
        self.output.clear();
        if frontend::query(sql, &mut self.output).is_err() {
            let what = "a statement has a NUL character or more than 2 GiB".to_owned();
            return Err(Failure::Protocol(what));
        }
        self.ready = false;
        self.send().await
    }

    /// Reads what comes until the server is ready again.
    async fn answer(
        &mut self,
        rows: Rows,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let message = self.next(rows).await?;
            match message.tag {
                b'D' => take(&message.body)?,
                b'E' => return Err(self.recover(Failure::database(&message.body)).await),
                b'G' => self.send_copy_fail("no data is sent by this command").await?,
                b'T' | b'C' | b'I' | b'H' | b'd' | b'c' => {}
                b'Z' => {
                    self.ready = true;
                    return Ok(());
                }
                _ => return Err(unexpected(&message)),
            }
        }
    }

    async fn begin_copy(&mut self, sql: &str, begin: u8) -> Result<(), Failure> {
        self.ask(sql).await?;
        loop {
            let message = self.next(Rows::Discard).await?;
            match message.tag {
                tag if tag == begin => return Ok(()),
                b'E' => return Err(self.recover(Failure::database(&message.body)).await),
                b'T' | b'C' | b'I' => {}
                b'Z' => {
                    self.ready = true;
                    let what = "the server does not copy by this statement".to_owned();
                    return Err(Failure::Protocol(what));
                }
                _ => return Err(unexpected(&message)),
            }
        }
    }

    async fn send_copy_fail(&mut self, why: &str) -> Result<(), Failure> {
        self.output.clear();
        let why = why.replace('\0', " ");
        frontend::copy_fail(&why, &mut self.output)
            .map_err(|error| Failure::Protocol(error.to_string()))?;
        self.send().await
    }

    /// After an error: reads until the server is ready again. What else fails on the way does
    /// not replace the error.
    async fn recover(&mut self, failure: Failure) -> Failure {
        while !failure.is_lost() {
            match self.next(Rows::Discard).await {
                Ok(message) if message.tag == b'Z' => {
                    self.ready = true;
                    break;
                }
                Ok(message) if message.tag == b'E' => {
                    let next = Failure::database(&message.body);
                    if next.is_lost() {
                        break;
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        failure
    }

    /// Sends all of `output`.
    async fn send(&mut self) -> Result<(), Failure> {
        let sent = match self.stream.write_all(&self.output).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        self.output.clear();
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Err(self.write_failed(error).await),
        }
    }

    /// A server that ends a session says why before it closes the connection; the reason may
    /// wait to be read when writing fails.
    async fn write_failed(&mut self, error: io::Error) -> Failure {
        let reason = async {
            loop {
                match self.next(Rows::Discard).await {
                    Ok(message) if message.tag == b'E' => {
                        return Some(Failure::database(&message.body));
                    }
                    Ok(_) => {}
                    Err(failure @ Failure::Database(_)) => return Some(failure),
                    Err(_) => return None,
                }
            }
        };
        match timeout(LAST_WORDS, reason).await {
            Ok(Some(failure)) => failure,
            Ok(None) | Err(_) => self.lost(error),
        }
    }

    /// The next message that is part of an answer.
    async fn next(&mut self, rows: Rows) -> Result<Message, Failure> {
        loop {
            match self.input.message(rows)? {
                Some(message) => {
                    if let Some(message) = self.note(message) {
                        return Ok(message);
                    }
                }
                None => self.fill().await?,
            }
        }
    }

    /// Takes note of a message that may come at any time, and gives back any other.
    fn note(&mut self, message: Message) -> Option<Message> {
        match message.tag {
            b'N' => {
                let notice = DatabaseError::parse(&message.body);
                tracing::debug!(server = self.address, "{notice}");
                if notice.ends_the_session() {
                    self.last_words = Some(Box::new(notice));
                }
                None
            }
            b'S' => {
                let text = String::from_utf8_lossy(&message.body);
                let mut parts = text.split('\0').map(str::to_owned);
                if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                    self.parameters.insert(name, value);
                }
                None
            }
            b'A' => None,
            _ => Some(message),
        }
    }

    /// Waits for more.
    async fn fill(&mut self) -> Result<(), Failure> {
        match self.stream.read(self.input.room()).await {
            Ok(0) => Err(self.lost(closed())),
            Ok(bytes) => {
                self.input.filled(bytes);
                Ok(())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    fn lost(&mut self, error: io::Error) -> Failure {
        self.ready = false;
        match self.last_words.take() {
            Some(error) => Failure::Database(error),
            None => Failure::Lost(format!("the connection to {} is lost", self.address), error),
        }
    }
}

fn closed() -> io::Error {
    let what = "server closed the connection unexpectedly";
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// The columns of a `DataRow`.
fn columns(row: &[u8]) -> Result<Vec<Option<String>>, Failure> {
    let short = || Failure::Protocol("the server sends a row that ends too early".to_owned());
    let (count, mut rest) = row.split_first_chunk().ok_or_else(short)?;
    let count = u16::from_be_bytes(*count);
    let mut columns = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk().ok_or_else(short)?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            columns.push(None);
            continue;
        };
        let (text, after) = rest.split_at_checked(length).ok_or_else(short)?;
        rest = after;
        let text = str::from_utf8(text).map_err(|_| {
            let shown = String::from_utf8_lossy(text);
            Failure::Protocol(format!("the server's answer {shown:?} is not in UTF-8"))
        })?;
        columns.push(Some(text.to_owned()));
    }
    Ok(columns)
}

/// The count at the end of a command's tag, such as `COPY 42`.
fn count(tag: &[u8]) -> Option<u64> {
    let text = str::from_utf8(tag.split(|byte| *byte == 0).next()?).ok()?;
    text.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_columns() {
        let row = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        let expected = vec![Some("ab".to_owned()), None, Some(String::new())];
        assert_eq!(columns(row).unwrap(), expected);
        for end in 0..row.len() {
            assert!(matches!(columns(&row[..end]), Err(Failure::Protocol(_))), "{end}");
        }
        let latin1 = columns(b"\0\x01\0\0\0\x01\xe4").unwrap_err();
        assert!(latin1.to_string().contains("UTF-8"));
    }

    #[test]
    fn tags_end_with_a_count() {
        assert_eq!(count(b"COPY 42\0"), Some(42));
        assert_eq!(count(b"BEGIN\0"), None);
        assert_eq!(count(b""), None);
    }
}
