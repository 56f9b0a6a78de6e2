//! What the operator sees: a bar on a terminal, lines elsewhere, JSON where it is asked for.
#![allow(clippy::print_stdout, reason = "results go to standard output")]

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use autodump_core::Error;
use autodump_core::verification::Verification;
use autodump_dump::progress::mb_per_second;
use autodump_dump::restore::{Event, Phase, Plan, PlannedTable, Restored, Watcher};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// How often progress is told where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";

/// Who shows a restore.
pub(crate) struct Screen {
    way: Way,
    count: Mutex<Count>,
}

enum Way {
    Bar(ProgressBar),
    Lines,
    Json,
}

/// How far it is.
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

    fn planned(&self, plan: &Plan) {
        self.count().of = plan.bytes;
        match &self.way {
            Way::Bar(bar) => {
                bar.set_length(plan.bytes);
                bar.println(summary(plan));
            }
            Way::Lines => line(&summary(plan)),
            Way::Json => print(&json!({ "event": "planned", "plan": plan })),
        }
    }

    fn phase(&self, phase: Phase) {
        {
            let mut count = self.count();
            count.begun = Instant::now();
            count.told = count.begun;
        }
        match &self.way {
            Way::Bar(bar) => {
                bar.set_message(words(phase));
                if phase == Phase::Rows {
                    bar.reset_eta();
                }
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            Way::Lines => line(words(phase)),
            Way::Json => print(&json!({ "event": "phase", "phase": phase })),
        }
    }

    fn read(&self, bytes: u64) {
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

    fn taken_back(&self, bytes: u64) {
        let mut count = self.count();
        count.bytes = count.bytes.saturating_sub(bytes);
    }

    fn count(&self) -> std::sync::MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Screen {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => self.planned(plan),
            Event::Phase(phase) => self.phase(*phase),
            Event::Read(bytes) => self.read(*bytes),
            Event::TakenBack(bytes) => self.taken_back(*bytes),
            Event::Table { schema, name, rows } => {
                if matches!(self.way, Way::Json) {
                    print(&json!({
                        "event": "table", "schema": schema, "name": name, "rows": rows,
                    }));
                }
            }
            Event::Warning(what) => match &self.way {
                Way::Bar(bar) => bar.println(format!("warning: {what}")),
                Way::Lines => line(&format!("warning: {what}")),
                Way::Json => print(&json!({ "event": "warning", "what": what })),
            },
            _ => {}
        }
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Clean => "dropping what is there",
        Phase::PreData => "making schemas, types and tables",
        Phase::Rows => "loading rows",
        Phase::OtherData => "sequences and large objects",
        Phase::PostData => "indexes, constraints and triggers",
    }
}

fn summary(plan: &Plan) -> String {
    format!(
        "into {} on {} (PostgreSQL {}) by {}, {} connections: rows of {} tables, {} compressed",
        plan.database,
        plan.host,
        plan.server_version,
        plan.client,
        plan.jobs,
        plan.tables.len(),
        megabytes(plan.bytes)
    )
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

/// The result of a restore.
pub(crate) fn restored(restored: &Restored, json: bool) {
    if json {
        print(&json!({ "event": "restored", "result": restored }));
        return;
    }
    if restored.dry_run {
        println!("Nothing was changed. This would be done:");
        for phase in &restored.plan.phases {
            println!("  {}", words(*phase));
            if *phase == Phase::Clean {
                for what in &restored.plan.dropped {
                    println!("    {what}");
                }
            }
        }
        for PlannedTable { schema, name, bytes, rows } in &restored.plan.tables {
            let rows = rows.map_or_else(String::new, |rows| format!("{rows} rows, "));
            println!("    {schema}.{name}: {rows}{}", megabytes(*bytes));
        }
        return;
    }
    println!(
        "Restored: {} rows in {} tables of database {}, {} read. ANALYZE it before it is used.",
        restored.rows,
        restored.tables,
        restored.plan.database,
        megabytes(restored.bytes)
    );
}

/// The result of a verification.
pub(crate) fn verification(verification: &Verification, json: bool) {
    if json {
        print(&json!({ "event": "verified", "result": verification }));
        return;
    }
    let seen = &verification.seen;
    println!(
        "{} ({}): {} objects, {} read, {} tables, {} rows",
        if verification.passed {
            "The backup is as its manifest says"
        } else {
            "NOT as it should be"
        },
        verification.level,
        seen.objects,
        megabytes(seen.bytes),
        seen.tables,
        seen.rows
    );
    for problem in &verification.problems {
        println!("  {problem}");
    }
}

/// Why it failed.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        print(&json!({
            "event": "failed",
            "class": error.class(),
            "exitCode": error.class().exit_code(),
            "what": error.what(),
            "hint": error.hint(),
        }));
    }
    line(&format!("error: {error}"));
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
