//! One range of the plan, read to its end.
//!
//! The journal in the store is the truth: what is in it is read, and nothing else is. An attempt
//! first lists it, goes through what the last checkpoint does not cover, and then reads on.
//!
//! **Two attempts at once.** Only one of them can put the next object of the journal; the other
//! ends with an error of class [`ErrorClass::Interrupted`], which Batch tries again. It must be
//! one that is tried again, since nobody knows which of the two Batch is waiting for: if it is the
//! one that ends here, the next attempt goes on where the journal is by then, and sooner or later
//! the one that is left over loses the race, and its end has no meaning for Batch.
//!
//! **Memory.** At most `at_once` pages (their bodies, or lines and frames), one batch of at most
//! 8 MiB of frames (or one page, if it is longer), and twice `object_bytes` and a batch: the data
//! object that is being filled, and the one that is being put.

use autodump_core::compression::Compression;
use autodump_core::ports::{ObjectReader, ObjectWriter};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use autodump_core::table::ports::TableReader;
use autodump_core::{Error, ErrorClass, Result};

use super::checkpoint::Checkpoint;
use super::cut::Log;
use super::frame::Framer;
use super::journal;
use super::pace::{Pace, random};
use super::place::{Place, read};
use super::replay::last_checkpoint;
use super::work::{Shared, Work};
use crate::output::interrupted;

/// The largest data object: one request must be able to put it, its last batch included.
const LARGEST_OBJECT: u64 = 4 << 30;

/// Which range is to be read, and where it goes.
#[derive(Debug, Clone)]
pub struct RangeJob {
    /// The bucket.
    pub bucket: String,
    /// The run's directory, with a slash at its end.
    pub directory: String,
    /// The plan.
    pub scan: Scan,
    /// From 0.
    pub range: u32,
}

impl RangeJob {
    /// Checks the plan before anything is done, and gives its compression.
    fn checked(&self) -> Result<Compression> {
        let scan = &self.scan;
        let wrong = |what: String| {
            let hint = "Report this, unless somebody else than AutoDump wrote the plan";
            Err(Error::new(ErrorClass::Configuration, what, hint))
        };
        if scan.segments == 0 || !(1..=scan.segments).contains(&scan.ranges) {
            let (segments, ranges) = (scan.segments, scan.ranges);
            return wrong(format!("the plan divides {segments} segments into {ranges} ranges"));
        }
        if self.range >= scan.ranges {
            return wrong(format!("the plan has {} ranges, and no {}", scan.ranges, self.range));
        }
        if scan.at_once == 0 {
            return wrong("the plan reads 0 segments at once".to_owned());
        }
        if !(1..=LARGEST_OBJECT).contains(&scan.object_bytes) {
            let bytes = scan.object_bytes;
            return wrong(format!("the plan has data objects of {bytes} bytes, not 1 to 4 GiB"));
        }
        if let Some(units) = scan.units_per_second.filter(|u| !u.is_finite() || *u <= 0.0) {
            return wrong(format!("the plan allows {units} read units a second"));
        }
        match scan.compression.parse() {
            Ok(compression) => Ok(compression),
            Err(why) => wrong(format!("the plan's compression {:?} {why}", scan.compression)),
        }
    }
}

/// Reads the range to its end, or from where earlier attempts got to, and gives its last
/// checkpoint, which is complete. All that was committed before an error stays, and is not read
/// again.
///
/// A table that is gone is an error of class [`ErrorClass::Configuration`]; another attempt at
/// the same range, and `stop`, are of class [`ErrorClass::Interrupted`]; state that is not as it
/// was written is of class [`ErrorClass::Verification`].
pub async fn run<T: TableReader, S: ObjectReader + ObjectWriter>(
    table: &T,
    store: &S,
    job: &RangeJob,
    stop: impl Future<Output = ()> + Send,
) -> Result<Checkpoint> {
    let compression = job.checked()?;
    let shared = Shared {
        table,
        store,
        place: Place { bucket: job.bucket.clone(), directory: job.directory.clone() },
        scan: &job.scan,
        range: job.range,
        algorithm: compression.algorithm(),
        writer: format!("{:016x}", random()),
        pace: Pace::new(&job.scan),
        framer: Framer::new(compression, job.scan.consistent),
    };
    tokio::select! {
        biased;
        () = stop => {
            Err(interrupted("before the range was read; the next attempt goes on where it was"))
        }
        outcome = to_the_end(&shared) => outcome,
    }
}

async fn to_the_end<T: TableReader, S: ObjectReader + ObjectWriter>(
    shared: &Shared<'_, T, S>,
) -> Result<Checkpoint> {
    let log = replayed(shared).await?;
    if log.state.complete {
        return Ok(log.state);
    }
    let mut work = Work::new(shared, log);
    work.drive().await?;
    let mut log = work.into_log();
    if !log.state.complete {
        log.state = shared.put(log.cut()).await?;
    }
    tracing::info!(range = shared.range, journal = log.state.journal, "range complete");
    Ok(log.state)
}

/// The log with all of the journal that there is, its data objects put again if need be.
async fn replayed<T: TableReader, S: ObjectReader + ObjectWriter>(
    shared: &Shared<'_, T, S>,
) -> Result<Log> {
    let (scan, range, place) = (shared.scan, shared.range, &shared.place);
    let (mut log, end) = last_checkpoint(shared.store, place, scan, range).await?;
    if end > 0 {
        tracing::info!(range, journal = end, checkpoint = log.state.journal, "going on");
    }
    for number in log.state.journal..end {
        let location = place.at(&layout::journal(range, number));
        let bytes = read(shared.store, &location).await?;
        let (_, frames) = journal::decode(&location, &bytes)?;
        log.append(&frames, &location)?;
        if log.is_full() {
            log.state = shared.put(log.cut()).await?;
        }
    }
    Ok(log)
}
