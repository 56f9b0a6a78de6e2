//! A piece of the archive on its way into the database: decompressed, compared, hashed and cut
//! into batches in a thread of its own, in bounded memory whatever it unpacks to.

use std::collections::BTreeMap;
use std::sync::Arc;

use autodump_core::compression::Algorithm;
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::batch::{Batch, Cutter};
use crate::codec::Decoder;
use crate::engine::mongodb::archive::{Known, Part, Scanner};
use crate::engine::mongodb::stored::{damaged, within};
use crate::rows::RowDigest;

/// Pieces of an object that may wait.
const WAITING: usize = 4;
/// Batches that may wait for each that is being inserted.
const BATCHES: usize = 1;

/// What goes in.
#[derive(Debug)]
pub(super) enum Input {
    /// Bytes of an object.
    Bytes(Bytes),
    /// The object, or the part of it, has ended.
    EndOfPart,
}

/// What was seen of a piece.
#[derive(Debug)]
pub(super) struct Seen {
    /// What the documents of each collection are.
    pub(super) digests: BTreeMap<usize, RowDigest>,
    /// What is compared with the other pieces.
    pub(super) collections: Vec<Part>,
    /// CRC64-NVME and length of each part of an object.
    pub(super) parts: Vec<(u64, u64)>,
}

/// The thread: what it takes, what it gives, and what it has seen in the end.
pub(super) struct Unpacker {
    pub(super) input: Sender<Input>,
    pub(super) output: Receiver<Batch>,
    pub(super) seen: JoinHandle<Result<Seen>>,
}

/// What a piece is, and what is wanted of it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) algorithm: Algorithm,
    pub(super) known: Known,
    pub(super) is_first: bool,
    /// Of each collection, whether its documents are wanted.
    pub(super) wanted: Arc<[bool]>,
}

/// Starts one.
pub(super) fn start(order: Order) -> Unpacker {
    let (input, from) = channel(WAITING);
    let (to, output) = channel(BATCHES);
    let seen = tokio::task::spawn_blocking(move || unpack(&order, from, &to));
    Unpacker { input, output, seen }
}

fn unpack(order: &Order, mut input: Receiver<Input>, output: &Sender<Batch>) -> Result<Seen> {
    let mut decoder = Decoder::new(order.algorithm)?;
    let cutter = Cutter::new(Arc::clone(&order.wanted));
    let mut scanner = if order.is_first {
        Scanner::first_piece(cutter)
    } else {
        Scanner::piece(&order.known, cutter)
    };
    let mut parts = Vec::new();
    let (mut crc, mut bytes) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
    while let Some(input) = input.blocking_recv() {
        match input {
            Input::Bytes(more) => {
                crc.update(&more);
                bytes += more.len() as u64;
                let written = decoder.write(&more, &mut |piece| {
                    scanner.write(piece).map_err(|damage| damaged(&damage))?;
                    send(&mut scanner.visitor().ready, output)
                });
                written.map_err(|error| located(&error, &scanner))?;
            }
            Input::EndOfPart => {
                parts.push((crc.finalize(), bytes));
                (crc, bytes) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
            }
        }
    }
    decoder.finish().map_err(|error| located(&error, &scanner))?;
    let (mut cutter, collections) = scanner.finish_piece().map_err(|damage| damaged(&damage))?;
    cutter.flush();
    send(&mut cutter.ready, output)?;
    Ok(Seen { digests: cutter.digests, collections, parts })
}

fn send(ready: &mut Vec<Batch>, output: &Sender<Batch>) -> Result<()> {
    for batch in ready.drain(..) {
        // Whoever took them has given up, and knows why.
        output.blocking_send(batch).map_err(|_| {
            Error::new(
                ErrorClass::Internal,
                "documents were read that nobody takes any more",
                "Report this: it is a fault of AutoDump",
            )
        })?;
    }
    Ok(())
}

/// The error with the collection whose documents were being read, which may not be named by it.
fn located(error: &Error, scanner: &Scanner<Cutter>) -> Error {
    match scanner.collection() {
        Some(collection) => {
            let name = &collection.namespace;
            within(error, &format!("documents of {}.{}", name.database, name.collection))
        }
        None => within(error, "between two collections"),
    }
}
