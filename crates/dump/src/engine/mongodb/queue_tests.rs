use proptest::prelude::*;

use super::super::ranges::Id;
use super::super::raw::Element;
use super::*;

/// A plan of so many shares, which can be told from each other.
fn plan(shares: usize) -> Plan {
    if shares == 1 {
        return Plan::Whole(None);
    }
    let range = |number: usize| {
        let value = &i64::try_from(number).unwrap().to_le_bytes();
        let from = Some(Id::of(&Element { kind: 0x12, name: "_id", value }));
        Range { from, ..Range::default() }
    };
    Plan::Ranges((0..shares).map(range).collect())
}

#[test]
fn large_collections_come_first() {
    let queue = Queue::new([(7, 10, plan(1)), (8, 30, plan(2)), (9, 20, plan(1))]);
    let mut place = None;
    let mut numbers = Vec::new();
    while let Some(share) = queue.next(place) {
        place = Some(share.place);
        numbers.push((share.number, share.range == Range::default()));
    }
    assert_eq!(numbers, [(8, false), (8, false), (9, true), (7, true)]);
}

proptest! {
    /// Whatever the shares: each is read once, and of each collection exactly one hand is the
    /// last to leave, after its last share.
    #[test]
    fn every_share_is_read_once_and_every_collection_ends_once(
        sizes in prop::collection::vec((0..99_u64, 1..6_usize), 1..8),
        jobs in 1..9_usize,
        turns in prop::collection::vec(0..8_usize, 1..50),
    ) {
        let collections = sizes.iter().enumerate();
        let queue = Queue::new(collections.map(|(number, (bytes, n))| (number, *bytes, plan(*n))));
        let mut hands: Vec<Option<Share>> = vec![None; jobs];
        let mut seen: Vec<Vec<Share>> = vec![Vec::new(); sizes.len()];
        let mut ended = vec![0; sizes.len()];
        let mut turns = turns.iter().cycle();
        let mut working: Vec<_> = (0..jobs).collect();
        while !working.is_empty() {
            let at = turns.next().unwrap() % working.len();
            let hand = working[at];
            let old = hands[hand].take();
            let next = queue.next(old.as_ref().map(|share| share.place));
            if let Some(old) = old.filter(|old| next.as_ref().is_none_or(|n| n.place != old.place))
                && queue.leave(old.place)
            {
                ended[old.number] += 1;
                prop_assert_eq!(seen[old.number].len(), sizes[old.number].1);
            }
            match &next {
                Some(share) => {
                    prop_assert_eq!(ended[share.number], 0);
                    prop_assert!(!seen[share.number].contains(share));
                    seen[share.number].push(share.clone());
                }
                None => drop(working.remove(at)),
            }
            hands[hand] = next;
        }
        prop_assert!(ended.iter().all(|times| *times == 1), "{:?}", ended);
        prop_assert!(seen.iter().zip(&sizes).all(|(seen, (_, shares))| seen.len() == *shares));
    }
}
