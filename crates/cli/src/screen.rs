//! How far something is: a bar on a terminal, lines elsewhere, JSON where it is asked for.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use autodump_dump::progress::mb_per_second;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// How often progress is told where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";

/// Who shows it. Lines and the bar go to standard error, JSON to standard output.
pub(crate) struct Screen {
    way: Way,
    count: Mutex<Count>,
}

enum Way {
    Bar(ProgressBar),
    Lines,
    Json,
}

struct Count {
    bytes: u64,
    of: u64,
    begun: Instant,
    told: Instant,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let way = if json {
            Way::Json
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            Way::Bar(bar)
        } else {
            Way::Lines
        };
        let now = Instant::now();
        Self { way, count: Mutex::new(Count { bytes: 0, of: 0, begun: now, told: now }) }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }

    /// How many bytes there will be.
    pub(crate) fn expects(&self, bytes: u64) {
        self.count().of = bytes;
        if let Way::Bar(bar) = &self.way {
            bar.set_length(bytes);
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

    /// More bytes are done.
    pub(crate) fn done(&self, bytes: u64) {
        let (told, done, of, speed) = {
            let mut count = self.count();
            count.bytes += bytes;
            let due = count.told.elapsed() >= INTERVAL;
            if due {
                count.told = Instant::now();
            }
            let speed = mb_per_second(count.bytes, count.begun.elapsed());
            (due, count.bytes, count.of, speed)
        };
        match &self.way {
            Way::Bar(bar) => bar.set_position(done),
            Way::Lines if told => {
                line(&format!("{} of {} at {speed} MB/s", megabytes(done), megabytes(of)));
            }
            Way::Json if told => print(&json!({
                "event": "progress", "bytes": done, "of": of, "mbPerSecond": speed,
            })),
            Way::Lines | Way::Json => {}
        }
    }

    /// So many of them have to be done again.
    pub(crate) fn taken_back(&self, bytes: u64) {
        let mut count = self.count();
        count.bytes = count.bytes.saturating_sub(bytes);
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}
