//! How fast a range is read: no faster than its share of what the plan takes of the table's
//! capacity, and slower when the table is throttled.
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
/// The same after the table was found busy, for so long: somebody else may want what is left.
const SLOW_GROWTH: f64 = 0.015;
const CAUTION: Duration = Duration::from_mins(1);
/// A table is busy when it throttles more than this share of the requests, of this many or more.
const BUSY: f64 = 0.1;
const ENOUGH: u32 = 8;
/// What is asked of a busy table, of what it gave of late.
const WITHDRAWAL: f64 = 0.7;
/// How much may be asked for of what a table gave of late that throttles only now and then.
const MARGIN: f64 = 1.6;
/// The lowest rate that throttling leads to: a share of the limit, and so many units a second if
/// the limit is not lower; of the largest pages without one. A table may throttle for other
/// reasons than how much is read.
const SLOWEST_SHARE: f64 = 1.0 / 16.0;
const SLOWEST: f64 = 1.0;
const SLOWEST_PAGES: f64 = 2.0;
/// The longest pause of a segment is drawn from this long, after enough throttled tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How far apart pages are is random: up to so many pages are saved up before the next one. At even
/// distances each would find what has come back since the last one, and never notice that
/// others find nothing.
const SPREAD: f64 = 4.0;
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
    /// The balance with which the next page may be asked for, and the most that this can be.
    threshold: f64,
    saved: f64,
    /// Until when `balance` and `rate` are accounted for.
    filled: Instant,
    decreased: Option<Instant>,
    /// What was consumed, and when; `None` where it was throttled.
    recent: VecDeque<(Instant, Option<f64>)>,
    /// When the table was last found busy.
    busy: Option<Instant>,
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
        let limit = scan.units_per_job();
        let state = State {
            rate: limit,
            balance: 0.0,
            threshold: 0.0,
            saved: 0.0,
            filled: Instant::now(),
            decreased: None,
            recent: VecDeque::new(),
            busy: None,
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
        let missing = state.threshold - state.balance;
        if missing > 0.0 {
            // Not all of it at once: the rate may grow meanwhile.
            let wait = Duration::from_secs_f64((missing / rate).clamp(0.001, 1.0));
            return Err(wait);
        }
        let taken = state.page.unwrap_or(self.largest).min(rate.max(state.item));
        state.balance -= taken;
        state.saved = taken * SPREAD;
        state.threshold = state.saved * chance();
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
        state.recent.push_back((now, Some(units)));
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
        state.recent.push_back((now, None));
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
        self.balance = (self.balance + rate * passed).min(rate.max(self.saved));
        if self.decreased.is_some_and(|at| now - at >= STEP) {
            let careful = self.busy.is_some_and(|at| now - at < CAUTION);
            let growth = if careful { SLOW_GROWTH } else { GROWTH };
            let rate = rate * (1.0 + growth * passed);
            self.rate = Some(limit.map_or(rate, |limit| rate.min(limit)));
        }
    }

    /// Takes the rate down: well below what a busy table gave of late, and else to a little more
    /// than that.
    fn decrease(&mut self, now: Instant, limit: Option<f64>, largest: f64) {
        self.decreased = Some(now);
        self.forget(now);
        let recent: f64 = self.recent.iter().filter_map(|(_, units)| *units).sum();
        let since = self.recent.front().map_or(STEP, |(at, _)| (now - *at).max(STEP));
        let given = recent / since.as_secs_f64();
        let is_busy = self.is_busy();
        if is_busy {
            self.busy = Some(now);
        }
        let wanted = match given {
            0.0 => self.rate.unwrap_or(largest) / 2.0,
            given if is_busy => given * WITHDRAWAL,
            given => given * MARGIN,
        };
        let slowest = limit
            .map_or(largest * SLOWEST_PAGES, |limit| limit.min(SLOWEST.max(limit * SLOWEST_SHARE)));
        let rate = self.rate.map_or(wanted, |rate| rate.min(wanted)).max(slowest);
        self.rate = Some(rate);
        self.balance = self.balance.min(0.0);
    }

    /// Whether a noticeable share of the requests of late was throttled, of those since the table
    /// was last found busy.
    fn is_busy(&self) -> bool {
        let since = self.recent.iter().filter(|(at, _)| self.busy.is_none_or(|busy| *at > busy));
        let (all, refused) = since.fold((0_u32, 0_u32), |(all, refused), (_, units)| {
            (all + 1, refused + u32::from(units.is_none()))
        });
        all >= ENOUGH && f64::from(refused) > BUSY * f64::from(all)
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
