//! Which rows are read next, and by whom.
//!
//! Large tables come first, and everybody works on the same table until nothing of it is
//! left. A range is a share of what is left over all tables, so that the last ones are small
//! and all end together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::Table;

/// Bytes on disk of the largest range: little enough to be read again when a connection is
/// lost, and to fit into a part.
const LARGEST: u64 = 12 * 1024 * 1024;
/// Less than this is not worth a statement of its own.
const SMALLEST: u64 = 1024 * 1024;
/// Ranges that are left to everybody at the end.
const SHARES: u64 = 3;

/// Rows that are read by one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// The pages from the first to before the second number; 0 for all that follow.
    Pages(u64, u64),
    /// All rows.
    All,
    /// None: the table has no pages.
    Nothing,
}

/// A table and who works on it.
#[derive(Debug)]
struct Entry<T> {
    table: Arc<Table>,
    work: Arc<T>,
    next_page: u64,
    handed_out: bool,
    hands: usize,
}

#[derive(Debug)]
struct State<T> {
    entries: Vec<Entry<T>>,
    /// The first entry of which something is left.
    current: usize,
    bytes_left: u64,
}

/// The rows that are still to be read. `T` is what belongs to a table beside it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    jobs: u64,
}

/// A share of the work.
#[derive(Debug)]
pub(super) struct Share<T> {
    pub(super) number: usize,
    pub(super) table: Arc<Table>,
    pub(super) work: Arc<T>,
    pub(super) chunk: Chunk,
}

impl<T> Queue<T> {
    /// A queue for `jobs` readers.
    pub(super) fn new(tables: impl IntoIterator<Item = (Arc<Table>, Arc<T>)>, jobs: u16) -> Self {
        let mut entries: Vec<_> = tables
            .into_iter()
            .map(|(table, work)| Entry { table, work, next_page: 0, handed_out: false, hands: 0 })
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.table.bytes));
        let bytes_left = entries.iter().map(|entry| entry.table.bytes).sum();
        let state = Mutex::new(State { entries, current: 0, bytes_left });
        Self { state, jobs: u64::from(jobs.max(1)) }
    }

    /// The next share for somebody who works on table `number` up to now, if any. Whoever gets
    /// one of another table is counted there, and has to leave the former one.
    pub(super) fn next(&self, number: Option<usize>) -> Option<Share<T>> {
        let mut state = self.lock();
        while state.entries.get(state.current)?.handed_out {
            state.current += 1;
        }
        let wanted = (state.bytes_left / (self.jobs * SHARES)).clamp(SMALLEST, LARGEST);
        let current = state.current;
        let entry = &mut state.entries[current];
        let chunk = entry.take(wanted);
        if number != Some(current) {
            entry.hands += 1;
        }
        let share = Share {
            number: current,
            table: Arc::clone(&entry.table),
            work: Arc::clone(&entry.work),
            chunk,
        };
        let taken = share.bytes();
        state.bytes_left = state.bytes_left.saturating_sub(taken);
        Some(share)
    }

    /// Somebody has handed in all that was read of table `number`. True for the one after
    /// whom nobody comes any more.
    pub(super) fn leave(&self, number: usize) -> bool {
        let mut state = self.lock();
        let entry = &mut state.entries[number];
        entry.hands -= 1;
        entry.hands == 0 && entry.handed_out
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Entry<T> {
    fn take(&mut self, wanted: u64) -> Chunk {
        let table = &self.table;
        if table.pages == 0 && table.has_ranges {
            self.handed_out = true;
            return Chunk::Nothing;
        }
        let whole = self.next_page == 0 && table.bytes <= wanted;
        if whole || !table.has_ranges {
            self.handed_out = true;
            return Chunk::All;
        }
        let pages = (wanted / table.bytes_per_page()).max(1);
        let first = self.next_page;
        self.next_page += pages;
        if self.next_page < table.pages {
            return Chunk::Pages(first, self.next_page);
        }
        self.handed_out = true;
        Chunk::Pages(first, 0)
    }
}

impl Table {
    /// Bytes that belong to a page, long values included; at least 1.
    fn bytes_per_page(&self) -> u64 {
        self.bytes.checked_div(self.pages).unwrap_or(0).max(1)
    }
}

impl<T> Share<T> {
    fn bytes(&self) -> u64 {
        let table = &self.table;
        match self.chunk {
            Chunk::Nothing => 0,
            Chunk::All => table.bytes,
            Chunk::Pages(first, 0) => (table.pages.saturating_sub(first)) * table.bytes_per_page(),
            Chunk::Pages(first, end) => (end - first) * table.bytes_per_page(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::catalog::Name;
    use super::*;

    fn table(oid: u32, pages: u64, bytes: u64, has_ranges: bool) -> Arc<Table> {
        let text = format!("t{oid}");
        let name = Name {
            oid,
            schema: "public".to_owned(),
            table: text.clone(),
            qualified: text,
            with_rows: true,
        };
        Arc::new(Table { name, columns: String::new(), pages, bytes, has_ranges })
    }

    fn queue(tables: &[Arc<Table>], jobs: u16) -> Queue<()> {
        Queue::new(tables.iter().map(|table| (Arc::clone(table), Arc::new(()))), jobs)
    }

    #[test]
    fn large_tables_come_first_and_the_last_ranges_are_small() {
        const MIB: u64 = 1024 * 1024;
        let queue = queue(&[table(1, 10, 81_920, true), table(2, 12_800, 100 * MIB, true)], 4);
        let mut number = None;
        let mut shares = Vec::new();
        while let Some(share) = queue.next(number) {
            number = Some(share.number);
            shares.push((share.table.name.oid, share.bytes()));
        }
        assert_eq!(shares.first().unwrap().0, 2);
        assert_eq!(*shares.last().unwrap(), (1, 81_920));
        let of_large: Vec<_> = shares.iter().filter(|(oid, _)| *oid == 2).collect();
        assert!(of_large.first().unwrap().1 > 8 * MIB);
        assert!(of_large.last().unwrap().1 <= MIB, "{of_large:?}");
        assert_eq!(of_large.iter().map(|(_, bytes)| bytes).sum::<u64>(), 100 * MIB);
    }

    proptest! {
        /// Whatever the sizes: each page is in one range, and of each table exactly one hand
        /// is the last to leave.
        #[test]
        fn every_page_is_read_once_and_every_table_ends_once(
            sizes in prop::collection::vec((0..9000u64, 1..200_000u64, any::<bool>()), 1..8),
            jobs in 1..9u16,
            turns in prop::collection::vec(0..8usize, 1..50),
        ) {
            let tables: Vec<_> = sizes.iter().zip(1..).map(|((pages, per_page, ranges), oid)| {
                table(oid, *pages, pages * per_page, *ranges)
            }).collect();
            let queue = queue(&tables, jobs);
            let mut hands: Vec<Option<usize>> = vec![None; usize::from(jobs)];
            let mut ended = vec![0; tables.len()];
            let mut reached = vec![Some(0); tables.len()];
            let mut turns = turns.iter().cycle();
            let mut working: Vec<_> = (0..hands.len()).collect();
            while !working.is_empty() {
                let at = turns.next().unwrap() % working.len();
                let hand = working[at];
                let share = queue.next(hands[hand]);
                let next = share.as_ref().map(|share| share.number);
                if let Some(old) = hands[hand].filter(|old| Some(*old) != next) {
                    ended[old] += u32::from(queue.leave(old));
                }
                hands[hand] = next;
                let Some(share) = share else { working.remove(at); continue };
                let reached = &mut reached[share.number];
                match share.chunk {
                    Chunk::Pages(first, end) => {
                        prop_assert!(share.table.has_ranges && share.table.pages > 0);
                        prop_assert_eq!(*reached, Some(first));
                        prop_assert!(end == 0 || first < end && end < share.table.pages);
                        *reached = (end > 0).then_some(end);
                    }
                    Chunk::All | Chunk::Nothing => {
                        prop_assert_eq!(*reached, Some(0));
                        prop_assert!(share.chunk == Chunk::All || share.table.pages == 0);
                        *reached = None;
                    }
                }
            }
            prop_assert!(reached.iter().all(Option::is_none));
            prop_assert!(ended.iter().all(|times| *times == 1), "{:?}", ended);
        }
    }
}
