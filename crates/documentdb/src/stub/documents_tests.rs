use bson::{RawArray, RawDocumentBuf, rawdoc};

use super::{Order, PAGE, Selection};

fn numbered(numbers: impl IntoIterator<Item = i32>) -> Selection {
    Selection::of(numbers.into_iter().map(|n| rawdoc! { "_id": n })).unwrap()
}

/// The numbers in a page.
fn read(page: &[u8]) -> Vec<i32> {
    let mut document = vec![0; 4];
    document.extend_from_slice(b"\x04a\0");
    document.extend_from_slice(page);
    document.push(0);
    let size = u32::try_from(document.len()).unwrap();
    document[..4].copy_from_slice(&size.to_le_bytes());
    let document = RawDocumentBuf::from_bytes(document).unwrap();
    let array: &RawArray = document.get_array("a").unwrap();
    let ids =
        array.into_iter().map(|one| one.unwrap().as_document().unwrap().get_i32("_id").unwrap());
    ids.collect()
}

#[test]
fn pages_follow_one_another() {
    let all = numbered(0..25);
    assert!(all.documents.ascending());
    let (first, count) = all.page(0, 10);
    assert_eq!((read(&first), count), ((0..10).collect(), 10));
    let (last, count) = all.page(20, 10);
    assert_eq!((read(&last), count), ((20..25).collect(), 5));
    let (same, _) = all.page(0, 10);
    assert_eq!(same.as_ptr(), first.as_ptr(), "a page is put together once");
    assert_eq!(all.page(25, 10).1, 0);
}

#[test]
fn a_page_has_no_more_than_16_mib_but_at_least_one_document() {
    let text = "x".repeat(PAGE / 2);
    let all = Selection::of((0..3).map(|n| rawdoc! { "_id": n, "text": text.as_str() })).unwrap();
    assert_eq!(all.page(0, usize::MAX).1, 1);
    assert_eq!(all.page(1, usize::MAX).1, 1);
}

#[test]
fn a_list_has_its_own_order() {
    let all = numbered([5, 3, 9]);
    assert!(!all.documents.ascending());
    let sorted = Selection { documents: all.documents, order: Order::List(vec![1, 0, 2]) };
    assert_eq!(read(&sorted.page(0, 9).0), [3, 5, 9]);
    assert_eq!(read(&sorted.part(1..9).page(0, 9).0), [5, 9]);
}

#[test]
fn a_part_of_a_part_is_counted_from_its_start() {
    let part = numbered(0..10).part(2..8).part(1..3);
    assert_eq!(read(&part.page(0, 9).0), [3, 4]);
    assert_eq!(numbered(0..3).part(5..9).len(), 0);
}

#[test]
fn a_position_is_found_among_ordered_ids() {
    let all = numbered((0..100).map(|n| n * 2));
    let position = |bound: i32| all.documents.position(|id| id.as_i32().unwrap() < bound).unwrap();
    assert_eq!([position(-1), position(0), position(3), position(1000)], [0, 0, 2, 100]);
}
