//! What all ranges of a run have come to.

use autodump_core::ports::ObjectReader;
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use autodump_core::{Error, ErrorClass, Result};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::checkpoint::{Checkpoint, DataObject, Segment};
use super::place::{Place, damaged};
use super::replay::{last, newest};

/// How many ranges are looked at at once.
const AT_ONCE: usize = 16;
/// How many segments an error names.
const NAMED: usize = 10;

/// A table that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many pages were read.
    pub pages: u64,
    /// How many items they had.
    pub items: u64,
    /// Bytes of their lines, before compression.
    pub bytes: u64,
    /// All data objects, by range and then in order.
    pub objects: Vec<DataObject>,
    /// All segments, in order.
    pub segments: Vec<Segment>,
}

/// Reads the last checkpoints of all ranges, and sums up.
///
/// If a segment is not complete, it is an error of class [`ErrorClass::Verification`] that names
/// it: to try this step again does not help, as nobody reads the segment any more. Its range has
/// to be read first.
pub async fn summarise<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    scan: &Scan,
) -> Result<Summary> {
    let place = Place { bucket: bucket.to_owned(), directory: directory.to_owned() };
    let each = (0..scan.ranges).map(|range| found(reader, &place, scan, range));
    let ranges: Vec<_> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    let missing: Vec<_> = ranges.iter().flat_map(incomplete).collect();
    if !missing.is_empty() {
        return Err(not_complete(&place, scan, &missing));
    }
    let mut summary = Summary::default();
    for range in ranges {
        for segment in range.segments {
            summary.pages += segment.pages;
            summary.items += segment.items;
            summary.bytes += segment.bytes;
            summary.segments.push(segment);
        }
        summary.objects.extend(range.objects);
    }
    let held: u64 = summary.objects.iter().map(|object| object.items).sum();
    if held != summary.items {
        let what = format!("{} items were read, and the data objects hold {held}", summary.items);
        let hint = "Report this: it is a fault of AutoDump";
        return Err(Error::new(ErrorClass::Internal, what, hint));
    }
    Ok(summary)
}

async fn found<R: ObjectReader>(
    reader: &R,
    place: &Place,
    scan: &Scan,
    range: u32,
) -> Result<Checkpoint> {
    let number = newest(reader, place, range).await?;
    let checkpoint = last(reader, place, scan, range, number).await?;
    if checkpoint.complete && !checkpoint.is_done() {
        let location = place.at(&layout::checkpoint(range, number.unwrap_or_default()));
        return Err(damaged(&location, "it is complete, and has segments that are not"));
    }
    Ok(checkpoint)
}

/// The segments of a range that are not in data objects to their end. Those that were read, but
/// are partly in the journal alone, are among them.
fn incomplete(range: &Checkpoint) -> Vec<u32> {
    let missing = |segment: &&Segment| !range.complete && !segment.done;
    let missing: Vec<_> = range.segments.iter().filter(missing).map(|s| s.segment).collect();
    if missing.is_empty() && !range.complete {
        return range.segments.iter().map(|segment| segment.segment).collect();
    }
    missing
}

fn not_complete(place: &Place, scan: &Scan, missing: &[u32]) -> Error {
    let mut names: Vec<_> = missing.iter().take(NAMED).map(u32::to_string).collect();
    if missing.len() > NAMED {
        names.push(format!("{} more", missing.len() - NAMED));
    }
    Error::new(
        ErrorClass::Verification,
        format!(
            "{} of {} segments in s3://{}/{} are not complete: {}",
            missing.len(),
            scan.segments,
            place.bucket,
            place.directory,
            names.join(", ")
        ),
        "Look why their jobs ended, and start the run again: it is no backup without them",
    )
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
