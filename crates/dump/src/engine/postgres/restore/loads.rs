//! Which data are loaded by whom: rows by us, over several connections, and everything else by
//! `pg_restore`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use autodump_core::Result;

use super::contents::{Contents, Item};
use super::rest::{self, Wanted};
use super::select::alone;
use super::table::{Piece, Table};
use crate::engine::postgres::directory::Directory;
use crate::engine::postgres::toc::Section;

/// Data, by who loads them.
pub(super) struct Loads {
    /// We, the largest first.
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) pieces: Vec<Piece>,
    /// `pg_restore`.
    pub(super) others: BTreeSet<i32>,
}

pub(super) fn loads(
    directory: Directory<'_>,
    contents: &Contents,
    ids: &BTreeSet<i32>,
) -> Result<Loads> {
    let ordered = ordered(contents);
    let mut ours = Vec::new();
    let mut others = BTreeSet::new();
    for item in contents.chosen(Some(ids)).filter(|item| item.section == Section::Data) {
        let is_ours = item.is_rows() && !ordered.contains(&item.id);
        match if is_ours { Table::new(directory, item)? } else { None } {
            Some(table) => ours.push(table),
            None => {
                others.insert(item.id);
            }
        }
    }
    ours.sort_by_key(|(table, _)| std::cmp::Reverse(table.bytes));
    let (tables, pieces): (Vec<_>, Vec<_>) = ours.into_iter().unzip();
    Ok(Loads { tables, pieces: pieces.into_iter().flatten().collect(), others })
}

/// Rows whose order counts, as foreign keys of their tables are there already: configuration tables
/// of extensions, which are none of the archive. `pg_dump` has sorted them, and mostly does not say
/// which needs which.
fn ordered(contents: &Contents) -> BTreeSet<i32> {
    let mut ordered = alone(contents);
    let is_rows = |id: &i32| contents.item(*id).is_some_and(Item::is_rows);
    for item in contents.items.iter().filter(|item| item.is_rows()) {
        let before: Vec<i32> = item.needs.iter().copied().filter(is_rows).collect();
        if !before.is_empty() {
            ordered.insert(item.id);
            ordered.extend(before);
        }
    }
    ordered
}

/// The files that `pg_restore` needs for other data.
pub(super) fn files(
    directory: Directory<'_>,
    scratch: &Path,
    contents: &Contents,
    others: &BTreeSet<i32>,
) -> Result<Vec<Wanted>> {
    let items = || contents.chosen(Some(others));
    let large_objects = items().any(Item::is_large_object);
    let names = items().filter(|item| item.is_rows()).filter_map(|item| item.file.as_deref());
    rest::wanted(directory, scratch, names, large_objects)
}
