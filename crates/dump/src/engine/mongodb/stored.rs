//! The archive as a backup holds it in the store.

use std::ops::Range;

use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;
use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};

use super::archive::{Damage, Known, Prelude, Scanner, Visitor};
use crate::codec::{self, Decoder};
use crate::object::{broken, uri};
use crate::restore::Backup;

/// How an archive's first object ends, before what says how it is compressed.
const EXTENSION: &str = ".archive";
/// A prelude that is longer is none of ours.
const LONGEST: u64 = 256 << 20;

/// An archive: an object, or several that go on one after the other.
#[derive(Debug, Clone)]
pub(super) struct Stored<'a> {
    pub(super) backup: &'a Backup,
    pub(super) objects: Vec<&'a Object>,
    pub(super) algorithm: Algorithm,
}

/// Part of an object, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Which of the objects.
    pub(super) object: usize,
    pub(super) location: ObjectLocation,
    /// All of it without a range.
    pub(super) range: Option<Range<u64>>,
}

impl Part {
    /// For people: which bytes of which object.
    pub(super) fn shown(&self) -> String {
        let uri = uri(&self.location);
        match &self.range {
            Some(Range { start, end }) => format!("bytes {start} to {end} of {uri}"),
            None => uri,
        }
    }
}

impl<'a> Stored<'a> {
    /// The archive that the manifest names. None is an error of class verification.
    pub(super) fn of(backup: &'a Backup) -> Result<Self> {
        let objects = &backup.manifest.objects;
        for algorithm in [Algorithm::None, Algorithm::Gzip] {
            let end = format!("{EXTENSION}{}", codec::extension(algorithm));
            let Some(first) = objects.iter().find(|object| object.key.ends_with(&end)) else {
                continue;
            };
            let find = |number: u32| {
                let key = format!("{}.{number}", first.key);
                objects.iter().find(|object| object.key == key)
            };
            let objects = std::iter::once(first).chain((2..).map_while(find)).collect();
            return Ok(Self { backup, objects, algorithm });
        }
        let manifest = backup.uri();
        Err(broken(format!("the manifest {manifest} names no object that ends with {EXTENSION}")))
    }

    /// Bytes of its objects.
    pub(super) fn bytes(&self) -> u64 {
        self.objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes))
    }

    /// The pieces that can be read each without the others, in order; one that is all of it where
    /// they are not known of every object.
    pub(super) fn pieces(&self) -> Result<Vec<Vec<Part>>> {
        let part = |object: usize, range| Part {
            object,
            location: self.backup.location(self.objects[object]),
            range,
        };
        let segments = |object: &&Object| object.segments.iter().any(|length| *length > 0);
        if !self.objects.iter().all(segments) {
            return Ok(vec![(0..self.objects.len()).map(|object| part(object, None)).collect()]);
        }
        let mut pieces = Vec::new();
        for (number, object) in self.objects.iter().enumerate() {
            for range in ranges(object)? {
                pieces.push(vec![part(number, Some(range))]);
            }
        }
        Ok(pieces)
    }

    /// What all pieces go by: the prelude, out of the beginning of the archive.
    pub(super) async fn known<R: ObjectReader>(&self, reader: &R) -> Result<Known> {
        let mut decoder = Decoder::new(self.algorithm)?;
        let mut scanner = Scanner::first_piece(Nobody);
        for part in self.pieces()?.iter().flatten() {
            let within = |error: Error| within(&error, &part.shown());
            let mut content = reader.get(&part.location, part.range.clone()).await?;
            let mut read = 0_u64;
            while let Some(bytes) = content.next().await? {
                read += bytes.len() as u64;
                let mut write = |piece: &[u8]| match scanner.known() {
                    Some(_) => Ok(()),
                    None => scanner.write(piece).map_err(|damage| damaged(&damage)),
                };
                decoder.write(&bytes, &mut write).map_err(within)?;
                if let Some(known) = scanner.known() {
                    return Ok(known);
                }
                if read > LONGEST {
                    return Err(within(broken("its prelude has no end".to_owned())));
                }
            }
        }
        let manifest = self.backup.uri();
        Err(broken(format!("the archive of {manifest} ends before its prelude does")))
    }
}

/// The ranges of an object's segments.
fn ranges(object: &Object) -> Result<Vec<Range<u64>>> {
    let mut from = 0_u64;
    let mut ranges = Vec::new();
    for length in object.segments.iter().filter(|length| **length > 0) {
        let end = from.saturating_add(*length);
        ranges.push(from..end);
        from = end;
    }
    if from != object.bytes {
        return Err(broken(format!(
            "the segments of {} have {from} bytes together, and the object {}",
            object.key, object.bytes
        )));
    }
    Ok(ranges)
}

/// What the archive is damaged by, as an error.
pub(super) fn damaged(damage: &Damage) -> Error {
    broken(damage.to_string())
}

/// The error, with the place where it was seen if the backup is at fault.
pub(super) fn within(error: &Error, place: &str) -> Error {
    if error.class() != ErrorClass::Verification {
        return Error::new(error.class(), error.what(), error.hint());
    }
    Error::new(error.class(), format!("{place}: {}", error.what()), error.hint())
}

/// Wants to know nothing.
struct Nobody;

impl Visitor for Nobody {
    fn prelude(&mut self, _: &Prelude) {}

    fn document(&mut self, _: usize, _: &[u8]) {}

    fn end(&mut self, _: usize) {}
}
