//! Files that lie nowhere, for whoever takes what is secret or short-lived from a path alone.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use autodump_core::{Error, ErrorClass, Result};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

/// A file in memory, which is gone with its last descriptor. Only its owner may read it, as
/// libpq wants it of a password file.
pub(crate) fn in_memory(content: &str) -> Result<Arc<OwnedFd>> {
    write(content).map(Arc::new).map_err(|error| {
        Error::new(
            ErrorClass::Internal,
            format!("no file in memory can be made: {error}"),
            "Run on Linux with /proc; start the run again",
        )
        .caused_by(error)
    })
}

/// Its path, as long as it is open; for children too, who inherit it under the same number.
pub(crate) fn path_of(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn write(content: &str) -> io::Result<OwnedFd> {
    let memory = memfd_create("autodump", MemfdFlags::empty())?;
    fchmod(&memory, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(memory);
    file.write_all(content.as_bytes())?;
    Ok(file.into())
}
