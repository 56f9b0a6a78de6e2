//! The table of contents of what was dumped by two.

use std::collections::HashSet;

use autodump_core::{Error, ErrorClass};

use super::catalog::Table;
use super::toc::{TableData, Toc, Unreadable};
use super::trouble::Trouble;

/// A table whose rows lie in a data file.
#[derive(Debug)]
pub(super) struct WithFile<'a> {
    pub(super) table: &'a Table,
    /// Without the ending of its compression.
    pub(super) file: String,
}

/// An error unless this table of contents can be added to.
pub(super) fn is_known(toc: &[u8]) -> Result<(), Trouble> {
    read(toc).map(drop)
}

fn read(toc: &[u8]) -> Result<Toc, Trouble> {
    Toc::read(toc).map_err(|unreadable| match unreadable {
        Unreadable::Unknown(_) => Trouble::Impossible(unreadable.to_string()),
        Unreadable::Damaged { .. } => Trouble::Failed(Error::new(
            ErrorClass::Internal,
            format!("pg_dump's table of contents cannot be read: {unreadable}"),
            "Start the run again, and report this if it repeats",
        )),
    })
}

/// Adds the data files to what `pg_dump` wrote. Returns the new table of contents, and the
/// OIDs of the tables that are in there: `pg_dump` has the last word about what is dumped.
pub(super) fn with_tables(
    toc: &[u8],
    tables: Vec<WithFile<'_>>,
) -> Result<(Vec<u8>, HashSet<u32>), Trouble> {
    let mut toc = read(toc)?;
    let theirs: HashSet<_> = toc.table_data().map(|entry| entry.oid).collect();
    if let Some(twice) = tables.iter().find(|table| theirs.contains(&table.table.name.oid)) {
        return Err(Trouble::Failed(Error::new(
            ErrorClass::Internal,
            format!("pg_dump has dumped the rows of {} too", twice.table.name.qualified),
            "Report this: it is a fault of AutoDump",
        )));
    }
    let present: HashSet<_> = toc.tables().map(|entry| entry.oid).collect();
    let data = tables.into_iter().filter(|table| present.contains(&table.table.name.oid));
    toc.add_table_data(data.map(|WithFile { table, file }| TableData {
        table: table.name.oid,
        copy_stmt: table.copy_statement().into_bytes(),
        file_name: file,
    }))?;
    Ok((toc.write(), present))
}
