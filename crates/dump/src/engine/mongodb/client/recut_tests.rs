use proptest::prelude::*;

use super::super::super::archive::{Scanner, TERMINATOR};
use super::super::super::raw::Writer;
use super::*;

const SHOP: [&str; 4] = ["a", "b c/ü", "v", "$admin.system.users"];

fn collection(name: &str) -> Collection {
    Collection {
        namespace: Namespace { database: "shop".to_owned(), collection: name.to_owned() },
        metadata: format!("{{\"collectionName\":{name:?}}}"),
        kind: if name == "v" { "view" } else { "collection" }.to_owned(),
    }
}

fn document(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).text("s", text).end();
    bytes
}

/// As mongodump writes it: a block without documents before each end.
fn archive(blocks: &[(usize, Vec<String>)]) -> Vec<u8> {
    let collections: Vec<_> = SHOP.iter().map(|name| collection(name)).collect();
    let prelude = Prelude { concurrent: 4, collections: collections.clone(), ..Prelude::default() };
    let (mut out, mut sums) = (Vec::new(), [Sum::default(); SHOP.len()]);
    prelude.write(&mut out);
    for (number, texts) in blocks {
        let documents: Vec<_> = texts.iter().flat_map(|text| document(text)).collect();
        begin_block(&collections[*number].stored(), &mut out);
        out.extend(&documents);
        end_block(&mut out);
        sums[*number] = sums[*number].and(Sum::of(&documents));
    }
    for (collection, sum) in collections.iter().zip(sums) {
        begin_block(&collection.stored(), &mut out);
        end_block(&mut out);
        end_collection(&collection.stored(), sum, &mut out);
    }
    out
}

/// What comes out, and what is known of it.
fn recut(archive: &[u8], scope: Scope, step: usize) -> (Vec<u8>, Vec<(Namespace, RowDigest)>) {
    let mut scanner = Scanner::new(Recut::new(scope));
    let mut out = Vec::new();
    for chunk in archive.chunks(step) {
        scanner.write(chunk).unwrap();
        scanner.visitor().take(|bytes| out.extend_from_slice(bytes));
    }
    let mut recut = scanner.finish().unwrap();
    recut.take(|bytes| out.extend_from_slice(bytes));
    (out, recut.finish())
}

#[derive(Default)]
struct Held(Vec<String>, Vec<Vec<Vec<u8>>>);

impl Visitor for Held {
    fn prelude(&mut self, prelude: &Prelude) {
        self.0 = prelude.collections.iter().map(|c| c.namespace.collection.clone()).collect();
        self.1 = vec![Vec::new(); self.0.len()];
    }

    fn document(&mut self, collection: usize, document: &[u8]) {
        self.1[collection].push(document.to_vec());
    }

    fn end(&mut self, _: usize) {}
}

fn held(archive: &[u8]) -> Held {
    let mut scanner = Scanner::new(Held::default());
    scanner.write(archive).unwrap();
    scanner.finish().unwrap()
}

fn texts(number: usize, texts: &[&str]) -> (usize, Vec<String>) {
    (number, texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn what_is_named_is_left_out_of_all() {
    let but = |database: &str| {
        let collection = "b c/ü".to_owned();
        Scope::AllBut([Namespace { database: database.to_owned(), collection }].into())
    };
    let archive = archive(&[texts(0, &["1"]), texts(1, &["2"]), texts(3, &["3"])]);
    for (scope, kept) in [(but("shop"), 3), (but("other"), 4)] {
        let (out, told) = recut(&archive, scope, 1000);
        assert_eq!((held(&out).0.len(), told.len()), (kept, kept));
        assert_eq!(held(&out).0.contains(&"b c/ü".to_owned()), kept == 4);
    }
}

#[test]
fn what_was_not_chosen_is_left_out_and_users_stay() {
    let archive = archive(&[texts(0, &["one"]), texts(1, &["two", "three"]), texts(3, &["user"])]);
    let chosen = HashSet::from(["b c/ü".to_owned(), "v".to_owned()]);
    let (out, known) = recut(&archive, Scope::Chosen(chosen), 7);
    let Held(names, documents) = held(&out);
    assert_eq!(names, ["b c/ü", "v", "$admin.system.users"]);
    assert_eq!(
        documents,
        [vec![document("two"), document("three")], vec![], vec![document("user")]]
    );
    let rows: Vec<_> = known.iter().map(|(_, digest)| digest.rows).collect();
    assert_eq!(rows, [2, 0, 1]);
}

#[test]
fn long_blocks_are_cut_and_short_ones_joined() {
    let long = "x".repeat(BLOCK / 3);
    let blocks =
        [texts(0, &[long.as_str(); 10]), texts(1, &["a"]), texts(1, &["b"]), texts(1, &["c"])];
    let (out, _) = recut(&archive(&blocks), Scope::All, 100_000);
    let mut header = Vec::new();
    for (name, blocks) in [("a", 4), ("b c/ü", 1), ("v", 0)] {
        header.clear();
        header.extend(TERMINATOR);
        begin_block(&collection(name).stored(), &mut header);
        let found = out.windows(header.len()).filter(|bytes| *bytes == header).count();
        assert_eq!(found, blocks, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// All documents of all collections come through, in their order, with their digests.
    #[test]
    fn nothing_is_lost_or_changed(
        blocks in prop::collection::vec(
            (0_usize..SHOP.len(), prop::collection::vec(".{0,30}", 0..4)), 0..12),
        step in 1_usize..300,
    ) {
        let archive = archive(&blocks);
        let (out, known) = recut(&archive, Scope::All, step);
        let (before, after) = (held(&archive), held(&out));
        prop_assert_eq!(before.0, after.0);
        prop_assert_eq!(&before.1, &after.1);
        for (documents, (_, digest)) in before.1.iter().zip(known) {
            let mut expected = RowDigest::default();
            for document in documents {
                expected.add(document);
            }
            prop_assert_eq!(digest, expected);
        }
    }
}
