//! Work that changes nothing, and ends when somebody asks the program to stop.

use std::pin::Pin;

use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::stop::unless_stopped;

const STOPPED: &str = "you stopped it before anything was changed";

/// The outcome of work that can be dropped at any time, unless `stop` comes first.
pub(crate) fn or_stopped<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let stopped =
        || Error::new(ErrorClass::Interrupted, STOPPED, "Start it again if that was not meant");
    unless_stopped(stop, stopped, work)
}
