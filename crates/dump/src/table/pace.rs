//! How fast a range is read: no faster than its share of the table's capacity, and slower when
//! the table is throttled.
//!
//! A bucket of read units fills at the rate. Each page takes out what such pages cost so far,
//! and what it really cost is settled when the answer says it: a debt is waited off by whoever
//! comes next. Without a limit there is no bucket until the table throttles for the first time.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autodump_core::table::plan::Scan;
use autodump_core::{Error, ErrorClass, Result};
use tokio::time::{Instant, sleep};

/// When the table answers nothing for so long, it is given up.
pub(super) const SILENCE: Duration = Duration::from_mins(15);
/// Bytes of a unit where reading is consistent, and of half a unit else.
const UNIT: f64 = 4096.0;
/// Units of the largest page where reading is consistent.
const LARGEST: f64 = 256.0;
/// Over how long what was consumed is looked at.
const RECENT: Duration = Duration::from_secs(5);
/// After throttling the rate is decreased no more often than this.
const STEP: Duration = Duration::from_secs(1);
/// By how much of itself the rate grows in a second.
const GROWTH: f64 = 0.25;
/// How much may be asked for of what the table gave of late, when it throttled. It is well above
/// 1, so that a table that throttles every third time for other reasons than how much is read
/// does not become slower and slower.
const MARGIN: f64 = 1.6;
/// The lowest rate that throttling leads to, in units a second, if the limit is not lower.
const SLOWEST: f64 = 1.0;
/// The longest pause of a segment is drawn from this long, after enough throttled tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How much the last page counts among those before it.
const WEIGHT: f64 = 0.3;

/// The pace of a range, shared by its segments.
#[derive(Debug)]
pub(super) struct Pace {
    /// Units a second that this range may take at most.
    limit: Option<f64>,
    /// Units of the largest page.
    largest: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Units a second now; `None` as long as nothing limits.
    rate: Option<f64>,
    /// Units that may be taken; negative while there is a debt.
    balance: f64,
    /// Until when `balance` and `rate` are accounted for.
    filled: Instant,
    decreased: Option<Instant>,
    /// What was consumed, and when.
    recent: VecDeque<(Instant, f64)>,
    /// Units of an item and of a page, of late.
    item: f64,
    page: Option<f64>,
    /// Since when nothing but throttling is heard.
    throttled: Option<Instant>,
}

/// The permission to ask for a page.
#[derive(Debug)]
pub(super) struct Turn {
    /// The most items of the page.
    pub(super) limit: Option<u32>,
    /// What it was expected to cost.
    taken: f64,
}

impl Pace {
    /// The pace of each range of the plan.
    pub(super) fn new(scan: &Scan) -> Self {
        let share = if scan.consistent { 1.0 } else { 0.5 };
        let bytes = match scan.item_bytes {
            0 => UNIT,
            bytes => f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)),
        };
        let limit = scan.units_per_second.map(|units| units / f64::from(scan.ranges));
        let state = State {
            rate: limit,
            balance: 0.0,
            filled: Instant::now(),
            decreased: None,
            recent: VecDeque::new(),
            item: bytes / UNIT * share,
            page: None,
            throttled: None,
        };
        Self { limit, largest: LARGEST * share, state: Mutex::new(state) }
    }

    /// Waits until the next page may be asked for.
    pub(super) async fn turn(&self) -> Turn {
        loop {
            let wait = match self.try_turn() {
                Ok(turn) => return turn,
                Err(wait) => wait,
            };
            sleep(wait).await;
        }
    }

    /// A turn, or how long to wait before asking again.
    fn try_turn(&self) -> Result<Turn, Duration> {
        let mut state = self.state();
        state.fill(self.limit);
        let Some(rate) = state.rate else { return Ok(Turn { limit: None, taken: 0.0 }) };
        if state.balance < 0.0 {
            // Not the whole debt at once: the rate may grow meanwhile.
            let wait = Duration::from_secs_f64((-state.balance / rate).clamp(0.001, 1.0));
            return Err(wait);
        }
        let taken = state.page.unwrap_or(self.largest).min(rate.max(state.item));
        state.balance -= taken;
        let limit = self.limit.and_then(|limit| items_within(limit, state.item, self.largest));
        Ok(Turn { limit, taken })
    }

    /// A page was answered: this many items for this many units.
    pub(super) fn answered(&self, turn: &Turn, units: f64, items: u64) {
        let mut state = self.state();
        state.fill(self.limit);
        state.throttled = None;
        state.balance += turn.taken - units;
        let now = Instant::now();
        state.recent.push_back((now, units));
        state.forget(now);
        state.page = Some(state.page.map_or(units, |page| page + WEIGHT * (units - page)));
        let items = f64::from(u32::try_from(items).unwrap_or(u32::MAX));
        if items > 0.0 {
            state.item += WEIGHT * (units / items - state.item);
        }
    }

    /// The table throttled a page: slows all down, and says how long its segment is to pause
    /// after `tries` of them in a row. An error of class [`ErrorClass::Source`] when the table
    /// has not answered anything for [`SILENCE`].
    pub(super) fn throttled(&self, turn: &Turn, tries: u32) -> Result<Duration> {
        let mut state = self.state();
        state.fill(self.limit);
        state.balance += turn.taken;
        let now = Instant::now();
        if now - *state.throttled.get_or_insert(now) >= SILENCE {
            return Err(silent("only that it was throttled"));
        }
        if state.decreased.is_none_or(|at| now - at >= STEP) {
            state.decrease(now, self.limit, self.largest);
        }
        let most = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
        Ok(most.mul_f64(chance()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Fills the bucket, and lets the rate recover, for the time since the last time.
    fn fill(&mut self, limit: Option<f64>) {
        let now = Instant::now();
        let passed = (now - self.filled).as_secs_f64();
        self.filled = now;
        let Some(rate) = self.rate else { return };
        self.balance = (self.balance + rate * passed).min(rate);
        if self.decreased.is_some_and(|at| now - at >= STEP) {
            let rate = rate * (1.0 + GROWTH * passed);
            self.rate = Some(limit.map_or(rate, |limit| rate.min(limit)));
        }
    }

    /// Takes the rate down to a little more than what the table gave of late.
    fn decrease(&mut self, now: Instant, limit: Option<f64>, largest: f64) {
        self.decreased = Some(now);
        self.forget(now);
        let recent: f64 = self.recent.iter().map(|(_, units)| units).sum();
        let since = self.recent.front().map_or(STEP, |(at, _)| (now - *at).max(STEP));
        let given = recent / since.as_secs_f64();
        let wanted = if given > 0.0 { given * MARGIN } else { self.rate.unwrap_or(largest) / 2.0 };
        let slowest = limit.map_or(SLOWEST, |limit| limit.min(SLOWEST));
        let rate = self.rate.map_or(wanted, |rate| rate.min(wanted)).max(slowest);
        self.rate = Some(rate);
        self.balance = self.balance.min(0.0);
    }

    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now - *at > RECENT) {
            self.recent.pop_front();
        }
    }
}

/// How many items cost about a second's worth: at least one. `None` when that is as much as
/// the largest page.
fn items_within(rate: f64, item: f64, largest: f64) -> Option<u32> {
    if rate >= largest {
        return None;
    }
    let items = (rate / item.max(f64::MIN_POSITIVE)).clamp(1.0, 1_000_000.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was clamped")]
    Some(items as u32)
}

/// The error when the table is silent for too long.
pub(super) fn silent(heard: &str) -> Error {
    let minutes = SILENCE.as_secs() / 60;
    Error::new(
        ErrorClass::Source,
        format!("the table has answered nothing for {minutes} minutes, {heard}"),
        "Give the table more read capacity, or let the backup take more of it \
         (max-read-percent). What was read is kept, and the next attempt goes on there",
    )
}

/// Any number that nobody can guess.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// Between 0 and 1, evenly.
fn chance() -> f64 {
    f64::from(u32::try_from(random() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
