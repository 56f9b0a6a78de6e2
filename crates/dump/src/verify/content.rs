//! The objects of a backup, each read once, from its beginning to its end.

use autodump_core::manifest::Object;
use autodump_core::ports::{Content, ObjectReader};
use autodump_core::{ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use sha2::{Digest, Sha256};

use super::found::Found;
use super::pieces::{ArchivePiece, Holds, Pieces, Room};
use crate::restore::Backup;
use crate::rows::RowDigest;

/// The most that a file may have that is kept in memory.
const LONGEST: u64 = 256 << 20;

/// What is done with a file besides comparing it with the manifest.
#[derive(Debug, Clone)]
pub(crate) enum Use {
    /// Nothing.
    Compare,
    /// It is kept: it has to be understood.
    Keep,
    /// It is decompressed to its end.
    Decode(Holds),
}

/// A file: an object, or several that go on one after the other.
#[derive(Debug, Clone)]
pub(crate) struct File<'a> {
    pub(crate) objects: Vec<&'a Object>,
    pub(crate) used: Use,
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing is to be known of it, or what is wrong has been said.
    Nothing,
    /// Its bytes.
    Bytes(Vec<u8>),
    /// Its rows; none where it holds no rows.
    Rows(RowDigest),
    /// The pieces of an archive, in order.
    Archive(Vec<ArchivePiece>),
}

/// Who reads the files of one backup.
#[derive(Debug)]
pub(crate) struct Files<'a, R> {
    pub(crate) reader: &'a R,
    pub(crate) backup: &'a Backup,
    pub(crate) found: &'a Found,
    pub(crate) room: Room,
}

impl<R: ObjectReader> Files<'_, R> {
    /// Reads a file once. Everything that is wrong with it is noted; an error says that it
    /// could not be read at all.
    pub(crate) async fn read(&self, file: &File<'_>) -> Result<Held> {
        let mut taker = self.taker(file);
        let mut whole = true;
        for object in &file.objects {
            whole &= self.object(object, &mut taker).await?;
        }
        match taker {
            Taker::None => Ok(Held::Nothing),
            Taker::Keep(bytes) => Ok(if whole { Held::Bytes(bytes) } else { Held::Nothing }),
            Taker::Pieces(pieces) => match pieces.finish().await? {
                Ok(content) if content.archive.is_empty() => Ok(Held::Rows(content.rows)),
                Ok(content) => Ok(Held::Archive(content.archive)),
                Err(wrong) => {
                    self.found.problem(format!("{}: {wrong}", self.name(file)));
                    Ok(Held::Nothing)
                }
            },
        }
    }

    fn taker(&self, file: &File<'_>) -> Taker {
        match &file.used {
            Use::Compare => Taker::None,
            Use::Keep => Taker::Keep(Vec::new()),
            Use::Decode(holds) => {
                let lengths = self.segments(file);
                Taker::Pieces(Pieces::new(self.room.clone(), holds.clone(), lengths))
            }
        }
    }

    /// The lengths of the pieces of a file; none where they are not known of all of it.
    fn segments(&self, file: &File<'_>) -> Vec<u64> {
        let mut all = Vec::new();
        for object in &file.objects {
            let sum = object.segments.iter().try_fold(0, |sum: u64, bytes| sum.checked_add(*bytes));
            if object.segments.is_empty() {
                return Vec::new();
            }
            if sum != Some(object.bytes) {
                let name = self.uri(object);
                let sum = sum.map_or("too many".to_owned(), |sum| sum.to_string());
                let what = format!("the segments of {name} have {sum} bytes, not {}", object.bytes);
                self.found.problem(what);
                return Vec::new();
            }
            all.extend(&object.segments);
        }
        all
    }

    /// Reads an object. False when it is not what the manifest says.
    async fn object(&self, object: &Object, taker: &mut Taker) -> Result<bool> {
        let mut sums = Sums::default();
        match self.stream(object, &mut sums, taker).await {
            Ok(()) => {}
            Err(error) if error.class() == ErrorClass::Verification => {
                self.found.problem(error.what());
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        self.found.object();
        let difference = sums.difference(object);
        if let Some(difference) = &difference {
            self.found.problem(format!("{} {difference}", self.uri(object)));
        }
        Ok(difference.is_none())
    }

    async fn stream(&self, object: &Object, sums: &mut Sums, taker: &mut Taker) -> Result<()> {
        let mut content = self.reader.get(&self.backup.location(object), None).await?;
        // What is too long is wrong, however it goes on.
        while sums.bytes <= object.bytes {
            let Some(bytes) = content.next().await? else { break };
            self.found.read(bytes.len() as u64);
            sums.add(&bytes);
            taker.take(bytes).await?;
        }
        Ok(())
    }

    fn uri(&self, object: &Object) -> String {
        let location = self.backup.location(object);
        format!("s3://{}/{}", location.bucket, location.key)
    }

    fn name(&self, file: &File<'_>) -> String {
        file.objects.first().map(|object| self.uri(object)).unwrap_or_default()
    }
}

/// Who takes the bytes of a file.
enum Taker {
    None,
    Keep(Vec<u8>),
    Pieces(Pieces),
}

impl Taker {
    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        match self {
            Self::None => {}
            Self::Keep(kept) if kept.len() as u64 > LONGEST => {}
            Self::Keep(kept) => kept.extend_from_slice(&bytes),
            Self::Pieces(pieces) => pieces.write(bytes).await?,
        }
        Ok(())
    }
}

/// What identifies the content of an object.
struct Sums {
    bytes: u64,
    sha256: Sha256,
    crc64nvme: crc_fast::Digest,
}

impl Default for Sums {
    fn default() -> Self {
        let crc64nvme = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
        Self { bytes: 0, sha256: Sha256::new(), crc64nvme }
    }
}

impl Sums {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        self.crc64nvme.update(bytes);
    }

    /// The first thing in which the content is not the object of the manifest.
    fn difference(self, object: &Object) -> Option<String> {
        let Object { bytes, sha256, crc64nvme, .. } = object;
        if self.bytes > *bytes {
            return Some(format!("has more than {bytes} bytes"));
        }
        if self.bytes < *bytes {
            return Some(format!("has {} bytes, not {bytes}", self.bytes));
        }
        let found = hex::encode(self.sha256.finalize());
        if !found.eq_ignore_ascii_case(sha256) {
            return Some(format!("has SHA-256 {found}, not {sha256}"));
        }
        let found = BASE64_STANDARD.encode(self.crc64nvme.finalize().to_be_bytes());
        (found != *crc64nvme).then(|| format!("has CRC64-NVME {found}, not {crc64nvme}"))
    }
}
