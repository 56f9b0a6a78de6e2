//! The archive as a backup holds it in the store.

use std::ops::Range;

use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;
use autodump_core::ports::{Content, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, Digest};

use super::archive::{Damage, Known, Prelude, Scanner, Visitor};
use crate::codec::{self, Decoder};
use crate::object::{broken, uri};
use crate::restore::Backup;
use crate::restore::backup::segment_ranges;

/// How an archive's first object ends, before what says how it is compressed.
const EXTENSION: &str = ".archive";
/// A prelude that is longer is none of ours; in bytes, as it is without compression.
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
        let segments = |object: &&Object| object.segments.iter().any(|length| *length > 0);
        if !self.objects.iter().all(segments) {
            return Ok(vec![
                (0..self.objects.len()).map(|object| self.part(object, None)).collect(),
            ]);
        }
        let mut pieces = Vec::new();
        for (number, object) in self.objects.iter().enumerate() {
            for range in segment_ranges(object)? {
                pieces.push(vec![self.part(number, Some(range))]);
            }
        }
        Ok(pieces)
    }

    /// What all pieces go by: the prelude, out of the beginning of the archive. What it came from is
    /// not compared yet.
    pub(super) async fn known<R: ObjectReader>(&self, reader: &R) -> Result<Known> {
        let mut beginning = Beginning::new(self.algorithm)?;
        for part in self.pieces()?.iter().flatten() {
            let mut content = reader.get(&part.location, part.range.clone()).await?;
            while let Some(bytes) = content.next().await? {
                beginning.take(&bytes).map_err(|error| within(&error, &part.shown()))?;
                if let Some(known) = beginning.scanner.known() {
                    return Ok(known);
                }
            }
        }
        Err(self.without_prelude())
    }

    /// The same for whoever does something by it before all was read: what it came from was compared.
    /// Compressed pieces have a checksum at their end; else that of the object is compared.
    pub(super) async fn compared<R: ObjectReader>(&self, reader: &R) -> Result<Known> {
        let mut beginning = Beginning::new(self.algorithm)?;
        let is_plain = self.algorithm == Algorithm::None;
        let pieces = if is_plain { self.whole_objects() } else { self.pieces()? };
        for piece in &pieces {
            for part in piece {
                let shown = part.shown();
                let mut content = reader.get(&part.location, part.range.clone()).await?;
                let (mut crc, mut length) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
                while let Some(bytes) = content.next().await? {
                    crc.update(&bytes);
                    length += bytes.len() as u64;
                    beginning.take(&bytes).map_err(|error| within(&error, &shown))?;
                }
                if is_plain {
                    self.compare(self.objects[part.object], length, crc.finalize())?;
                }
            }
            if let Some(known) = beginning.scanner.known() {
                let shown = piece.first().map(Part::shown).unwrap_or_default();
                beginning.decoder.finish().map_err(|error| within(&error, &shown))?;
                return Ok(known);
            }
        }
        Err(self.without_prelude())
    }

    fn part(&self, object: usize, range: Option<Range<u64>>) -> Part {
        Part { object, location: self.backup.location(self.objects[object]), range }
    }

    fn whole_objects(&self) -> Vec<Vec<Part>> {
        (0..self.objects.len()).map(|object| vec![self.part(object, None)]).collect()
    }

    fn without_prelude(&self) -> Error {
        let manifest = self.backup.uri();
        broken(format!("the archive of {manifest} ends before its prelude does"))
    }

    /// Compares an object, all of which was read, with the manifest.
    pub(super) fn compare(&self, object: &Object, bytes: u64, crc64nvme: u64) -> Result<()> {
        let crc = BASE64_STANDARD.encode(crc64nvme.to_be_bytes());
        if bytes == object.bytes && crc == object.crc64nvme {
            return Ok(());
        }
        Err(broken(format!(
            "{} has {bytes} bytes with CRC64-NVME {crc}, not {} with {}",
            uri(&self.backup.location(object)),
            object.bytes,
            object.crc64nvme
        )))
    }
}

/// The beginning of an archive, until its prelude is known.
struct Beginning {
    decoder: Decoder,
    scanner: Scanner<Nobody>,
    /// Bytes of the prelude.
    length: u64,
}

impl Beginning {
    fn new(algorithm: Algorithm) -> Result<Self> {
        let decoder = Decoder::new(algorithm)?;
        Ok(Self { decoder, scanner: Scanner::first_piece(Nobody), length: 0 })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { decoder, scanner, length } = self;
        decoder.write(bytes, &mut |piece| {
            if scanner.known().is_some() {
                return Ok(());
            }
            *length += piece.len() as u64;
            if *length > LONGEST {
                return Err(broken("its prelude has no end".to_owned()));
            }
            scanner.write(piece).map_err(|damage| damaged(&damage))
        })
    }
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
