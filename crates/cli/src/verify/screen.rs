//! How far a verification is: a bar on a terminal, lines elsewhere, JSON where it is asked for.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use autodump_dump::progress::mb_per_second;
use autodump_dump::verify::{Event, Phase, Watcher};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// How often progress is told where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";

/// Who shows a verification.
pub(super) struct Screen {
    way: Way,
    count: Mutex<Count>,
}

enum Way {
    Bar(ProgressBar),
    Lines,
    Json,
}

/// How far it is.
#[derive(Clone, Copy)]
struct Count {
    objects: u64,
    of_objects: u64,
    bytes: u64,
    of_bytes: u64,
    begun: Instant,
    told: Instant,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
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
        let count =
            Count { objects: 0, of_objects: 0, bytes: 0, of_bytes: 0, begun: now, told: now };
        Self { way, count: Mutex::new(count) }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }

    fn planned(&self, objects: u64, bytes: u64) {
        {
            let mut count = self.count();
            (count.of_objects, count.of_bytes) = (objects, bytes);
        }
        let summary = || format!("{objects} objects, {}", megabytes(bytes));
        match &self.way {
            Way::Bar(bar) => {
                bar.set_length(bytes);
                bar.println(summary());
            }
            Way::Lines => line(&summary()),
            Way::Json => {
                print(&json!({ "event": "planned", "objects": objects, "bytes": bytes }));
            }
        }
    }

    fn phase(&self, phase: Phase) {
        match &self.way {
            Way::Bar(bar) => {
                bar.set_message(words(phase));
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            Way::Lines => line(words(phase)),
            Way::Json => print(&json!({ "event": "phase", "phase": phase })),
        }
    }

    fn read(&self, bytes: u64, objects: u64) {
        let (count, due) = {
            let mut count = self.count();
            count.bytes += bytes;
            count.objects += objects;
            let all = objects > 0 && count.objects == count.of_objects;
            let due = all || count.told.elapsed() >= INTERVAL;
            if due {
                count.told = Instant::now();
            }
            (*count, due)
        };
        let speed = || mb_per_second(count.bytes, count.begun.elapsed());
        match &self.way {
            Way::Bar(bar) => bar.set_position(count.bytes),
            Way::Lines if due => line(&format!(
                "{} of {} objects, {} of {} at {} MB/s",
                count.objects,
                count.of_objects,
                megabytes(count.bytes),
                megabytes(count.of_bytes),
                speed()
            )),
            Way::Json if due => print(&json!({
                "event": "progress", "objects": count.objects, "ofObjects": count.of_objects,
                "bytes": count.bytes, "of": count.of_bytes, "mbPerSecond": speed(),
            })),
            Way::Lines | Way::Json => {}
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Screen {
    fn note(&self, event: &Event) {
        match event {
            Event::Planned { objects, bytes } => self.planned(*objects, *bytes),
            Event::Phase(phase) => self.phase(*phase),
            Event::Read(bytes) => self.read(*bytes, 0),
            Event::Object => self.read(0, 1),
            _ => {}
        }
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Objects => "reading objects",
        Phase::Server => "starting a server",
        Phase::Restore => "restoring",
        Phase::Compare => "comparing restored rows",
    }
}

/// In units of 10⁶ bytes.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn print(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{value}");
}
