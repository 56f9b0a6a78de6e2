//! Compressed data on their way to a COPY: decompressed, counted and hashed in a thread of
//! their own, piece by piece and in bounded memory whatever they unpack to.

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::codec::Decoder;
use crate::engine::postgres::reader::END;
use crate::rows::{RowDigest, RowScanner};

/// Pieces that may wait on either side: little memory, and nobody waits for a thread to wake.
const WAITING: usize = 4;
/// What ends rows where a segment stops before the end of its file.
const MARKER: &[u8] = b"\\.\n";

/// What goes in.
#[derive(Debug)]
pub(super) enum Input {
    /// Bytes of an object.
    Bytes(Bytes),
    /// The object, or the part of it, has ended.
    EndOfPart,
}

/// What was seen on the way.
#[derive(Debug)]
pub(super) struct Seen {
    /// The rows.
    pub(super) digest: RowDigest,
    /// CRC64-NVME and length of each part.
    pub(super) parts: Vec<(u64, u64)>,
}

/// The thread: what it takes, what it gives, and what it has seen in the end.
pub(super) struct Unpacker {
    pub(super) input: Sender<Input>,
    pub(super) output: Receiver<Vec<u8>>,
    pub(super) seen: JoinHandle<Result<Seen>>,
}

/// Starts one. `is_end` says that the data end with the marker that ends data files; it is
/// looked for then, and not given out.
pub(super) fn start(algorithm: Algorithm, is_end: bool) -> Unpacker {
    let (input, from) = channel(WAITING);
    let (to, output) = channel(WAITING);
    let seen = tokio::task::spawn_blocking(move || unpack(algorithm, is_end, from, &to));
    Unpacker { input, output, seen }
}

fn unpack(
    algorithm: Algorithm,
    is_end: bool,
    mut input: Receiver<Input>,
    output: &Sender<Vec<u8>>,
) -> Result<Seen> {
    let mut decoder = Decoder::new(algorithm)?;
    let mut rows = RowScanner::default();
    let mut tail = Tail::new(is_end);
    let mut parts = Vec::new();
    let (mut crc, mut bytes) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
    while let Some(input) = input.blocking_recv() {
        match input {
            Input::Bytes(more) => {
                crc.update(&more);
                bytes += more.len() as u64;
                decoder.write(&more, &mut |piece| {
                    rows.write(piece)?;
                    let given = tail.pass(piece);
                    if given.is_empty() {
                        return Ok(());
                    }
                    output.blocking_send(given).map_err(|_| unwanted())
                })?;
            }
            Input::EndOfPart => {
                parts.push((crc.finalize(), bytes));
                (crc, bytes) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
            }
        }
    }
    decoder.finish()?;
    if !is_end {
        rows.write(MARKER)?;
    }
    let digest = rows.finish()?;
    tail.finish()?;
    Ok(Seen { digest, parts })
}

/// Whoever took the output has given up, and knows why.
fn unwanted() -> Error {
    Error::new(
        ErrorClass::Internal,
        "rows were read that nobody takes any more",
        "Report this: it is a fault of AutoDump",
    )
}

/// Holds back the end of the data.
struct Tail {
    held: Option<Vec<u8>>,
}

impl Tail {
    fn new(is_end: bool) -> Self {
        Self { held: is_end.then(Vec::new) }
    }

    /// What may be given out by now.
    fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(held) = &mut self.held else { return piece.to_vec() };
        let mut all = Vec::with_capacity(held.len() + piece.len());
        all.append(held);
        all.extend_from_slice(piece);
        *held = all.split_off(all.len().saturating_sub(END.len()));
        all
    }

    fn finish(self) -> Result<()> {
        match self.held {
            Some(held) if held != END => Err(Error::new(
                ErrorClass::Verification,
                format!("a data file ends with {:?}", String::from_utf8_lossy(&held)),
                "Use another backup, and find out what changed or cut off this file",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn through(pieces: &[&'static [u8]], is_end: bool) -> Result<(Vec<u8>, Seen)> {
        let Unpacker { input, mut output, seen } = start(Algorithm::None, is_end);
        let feed = async move {
            for piece in pieces {
                let _ = input.send(Input::Bytes(Bytes::from_static(piece))).await;
            }
            let _ = input.send(Input::EndOfPart).await;
        };
        let drain = async {
            let mut all = Vec::new();
            while let Some(piece) = output.recv().await {
                all.extend(piece);
            }
            all
        };
        let ((), all) = tokio::join!(feed, drain);
        Ok((all, seen.await.unwrap()?))
    }

    #[tokio::test]
    async fn the_end_marker_is_kept_back_however_it_is_cut() {
        for pieces in [
            &[b"a\nb\n\\.\n\n\n".as_slice()][..],
            &[b"a\nb\n\\", b".\n", b"\n", b"\n"],
            &[b"a", b"\n", b"b\n", b"\\.\n\n\n"],
        ] {
            let (all, seen) = through(pieces, true).await.unwrap();
            assert_eq!((all.as_slice(), seen.digest.rows), (b"a\nb\n".as_slice(), 2));
            assert_eq!(seen.parts[0].1, 9);
        }
        let (all, seen) = through(&[b"\\.\n\n\n"], true).await.unwrap();
        assert_eq!((all.len(), seen.digest.rows), (0, 0));
    }

    #[tokio::test]
    async fn a_segment_in_the_middle_has_whole_rows_and_no_marker() {
        let (all, seen) = through(&[b"a\nb", b"c\n"], false).await.unwrap();
        assert_eq!((all.as_slice(), seen.digest.rows), (b"a\nbc\n".as_slice(), 2));
        for (piece, is_end) in [
            (b"a\nb".as_slice(), false),
            (b"a\n\\.\n", false),
            (b"a\n", true),
            (b"a\n\\.\n", true),
            (b"a\n\\.\n\n\nb\n", true),
            (b"", true),
        ] {
            let error = through(&[piece], is_end).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification, "{piece:?} {is_end}");
        }
    }
}
