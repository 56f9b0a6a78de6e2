//! Work that changes nothing, and ends when somebody asks the program to stop.

use std::pin::Pin;

use autodump_core::{Error, ErrorClass, Result};

/// The outcome of work that can be dropped at any time, unless `stop` comes first.
pub(crate) async fn or_stopped<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = stop => Err(Error::new(
            ErrorClass::Interrupted,
            "you stopped it before anything was changed",
            "Start it again if that was not meant",
        )),
        outcome = work => outcome,
    }
}
