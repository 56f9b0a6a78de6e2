//! How fast all workers together may write.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};
use tokio::time::{Instant, sleep};

/// How long nothing at all may be written before the restore gives up.
pub(super) const PATIENCE: Duration = Duration::from_mins(15);
/// The longest first pause after a throttled write; each further one may be twice as long.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(20);

/// How long is measured what the table takes, and how long between two cuts.
const WINDOW: Duration = Duration::from_millis(500);
/// By how much of itself the limit grows in a second.
const GROWTH: f64 = 0.25;
/// How much may be sent for what was taken, when the table could not take all. It is well above 1
/// so that a table that is throttled every third time for other reasons than how much is written
/// does not become slower and slower.
const MARGIN: f64 = 1.6;
/// The lowest limit, in units a second: a batch of small items.
const FLOOR: f64 = 25.0;

/// Shared by all workers: a limit of what is sent, in write units a second, that follows what the
/// table takes. It goes to a little more than what was taken of late when the table is throttled,
/// and grows again while it is not.
#[derive(Debug)]
pub(super) struct Pace {
    /// The most write units a second.
    rate: Option<f64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When an item was last written.
    progress: Instant,
    /// Units that may be used at once; below 0 they were used in advance.
    balance: f64,
    /// Up to when `balance` and `limit` have grown.
    counted: Instant,
    /// Units a second, since the table was first throttled.
    limit: Option<f64>,
    /// When it was last cut.
    cut: Option<Instant>,
    /// The window that is measured, and the units taken in it.
    window: (Instant, f64),
    /// Units a second in the window before.
    taken: Option<f64>,
}

impl Pace {
    pub(super) fn new(rate: Option<f64>) -> Self {
        let now = Instant::now();
        let state = State {
            progress: now,
            balance: 0.0,
            counted: now,
            limit: None,
            cut: None,
            window: (now, 0.0),
            taken: None,
        };
        Self { rate, state: Mutex::new(state) }
    }

    /// Waits until a write of so many units may be sent.
    pub(super) async fn ready(&self, units: f64) {
        loop {
            let wait = self.wait(units);
            if wait.is_zero() {
                return;
            }
            sleep(wait).await;
        }
    }

    /// How long to wait; if not at all, the units are taken.
    fn wait(&self, units: f64) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        let passed = (now - state.counted).as_secs_f64();
        state.counted = now;
        state.limit = state.limit.map(|limit| limit * (1.0 + GROWTH * passed));
        let limit = state.limit.unwrap_or(f64::INFINITY).min(self.rate.unwrap_or(f64::INFINITY));
        if limit.is_infinite() {
            return Duration::ZERO;
        }
        // What is not used within a second is lost.
        state.balance = (state.balance + passed * limit).min(limit);
        if state.balance < 0.0 {
            // A moment more, so that rounding does not make it a moment less. No longer than a
            // window, since the limit may have changed by then.
            let wait = Duration::from_secs_f64(-state.balance / limit) + Duration::from_millis(1);
            return if self.rate.is_some() { wait } else { wait.min(WINDOW) };
        }
        state.balance -= units;
        Duration::ZERO
    }

    /// A write is answered. What was written was thought to take so many units, and took so many.
    pub(super) fn used(&self, thought: f64, used: f64) {
        let mut state = self.state();
        state.balance += thought - used;
        state.roll(Instant::now());
        state.window.1 += used;
    }

    /// The table could not take all: everybody slows down.
    pub(super) fn throttled(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.roll(now);
        // Answers to what was sent before the last cut say nothing new.
        if state.cut.is_some_and(|cut| now - cut < WINDOW) {
            return;
        }
        // Before the first window has ended, each worker's own pauses have to do.
        let Some(taken) = state.taken else { return };
        state.limit = Some(state.limit.unwrap_or(f64::INFINITY).min((taken * MARGIN).max(FLOOR)));
        state.cut = Some(now);
    }

    /// Items were written.
    pub(super) fn progressed(&self) {
        self.state().progress = Instant::now();
    }

    /// An error if nothing was written for too long.
    pub(super) fn check(&self) -> Result<()> {
        let idle = self.state().progress.elapsed();
        if idle < PATIENCE {
            return Ok(());
        }
        Err(Error::new(
            ErrorClass::Destination,
            format!("the table has not taken an item for {} minutes", idle.as_secs() / 60),
            "Give it more write capacity, or raise its limit on demand, and look for others who \
             write",
        ))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends the window when it is over.
    fn roll(&mut self, now: Instant) {
        let (start, units) = self.window;
        let length = now - start;
        if length >= WINDOW {
            self.taken = Some(units / length.as_secs_f64());
            self.window = (now, 0.0);
        }
    }
}

/// A random pause after the `attempt`th failure in a row, from 1.
pub(super) fn pause(attempt: u32) -> Duration {
    let most = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    // Each of these states is another's, which is as random as this has to be.
    let random = RandomState::new().build_hasher().finish();
    let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % (millis + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_grow_and_have_an_end() {
        for (attempt, most) in [(1, 50), (2, 100), (5, 800), (10, 20_000), (u32::MAX, 20_000)] {
            let pauses: Vec<_> = (0..200).map(|_| pause(attempt).as_millis()).collect();
            let longest = *pauses.iter().max().unwrap();
            assert!(longest <= most && longest > most / 2, "{attempt}: {longest}");
            assert!(*pauses.iter().min().unwrap() < most / 2, "{attempt}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_holds_for_all_together() {
        let pace = Pace::new(Some(100.0));
        let start = Instant::now();
        for _ in 0..50 {
            pace.ready(20.0).await;
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!((9.5..11.0).contains(&seconds), "1000 units took {seconds} s");
        pace.used(1000.0, 0.0);
        let start = Instant::now();
        pace.ready(50.0).await;
        assert!(start.elapsed().is_zero(), "what it did not take may be used");
    }

    /// Eight workers for five minutes against a table: units taken, and the share of those sent that
    /// were not.
    async fn against(take: impl Fn(f64) -> f64) -> (f64, f64) {
        let pace = Pace::new(None);
        let end = Instant::now() + Duration::from_mins(5);
        let totals = std::cell::Cell::new((0.0, 0.0));
        let worker = || async {
            while Instant::now() < end {
                pace.ready(25.0).await;
                sleep(Duration::from_millis(10)).await;
                let taken = take(25.0);
                pace.used(taken, taken);
                let (all, sent) = totals.get();
                totals.set((all + taken, sent + 25.0));
                if taken < 25.0 {
                    pace.throttled();
                    sleep(pause(1)).await;
                }
            }
        };
        futures_util::future::join_all((0..8).map(|_| worker())).await;
        let (taken, sent) = totals.get();
        (taken, 1.0 - taken / sent)
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_is_used_to_its_capacity_and_seldom_beyond() {
        for capacity in [50.0, 500.0, 5_000.0] {
            let left = Mutex::new((0.0_f64, Instant::now()));
            let (taken, refused) = against(|units| {
                let mut left = left.lock().unwrap();
                let passed = left.1.elapsed().as_secs_f64();
                *left = ((left.0 + passed * capacity).min(capacity), Instant::now());
                let taken = left.0.min(units).floor();
                left.0 -= taken;
                taken
            })
            .await;
            let share = taken / (capacity * 300.0);
            assert!(share > 0.85, "{share} of {capacity} units a second");
            assert!(refused < 0.5, "{refused} of what was sent was refused at {capacity}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_that_has_nothing_to_do_with_speed_does_not_stop_it() {
        let calls = std::sync::atomic::AtomicU32::new(0);
        let every_third = |units| {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if call % 3 == 2 { 0.0 } else { units }
        };
        let (taken, _) = against(every_third).await;
        // Eight workers alone would write 20,000 units a second.
        assert!(taken / 300.0 > 3_000.0, "{} units a second", taken / 300.0);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let pace = Pace::new(None);
        for _ in 0..100 {
            pace.throttled();
            pace.ready(1.0).await;
        }
        assert!(pace.check().is_ok());
        tokio::time::advance(PATIENCE).await;
        let error = pace.check().unwrap_err();
        assert!(error.class().is_retried() && error.what().contains("minutes"), "{error}");
        pace.progressed();
        assert!(pace.check().is_ok());
    }
}
