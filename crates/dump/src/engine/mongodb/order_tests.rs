use super::super::archive::Namespace;
use super::super::raw::Writer;
use super::*;

fn document(id: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).int32("_id", id).text("x", "y").end();
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
    let mut order = Order::new(range(1, 10), Sorting::Uniform);
    assert!(order.resume(), "nothing came, so nothing is left out");
    assert_eq!(order.range, range(1, 10));
    for number in [1, 2, 5] {
        order.note(&document(number)).unwrap();
    }
    assert!(order.resume());
    let rest = Range { after: Some(id(&document(5))), from: None, ..range(1, 10) };
    assert_eq!(order.range, rest);
    assert!(order.resume(), "nothing came since");
    assert_eq!(order.range, rest);
    assert_eq!(order.note(&document(5)), Err(Strange::Outside));
    order.note(&document(6)).unwrap();
}

#[test]
fn where_the_server_keeps_no_order_there_is_no_place_to_go_on() {
    let mut order = Order::new(range(1, 10), Sorting::Uniform);
    for number in [3, 2, 4] {
        order.note(&document(number)).unwrap();
    }
    assert!(!order.resume());
}

/// Behind the last `_id`, `$gt` finds neither those of another type nor others that are equal.
#[test]
fn only_ids_of_one_type_that_are_there_once_are_a_place_to_go_on() {
    for sorting in [Sorting::Own, Sorting::Merged, Sorting::Mixed] {
        let mut order = Order::new(Range::default(), sorting);
        assert!(order.resume(), "{sorting:?}");
        order.note(&document(3)).unwrap();
        assert!(!order.resume(), "{sorting:?}");
    }
}

#[test]
fn an_id_comes_once_unless_there_are_shards() {
    for (sorting, expected) in [
        (Sorting::Own, Ok(())),
        (Sorting::Merged, Ok(())),
        (Sorting::Mixed, Err(Strange::Twice)),
        (Sorting::Uniform, Err(Strange::Twice)),
    ] {
        let mut order = Order::new(Range::default(), sorting);
        order.note(&document(3)).unwrap();
        assert_eq!(order.note(&document(3)), expected, "{sorting:?}");
    }
}

#[test]
fn documents_without_an_id_are_read_where_all_are_asked_for() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).text("x", "y").end();
    let mut whole = Order::new(Range::default(), Sorting::Mixed);
    whole.note(&bytes).unwrap();
    whole.note(&bytes).unwrap();
    assert!(!whole.resume());
    assert_eq!(Order::new(range(1, 2), Sorting::Uniform).note(&bytes), Err(Strange::NoId));
}

#[test]
fn a_server_that_ignores_the_range_is_found_out() {
    let mut order = Order::new(range(3, 10), Sorting::Uniform);
    for number in [2, 10, 11] {
        assert_eq!(order.note(&document(number)), Err(Strange::Outside), "{number}");
    }
    order.note(&document(3)).unwrap();
}

#[test]
fn documents_are_asked_for_in_an_order_unless_they_have_one() {
    let stored = Namespace { database: "shop".to_owned(), collection: "a".to_owned() };
    for (sorting, sorted) in [
        (Sorting::Own, false),
        (Sorting::Merged, true),
        (Sorting::Mixed, true),
        (Sorting::Uniform, true),
    ] {
        let work = Work::new(stored.clone(), 10, sorting);
        let command = Order::new(Range::default(), sorting).command(&work).unwrap();
        let sort = command.get_document("sort").ok().map(ToOwned::to_owned);
        assert_eq!(sort, sorted.then(|| bson::rawdoc! {"_id": 1}), "{sorting:?}");
    }
}
