//! How far a run of a table is, for whoever asks from outside.
//!
//! All of it comes from the run's directory: the plan, checkpoints, heads of the journals, and what
//! an export has written. Nobody who reads the table is asked.

use std::time::Duration;

use autodump_core::Result;
use autodump_core::pages::{Pages, exists};
use autodump_core::ports::ObjectReader;
use autodump_core::table::layout;
use autodump_core::table::plan::{Method, Scan};
use autodump_core::table::planner::read_plan;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::so_far::so_far;
use crate::progress::mb_per_second;

/// How many ranges are looked at at once.
const AT_ONCE: usize = 16;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum Progress {
    /// AutoDump reads.
    Scan(ScanProgress),
    /// DynamoDB exports.
    Export(ExportProgress),
}

/// How far a scan is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanProgress {
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// How many segments there are.
    pub segments: u32,
    /// How many of them were read to their end.
    pub segments_done: u32,
    /// Items that were read.
    pub items: u64,
    /// Bytes of their lines, before compression.
    pub bytes: u64,
    /// Items a second since the plan was made, until now or the run's end.
    pub items_per_second: f64,
    /// MB (10⁶ bytes) a second, likewise.
    pub mb_per_second: f64,
    /// How many items DynamoDB last counted when the plan was made: it counts every six hours or
    /// so.
    pub items_estimate: u64,
    /// What share of these was read, in percent; an estimate, and at most 100. `None` where
    /// DynamoDB counted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_estimate: Option<f64>,
    /// Each segment, where these were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Vec<SegmentProgress>>,
}

/// How far a segment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentProgress {
    /// Its number, from 0.
    pub segment: u32,
    /// Items that were read.
    pub items: u64,
    /// Bytes of their lines, before compression.
    pub bytes: u64,
    /// Whether it was read to its end.
    pub done: bool,
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportProgress {
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// As its files in the bucket show it.
    pub status: ExportStatus,
    /// Data files that it has written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How far an export is, as its files show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportStatus {
    /// Nothing is there yet.
    Requested,
    /// DynamoDB has begun to write.
    InProgress,
    /// DynamoDB has written all. It then waits for the backup's manifest.
    Completed,
}

/// How far the run in this directory is at `now`, with each of its segments if these are asked
/// for; `None` where it has no plan yet. State that is not as it was written is an error of class
/// [`ErrorClass::Verification`](autodump_core::ErrorClass::Verification).
pub async fn progress<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    now: DateTime<Utc>,
    segments: bool,
) -> Result<Option<Progress>> {
    let key = format!("{directory}{}", layout::PLAN);
    if !exists(reader, bucket, &key).await? {
        return Ok(None);
    }
    let plan = read_plan(reader, bucket, directory).await?;
    let planned_at = plan.planned_at;
    Ok(Some(match &plan.method {
        Method::Export(_) => {
            Progress::Export(exporting(reader, bucket, directory, planned_at).await?)
        }
        Method::Scan(scan) => {
            let each = segments_of(reader, bucket, directory, scan).await?;
            let time = (now - planned_at).to_std().unwrap_or_default();
            let mut progress = summed(scan, &each, planned_at, time);
            progress.each = segments.then_some(each);
            Progress::Scan(progress)
        }
    }))
}

async fn segments_of<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    scan: &Scan,
) -> Result<Vec<SegmentProgress>> {
    let each = (0..scan.ranges).map(|range| so_far(reader, bucket, directory, scan, range));
    let mut ranges = stream::iter(each).buffered(AT_ONCE);
    let mut segments = Vec::new();
    while let Some(range) = ranges.try_next().await? {
        segments.extend(range.segments.iter().map(|segment| SegmentProgress {
            segment: segment.segment,
            items: segment.items,
            bytes: segment.bytes,
            done: segment.done,
        }));
    }
    Ok(segments)
}

fn summed(
    scan: &Scan,
    each: &[SegmentProgress],
    planned_at: DateTime<Utc>,
    time: Duration,
) -> ScanProgress {
    let items = each.iter().map(|segment| segment.items).sum();
    let bytes = each.iter().map(|segment| segment.bytes).sum();
    let done = each.iter().filter(|segment| segment.done).count();
    let of = if done == each.len() { items } else { scan.items };
    ScanProgress {
        planned_at,
        segments: scan.segments,
        segments_done: u32::try_from(done).unwrap_or(u32::MAX),
        items,
        bytes,
        items_per_second: per_second(items, time),
        mb_per_second: mb_per_second(bytes, time),
        items_estimate: scan.items,
        percent_estimate: (scan.items > 0).then(|| percent(items, of)),
        each: None,
    }
}

/// With one decimal.
fn per_second(items: u64, time: Duration) -> f64 {
    let tenths = u128::from(items) * 10_000 / time.as_millis().max(1);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// At most 100, with one decimal; of nothing, all is done.
fn percent(items: u64, of: u64) -> f64 {
    let tenths = u128::from(items.min(of)) * 1000;
    let tenths = tenths.checked_div(u128::from(of)).unwrap_or(1000);
    f64::from(u32::try_from(tenths).unwrap_or(1000)) / 10.0
}

/// An export writes `_started` first and its manifests last.
async fn exporting<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    planned_at: DateTime<Utc>,
) -> Result<ExportProgress> {
    let prefix = format!("{directory}{}/", layout::EXPORT);
    let mut pages = Pages::of(reader, bucket, &prefix);
    let mut export =
        ExportProgress { planned_at, status: ExportStatus::Requested, files: 0, bytes: 0 };
    while let Some(page) = pages.next().await? {
        for one in page {
            if one.key.ends_with("/manifest-summary.json") {
                export.status = ExportStatus::Completed;
            } else if export.status == ExportStatus::Requested {
                export.status = ExportStatus::InProgress;
            }
            if one.key.contains("/data/") {
                export.files += 1;
                export.bytes += one.bytes;
            }
        }
    }
    Ok(export)
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
