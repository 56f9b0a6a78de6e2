//! How long a scan takes by its own pace, and whether its jobs have that long.

use std::time::Duration;

use super::plan::Scan;
use crate::error::{Error, ErrorClass, Result};

/// Bytes that a read unit pays for where reading is consistent; twice as many where it is not.
const UNIT: f64 = 4096.0;

/// What a deployment gives the jobs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many vCPUs all jobs that run at once have together.
    pub vcpus: u32,
    /// After how long an attempt of a job is ended, and not started again.
    pub time: Duration,
}

/// How long a scan takes at least, since its pace is limited: it is never faster than that, and
/// may be slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Each job, on average: there is one that takes as long, or longer.
    pub job: Duration,
    /// All jobs, as many of them at once as can be.
    pub all: Duration,
}

impl Forecast {
    /// For as much as DynamoDB last counted; `None` where nothing limits the pace, or nothing is
    /// known of the size.
    #[must_use]
    pub fn of(scan: &Scan) -> Option<Self> {
        let rate = scan.units_per_job()?;
        let bytes = scan.items.saturating_mul(scan.item_bytes);
        if bytes == 0 {
            return None;
        }
        let unit = if scan.consistent { UNIT } else { 2.0 * UNIT };
        #[allow(clippy::cast_precision_loss, reason = "a forecast")]
        let units = bytes as f64 / unit / f64::from(scan.ranges);
        let turns = scan.ranges.div_ceil(scan.jobs_at_once());
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let job = units / rate;
        Some(Self { job: time(job), all: time(job * f64::from(turns)) })
    }
}

impl Limits {
    /// Whether a scan is so slow that its jobs are near the end of their time: it needs more than
    /// half of it.
    #[must_use]
    pub fn is_tight(&self, forecast: &Forecast) -> bool {
        forecast.job > self.time / 2
    }

    /// Refuses a scan of which it is certain that its jobs do not come to their end in time: an
    /// error of class [`ErrorClass::Configuration`].
    pub fn check(&self, scan: &Scan, table: &str) -> Result<()> {
        let Some(forecast) = Forecast::of(scan).filter(|forecast| forecast.job > self.time) else {
            return Ok(());
        };
        let units = scan.units_per_second.unwrap_or_default();
        Err(Error::new(
            ErrorClass::Configuration,
            format!(
                "a scan of {table} takes at most {units} read units a second, so each of its {} \
                 jobs ({} at once) would need {} hours, and all of them {}; dumpTimeout gives a \
                 job {}",
                scan.ranges,
                scan.jobs_at_once(),
                hours(forecast.job),
                hours(forecast.all),
                hours(self.time),
            ),
            "Raise the tag max-read-percent or the table's read capacity, let the tag method be \
             export, raise dumpTimeout, or divide the table by the tag jobs among more jobs than \
             run at once",
        ))
    }
}

/// In hours, with one digit after the point.
#[must_use]
pub fn hours(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() / 3600.0)
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
