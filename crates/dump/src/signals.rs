//! When somebody asks the program to stop.

use autodump_core::{Error, ErrorClass, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on; the future ends with the first SIGTERM, SIGINT or SIGQUIT. As the first
/// process of a container the program would otherwise not even notice them.
///
/// SIGQUIT is among them for the servers that are started: it ends them with this process, and
/// where a shell in the background has it ignored, it would be ignored by them too. What is
/// listened to is not handed on.
///
/// Fails when signals cannot be listened to. Must be called within a runtime.
pub fn requested() -> Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut quit = listen(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
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
