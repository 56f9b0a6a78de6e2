//! When somebody asks the process to stop.

use std::io;
use std::pin::Pin;

use autodump_core::{Error, ErrorClass, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on; the future ends with the first SIGTERM or SIGINT. As the first
/// process of a container the program would otherwise not even notice them.
pub(crate) fn requested() -> Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The outcome of work that can be dropped at any time, unless `stop` comes first.
pub(crate) async fn or_stopped<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = stop => Err(Error::new(
            ErrorClass::Interrupted,
            "somebody asked the program to stop (SIGTERM) before its work began",
            "Start the run again if that was not meant",
        )),
        outcome = work => outcome,
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error: io::Error| {
        Error::new(
            ErrorClass::Internal,
            format!("signals cannot be listened to: {error}"),
            "Start the run again, and report this if it repeats",
        )
        .caused_by(error)
    })
}
