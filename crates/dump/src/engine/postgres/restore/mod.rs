//! A backup of PostgreSQL becomes a database again, straight from the store: `pg_restore` makes
//! what is no row, and the rows are loaded by ranges over several connections, without touching
//! a disk.
//!
//! 1. The table of contents is read, and the database that is to be restored into is looked at.
//!    Up to here nothing is changed, and what is wrong is said.
//! 2. `pg_restore --section=pre-data`: schemas, types, tables.
//! 3. Rows, each segment of a data file in a transaction of its own. Rows are counted, and
//!    hashed where the manifest has a hash, and objects are compared with the manifest as they
//!    are read.
//! 4. `pg_restore --section=data` for all other data: sequences, large objects.
//! 5. `pg_restore --section=post-data`: indexes, constraints, triggers.

mod clean;
mod client;
mod contents;
mod create;
mod find;
mod load;
mod loads;
mod missing;
mod names;
mod order;
mod residents;
mod rest;
mod restorer;
mod select;
mod table;
mod table_checks;
mod target;
mod there;
mod trouble;
mod unpack;
mod work;

use autodump_core::Result;
use autodump_core::ports::DatabaseAccess;

use self::restorer::of_restore;
use self::work::Work;
use crate::engine::Postgres;
use crate::restore::{RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;

/// Restores a backup.
pub(super) async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
    postgres: &Postgres,
    work: &RestoreWork<'_, R, A>,
    stop: StopFlag,
) -> Result<Restored> {
    Work::new(postgres, work, stop).run().await.map_err(of_restore)
}
