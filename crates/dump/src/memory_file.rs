//! Files that lie nowhere: what a program is to read and nobody else is to see.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use autodump_core::{Error, ErrorClass, Result};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

use crate::child::Command;

/// A file in memory, of which only processes that inherit it know. Its mode is 0600, as programs
/// want it of files with passwords.
#[derive(Debug, Clone)]
pub(crate) struct MemoryFile(Arc<OwnedFd>);

impl MemoryFile {
    /// A file with this content. An error is one of class internal.
    pub(crate) fn new(content: &str) -> Result<Self> {
        let file = in_memory(content).map_err(|error| {
            Error::new(
                ErrorClass::Internal,
                format!("no file in memory can be made: {error}"),
                "Run on Linux with /proc; start the run again",
            )
            .caused_by(error)
        })?;
        Ok(Self(Arc::new(file)))
    }

    /// Its name for a program that it is given to, and for this process.
    pub(crate) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    /// The command, which inherits it under the same number.
    pub(crate) fn given_to(&self, command: Command) -> Command {
        command.file(Arc::clone(&self.0))
    }
}

fn in_memory(content: &str) -> io::Result<OwnedFd> {
    let memory = memfd_create("autodump", MemfdFlags::empty())?;
    fchmod(&memory, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(memory);
    file.write_all(content.as_bytes())?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_program_that_inherits_it_reads_it_and_more_than_once() {
        let file = MemoryFile::new("geheim\n").unwrap();
        let script = "stat -L -c %a \"$1\"; cat \"$1\" \"$1\"";
        let command = Command::new("/bin/sh").arguments(["-c", script, "script", &file.path()]);
        assert!(!format!("{command:?}").contains("geheim"));
        let command = file.given_to(command);
        let (output, exit) = command.output(4096, Duration::from_secs(20)).await.unwrap();
        assert!(exit.status.success(), "{exit}");
        assert_eq!(String::from_utf8(output).unwrap(), "600\ngeheim\ngeheim\n");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "geheim\n");
    }
}
