//! What `pg_restore` must not do in parallel.
//!
//! A foreign key from or to a partitioned table locks all of its partitions, which `pg_restore`
//! does not know: next to it an index that is being attached, or another such key, is a
//! deadlock. These keys are added one by one, after everything else. Event triggers then come
//! last of all, as they do without this.

use std::collections::BTreeSet;

use super::contents::{Contents, Item};

/// The entries among `ids` that are restored after the others, one by one.
pub(super) fn delicate(contents: &Contents, ids: &BTreeSet<i32>) -> BTreeSet<i32> {
    let attached = contents.items.iter().filter(|item| item.kind == "TABLE ATTACH");
    let tables: BTreeSet<i32> = attached.flat_map(|item| item.needs.iter().copied()).collect();
    let touches = |id: &i32| {
        let of_table = |item: &Item| item.needs.iter().any(|need| tables.contains(need));
        tables.contains(id) || contents.item(*id).is_some_and(of_table)
    };
    let keys = contents.chosen(Some(ids)).filter(|item| item.kind == "FK CONSTRAINT");
    let mut delicate: BTreeSet<i32> =
        keys.filter(|key| key.needs.iter().any(touches)).map(|key| key.id).collect();
    if delicate.is_empty() {
        return delicate;
    }
    let events = contents.chosen(Some(ids)).filter(|item| item.kind == "EVENT TRIGGER");
    delicate.extend(events.map(|item| item.id));
    // Their comments and the like, which come after them.
    for item in contents.chosen(Some(ids)) {
        if item.needs.iter().any(|need| delicate.contains(need)) {
            delicate.insert(item.id);
        }
    }
    delicate
}
