//! Which documents are read next, and by whom.
//!
//! Large collections come first, and everybody works on the same one until nothing of it is
//! left to be handed out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::Plan;
use super::ranges::Range;

/// A collection that is to be read.
#[derive(Debug)]
struct Entry {
    shares: std::vec::IntoIter<Share>,
    hands: usize,
}

#[derive(Debug)]
struct State {
    entries: Vec<Entry>,
    /// The first entry of which something is left.
    current: usize,
}

/// The documents that are still to be read.
#[derive(Debug)]
pub(super) struct Queue(Mutex<State>);

/// Documents that are read by one cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Where the collection stands in the queue.
    pub(super) place: usize,
    /// Its number in the archive.
    pub(super) number: usize,
    pub(super) range: Range,
}

impl Queue {
    /// A queue of collections, by their numbers, with their sizes.
    pub(super) fn new(collections: impl IntoIterator<Item = (usize, u64, Plan)>) -> Self {
        let mut collections: Vec<_> = collections.into_iter().collect();
        collections.sort_by_key(|(_, bytes, _)| std::cmp::Reverse(*bytes));
        let entry = |(place, (number, _, plan)): (usize, (usize, u64, Plan))| {
            let share = |range| Share { place, number, range };
            let shares: Vec<_> = match plan {
                Plan::Whole(_) => vec![share(Range::default())],
                Plan::Ranges(ranges) => ranges.into_iter().map(share).collect(),
            };
            Entry { shares: shares.into_iter(), hands: 0 }
        };
        let entries = collections.into_iter().enumerate().map(entry).collect();
        Self(Mutex::new(State { entries, current: 0 }))
    }

    /// The next share for somebody who works on the collection at this place up to now, if any.
    /// Whoever gets one of another collection is counted there, and has to leave the former one.
    pub(super) fn next(&self, place: Option<usize>) -> Option<Share> {
        let mut state = self.lock();
        while state.entries.get(state.current)?.shares.as_slice().is_empty() {
            state.current += 1;
        }
        let current = state.current;
        let entry = &mut state.entries[current];
        if place != Some(current) {
            entry.hands += 1;
        }
        entry.shares.next()
    }

    /// Somebody has handed in all that was read of the collection at this place. True for the one
    /// after whom nobody comes any more.
    pub(super) fn leave(&self, place: usize) -> bool {
        let mut state = self.lock();
        let entry = &mut state.entries[place];
        entry.hands -= 1;
        entry.hands == 0 && entry.shares.as_slice().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
