//! A table whose rows are loaded, and what of it is done.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;
use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};

use super::contents::Item;
use super::unpack::Seen;
use crate::codec;
use crate::engine::postgres::directory::Directory;
use crate::object::uri;
use crate::restore::PlannedTable;
use crate::restore::backup::segment_ranges;
use crate::rows::RowDigest;

/// Part of an object, read by one request.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Which of the table's objects.
    object: usize,
    /// Which part of it.
    index: usize,
    pub(super) location: ObjectLocation,
    /// All of it without a range.
    pub(super) range: Option<Range<u64>>,
}

/// Rows that are loaded by one transaction.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) table: Arc<Table>,
    pub(super) parts: Vec<Part>,
    /// It ends with the end marker.
    pub(super) is_end: bool,
}

/// A table whose rows are loaded.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    /// The statement that loads rows.
    pub(super) copy: String,
    pub(super) algorithm: Algorithm,
    /// Bytes of its objects.
    pub(super) bytes: u64,
    /// How many rows and what they are together, where the manifest says it.
    expected: Option<(u64, String)>,
    objects: Vec<Expected>,
    done: Mutex<Done>,
}

#[derive(Debug)]
struct Expected {
    location: ObjectLocation,
    crc64nvme: String,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Done {
    parts_left: usize,
    digest: RowDigest,
    /// CRC and length of each part of each object.
    parts: Vec<Vec<(u64, u64)>>,
}

impl Table {
    /// The rows of `item`, if they lie in objects and can be loaded by us.
    pub(super) fn new(
        directory: Directory<'_>,
        item: &Item,
    ) -> Result<Option<(Arc<Self>, Vec<Piece>)>> {
        let (Some(copy), Some(file)) = (&item.copy, &item.file) else { return Ok(None) };
        let backup = directory.backup;
        let objects = directory.data_file(file);
        let Some(first) = objects.first() else {
            return Err(damaged(format!(
                "the manifest names no object with the rows of {}.{} (file {file})",
                item.schema, item.name
            )));
        };
        let expected = backup.manifest.tables.iter().find(|table| table.keys.contains(&first.key));
        let cut = objects.iter().all(|object| object.segments.iter().any(|length| *length > 0));
        let ranges: Vec<Vec<Range<u64>>> =
            objects.iter().map(|object| ranges(object, cut)).collect::<Result<_>>()?;
        let table = Arc::new(Self {
            schema: item.schema.clone(),
            name: item.name.clone(),
            copy: copy.trim().to_owned(),
            algorithm: codec::algorithm_of(&first.key),
            bytes: objects.iter().map(|object| object.bytes).sum(),
            expected: expected.map(|table| (table.rows, table.hash.clone())),
            objects: objects
                .iter()
                .map(|object| Expected {
                    location: backup.location(object),
                    crc64nvme: object.crc64nvme.clone(),
                    bytes: object.bytes,
                })
                .collect(),
            done: Mutex::new(Done {
                parts_left: ranges.iter().map(Vec::len).sum(),
                parts: ranges.iter().map(|ranges| vec![(0, 0); ranges.len()]).collect(),
                ..Done::default()
            }),
        });
        let pieces = table.pieces(ranges, cut);
        Ok(Some((table, pieces)))
    }

    fn pieces(self: &Arc<Self>, ranges: Vec<Vec<Range<u64>>>, cut: bool) -> Vec<Piece> {
        let mut parts = Vec::new();
        for (object, ranges) in ranges.into_iter().enumerate() {
            for (index, range) in ranges.into_iter().enumerate() {
                let location = self.objects[object].location.clone();
                parts.push(Part { object, index, location, range: cut.then_some(range) });
            }
        }
        let piece = |parts, is_end| Piece { table: Arc::clone(self), parts, is_end };
        if !cut {
            return vec![piece(parts, true)];
        }
        let last = parts.len();
        parts.into_iter().zip(1..).map(|(part, n)| piece(vec![part], n == last)).collect()
    }

    pub(super) fn planned(&self) -> PlannedTable {
        PlannedTable {
            schema: self.schema.clone(),
            name: self.name.clone(),
            bytes: self.bytes,
            rows: self.expected.as_ref().map(|(rows, _)| *rows),
        }
    }

    /// Takes note of a piece that was loaded. After the last one everything is compared, and
    /// the number of rows is returned.
    pub(super) fn add(&self, piece: &Piece, seen: &Seen) -> Result<Option<u64>> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.digest.merge(seen.digest);
        for (part, seen) in piece.parts.iter().zip(&seen.parts) {
            done.parts[part.object][part.index] = *seen;
        }
        done.parts_left -= piece.parts.len();
        if done.parts_left > 0 {
            return Ok(None);
        }
        self.compare(&done)?;
        Ok(Some(done.digest.rows))
    }

    fn compare(&self, done: &Done) -> Result<()> {
        for (object, parts) in self.objects.iter().zip(&done.parts) {
            let (crc, bytes) = parts.iter().fold((None, 0), |(sum, bytes), (crc, length)| {
                let combined = sum.map_or(*crc, |sum| {
                    checksum_combine(CrcAlgorithm::Crc64Nvme, sum, *crc, *length)
                });
                (Some(combined), bytes + length)
            });
            let crc = BASE64_STANDARD.encode(crc.unwrap_or_default().to_be_bytes());
            if bytes != object.bytes || crc != object.crc64nvme {
                return Err(damaged(format!(
                    "{} has {bytes} bytes with CRC64-NVME {crc}, not {} with {} (rows of table \
                     {}.{})",
                    uri(&object.location),
                    object.bytes,
                    object.crc64nvme,
                    self.schema,
                    self.name
                )));
            }
        }
        let Some((rows, hash)) = &self.expected else { return Ok(()) };
        if done.digest.rows != *rows {
            return Err(damaged(format!(
                "table {}.{} has {} rows in its data files, and {rows} were dumped",
                self.schema, self.name, done.digest.rows
            )));
        }
        if done.digest.hex() != *hash {
            return Err(damaged(format!(
                "the {rows} rows of table {}.{} are not those that were dumped: their hash is {}, \
                 not {hash}",
                self.schema,
                self.name,
                done.digest.hex()
            )));
        }
        Ok(())
    }
}

/// The ranges of an object that are loaded each by itself, or all of it.
fn ranges(object: &Object, cut: bool) -> Result<Vec<Range<u64>>> {
    if !cut {
        return Ok(std::iter::once(0..object.bytes).collect());
    }
    segment_ranges(object)
}

pub(super) fn damaged(what: String) -> Error {
    Error::new(
        ErrorClass::Verification,
        what,
        "Use another backup, and find out what changed or cut off this one",
    )
}
