//! Work that ends when somebody asks the process to stop.

use std::pin::Pin;

use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::stop::unless_stopped;

const STOPPED: &str = "somebody asked the program to stop (SIGTERM) before its work began";

/// The outcome of work that can be dropped at any time, unless `stop` comes first.
pub(crate) fn or_stopped<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let stopped = || {
        Error::new(ErrorClass::Interrupted, STOPPED, "Start the run again if that was not meant")
    };
    unless_stopped(stop, stopped, work)
}
