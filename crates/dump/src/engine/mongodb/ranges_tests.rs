use proptest::prelude::*;

use super::super::raw::Elements;
use super::*;

fn id(kind: u8, value: &[u8]) -> Id {
    Id { kind, value: value.to_vec() }
}

fn int(number: i32) -> Id {
    id(0x10, &number.to_le_bytes())
}

fn long(number: i64) -> Id {
    id(0x12, &number.to_le_bytes())
}

fn double(number: f64) -> Id {
    id(0x01, &number.to_le_bytes())
}

fn text(text: &str) -> Id {
    let length = i32::try_from(text.len() + 1).unwrap();
    id(0x02, &[&length.to_le_bytes(), text.as_bytes(), &[0]].concat())
}

fn ends(split: &Split) -> Vec<Id> {
    let Split::Ranges(ranges) = split else { panic!("{split:?}") };
    assert_eq!((&ranges[0].from, &ranges[ranges.len() - 1].below), (&None, &None));
    ranges.windows(2).for_each(|two| assert_eq!(two[0].below, two[1].from));
    ranges.iter().filter_map(|range| range.below.clone()).collect()
}

#[test]
fn ranges_meet_and_the_outer_ones_are_open() {
    let sample: Vec<_> = (1..=9).map(int).collect();
    assert_eq!(ends(&split(&int(0), &int(10), &sample, 3)), [int(4), int(7)]);
    assert_eq!(ends(&split(&int(0), &int(10), &sample, 1)), []);
    assert_eq!(ends(&split(&int(0), &int(10), &[], 8)), []);
    assert_eq!(ends(&split(&int(0), &int(10), &sample, 99)).len(), 9);
    let same = vec![int(5); 9];
    assert_eq!(ends(&split(&int(5), &int(5), &same, 4)), []);
    assert_eq!(ends(&split(&int(0), &int(9), &same, 4)), [int(5)]);
}

#[test]
fn numbers_are_of_one_type() {
    let sample = [double(1.5), int(2), long(1 << 40)];
    assert_eq!(ends(&split(&int(1), &double(1e300), &sample, 4)), sample);
    let fraction = double(9_007_199_254_740_993.0);
    let whole = split(&int(0), &long(i64::MAX), &[fraction, long(i64::MAX - 1)], 3);
    assert!(matches!(whole, Split::Whole(_)), "{whole:?}");
}

#[test]
fn what_a_range_could_miss_is_read_whole() {
    for (smallest, largest, sample) in [
        (int(1), text("a"), int(2)),
        (double(f64::NAN), int(9), int(2)),
        (id(0x0a, b""), id(0x0a, b""), int(2)),
        (id(0x08, &[0]), id(0x08, &[1]), id(0x08, &[1])),
        (id(0x03, b"\x05\0\0\0\0"), id(0x03, b"\x05\0\0\0\0"), int(2)),
        (id(0xff, b""), id(0x7f, b""), int(2)),
        (id(0x13, &[0; 16]), id(0x13, &[0; 16]), id(0x13, &[0; 16])),
        (int(1), int(9), text("a")),
        (int(1), int(9), id(0x0a, b"")),
        (text("b"), text("c"), text("a")),
    ] {
        let split = split(&smallest, &largest, &[sample], 2);
        assert!(matches!(split, Split::Whole(_)), "{smallest:?} {largest:?}: {split:?}");
    }
}

#[test]
fn binaries_are_compared_by_their_length_first() {
    let [short, long] = [id(0x05, b"\x01\0\0\0\x04\xff"), id(0x05, b"\x02\0\0\0\0\0\0")];
    let split = split(&short, &long, std::slice::from_ref(&long), 2);
    assert_eq!(ends(&split), [long]);
}

#[test]
fn a_filter_names_the_ends_that_there_are() {
    let range = Range { from: Some(int(1)), after: None, below: Some(text("x")) };
    let filter = range.filter();
    let field = Elements::of(&filter).unwrap().next().unwrap().unwrap();
    assert_eq!((field.kind, field.name), (0x03, "_id"));
    let ends: Vec<_> = Elements::of(field.value).unwrap().map(Result::unwrap).collect();
    assert_eq!(ends.iter().map(|end| end.name).collect::<Vec<_>>(), ["$gte", "$lt"]);
    assert_eq!([Id::of(&ends[0]), Id::of(&ends[1])], [int(1), text("x")]);
    assert_eq!(Range::default().filter(), [5, 0, 0, 0, 0]);
}

proptest! {
    /// Every number is in exactly one range.
    #[test]
    fn each_is_in_one_range(mut numbers: Vec<i32>, parts in 1_usize..9, wanted: i32) {
        numbers.sort_unstable();
        prop_assume!(!numbers.is_empty());
        let sample: Vec<_> = numbers.iter().map(|number| int(*number)).collect();
        let split = split(&sample[0], &sample[sample.len() - 1], &sample, parts);
        let Split::Ranges(ranges) = split else { panic!("{split:?}") };
        prop_assert!(ranges.len() <= parts);
        let number = |id: &Option<Id>, open: i64| {
            let value = id.as_ref().map(|id| id.value.as_slice().try_into().unwrap());
            value.map_or(open, |value| i64::from(i32::from_le_bytes(value)))
        };
        let holds = |range: &&Range| {
            let ends = number(&range.from, i64::MIN)..number(&range.below, i64::MAX);
            ends.contains(&i64::from(wanted))
        };
        prop_assert_eq!(ranges.iter().filter(holds).count(), 1);
    }
}
