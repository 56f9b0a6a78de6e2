//! A checkpoint: how far a range is, and its data objects so far.
//!
//! It is made of the journal and nothing else, so that every attempt makes the very same one.

use autodump_core::manifest::Object;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::table::plan::Scan;
use autodump_core::{Error, ErrorClass, Result};
use serde::{Deserialize, Serialize};

use super::crc;
use super::journal::Entry;
use super::place::{check_version, damaged, read};

const VERSION: u32 = 1;

/// How far a range is after some objects of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Always 1.
    pub version: u32,
    /// Which range of the plan.
    pub range: u32,
    /// How many objects of the journal it covers.
    pub journal: u64,
    /// Whether all segments are finished, and all that was read is in data objects.
    pub complete: bool,
    /// All segments of the range, in order.
    pub segments: Vec<Segment>,
    /// In order.
    pub objects: Vec<DataObject>,
}

/// How far a segment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Segment {
    /// Its number in the plan.
    pub segment: u32,
    /// The JSON text of the key after which its next page begins; `None` before the first page
    /// and after the last.
    pub next: Option<String>,
    /// Whether its last page was read.
    pub done: bool,
    /// How many pages were read.
    pub pages: u64,
    /// How many items they had.
    pub items: u64,
    /// Bytes of their lines, before compression.
    pub bytes: u64,
    /// CRC64-NVME of all their lines, before compression.
    #[serde(with = "crc")]
    pub crc64nvme: u64,
}

/// A data object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataObject {
    /// Where it is, and its sums. It has no segments: one for each page would make every further
    /// checkpoint longer.
    pub object: Object,
    /// How many items it holds.
    pub items: u64,
}

impl Checkpoint {
    /// A range of which nothing was read.
    #[must_use]
    pub fn beginning(scan: &Scan, range: u32) -> Self {
        let segment = |segment| Segment {
            segment,
            next: None,
            done: false,
            pages: 0,
            items: 0,
            bytes: 0,
            crc64nvme: crc::of(&[]),
        };
        Self {
            version: VERSION,
            range,
            journal: 0,
            complete: false,
            segments: scan.segments_of(range).map(segment).collect(),
            objects: Vec::new(),
        }
    }

    /// Reads a checkpoint of this range of the plan. One that is none, or another range's, is an
    /// error of class [`ErrorClass::Verification`].
    pub async fn read<R: ObjectReader>(
        reader: &R,
        location: &ObjectLocation,
        scan: &Scan,
        range: u32,
    ) -> Result<Self> {
        let bytes = read(reader, location).await?;
        check_version(location, &bytes, VERSION)?;
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(location, &format!("it is not understood: {error}")))?;
        let segments = read.segments.iter().map(|segment| segment.segment);
        if read.range != range || !segments.eq(scan.segments_of(range)) {
            let why = format!("its segments are not those of range {range} of the plan");
            return Err(damaged(location, &why));
        }
        Ok(read)
    }

    /// Whether all segments are finished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.segments.iter().all(|segment| segment.done)
    }

    /// Takes note of a page. One that cannot come next is an error of class
    /// [`ErrorClass::Verification`] that names `location`, where it lies.
    pub(super) fn note(&mut self, entry: &Entry, location: &ObjectLocation) -> Result<()> {
        let number = entry.segment;
        let segment = self.segment_mut(number).filter(|segment| !segment.done);
        let Some(segment) = segment else {
            let why = format!("it has a page of segment {number}, where none can be");
            return Err(damaged(location, &why));
        };
        segment.next.clone_from(&entry.next);
        segment.done = entry.next.is_none();
        segment.pages += 1;
        segment.items += entry.items;
        segment.bytes += entry.bytes;
        segment.crc64nvme = crc::joined(segment.crc64nvme, entry.crc64nvme, entry.bytes);
        Ok(())
    }

    /// The segment of this number in the plan.
    pub(super) fn segment(&self, number: u32) -> Option<&Segment> {
        self.segments.get(self.index(number)?)
    }

    fn segment_mut(&mut self, number: u32) -> Option<&mut Segment> {
        let index = self.index(number)?;
        self.segments.get_mut(index)
    }

    fn index(&self, number: u32) -> Option<usize> {
        let first = self.segments.first()?.segment;
        usize::try_from(number.checked_sub(first)?).ok()
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| {
            let what = format!("a checkpoint cannot be written as JSON: {error}");
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
                .caused_by(error)
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
