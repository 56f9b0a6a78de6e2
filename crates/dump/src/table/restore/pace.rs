//! How fast all workers together may write.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};
use tokio::time::{Instant, sleep};

/// How long nothing at all may be written before the restore gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The longest first pause after a throttled write; each further one may be twice as long.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(20);

/// Shared by all workers.
#[derive(Debug)]
pub(super) struct Pace {
    /// Write units a second.
    rate: Option<f64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Nobody writes before.
    until: Instant,
    /// How often in a row the table was throttled, less how often it was not.
    level: u32,
    /// When an item was last written.
    progress: Instant,
    /// Units that may be used at once; below 0 they were used in advance.
    balance: f64,
    counted: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<f64>) -> Self {
        let now = Instant::now();
        let state = State { until: now, level: 0, progress: now, balance: 0.0, counted: now };
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
        let throttled = state.until.saturating_duration_since(now);
        if !throttled.is_zero() {
            return throttled;
        }
        let Some(rate) = self.rate else { return Duration::ZERO };
        let passed = (now - state.counted).as_secs_f64();
        state.counted = now;
        // What is not used within a second is lost.
        state.balance = (state.balance + passed * rate).min(rate);
        if state.balance < 0.0 {
            // A moment more, so that rounding does not make it a moment less.
            return Duration::from_secs_f64(-state.balance / rate) + Duration::from_millis(1);
        }
        state.balance -= units;
        Duration::ZERO
    }

    /// A write took fewer units than were taken for it, or more, where `units` is below 0.
    pub(super) fn give_back(&self, units: f64) {
        self.state().balance += units;
    }

    /// The table could not take all: nobody writes for a while, the longer the more often.
    pub(super) fn throttled(&self) {
        let mut state = self.state();
        let now = Instant::now();
        // Answers to what was sent before the pause began say nothing new.
        if state.until <= now {
            state.level = (state.level + 1).min(16);
            state.until = now + pause(state.level);
        }
    }

    /// Items were written; all that were sent, or not.
    pub(super) fn progressed(&self, all: bool) {
        let mut state = self.state();
        state.progress = Instant::now();
        if all {
            state.level = state.level.saturating_sub(1);
        }
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
        pace.give_back(1000.0);
        let start = Instant::now();
        pace.ready(50.0).await;
        assert!(start.elapsed().is_zero(), "what was given back may be used");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_table_makes_everybody_wait_and_patience_ends() {
        let pace = Pace::new(None);
        let start = Instant::now();
        for _ in 0..40 {
            pace.throttled();
            pace.ready(1.0).await;
        }
        assert!(start.elapsed() > Duration::from_secs(20), "{:?}", start.elapsed());
        assert!(pace.check().is_ok());
        tokio::time::advance(PATIENCE).await;
        let error = pace.check().unwrap_err();
        assert!(error.class().is_retried() && error.what().contains("minutes"), "{error}");
        pace.progressed(true);
        assert!(pace.check().is_ok());
    }
}
