//! The plan of a run: made once, and all that everybody after the planner knows.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorClass, Result};
use crate::hash::TagHash;
use crate::verification::Level;

/// Version 1 of the plan, `contract/table-plan.json`. Readers reject a version they do not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Always 1.
    pub version: u32,
    /// The table's ARN.
    pub resource_arn: String,
    /// What DynamoDB calls this very table: another one of the same name has another id. Missing
    /// where it was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_id: Option<String>,
    /// The hash of the tags that the plan was made from.
    pub tag_hash: TagHash,
    /// When the run was to start, by the schedule.
    pub scheduled_for: DateTime<Utc>,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// How far the backup is to be verified afterwards, by the tags.
    pub verify: Level,
    /// Into which table of the execution's account and region the backup is restored afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    /// How the table is read.
    pub method: Method,
    /// The table's whole definition, as `table.json` will hold it.
    pub definition: Value,
}

impl Plan {
    /// Whether a table with this id is the one that was planned, as far as both ids are known.
    /// Another one is an error of class [`ErrorClass::Configuration`].
    pub fn check_table_id(&self, found: Option<&str>) -> Result<()> {
        let (Some(planned), Some(found)) = (self.table_id.as_deref(), found) else { return Ok(()) };
        if planned == found {
            return Ok(());
        }
        Err(Error::new(
            ErrorClass::Configuration,
            format!(
                "the table {} was deleted and made again while it was backed up: its id is \
                 {found}, and the plan is of {planned}",
                self.resource_arn
            ),
            "Start another run; one of a request needs a bucket-prefix that nothing is below. \
             What this run has read is no backup",
        ))
    }
}

/// How a table is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Method {
    /// By DynamoDB itself, as of one point in time, without load on the table.
    Export(Export),
    /// By AutoDump, page by page.
    Scan(Scan),
}

/// An export that DynamoDB makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Makes a second request the same export.
    pub client_token: String,
}

/// A parallel scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// 1 to 10,000.
    pub segments: u32,
    /// How many jobs divide the segments: 1 to 10,000, at most `segments`.
    pub ranges: u32,
    /// How many of the jobs run at once, at most; missing where it is not known: all of them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// How many segments a job reads at once.
    pub at_once: u32,
    /// Read what was written last, at twice the price.
    pub consistent: bool,
    /// The most that all jobs together may take of the table's read capacity, in units a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_per_second: Option<f64>,
    /// How data objects are compressed, such as `zstd:1`.
    pub compression: String,
    /// A data object ends once it has this many bytes.
    pub object_bytes: u64,
    /// Bytes of an item on average, as DynamoDB last counted them; 0 where it says nothing.
    pub item_bytes: u64,
    /// How many items DynamoDB last counted.
    pub items: u64,
}

impl Scan {
    /// How many of the jobs run at once, at most.
    #[must_use]
    pub fn jobs_at_once(&self) -> u32 {
        let all = self.ranges.max(1);
        self.parallel.map_or(all, |parallel| parallel.clamp(1, all))
    }

    /// The most that one job may take of the table's read capacity, in units a second: an equal
    /// share for each of those that run at once.
    #[must_use]
    pub fn units_per_job(&self) -> Option<f64> {
        Some(self.units_per_second? / f64::from(self.jobs_at_once()))
    }

    /// The segments of a range: consecutive, and as many as another's or one more.
    #[must_use]
    pub fn segments_of(&self, range: u32) -> Range<u32> {
        let border = |range: u32| {
            let border = u64::from(self.segments) * u64::from(range) / u64::from(self.ranges);
            u32::try_from(border).unwrap_or(u32::MAX)
        };
        border(range)..border(range + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(segments: u32, ranges: u32) -> Scan {
        Scan {
            segments,
            ranges,
            parallel: None,
            at_once: 8,
            consistent: false,
            units_per_second: None,
            compression: "zstd:1".to_owned(),
            object_bytes: 1,
            item_bytes: 0,
            items: 0,
        }
    }

    proptest! {
        #[test]
        fn ranges_are_all_segments_once_and_none_is_empty(
            (segments, ranges) in (1u32..=10_000).prop_flat_map(|all| (Just(all), 1..=all))
        ) {
            let scan = scan(segments, ranges);
            let mut next = 0;
            let (mut least, mut most) = (u32::MAX, 0);
            for range in 0..ranges {
                let segments = scan.segments_of(range);
                prop_assert_eq!(segments.start, next);
                next = segments.end;
                let count = segments.end - segments.start;
                (least, most) = (least.min(count), most.max(count));
            }
            prop_assert_eq!(next, segments);
            prop_assert!(least >= 1 && most - least <= 1);
        }
    }

    #[test]
    fn the_share_is_divided_among_the_jobs_that_run_at_once() {
        for (ranges, parallel, at_once) in
            [(466, Some(64), 64), (3, Some(64), 3), (466, None, 466), (1, Some(0), 1)]
        {
            let scan = Scan { parallel, units_per_second: Some(640.0), ..scan(1000, ranges) };
            assert_eq!(scan.jobs_at_once(), at_once, "{ranges} {parallel:?}");
            assert_eq!(scan.units_per_job(), Some(640.0 / f64::from(at_once)));
        }
    }

    #[test]
    fn a_scan_of_an_earlier_plan_is_read() {
        let before = r#"{"segments":4,"ranges":2,"atOnce":8,"consistent":false,
            "compression":"zstd:1","objectBytes":1,"itemBytes":0,"items":0}"#;
        assert_eq!(serde_json::from_str::<Scan>(before).unwrap(), scan(4, 2));
    }
}
