use super::*;

fn document(id: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::super::raw::Writer::new(&mut bytes).int32("_id", id).text("x", "y").end();
    bytes
}

fn id(of: &[u8]) -> Id {
    Id::of(&Elements::of(of).unwrap().next().unwrap().unwrap())
}

fn range(from: i32, below: i32) -> Range {
    let end = |number| Some(id(&document(number)));
    Range { from: end(from), after: None, below: end(below) }
}

#[test]
fn reading_goes_on_after_the_last_document() {
    let mut order = Order::new(range(1, 10), true);
    assert!(order.resume(), "nothing came, so nothing is left out");
    assert_eq!(order.range, range(1, 10));
    for number in [1, 2, 5] {
        order.note(&document(number)).unwrap();
    }
    assert!(order.resume());
    assert_eq!(order.range, Range { after: Some(id(&document(5))), from: None, ..range(1, 10) });
    assert!(order.note(&document(5)).unwrap_err().contains("not in the range"));
    order.note(&document(6)).unwrap();
}

#[test]
fn where_the_server_keeps_no_order_there_is_no_place_to_go_on() {
    let mut order = Order::new(range(1, 10), true);
    for number in [3, 2, 4] {
        order.note(&document(number)).unwrap();
    }
    assert!(!order.resume());
    let mut whole = Order::new(Range::default(), false);
    whole.note(&document(3)).unwrap();
    assert!(!whole.resume());
}

#[test]
fn a_server_that_ignores_the_range_is_found_out() {
    let mut order = Order::new(range(3, 10), true);
    for number in [2, 10, 11] {
        assert!(order.note(&document(number)).is_err(), "{number}");
    }
    order.note(&document(3)).unwrap();
}
