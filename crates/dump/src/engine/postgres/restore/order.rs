//! What `pg_restore` must not do in parallel.
//!
//! Attaching a partition's index, a foreign key from or to a partitioned table, and a trigger of
//! one lock more than the table that they belong to, which `pg_restore` does not know: next to
//! each other, or to anything else that locks these tables, they are a deadlock. They are restored
//! one by one, after everything else. Event triggers then come last of all, as they do without
//! this.

use std::collections::BTreeSet;

use super::contents::{Contents, Item};

/// The entries among `ids` that are restored after the others, one by one. None of them takes
/// long but foreign keys, whose rows the server checks.
pub(super) fn delicate(contents: &Contents, ids: &BTreeSet<i32>) -> BTreeSet<i32> {
    let attached = contents.items.iter().filter(|item| item.kind == "TABLE ATTACH");
    let tables: BTreeSet<i32> = attached.flat_map(|item| item.needs.iter().copied()).collect();
    let touches = |id: &i32| {
        let of_table = |item: &Item| item.needs.iter().any(|need| tables.contains(need));
        tables.contains(id) || contents.item(*id).is_some_and(of_table)
    };
    let is_delicate = |item: &&Item| match item.kind.as_str() {
        "INDEX ATTACH" => true,
        "FK CONSTRAINT" | "TRIGGER" => item.needs.iter().any(touches),
        _ => false,
    };
    let first = contents.chosen(Some(ids)).filter(is_delicate);
    let mut delicate: BTreeSet<i32> = first.map(|item| item.id).collect();
    if delicate.is_empty() {
        return delicate;
    }
    let events = contents.chosen(Some(ids)).filter(|item| item.kind == "EVENT TRIGGER");
    delicate.extend(events.map(|item| item.id));
    // What comes after them, such as their comments.
    for item in contents.chosen(Some(ids)) {
        if item.needs.iter().any(|need| delicate.contains(need)) {
            delicate.insert(item.id);
        }
    }
    delicate
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
