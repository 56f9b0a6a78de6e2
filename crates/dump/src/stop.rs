//! The request to stop, which several places listen to one after the other.

use std::pin::Pin;
use std::task::{Context, Poll};

use autodump_core::{Error, Result};
use tokio::sync::watch;

/// The outcome of work that can be dropped at any time, unless `stop` comes first: then the error
/// is what `stopped` gives.
pub fn unless_stopped<T>(
    stop: Pin<&mut impl Future<Output = ()>>,
    stopped: impl FnOnce() -> Error,
    work: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let work = Box::pin(work);
    async {
        tokio::select! {
            biased;
            () = stop => Err(stopped()),
            outcome = work => outcome,
        }
    }
}

/// A request to stop that stays made: it may be awaited again after it came.
#[derive(Debug)]
pub(crate) struct Stop<'a, F> {
    wish: Pin<&'a mut F>,
    came: bool,
}

impl<'a, F> Stop<'a, F> {
    pub(crate) const fn new(wish: Pin<&'a mut F>) -> Self {
        Self { wish, came: false }
    }
}

impl<F: Future<Output = ()>> Future for Stop<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.came {
            self.came = self.wish.as_mut().poll(context).is_ready();
        }
        if self.came { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The request to stop as an engine sees it: it may end its programs in its own way before it
/// is dropped.
#[derive(Debug, Clone)]
pub struct StopFlag(watch::Receiver<bool>);

impl StopFlag {
    /// A flag, and who raises it.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (raise, flag) = watch::channel(false);
        (raise, Self(flag))
    }

    /// Waits until it is raised, perhaps for ever.
    pub async fn raised(&mut self) {
        if self.0.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
