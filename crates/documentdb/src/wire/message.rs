//! Messages as they are on the wire: `OP_MSG`, and `OP_QUERY`, with which old clients say hello.

use anyhow::{Context, Result, bail, ensure};
use bson::{RawDocument, RawDocumentBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::Reply;

/// The largest message that is taken, in bytes. It is what `hello` says.
pub(crate) const MAX_MESSAGE: usize = 48_000_000;

const HEADER: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 2;

/// A command and what came with it.
pub(crate) struct Request {
    id: i32,
    code: i32,
    /// Whether the client wants no reply.
    pub(crate) silent: bool,
    /// The database that it is for.
    pub(crate) database: String,
    /// The command's name, as the client writes it.
    pub(crate) name: String,
    /// The command.
    pub(crate) body: RawDocumentBuf,
    /// Sequences of documents beside it: a name, and the documents one after another.
    pub(crate) sequences: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A command that nobody sent.
    pub(crate) fn of(database: &str, command: RawDocumentBuf) -> Result<Self> {
        request(0, OP_MSG, command, Some(database.to_owned()))
    }

    /// The documents of a sequence, one after another.
    pub(crate) fn sequence(&self, name: &str) -> Option<&[u8]> {
        self.sequences.iter().find(|(found, _)| found == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// A command's own value, where it is text: mostly the collection's name.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.body.get_str(&self.name).ok()
    }
}

/// The next message, or `None` where the client has closed.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Request>> {
    let mut header = [0; HEADER];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await?;
    let field = |at: usize| i32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    let size = usize::try_from(field(0)).context("a message of negative size")?;
    ensure!((HEADER..=MAX_MESSAGE).contains(&size), "a message of {size} bytes");
    let mut body = vec![0; size - HEADER];
    stream.read_exact(&mut body).await?;
    let (id, code) = (field(4), field(12));
    match code {
        OP_QUERY => query(id, &body).map(Some),
        OP_MSG => message(id, &body).map(Some),
        other => bail!("a message of kind {other}"),
    }
}

fn query(id: i32, body: &[u8]) -> Result<Request> {
    let name = body.get(4..).context("a short OP_QUERY")?;
    let end = name.iter().position(|byte| *byte == 0).context("a name without end")?;
    let namespace = std::str::from_utf8(&name[..end])?;
    let database = namespace.split('.').next().unwrap_or_default().to_owned();
    let document = document(name.get(end + 9..).context("a short OP_QUERY")?)?;
    request(id, OP_QUERY, document, Some(database))
}

fn message(id: i32, body: &[u8]) -> Result<Request> {
    let flags = body.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).context("no flags")?;
    let checksum = if flags & CHECKSUM_PRESENT == 0 { 0 } else { 4 };
    let mut rest = &body[4..body.len().checked_sub(checksum).context("no checksum")?];
    let (mut command, mut sequences) = (None, Vec::new());
    while let Some((kind, section)) = rest.split_first() {
        let size = sized(section)?;
        match kind {
            0 => command = Some(document(section)?),
            1 => sequences.push(sequence(&section[4..size])?),
            other => bail!("a section of kind {other}"),
        }
        rest = &section[size..];
    }
    let command = command.context("a message without a command")?;
    let mut request = request(id, OP_MSG, command, None)?;
    request.silent = flags & MORE_TO_COME != 0;
    request.sequences = sequences;
    Ok(request)
}

fn request(id: i32, code: i32, body: RawDocumentBuf, database: Option<String>) -> Result<Request> {
    let (name, _) = body.iter().next().context("an empty command")??;
    let name = name.as_str().to_owned();
    let named = || body.get_str("$db").map(str::to_owned);
    let database = database.map_or_else(named, Ok).context("a command without a database")?;
    Ok(Request { id, code, silent: false, database, name, body, sequences: Vec::new() })
}

/// The size that these bytes begin with, if there are as many.
fn sized(bytes: &[u8]) -> Result<usize> {
    let size = bytes.first_chunk().map(|size| i32::from_le_bytes(*size)).context("cut short")?;
    let size = usize::try_from(size).context("a negative size")?;
    ensure!((4..=bytes.len()).contains(&size), "{size} bytes are announced, there are fewer");
    Ok(size)
}

fn document(bytes: &[u8]) -> Result<RawDocumentBuf> {
    let bytes = &bytes[..sized(bytes)?];
    Ok(RawDocument::from_bytes(bytes)?.to_owned())
}

fn sequence(section: &[u8]) -> Result<(String, Vec<u8>)> {
    let end = section.iter().position(|byte| *byte == 0).context("a name without end")?;
    let name = std::str::from_utf8(&section[..end])?.to_owned();
    Ok((name, section[end + 1..].to_vec()))
}

/// The documents of a sequence.
pub(crate) fn documents(mut sequence: &[u8]) -> Result<Vec<&RawDocument>> {
    let mut found = Vec::new();
    while !sequence.is_empty() {
        let (first, rest) = sequence.split_at(sized(sequence)?);
        found.push(RawDocument::from_bytes(first)?);
        sequence = rest;
    }
    Ok(found)
}

/// Sends the reply to a request.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    request: &Request,
    reply: &Reply,
) -> Result<()> {
    let (code, between) = match request.code {
        // Flags (`AwaitCapable`), cursor in two halves, start, number of documents.
        OP_QUERY => (OP_REPLY, [8_i32, 0, 0, 0, 1].map(i32::to_le_bytes).concat()),
        // Flags, kind of the section.
        _ => (OP_MSG, vec![0; 5]),
    };
    let size = HEADER + between.len() + reply.len();
    let size = i32::try_from(size).context("the reply is too large")?;
    let mut head = [size, 1, request.id, code].map(i32::to_le_bytes).concat();
    head.extend_from_slice(&between);
    stream.write_all(&head).await?;
    for part in reply.parts() {
        stream.write_all(part).await?;
    }
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
