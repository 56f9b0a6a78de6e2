//! A backup of MongoDB becomes a database again, straight from the store and without any program
//! of the vendor.
//!
//! Collections are made from the definitions in the archive's prelude, when what that came from was
//! compared, and its names with the manifest: nothing is changed before. The archive's pieces are
//! read and unpacked several at once, each without the others, and their documents inserted as
//! they are, unordered. What was read is compared with the manifest: the
//! objects, the checksums that the archive itself has, and each collection's count and hash. Then
//! the documents of each collection are counted in the database; reading all of them back is what
//! a verification does. Indexes and what lets documents expire come after that, which would spoil
//! the count, validators too, since not every server inserts past them, and views last.
//!
//! Users, roles and an oplog are left to `mongorestore`.

mod batch;
mod define;
pub(super) mod definition;
mod load;
pub(super) mod pieces;
mod same;
mod select;
mod there;
mod trouble;
mod unpack;
pub(super) mod work;

use std::path::Path;

use autodump_core::Result;
use autodump_core::ports::DatabaseAccess;

use self::work::Work;
use crate::output::interrupted;
use crate::restore::{RestoreWork, Restored, SharedReader};
use crate::stop::StopFlag;

/// Restores a backup. `ca_bundle` is the file of certificates that the server is checked against.
pub(super) async fn restore<R: SharedReader, A: DatabaseAccess + 'static>(
    ca_bundle: &Path,
    restore: &RestoreWork<'_, R, A>,
    mut stop: StopFlag,
) -> Result<Restored> {
    let work = Work::new(ca_bundle, restore);
    tokio::select! {
        biased;
        () = stop.raised() => Err(interrupted("before the restore was complete")),
        restored = work.run() => restored,
    }
}
