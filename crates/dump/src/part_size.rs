//! How large the parts of a multipart upload are.
//!
//! S3 takes at most 10,000 parts of 5 MiB to 5 GiB each, so an object reaches 48.8 TiB only
//! with parts of the largest size, while small parts are what keeps memory small and a retry
//! cheap. The size is therefore chosen by what is expected, and grows towards the end in
//! case the expectation was wrong.

/// One MiB in bytes.
pub const MIB: u64 = 1024 * 1024;
/// One GiB in bytes.
pub const GIB: u64 = 1024 * MIB;
/// How many parts an S3 object may have.
pub const PARTS: u32 = 10_000;
/// The smallest part that S3 takes, the last one of an object excepted.
pub const SMALLEST: u64 = 5 * MIB;
/// The largest part that S3 takes.
pub const LARGEST: u64 = 5 * GIB;
/// The largest object that S3 takes: 48.8 TiB.
pub const OBJECT_LIMIT: u64 = PARTS as u64 * LARGEST;

/// The size that no plan goes below: less would cost requests and gain nothing.
const USUAL: u64 = 8 * MIB;
/// Up to this part the size stays the same.
const EVEN_PARTS: u32 = 8_000;
/// After that it doubles each time this many parts have gone.
const DOUBLES_EVERY: u32 = 100;

/// The sizes of the parts of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    base: u64,
    ceiling: u64,
}

impl Plan {
    /// A plan under which an object of `expected` bytes (0 if unknown) fits into the parts
    /// before the growth begins, as far as S3 allows. With no expectation it still reaches
    /// more than 5 TiB.
    #[must_use]
    pub const fn new(expected: u64) -> Self {
        let even = expected.div_ceil(EVEN_PARTS as u64);
        let whole_mib = even.div_ceil(MIB).saturating_mul(MIB);
        let base = if whole_mib < USUAL {
            USUAL
        } else if whole_mib > LARGEST {
            LARGEST
        } else {
            whole_mib
        };
        Self { base, ceiling: LARGEST }
    }

    /// The same plan with no part larger than `bytes` (at least 8 MiB). The object then
    /// reaches less far.
    #[must_use]
    pub const fn at_most(self, bytes: u64) -> Self {
        let ceiling = if bytes < USUAL { USUAL } else { bytes };
        let base = if self.base > ceiling { ceiling } else { self.base };
        Self { base, ceiling }
    }

    /// The size in bytes of part `number`, counted from 1.
    #[must_use]
    pub fn size(&self, number: u32) -> u64 {
        let doublings = number.saturating_sub(1).saturating_sub(EVEN_PARTS - 1);
        let doublings = doublings.div_ceil(DOUBLES_EVERY).min(40);
        (self.base << doublings).min(self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(plan: Plan) -> u64 {
        (1..=PARTS).map(|number| plan.size(number)).sum()
    }

    #[test]
    fn growth_begins_after_part_8000_and_doubles_every_100() {
        let plan = Plan::new(0);
        for (number, mib) in
            [(1, 8), (8000, 8), (8001, 16), (8100, 16), (8101, 32), (8201, 64), (10_000, 5120)]
        {
            assert_eq!(plan.size(number), mib * MIB, "part {number}");
        }
    }

    #[test]
    fn without_an_expectation_five_tib_are_reached() {
        assert!(reach(Plan::new(0)) > 5 * 1024 * GIB);
    }

    #[test]
    fn the_object_limit_is_reached_exactly() {
        assert_eq!(reach(Plan::new(OBJECT_LIMIT)), OBJECT_LIMIT);
        assert_eq!(OBJECT_LIMIT / GIB, 50_000);
    }

    #[test]
    fn a_ceiling_holds_and_small_objects_keep_small_parts() {
        let plan = Plan::new(GIB).at_most(64 * MIB);
        assert_eq!((plan.size(1), plan.size(10_000)), (8 * MIB, 64 * MIB));
        assert_eq!(Plan::new(OBJECT_LIMIT).at_most(64 * MIB).size(1), 64 * MIB);
    }

    /// What the documentation of `transfer` says.
    #[test]
    fn with_parts_of_at_most_64_mib_an_object_reaches_179_to_625_gib() {
        assert_eq!(reach(Plan::new(0).at_most(64 * MIB)) / GIB, 179);
        assert_eq!(reach(Plan::new(OBJECT_LIMIT).at_most(64 * MIB)) / GIB, 625);
    }

    proptest! {
        #[test]
        fn what_is_expected_fits(expected in 0..=OBJECT_LIMIT) {
            prop_assert!(reach(Plan::new(expected)) >= expected);
        }

        #[test]
        fn sizes_are_legal_and_never_shrink(
            expected in any::<u64>(), ceiling in 0..=LARGEST, number in 1..PARTS,
        ) {
            for plan in [Plan::new(expected), Plan::new(expected).at_most(ceiling)] {
                let (this, next) = (plan.size(number), plan.size(number + 1));
                prop_assert!((SMALLEST..=LARGEST).contains(&this));
                prop_assert!(this <= next);
            }
        }
    }
}
