//! How far a dump is.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts bytes on their way; read while they move.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    sent: AtomicU64,
}

impl Progress {
    /// Notes bytes that came from the engine.
    pub fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes bytes that the store has accepted.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came from the engine so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes that the store has accepted so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Writes the state to the log every `interval`, and never ends. The speed is that of
    /// the last interval, in MB (10⁶ bytes) per second.
    pub async fn log_every(&self, interval: Duration) -> Infallible {
        let mut ticks = tokio::time::interval(interval);
        ticks.tick().await;
        let mut before = (self.read(), Instant::now());
        loop {
            ticks.tick().await;
            let now = (self.read(), Instant::now());
            tracing::info!(
                bytes_read = now.0,
                bytes_sent = self.sent(),
                mb_per_second = mb_per_second(now.0 - before.0, now.1 - before.1),
                "dump in progress"
            );
            before = now;
        }
    }
}

/// Speed in MB (10⁶ bytes) per second, with one decimal.
#[must_use]
pub fn mb_per_second(bytes: u64, time: Duration) -> f64 {
    let micros = time.as_micros().max(1);
    let tenths = u128::from(bytes) * 10 / micros;
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_in_millions_of_bytes_per_second() {
        for (bytes, seconds, expected) in [(30_000_000, 30, 1.0), (1_250_000, 1, 1.2), (0, 30, 0.0)]
        {
            let speed = mb_per_second(bytes, Duration::from_secs(seconds));
            assert!((speed - expected).abs() < 0.001, "{bytes} in {seconds} s is {speed}");
        }
        assert!(mb_per_second(1, Duration::ZERO) > 0.0);
    }
}
