//! The request to stop, which several places listen to one after the other.

use std::pin::Pin;
use std::task::{Context, Poll};

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
