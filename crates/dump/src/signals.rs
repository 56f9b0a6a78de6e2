//! When somebody asks the program to stop.

use autodump_core::{Error, ErrorClass, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on; the future ends with the first SIGTERM or SIGINT. As the first
/// process of a container the program would otherwise not even notice them.
///
/// Fails when signals cannot be listened to. Must be called within a runtime.
pub fn requested() -> Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| {
        Error::new(
            ErrorClass::Internal,
            format!("signals cannot be listened to: {error}"),
            "Start it again, and report this if it repeats",
        )
        .caused_by(error)
    })
}
