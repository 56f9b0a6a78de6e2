//! What a verification comes across.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use autodump_core::ports::ObjectLocation;
use autodump_core::verification::{Level, Seen, Verification};
use chrono::{DateTime, Utc};

use super::watch::{Event, Watched};
use crate::object::uri;

/// How many problems are named; the others are counted.
const NAMED: usize = 100;

/// What was looked at, and what was not as it should be. Shared by all who look.
#[derive(Debug, Default)]
pub(crate) struct Found {
    objects: AtomicU64,
    bytes: AtomicU64,
    tables: AtomicU64,
    rows: AtomicU64,
    problems: Mutex<Vec<String>>,
    unnamed: AtomicU64,
    watched: Watched,
}

impl Found {
    pub(crate) fn new(watched: Watched) -> Self {
        Self { watched, ..Self::default() }
    }

    /// Tells whoever watches.
    pub(crate) fn tell(&self, event: Event) {
        self.watched.note(event);
    }

    /// Takes note of a problem: a sentence without its full stop.
    pub(crate) fn problem(&self, what: impl Into<String>) {
        let what = what.into();
        tracing::warn!(what, "the backup is not as its manifest says");
        let mut problems = self.problems();
        if problems.len() < NAMED {
            problems.push(what);
        } else {
            self.unnamed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether all was as it should be.
    pub(crate) fn nothing_wrong(&self) -> bool {
        self.problems().is_empty()
    }

    /// The result, as of the moment when it began.
    pub(crate) fn into_verification(
        self,
        manifest: &ObjectLocation,
        level: Level,
        started_at: DateTime<Utc>,
    ) -> Verification {
        let seen = self.seen();
        let problems = self.into_problems();
        Verification {
            version: 1,
            manifest: uri(manifest),
            level,
            passed: problems.is_empty(),
            started_at,
            finished_at: started_at,
            autodump_version: env!("CARGO_PKG_VERSION").to_owned(),
            restored_into: None,
            seen,
            problems,
            unchecked: Vec::new(),
        }
    }

    /// All problems, in a stable order.
    fn into_problems(self) -> Vec<String> {
        let unnamed = self.unnamed.into_inner();
        let mut problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        problems.sort_unstable();
        if unnamed > 0 {
            problems.push(format!("there are {unnamed} problems more"));
        }
        problems
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.tell(Event::Read(bytes));
    }

    pub(crate) fn object(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn table(&self, rows: u64) {
        self.tables.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// How much was looked at.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            objects: self.objects.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            tables: self.tables.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
        }
    }

    fn problems(&self) -> MutexGuard<'_, Vec<String>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_problems_are_named_and_the_others_counted() {
        let found = Found::default();
        assert!(found.nothing_wrong());
        for number in 0..103 {
            found.problem(format!("{number:03}"));
        }
        assert!(!found.nothing_wrong());
        let problems = found.into_problems();
        assert_eq!((problems.len(), problems[0].as_str()), (101, "000"));
        assert_eq!(problems[100], "there are 3 problems more");
    }
}
