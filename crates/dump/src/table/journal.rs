//! An object of a range's journal: pages that were read, in order.
//!
//! It is one line of JSON, the head, and then the frames of its entries, one after the other:
//!
//! `{"version":1,"crc64nvme":"…","content":{"writer":"…","entries":[…]}}`
//!
//! The CRC is that of the content's text. Everything is covered by a CRC: the frames by those
//! that the entries hold.

use autodump_core::ports::{Content as _, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::crc;
use super::place::{check_version, damaged};

const VERSION: u32 = 1;

/// How much is read first in search of the end of a head.
const HEAD: u64 = 64 << 10;

/// What a journal object says about its frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Any text that no other attempt has: who finds an object sees whether it is its own.
    pub writer: String,
    /// In the order of their frames.
    pub entries: Vec<Entry>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// The segment that it is of.
    pub segment: u32,
    /// The JSON text of the key after which the next page begins; `None` when the segment is
    /// finished.
    pub next: Option<String>,
    /// How many items it has.
    pub items: u64,
    /// Bytes of its lines, before compression.
    pub bytes: u64,
    /// CRC64-NVME of its lines, before compression.
    #[serde(with = "crc")]
    pub crc64nvme: u64,
    /// Read units that it took.
    pub units: f64,
    /// Bytes of its frame.
    pub frame: u64,
    /// CRC64-NVME of its frame.
    #[serde(with = "crc")]
    pub frame_crc64nvme: u64,
}

/// An entry with its frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What it is.
    pub entry: Entry,
    /// The page's lines, compressed.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(with = "crc")]
    crc64nvme: u64,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Serialize)]
struct Content<'a> {
    writer: &'a str,
    entries: Vec<&'a Entry>,
}

/// The bytes of a journal object with these entries.
pub fn encode(writer: &str, frames: &[Frame]) -> Result<Bytes> {
    let entries = frames.iter().map(|frame| &frame.entry).collect();
    let content = serde_json::to_string(&Content { writer, entries }).map_err(unwritable)?;
    let crc = crc::of(content.as_bytes());
    let head =
        format!("{{\"version\":{VERSION},\"crc64nvme\":\"{crc:016x}\",\"content\":{content}}}\n");
    let length = frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(head.len() + length);
    bytes.extend_from_slice(head.as_bytes());
    for frame in frames {
        bytes.extend_from_slice(&frame.bytes);
    }
    Ok(bytes.into())
}

/// Reads the bytes of the journal object that lies at `location`. Anything that is not as
/// [`encode`] made it is an error of class [`ErrorClass::Verification`].
pub fn decode(location: &ObjectLocation, bytes: &Bytes) -> Result<(Head, Vec<Frame>)> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Err(damaged(location, "it has no line"));
    };
    let head = decode_head(location, &bytes[..end])?;
    let mut rest = bytes.slice(end + 1..);
    let mut frames = Vec::with_capacity(head.entries.len());
    for (index, entry) in head.entries.iter().enumerate() {
        let length = usize::try_from(entry.frame).ok().filter(|length| *length <= rest.len());
        let Some(length) = length else {
            return Err(damaged(location, &format!("it ends before frame {index} does")));
        };
        let frame = rest.split_to(length);
        if crc::of(&frame) != entry.frame_crc64nvme {
            return Err(damaged(location, &format!("frame {index} has another CRC")));
        }
        frames.push(Frame { entry: entry.clone(), bytes: frame });
    }
    if rest.is_empty() {
        Ok((head, frames))
    } else {
        Err(damaged(location, &format!("{} bytes follow its last frame", rest.len())))
    }
}

/// Reads the head alone of the journal object of `length` bytes that lies at `location`.
pub async fn read_head<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    length: u64,
) -> Result<Head> {
    let mut wanted = HEAD.min(length);
    let mut bytes = Vec::new();
    loop {
        let from = bytes.len() as u64;
        let mut content = reader.get(location, Some(from..wanted)).await?;
        while let Some(more) = content.next().await? {
            bytes.extend_from_slice(&more);
        }
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            return decode_head(location, &bytes[..end]);
        }
        if wanted == length {
            return Err(damaged(location, "it has no line"));
        }
        wanted = length.min(wanted.saturating_mul(4));
    }
}

fn decode_head(location: &ObjectLocation, line: &[u8]) -> Result<Head> {
    check_version(location, line, VERSION)?;
    let broken = |error| damaged(location, &format!("its first line is not understood: {error}"));
    let line: Line = serde_json::from_slice(line).map_err(broken)?;
    if crc::of(line.content.get().as_bytes()) != line.crc64nvme {
        return Err(damaged(location, "its first line has another CRC"));
    }
    serde_json::from_str(line.content.get()).map_err(broken)
}

fn unwritable(error: serde_json::Error) -> Error {
    let what = format!("the head of a journal object cannot be written as JSON: {error}");
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        .caused_by(error)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
