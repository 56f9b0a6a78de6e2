//! The keys of a backup, to tell which items of a table are not in it.
//!
//! Of each key 16 bytes of its SHA-256 are kept. Two keys with the same ones would keep an item
//! that is not in the backup; that any two of a table have them is less likely than 1 in 10²².

use std::sync::{Mutex, PoisonError};

use autodump_core::Result;
use sha2::{Digest, Sha256};

use super::item::Item;
use super::wrong;

/// The most keys that are kept: 1.6 GB of them.
pub(super) const MOST: u64 = 100_000_000;

/// Takes keys from all that read objects.
#[derive(Debug)]
pub(super) struct Taker(Mutex<Vec<u128>>);

impl Taker {
    /// For so many items. An error of class
    /// [`Configuration`](autodump_core::ErrorClass::Configuration) where there is no memory for
    /// their keys.
    pub(super) fn new(items: u64) -> Result<Self> {
        let mut digests = Vec::new();
        let count = usize::try_from(items).unwrap_or(usize::MAX);
        digests.try_reserve_exact(count).map_err(|_| {
            wrong(
                format!("there is no memory for the keys of {items} items"),
                "Give the restore 16 bytes of memory for each item, or do not mirror",
            )
        })?;
        Ok(Self(Mutex::new(digests)))
    }

    /// Takes note of the items' keys.
    pub(super) fn take(&self, items: &[Item]) {
        let digests: Vec<_> = items.iter().map(|item| digest(&item.key)).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(digests);
    }

    /// All that were taken. Sorting many of them takes some seconds.
    pub(super) fn known(&self) -> Known {
        let mut lock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut digests = std::mem::take(&mut *lock);
        digests.sort_unstable();
        Known(digests)
    }
}

/// The keys of all items.
#[derive(Debug)]
pub(super) struct Known(Vec<u128>);

impl Known {
    /// How many there are: one for each item.
    pub(super) fn items(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether an item of the backup has this key, in the form of [`Item::key`].
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.0.binary_search(&digest(key)).is_ok()
    }
}

fn digest(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&Sha256::digest(key)[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn items(keys: &[u32]) -> Vec<Item> {
        let item = |key: &u32| Item { text: Bytes::new(), key: key.to_be_bytes().to_vec() };
        keys.iter().map(item).collect()
    }

    proptest! {
        #[test]
        fn what_was_taken_is_known_and_nothing_else(
            groups in prop::collection::vec(prop::collection::vec(0u32..2000, 0..50), 0..6),
        ) {
            let all = groups.concat();
            let taker = Taker::new(all.len() as u64).unwrap();
            for group in &groups {
                taker.take(&items(group));
            }
            let known = taker.known();
            prop_assert_eq!(known.items(), all.len() as u64);
            for key in 0..2000 {
                prop_assert_eq!(known.has(&u32::to_be_bytes(key)), all.contains(&key));
            }
        }
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let error = Taker::new(u64::MAX).unwrap_err();
        assert!(error.what().contains("no memory"), "{error}");
    }
}
