use super::super::super::raw::Writer;
use super::super::{
    Collection, Damage, Known, Namespace, Part, Prelude, Scanner, Sum, Visitor, begin_block,
    end_block, end_collection,
};
use super::*;

/// How many documents there were.
#[derive(Debug, Default)]
struct Count(usize);

impl Visitor for Count {
    fn prelude(&mut self, _: &Prelude) {}

    fn document(&mut self, _: usize, _: &[u8]) {
        self.0 += 1;
    }

    fn end(&mut self, _: usize) {}
}

fn collection(name: &str) -> Collection {
    Collection {
        namespace: Namespace { database: "shop".to_owned(), collection: name.to_owned() },
        metadata: String::new(),
        kind: "collection".to_owned(),
    }
}

fn block(name: &str, numbers: &[i32], out: &mut Vec<u8>) -> Sum {
    let mut documents = Vec::new();
    for number in numbers {
        Writer::new(&mut documents).int32("_id", *number).end();
    }
    begin_block(&collection(name).namespace, out);
    out.extend(&documents);
    end_block(out);
    Sum::of(&documents)
}

/// The prelude, two pieces of `a` with one of `b` between them, and both ends.
fn pieces() -> Vec<Vec<u8>> {
    let [mut first, mut a, mut b, mut last] = [const { Vec::new() }; 4];
    Prelude { collections: vec![collection("a"), collection("b")], ..Prelude::default() }
        .write(&mut first);
    let one = block("a", &[1, 2], &mut a);
    let of_b = block("b", &[7], &mut b);
    end_collection(&collection("b").namespace, of_b, &mut b);
    let two = block("a", &[3], &mut last);
    end_collection(&collection("a").namespace, one.and(two), &mut last);
    vec![first, a, b, last]
}

fn known(first: &[u8]) -> Known {
    let mut scanner = Scanner::first_piece(Count::default());
    assert!(scanner.known().is_none());
    scanner.write(first).unwrap();
    scanner.known().unwrap()
}

fn read(piece: &[u8], known: Option<&Known>) -> Result<(usize, Vec<Part>), Damage> {
    let count = Count::default();
    let mut scanner = match known {
        Some(known) => Scanner::piece(known, count),
        None => Scanner::first_piece(count),
    };
    for bytes in piece.chunks(7) {
        scanner.write(bytes)?;
    }
    scanner.finish_piece().map(|(count, parts)| (count.0, parts))
}

/// What is wrong with the pieces in this order.
fn wrong(order: &[usize]) -> Vec<String> {
    let pieces = pieces();
    let known = known(&pieces[0]);
    let mut joined = Joined::new(&known);
    let mut wrong = Vec::new();
    for number in order {
        let (_, parts) = read(&pieces[*number], (*number > 0).then_some(&known)).unwrap();
        wrong.extend(joined.add(&parts));
    }
    wrong.extend(joined.finish());
    wrong
}

#[test]
fn pieces_are_read_each_by_itself_and_put_together() {
    let pieces = pieces();
    let known = known(&pieces[0]);
    let counts: Vec<_> =
        pieces[1..].iter().map(|piece| read(piece, Some(&known)).unwrap().0).collect();
    assert_eq!(counts, [2, 1, 1]);
    let (documents, parts) = read(&pieces.concat(), None).unwrap();
    assert_eq!((documents, parts.len()), (4, 2));
    let none = Vec::<String>::new();
    assert_eq!(wrong(&[0, 1, 2, 3]), none);
    assert_eq!(wrong(&[0, 2, 1, 3]), none, "collections are in no order among each other");
    let mut joined = Joined::new(&known);
    assert_eq!(joined.add(&parts), none);
    assert_eq!(joined.finish(), none);
}

#[test]
fn what_is_missing_or_in_another_order_is_seen() {
    let checksum = "the collection shop.a has the checksum";
    for (order, says) in [
        (&[0, 2, 3][..], checksum),
        (&[0, 3, 1, 2], checksum),
        (&[0, 1, 1, 2, 3], checksum),
        (&[0, 1, 2], "the collection shop.a has no end"),
        (&[0, 1, 3], "the collection shop.b has no end"),
        (&[0, 1, 2, 3, 2], "the collection shop.b goes on after its end"),
    ] {
        let wrong = wrong(order);
        assert!(wrong.len() == 1 && wrong[0].starts_with(says), "{order:?}: {wrong:?}");
    }
}

#[test]
fn a_piece_is_of_whole_blocks_of_known_collections() {
    let pieces = pieces();
    let known = known(&pieces[0]);
    for end in 1..pieces[1].len() {
        let error = read(&pieces[1][..end], Some(&known)).unwrap_err();
        assert!(error.what.contains("cut off"), "{end}: {error}");
    }
    let mut strange = Vec::new();
    block("c", &[1], &mut strange);
    let error = read(&strange, Some(&known)).unwrap_err();
    assert!(error.what.contains("shop.c is not in its prelude"), "{error}");
}
