//! Whether a key is there twice, in bounded memory.
//!
//! Of each key 96 bits of its SHA-256 are kept, and which object it is in: 16 bytes. Where there
//! are more keys than fit, only those are kept whose digest begins with so many zeros that they
//! do: of such a key every occurrence is found, in whatever object.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// How many keys are kept at most, on average: 64 MiB of them.
pub(super) const MOST: u64 = 4 << 20;
/// How many bits of an entry say which object it is.
const OBJECT: u32 = 32;
/// How many entries are handed over at once.
const BATCH: usize = 1024;

/// The keys of all objects.
#[derive(Debug)]
pub(super) struct Keys {
    /// How many zeros the digest of a key begins with that is kept.
    zeros: u32,
    seen: Mutex<Vec<u128>>,
}

impl Keys {
    /// For so many items, of which about `most` are kept at most.
    pub(super) fn new(items: u64, most: u64) -> Self {
        let mut zeros = 0;
        while items >> zeros > most {
            zeros += 1;
        }
        // A share of the keys is not exactly as large as it is on average.
        let room = (items >> zeros) / 64 * 65;
        let room = usize::try_from(room).unwrap_or_default();
        Self { zeros, seen: Mutex::new(Vec::with_capacity(room)) }
    }

    /// One of how many keys is kept; 1 where all are.
    pub(super) const fn one_of(&self) -> u64 {
        1 << self.zeros
    }

    /// Pairs of objects that share keys, and how many; an object may share them with itself.
    pub(super) fn twice(&self) -> Vec<((u32, u32), u64)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sort_unstable();
        let same = |two: &&[u128]| two[0] >> OBJECT == two[1] >> OBJECT;
        let mut pairs = std::collections::BTreeMap::new();
        for two in seen.windows(2).filter(same) {
            *pairs.entry((object(two[0]), object(two[1]))).or_insert(0) += 1;
        }
        pairs.into_iter().collect()
    }
}

fn object(entry: u128) -> u32 {
    u32::try_from(entry & u128::from(u32::MAX)).unwrap_or_default()
}

/// Takes the keys of one object.
#[derive(Debug)]
pub(super) struct Taker {
    keys: Arc<Keys>,
    object: u32,
    batch: Vec<u128>,
}

impl Taker {
    /// For the object of this number.
    pub(super) const fn new(keys: Arc<Keys>, object: u32) -> Self {
        Self { keys, object, batch: Vec::new() }
    }

    /// Takes note of a key.
    pub(super) fn take(&mut self, key: &[u8]) {
        let mut first = [0; 16];
        first.copy_from_slice(&Sha256::digest(key)[..16]);
        let digest = u128::from_be_bytes(first);
        if digest.leading_zeros() < self.keys.zeros {
            return;
        }
        self.batch.push(digest >> OBJECT << OBJECT | u128::from(self.object));
        if self.batch.len() >= BATCH {
            self.give();
        }
    }

    fn give(&mut self) {
        let mut seen = self.keys.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.append(&mut self.batch);
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.give();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(items: u64, most: u64, objects: &[Vec<u32>]) -> Arc<Keys> {
        let keys = Arc::new(Keys::new(items, most));
        for (number, object) in (0..).zip(objects) {
            let mut taker = Taker::new(Arc::clone(&keys), number);
            for key in object {
                taker.take(&key.to_be_bytes());
            }
        }
        keys
    }

    proptest! {
        #[test]
        fn where_all_keys_fit_every_one_that_is_there_twice_is_found(
            objects in prop::collection::vec(prop::collection::vec(0u32..3000, 0..60), 1..6),
        ) {
            let items: usize = objects.iter().map(Vec::len).sum();
            let mut all: Vec<_> = objects.concat();
            all.sort_unstable();
            all.dedup();
            let keys = filled(items as u64, MOST, &objects);
            let found: u64 = keys.twice().iter().map(|(_, times)| times).sum();
            prop_assert_eq!((keys.one_of(), found), (1, (items - all.len()) as u64));
        }
    }

    #[test]
    fn objects_that_share_keys_are_named() {
        let keys = filled(9, MOST, &[vec![1, 2, 3], vec![4, 5, 4], vec![2, 6, 1]]);
        assert_eq!(keys.twice(), [((0, 2), 2), ((1, 1), 1)]);
    }

    #[test]
    fn memory_is_bounded_and_a_share_of_the_keys_is_still_looked_at() {
        let all: Vec<u32> = (0..20_000).collect();
        let objects = [all.clone(), all[..10_000].to_vec()];
        let keys = filled(30_000, 1000, &objects);
        assert_eq!(keys.one_of(), 32);
        let kept = keys.seen.lock().unwrap().len();
        assert!((500..1500).contains(&kept), "{kept} of 30000 are kept");
        let twice = keys.twice();
        let [((0, 1), times)] = twice[..] else { panic!("{twice:?}") };
        assert!((200..450).contains(&times), "{times} of 10000 are found");
    }

    #[test]
    fn whatever_a_manifest_says_little_is_reserved() {
        let keys = Keys::new(u64::MAX, MOST);
        assert!(keys.seen.lock().unwrap().capacity() as u64 <= MOST / 64 * 65);
        assert_eq!(Keys::new(0, MOST).one_of(), 1);
    }
}
