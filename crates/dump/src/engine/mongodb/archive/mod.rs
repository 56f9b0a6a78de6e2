//! The archive of `mongodump --archive`, version 0.1.
//!
//! A magic number; a prelude, which names what was dumped and every collection with its
//! definition; then blocks. A block holds documents of one collection, or says that the
//! collection has ended and what the checksum of its documents is. Blocks of several
//! collections may be mixed. `mongorestore` waits for ever where more collections are begun and
//! not ended than the prelude's `concurrent` and its own option allow.

mod joined;
mod read;

use std::fmt;

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

pub use self::joined::Joined;
pub use self::read::{Damage, Known, Part, Scanner, Visitor};
use super::raw::Writer;

/// The first four bytes.
pub const MAGIC: [u8; 4] = 0x8199_e26d_u32.to_le_bytes();
/// What stands behind the prelude, and behind each block.
pub const TERMINATOR: [u8; 4] = [0xff; 4];
/// The longest document that the tools take: 16 MiB, and 16 KiB for what a server adds.
pub const LONGEST: usize = (16 << 20) + (16 << 10);
/// The version of the format.
const VERSION: &str = "0.1";
/// The algorithm of a collection's checksum.
const CRC: CrcAlgorithm = CrcAlgorithm::Crc64Xz;

/// A collection's full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace {
    /// The database; empty for the oplog.
    pub database: String,
    /// The collection, without the database.
    pub collection: String,
}

/// As people write it: `database.collection`.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}

/// A collection or a view, as the prelude names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub namespace: Namespace,
    /// Options, indexes and UUID, in canonical extended JSON; empty where there is none.
    pub metadata: String,
    /// `collection`, `view` or `timeseries`.
    pub kind: String,
}

impl Collection {
    /// The name that its blocks have. What a time series holds is in a collection of its own.
    #[must_use]
    pub fn stored(&self) -> Namespace {
        let Namespace { database, collection } = &self.namespace;
        let prefix = if self.kind == "timeseries" { "system.buckets." } else { "" };
        Namespace { database: database.clone(), collection: format!("{prefix}{collection}") }
    }
}

/// What stands before the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prelude {
    /// The most collections that are begun and not ended at any place.
    pub concurrent: i32,
    /// The version of the server that was dumped.
    pub server_version: String,
    /// The version of the program that dumped.
    pub tool_version: String,
    /// Every collection.
    pub collections: Vec<Collection>,
}

impl Prelude {
    /// Appends the magic number and the prelude to `out`. Each collection has to have an end
    /// somewhere behind it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        Writer::new(out)
            .int32("concurrent_collections", self.concurrent)
            .text("version", VERSION)
            .text("server_version", &self.server_version)
            .text("tool_version", &self.tool_version)
            .end();
        for Collection { namespace, metadata, kind } in &self.collections {
            Writer::new(out)
                .text("db", &namespace.database)
                .text("collection", &namespace.collection)
                .text("metadata", metadata)
                .int32("size", 0)
                .text("type", kind)
                .end();
        }
        out.extend(TERMINATOR);
    }
}

/// Begins a block of documents: they follow, one after another, and then [`end_block`].
pub fn begin_block(namespace: &Namespace, out: &mut Vec<u8>) {
    header(namespace, false, 0, out);
}

/// Ends a block of documents.
pub fn end_block(out: &mut Vec<u8>) {
    out.extend(TERMINATOR);
}

/// Appends the block that ends a collection whose documents have this checksum.
pub fn end_collection(namespace: &Namespace, sum: Sum, out: &mut Vec<u8>) {
    header(namespace, true, sum.crc, out);
    out.extend(TERMINATOR);
}

fn header(Namespace { database, collection }: &Namespace, ends: bool, crc: u64, out: &mut Vec<u8>) {
    Writer::new(out)
        .text("db", database)
        .text("collection", collection)
        .truth("EOF", ends)
        .int64("CRC", crc.cast_signed())
        .end();
}

/// The checksum of documents one after another: CRC-64/XZ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    crc: u64,
    bytes: u64,
}

impl Sum {
    /// Of these documents.
    #[must_use]
    pub fn of(documents: &[u8]) -> Self {
        Self { crc: checksum(CRC, documents), bytes: documents.len() as u64 }
    }

    /// Of these documents and those of `later` behind them, as they stand in the archive.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        if later.bytes == 0 {
            return self;
        }
        let crc = checksum_combine(CRC, self.crc, later.crc, later.bytes);
        Self { crc, bytes: self.bytes + later.bytes }
    }

    /// The checksum.
    #[must_use]
    pub const fn crc(self) -> u64 {
        self.crc
    }

    /// The length of the documents in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
