//! How far a restore got, for whoever has to tidy up after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use autodump_core::Error;

/// What is counted and known while a restore goes on.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Items that the table has taken.
    pub(super) items: AtomicU64,
    /// Items that the table had, that are not in the backup, and that were deleted.
    pub(super) deleted: AtomicU64,
    /// Bytes that came from the store.
    pub(super) bytes: AtomicU64,
    /// How often the table could not take all.
    pub(super) throttled: AtomicU64,
    reached: Mutex<Option<Reached>>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reached {
    /// The table was asked for, and may be there.
    Made(String),
    /// Items are written into a table that was made.
    Filling(String),
    /// Items are written into a table that was there.
    Adding {
        /// Its name.
        table: String,
        /// It had some before.
        has_items: bool,
    },
    /// All items are there; what is not in the backup is deleted.
    Mirroring(String),
    /// DynamoDB imports into a table that it made.
    Importing(String, String),
    /// All items are there; the rest of the definition is set.
    Completing(String),
}

impl State {
    pub(super) fn reached(&self, reached: Reached) {
        *self.lock() = Some(reached);
    }

    /// What was asked for was refused: all is as it was.
    pub(super) fn nothing_done(&self) {
        *self.lock() = None;
    }

    pub(super) fn add_items(&self, items: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
    }

    pub(super) fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reached>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error, with what is to be known about the table.
    pub(super) fn told_with(&self, error: Error) -> Error {
        let Some(left) = self.left() else { return error };
        let hint = format!("{}. {left}", error.hint().trim_end_matches('.'));
        // Words of others may end with a full stop, and one follows.
        let what = error.what().trim_end_matches('.').to_owned();
        Error::new(error.class(), what, hint).caused_by(error)
    }

    fn left(&self) -> Option<String> {
        let items = self.items();
        let reached = self.lock();
        Some(match reached.as_ref()? {
            Reached::Made(table) => format!(
                "The table {table} may be there by now, without items: delete it before you try \
                 again"
            ),
            Reached::Filling(table) => format!(
                "The table {table}, which was made, has about {items} items of the backup and \
                 not yet its whole definition: delete it before you try again"
            ),
            Reached::Adding { table, has_items } => format!(
                "About {items} items of the backup were written into the table {table}, which \
                 was there before{}: restoring again into the existing table writes all of them, \
                 and leaves none out",
                if *has_items { " and had items" } else { ", empty" }
            ),
            Reached::Mirroring(table) => format!(
                "The table {table}, which was there before, has all {items} items of the backup, \
                 and about {} others were deleted, perhaps not yet all: restoring again in the \
                 same way deletes the rest",
                self.deleted.load(Ordering::Relaxed)
            ),
            Reached::Importing(table, import) => format!(
                "DynamoDB may go on with the import {import} into the table {table}, which it \
                 made: wait until it has ended, and delete the table before you try again"
            ),
            Reached::Completing(table) => format!(
                "The table {table} has all {items} items of the backup, and not all of its \
                 definition: set the rest by hand from table.json, or delete it and restore again"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use autodump_core::ErrorClass;

    use super::*;

    #[test]
    fn what_is_left_is_said_and_only_a_table_that_was_made_is_to_be_deleted() {
        let table = || "orders".to_owned();
        for (reached, deletes) in [
            (Reached::Made(table()), true),
            (Reached::Filling(table()), true),
            (Reached::Adding { table: table(), has_items: true }, false),
            (Reached::Adding { table: table(), has_items: false }, false),
            (Reached::Mirroring(table()), false),
            (Reached::Importing(table(), "import/1".to_owned()), true),
            (Reached::Completing(table()), true),
        ] {
            let state = State::default();
            state.add_items(7);
            state.deleted.fetch_add(3, Ordering::Relaxed);
            state.reached(reached.clone());
            let error = Error::new(ErrorClass::Source, "it failed.", "Look");
            let error = state.told_with(error);
            let mirrors = matches!(reached, Reached::Mirroring(_));
            assert_eq!(error.hint().contains("about 3 others were deleted"), mirrors, "{error}");
            assert_eq!((error.what(), error.class()), ("it failed", ErrorClass::Source));
            assert!(error.hint().starts_with("Look. "), "{error}");
            assert!(
                error.hint().contains("the table orders") || error.hint().contains("The table")
            );
            assert_eq!(
                error.hint().contains("delete the table") || error.hint().contains("delete it"),
                deletes,
                "{reached:?}: {error}"
            );
        }
        let error = Error::new(ErrorClass::Source, "it failed", "Look");
        assert_eq!(State::default().told_with(error).hint(), "Look");
    }
}
