//! How far something is: a bar on a terminal, lines elsewhere, JSON where it is asked for.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use autodump_dump::progress::mb_per_second;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// How often progress is told where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);
const OF_BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";
const OF_ITEMS: &str = "{msg} {wide_bar} {human_pos}/{human_len} items {per_sec} {eta} left";

/// Who shows it. Lines and the bar go to standard error, JSON to standard output.
pub(crate) struct Screen {
    way: Way,
    unit: Unit,
    count: Mutex<Count>,
}

enum Way {
    Bar(ProgressBar),
    Lines,
    Json,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Items,
}

struct Count {
    done: u64,
    of: u64,
    /// How many were done when the phase began, and when that was.
    before: u64,
    begun: Instant,
    told: Instant,
}

impl Screen {
    /// Of work that is counted in bytes.
    pub(crate) fn new(json: bool) -> Self {
        Self::of(json, Unit::Bytes)
    }

    /// Of work that is counted in items.
    pub(crate) fn of_items(json: bool) -> Self {
        Self::of(json, Unit::Items)
    }

    fn of(json: bool, unit: Unit) -> Self {
        let way = if json {
            Way::Json
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(unit.template()) {
                bar.set_style(style);
            }
            Way::Bar(bar)
        } else {
            Way::Lines
        };
        let now = Instant::now();
        let count = Count { done: 0, of: 0, before: 0, begun: now, told: now };
        Self { way, unit, count: Mutex::new(count) }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }

    /// How many bytes or items there will be.
    pub(crate) fn expects(&self, all: u64) {
        self.count().of = all;
        if let Way::Bar(bar) = &self.way {
            bar.set_length(all);
        }
    }

    /// Says something, or writes the value where JSON is asked for.
    pub(crate) fn say(&self, text: &str, value: &Value) {
        match &self.way {
            Way::Bar(bar) => bar.println(text),
            Way::Lines => line(text),
            Way::Json => print(value),
        }
    }

    /// Writes the value where JSON is asked for.
    pub(crate) fn tell(&self, value: &Value) {
        if matches!(self.way, Way::Json) {
            print(value);
        }
    }

    /// What is being done from now on; the speed is counted from here.
    pub(crate) fn phase(&self, words: &'static str, value: &Value) {
        {
            let mut count = self.count();
            count.begun = Instant::now();
            count.told = count.begun;
            count.before = count.done;
        }
        match &self.way {
            Way::Bar(bar) => {
                bar.set_message(words);
                bar.reset_eta();
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            Way::Lines => line(words),
            Way::Json => print(value),
        }
    }

    /// More bytes or items are done.
    pub(crate) fn done(&self, more: u64) {
        self.count().done += more;
        self.tick();
    }

    /// So many are done in all by now. It may turn out that there are more than was expected.
    pub(crate) fn reached(&self, all: u64) {
        self.count().done = all;
        self.tick();
    }

    /// Tells how far it is, if it is time for that.
    fn tick(&self) {
        let mut count = self.count();
        count.of = count.of.max(count.done);
        if let Way::Bar(bar) = &self.way {
            bar.set_length(count.of);
            bar.set_position(count.done);
            return;
        }
        if count.told.elapsed() < INTERVAL {
            return;
        }
        count.told = Instant::now();
        match self.way {
            Way::Json => print(&self.unit.value(&count)),
            _ => line(&self.unit.line(&count)),
        }
    }

    /// So many of them have to be done again.
    pub(crate) fn taken_back(&self, bytes: u64) {
        let mut count = self.count();
        count.done = count.done.saturating_sub(bytes);
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit {
    const fn template(self) -> &'static str {
        match self {
            Self::Bytes => OF_BYTES,
            Self::Items => OF_ITEMS,
        }
    }

    fn line(self, count: &Count) -> String {
        let (done, of, speed) = (count.done, count.of, self.speed(count));
        match self {
            Self::Bytes => format!("{} of {} at {speed} MB/s", megabytes(done), megabytes(of)),
            Self::Items => format!("{done} of {of} items at {speed} a second"),
        }
    }

    fn value(self, count: &Count) -> Value {
        let (done, of, speed) = (count.done, count.of, self.speed(count));
        match self {
            Self::Bytes => {
                json!({ "event": "progress", "bytes": done, "of": of, "mbPerSecond": speed })
            }
            Self::Items => {
                json!({ "event": "progress", "items": done, "of": of, "itemsPerSecond": speed })
            }
        }
    }

    /// Since the phase began.
    fn speed(self, count: &Count) -> Value {
        let (done, time) = (count.done.saturating_sub(count.before), count.begun.elapsed());
        match self {
            Self::Bytes => json!(mb_per_second(done, time)),
            Self::Items => json!(per_second(done, time)),
        }
    }
}

/// Whole ones a second.
fn per_second(items: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    items.saturating_mul(1000) / milliseconds
}

/// In units of 10⁶ bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// A line for a person.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A line for a program.
pub(crate) fn print(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_millions() {
        assert_eq!(megabytes(0), "0.0 MB");
        assert_eq!(megabytes(12_345_678), "12.3 MB");
    }

    #[test]
    fn speed_is_that_of_the_phase() {
        let begun = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let count = Count { done: 1500, of: 2000, before: 500, begun, told: begun };
        let line = Unit::Items.line(&count);
        // A slow machine may take some milliseconds more.
        assert!(line.starts_with("1500 of 2000 items at "), "{line}");
        let value = Unit::Items.value(&count);
        assert!((90..=100).contains(&value["itemsPerSecond"].as_u64().unwrap()), "{value}");
        assert_eq!((&value["items"], &value["of"]), (&json!(1500), &json!(2000)));
        assert_eq!(Unit::Bytes.value(&count)["bytes"], 1500);
    }

    #[test]
    fn more_than_was_expected_is_all() {
        let screen = Screen::of_items(true);
        screen.expects(10);
        screen.reached(7);
        screen.done(5);
        let count = screen.count();
        assert_eq!((count.done, count.of), (12, 12));
    }
}
