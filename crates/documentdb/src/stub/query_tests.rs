use std::sync::Arc;

use bson::{RawBson, RawDocumentBuf, rawdoc};

use super::{project, select, sort};
use crate::stub::documents::{Order, Selection};

fn mixed() -> Vec<RawBson> {
    let oid = bson::oid::ObjectId::from_bytes([7; 12]);
    vec![
        f64::NAN.into(),
        1.into(),
        RawBson::Double(2.5),
        3_i64.into(),
        "a".into(),
        "b".into(),
        oid.into(),
    ]
}

fn of(ids: Vec<RawBson>) -> Selection {
    Selection::of(ids.into_iter().map(|id| rawdoc! { "_id": id })).unwrap()
}

fn found(selection: &Selection) -> Vec<RawBson> {
    selection.iter().map(|found| found.unwrap().get("_id").unwrap().unwrap().into()).collect()
}

/// What a filter finds by looking up, after it was seen to be what reading everything finds.
fn both_ways(filter: &RawDocumentBuf) -> Vec<RawBson> {
    let looked_up = select(of(mixed()), filter).unwrap();
    assert!(matches!(looked_up.order, Order::Span(_)), "{filter:?}");
    let all = of(mixed());
    let list = Order::List((0..all.len()).collect());
    let read = select(Selection { documents: all.documents, order: list }, filter).unwrap();
    let names = |selection: &Selection| format!("{:?}", found(selection));
    assert_eq!(names(&looked_up), names(&read), "{filter:?}");
    found(&looked_up)
}

#[test]
fn a_range_of_ids_has_values_of_one_kind() {
    assert_eq!(both_ways(&rawdoc! { "_id": { "$gte": 2 } }), [RawBson::Double(2.5), 3_i64.into()]);
    assert_eq!(both_ways(&rawdoc! { "_id": { "$lt": 2 } }), [RawBson::Int32(1)]);
    assert_eq!(both_ways(&rawdoc! { "_id": { "$gt": 1, "$lte": 3 } }).len(), 2);
    assert_eq!(both_ways(&rawdoc! { "_id": { "$gte": "b" } }), [RawBson::String("b".into())]);
    assert_eq!(both_ways(&rawdoc! { "_id": { "$gte": 9, "$lt": 1 } }), []);
}

#[test]
fn bounds_of_two_kinds_find_nothing() {
    assert!(
        found(&select(of(mixed()), &rawdoc! { "_id": { "$gte": 1, "$lt": "b" } }).unwrap())
            .is_empty()
    );
}

#[test]
fn the_order_is_as_wanted() {
    let shuffled = || of(vec![2.into(), "x".into(), 1.into()]);
    let sorted = |by: RawDocumentBuf| found(&sort(shuffled(), &by).unwrap());
    assert_eq!(sorted(rawdoc! { "_id": 1 }), [1.into(), 2.into(), RawBson::String("x".into())]);
    assert_eq!(sorted(rawdoc! { "_id": -1 }), [RawBson::String("x".into()), 2.into(), 1.into()]);
    assert_eq!(
        sorted(rawdoc! { "$natural": -1 }),
        [1.into(), RawBson::String("x".into()), 2.into()]
    );
    assert_eq!(sorted(rawdoc! {}), found(&shuffled()));
    let ordered = sort(of(mixed()), &rawdoc! { "_id": -1 }).unwrap();
    assert_eq!(
        format!("{:?}", found(&ordered)),
        format!("{:?}", mixed().into_iter().rev().collect::<Vec<_>>())
    );
}

#[test]
fn fields_are_taken_or_left_out() {
    let all = || Selection::of([rawdoc! { "_id": 1, "a": 2, "b": 3 }]).unwrap();
    let projected = |fields: RawDocumentBuf| {
        let projected = project(all(), &fields).unwrap();
        Arc::clone(&projected.documents).get(0).unwrap().to_owned()
    };
    assert_eq!(projected(rawdoc! { "a": 1 }), rawdoc! { "_id": 1, "a": 2 });
    assert_eq!(projected(rawdoc! { "a": 1, "_id": 0 }), rawdoc! { "a": 2 });
    assert_eq!(projected(rawdoc! { "a": 0 }), rawdoc! { "_id": 1, "b": 3 });
    assert!(project(all(), &rawdoc! { "a": "$b" }).is_err());
}
