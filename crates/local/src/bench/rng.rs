//! A small generator of pseudo-random numbers: the same seed gives the same data on every machine.

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit - 1`, each as likely as the others. `limit` is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number from 0 to `limit - 1`, small ones far more often, as words are in a language.
    pub(super) fn skewed(&mut self, limit: u64) -> u64 {
        let unit = self.next() >> 44; // 20 bits
        ((limit * unit) >> 20) * unit / (1 << 20) * unit / (1 << 20)
    }

    /// One of several, each as likely as the others.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn skewed_numbers_stay_in_range_and_are_small_more_often() {
        let mut rng = Rng::new(1);
        let numbers: Vec<u64> = (0..10_000).map(|_| rng.skewed(1000)).collect();
        assert!(numbers.iter().all(|n| *n < 1000));
        let small = numbers.iter().filter(|n| **n < 125).count();
        assert!((4_500..5_500).contains(&small), "{small} of 10000 are in the first eighth");
        assert!(numbers.iter().any(|n| *n > 900));
    }
}
