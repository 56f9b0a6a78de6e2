//! The standard output of a child process as an object.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass, Result};

use crate::assembly::Staged;
use crate::child::{Command, Exit, Running};
use crate::open_uploads::SharedStore;
use crate::stop::StopFlag;
use crate::transfer::{Source, transfer};
use crate::uploader::Uploader;

/// How long a program may take to end when asked; then it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Runs `command` and uploads what it writes to `location`. The object is whole: it is
/// staged only when the program has exited with 0 and has written something. `explain` says
/// what it means that it ended otherwise.
pub async fn upload_output<S: SharedStore>(
    uploader: &Arc<Uploader<S>>,
    location: ObjectLocation,
    expected: u64,
    command: &Command,
    explain: impl Fn(&Exit) -> Error + Send + Sync,
    mut stop: StopFlag,
) -> Result<Vec<Staged<S::Upload>>> {
    let mut child = command.start()?;
    let mut output = Output { child: &mut child, explain: &explain, empty: true };
    let outcome = tokio::select! {
        biased;
        () = stop.raised() => Err(interrupted("before the dump was complete; nothing was kept")),
        outcome = transfer(uploader, location, expected, &mut output) => outcome,
    };
    if outcome.is_err() {
        child.stop(GRACE).await;
    }
    outcome
}

pub(crate) fn interrupted(when: &str) -> Error {
    Error::new(
        ErrorClass::Interrupted,
        format!("somebody asked the dumper to stop (SIGTERM) {when}"),
        "Start the run again if that was not meant",
    )
}

/// It ends only when the child has exited with 0.
struct Output<'a, F> {
    child: &'a mut Running,
    explain: &'a F,
    empty: bool,
}

impl<F: Fn(&Exit) -> Error + Send + Sync> Source for Output<'_, F> {
    async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let length = self.child.read(buffer, limit).await.map_err(unreadable)?;
        if length > 0 {
            self.empty = false;
            return Ok(length);
        }
        let exit = self.child.exit().await.map_err(unreadable)?;
        if !exit.status.success() {
            return Err((self.explain)(&exit));
        }
        if self.empty {
            return Err(Error::new(
                ErrorClass::Engine,
                format!("{} ended well but wrote nothing", exit.program),
                "Run it by hand against this database; an empty dump is never kept",
            ));
        }
        Ok(0)
    }
}

pub(crate) fn unreadable(error: io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("the dump program cannot be listened to: {error}"),
        "Start the run again, and report this if it repeats",
    )
    .caused_by(error)
}
