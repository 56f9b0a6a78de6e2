//! Whether a backup of MongoDB can be restored.
//!
//! - `archive`: each of the archive's pieces is decompressed and read by itself; the checksums that
//!   the archive has are compared, and each collection's count and hash with the manifest; each
//!   definition is read.
//! - `restore`: then the backup is restored into a new database of a server that is given. Each
//!   collection's documents are read there, counted and hashed, and every option, index and view has
//!   to be there and to mean the same.
//!
//! No server can be started for it: MongoDB's licence is not ours to accept.

mod archive;
mod trial;

use std::path::Path;

use autodump_core::Result;
use autodump_core::ports::DatabaseAccess;
use autodump_core::secret::EngineName;

use self::archive::Read;
use self::trial::Trial;
use super::stored::Stored;
use crate::restore::SharedReader;
use crate::stop::StopFlag;
use crate::verify::{Tried, VerifyWork};

const NO_SERVER: &str = "restoring it, as no server of MongoDB can be put into the image: run \
                         autodump verify --level restore --server with one that is not in use";
const OPLOG: &str = "restoring it, since only mongorestore replays its oplog: try the commands in \
                     the manifest";

/// Reads the archive, and restores it where that is asked for and a server is given. `ca_bundle` is
/// the file of certificates that the server is checked against.
pub(super) async fn verify<R: SharedReader, A: DatabaseAccess + 'static>(
    ca_bundle: &Path,
    work: &VerifyWork<'_, R, A>,
    mut stop: StopFlag,
) -> Result<Tried> {
    let stored = Stored::of(work.files.backup)?;
    let reading = archive::read(&work.files, &stored, work.jobs);
    let read = work.reading(&mut stop, reading).await?;
    let is_restored = work.is_to_be_restored(&mut stop, EngineName::Mongodb).await?;
    let Some(Read { known, digests }) = read.filter(|_| is_restored) else {
        return Ok(Tried::default());
    };
    let untried = |why: &str| Tried { unchecked: vec![why.to_owned()], ..Tried::default() };
    if known.prelude.collections.iter().any(|c| c.namespace.database.is_empty()) {
        return Ok(untried(OPLOG));
    }
    let Some(server) = work.server else { return Ok(untried(NO_SERVER)) };
    Trial::new(ca_bundle, work, server, &digests)?.run(stop).await
}
