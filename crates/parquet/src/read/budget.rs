//! How much memory pages may take, counted before it is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Bytes that may be held together. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limit: u64,
    used: Arc<AtomicU64>,
}

/// Bytes that are held; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: Arc::default() }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `bytes`, or says how many are taken already.
    pub(crate) fn take(&self, bytes: u64) -> Result<Charge, u64> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)?;
        Ok(Charge { used: Arc::clone(&self.used), bytes })
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Charge {
    /// The content, charged until the last slice of it is dropped.
    pub(crate) fn hold(self, content: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { content, _charge: self })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Held {
    content: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_its_last_slice_is_gone() {
        let budget = Budget::new(100);
        let held = budget.take(60).unwrap().hold(vec![7; 60]);
        assert_eq!(budget.take(41).unwrap_err(), 60);
        let slice = held.slice(10..20);
        drop(held);
        assert_eq!(budget.used(), 60);
        assert_eq!(slice, [7; 10][..]);
        drop(slice);
        assert_eq!(budget.used(), 0);
        assert_eq!(budget.take(u64::MAX).unwrap_err(), 0);
        assert_eq!(budget.take(100).map(|charge| charge.bytes), Ok(100));
    }
}
