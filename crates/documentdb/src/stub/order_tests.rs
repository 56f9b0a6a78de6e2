use std::cmp::Ordering;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Timestamp, rawdoc};

use super::compare;

fn compared(left: impl Into<Bson>, right: impl Into<Bson>) -> Ordering {
    let pair = bson::doc! { "left": left.into(), "right": right.into() };
    let pair = bson::RawDocumentBuf::try_from(&pair).unwrap();
    compare(pair.get("left").unwrap().unwrap(), pair.get("right").unwrap().unwrap())
}

#[test]
fn kinds_are_in_mongodbs_order() {
    let ascending: [Bson; 11] = [
        Bson::MinKey,
        Bson::Null,
        Bson::Double(f64::NAN),
        Bson::Int32(-1),
        Bson::Double(0.5),
        Bson::Int64(1),
        Bson::String("a".into()),
        Bson::ObjectId(ObjectId::from_bytes([1; 12])),
        Bson::Boolean(false),
        Bson::DateTime(DateTime::from_millis(0)),
        Bson::MaxKey,
    ];
    for (at, left) in ascending.iter().enumerate() {
        for (other, right) in ascending.iter().enumerate() {
            assert_eq!(compared(left.clone(), right.clone()), at.cmp(&other), "{left} {right}");
        }
    }
}

#[test]
fn numbers_are_compared_across_their_types() {
    assert_eq!(compared(1, 1_i64), Ordering::Equal);
    assert_eq!(compared(1, 1.0), Ordering::Equal);
    assert_eq!(compared(i64::MAX, i64::MAX - 1), Ordering::Greater);
    let decimal: bson::Decimal128 = "1.5".parse().unwrap();
    assert_eq!(compared(decimal, 1), Ordering::Greater);
    assert_eq!(compared(decimal, 2.0), Ordering::Less);
}

#[test]
fn documents_and_arrays_are_compared_piece_by_piece() {
    assert_eq!(compared(bson::doc! { "a": 1 }, bson::doc! { "a": 1, "b": 0 }), Ordering::Less);
    assert_eq!(compared(bson::doc! { "b": 1 }, bson::doc! { "a": 1 }), Ordering::Greater);
    assert_eq!(compared(vec![1, 2], vec![1, 3]), Ordering::Less);
    assert_eq!(compared(vec![1, 2], vec![1, 2]), Ordering::Equal);
    let times = rawdoc! { "a": Timestamp { time: 1, increment: 2 }, "b": Timestamp { time: 1, increment: 3 } };
    let time = |name| times.get(name).unwrap().unwrap();
    assert_eq!(compare(time("a"), time("b")), Ordering::Less);
}
