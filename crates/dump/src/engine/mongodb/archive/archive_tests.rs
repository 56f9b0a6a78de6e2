use proptest::prelude::*;

use super::super::raw::Writer;
use super::*;

/// Everything that an archive holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    prelude: Prelude,
    documents: Vec<Vec<Vec<u8>>>,
    ended: Vec<usize>,
}

impl Visitor for Held {
    fn prelude(&mut self, prelude: &Prelude) {
        self.prelude = prelude.clone();
        self.documents = vec![Vec::new(); prelude.collections.len()];
    }

    fn document(&mut self, collection: usize, document: &[u8]) {
        self.documents[collection].push(document.to_vec());
    }

    fn end(&mut self, collection: usize) {
        self.ended.push(collection);
    }
}

fn collection(name: &str, kind: &str) -> Collection {
    Collection {
        namespace: Namespace { database: "shop".to_owned(), collection: name.to_owned() },
        metadata: r#"{"indexes":[]}"#.to_owned(),
        kind: kind.to_owned(),
    }
}

fn prelude(collections: Vec<Collection>) -> Prelude {
    Prelude {
        concurrent: 2,
        server_version: "6.0.0".to_owned(),
        tool_version: "autodump 0.1.0".to_owned(),
        collections,
    }
}

fn document(number: i32, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).int32("_id", number).text("s", text).end();
    bytes
}

fn block(collection: &Collection, documents: &[Vec<u8>], out: &mut Vec<u8>) -> Sum {
    let documents = documents.concat();
    begin_block(&collection.stored(), out);
    out.extend(&documents);
    end_block(out);
    Sum::of(&documents)
}

/// Two collections whose blocks are mixed, a view, and a time series.
fn small() -> Vec<u8> {
    let [a, b] = [collection("a", "collection"), collection("b c/ü", "collection")];
    let [view, series] = [collection("v", "view"), collection("t", "timeseries")];
    let mut out = Vec::new();
    prelude(vec![a.clone(), b.clone(), view.clone(), series.clone()]).write(&mut out);
    let first = block(&a, &[document(1, "one"), document(2, "two")], &mut out);
    let of_b = block(&b, &[document(3, "three")], &mut out);
    let second = block(&a, &[document(4, "")], &mut out);
    end_collection(&b.stored(), of_b, &mut out);
    end_collection(&a.stored(), first.and(second), &mut out);
    let none = block(&view, &[], &mut out);
    end_collection(&view.stored(), none, &mut out);
    end_collection(&series.stored(), Sum::default(), &mut out);
    out
}

fn read(archive: &[u8]) -> Result<Held, Damage> {
    let mut scanner = Scanner::new(Held::default());
    scanner.write(archive)?;
    scanner.finish()
}

#[test]
fn what_is_written_is_read() {
    let held = read(&small()).unwrap();
    assert_eq!(held.prelude.concurrent, 2);
    assert_eq!(held.prelude.server_version, "6.0.0");
    assert_eq!(held.prelude.collections[1], collection("b c/ü", "collection"));
    assert_eq!(
        held.documents,
        [
            vec![document(1, "one"), document(2, "two"), document(4, "")],
            vec![document(3, "three")],
            vec![],
            vec![],
        ]
    );
    assert_eq!(held.ended, [1, 0, 2, 3]);
}

#[test]
fn an_archive_of_mongodump_is_read_and_its_prelude_is_written_alike() {
    let archive = include_bytes!("mongodump.archive");
    let held = read(archive).unwrap();
    let names: Vec<_> =
        held.prelude.collections.iter().map(|c| c.namespace.collection.as_str()).collect();
    assert_eq!(names, ["empty", "a", "b c/ü", "v"]);
    let counts: Vec<_> = held.documents.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 2, 1, 0]);
    assert_eq!(held.prelude.tool_version, "100.7.0");
    assert_eq!(held.prelude.collections[3].kind, "view");
    let mut again = Vec::new();
    held.prelude.write(&mut again);
    assert_eq!(again, archive[..again.len()]);
    // The last collection's end, with its checksum.
    let mut end = Vec::new();
    let last = *held.ended.last().unwrap();
    let sum = Sum::of(&held.documents[last].concat());
    end_collection(&held.prelude.collections[last].stored(), sum, &mut end);
    assert!(archive.ends_with(&end));
}

#[test]
fn how_many_collections_are_open_is_counted() {
    let mut scanner = Scanner::new(Held::default());
    scanner.write(&small()).unwrap();
    assert_eq!(scanner.most_open(), 2);
}

/// Wherever it is cut, it is no archive.
#[test]
fn an_archive_that_is_cut_off_is_refused() {
    let archive = small();
    for length in 0..archive.len() {
        assert!(read(&archive[..length]).is_err(), "{length} of {} bytes", archive.len());
    }
}

/// A document's byte changes the checksum; a length, a name or a terminator the structure.
#[test]
fn a_byte_of_a_document_that_changed_is_found() {
    let archive = small();
    let at = archive.windows(5).position(|bytes| bytes == b"three").unwrap();
    let mut changed = archive;
    changed[at] = b'T';
    let damage = read(&changed).unwrap_err();
    assert!(damage.what.contains("the checksum of shop.b c/ü is"), "{damage}");
    assert!(damage.offset > at as u64, "{damage}");
}

#[test]
fn what_is_wrong_is_said() {
    let a = collection("a", "collection");
    let with = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        prelude(vec![a.clone()]).write(&mut out);
        write(&mut out);
        read(&out).unwrap_err().what
    };
    let end = |out: &mut Vec<u8>| end_collection(&a.stored(), Sum::default(), out);
    let other = collection("other", "collection").namespace;
    assert_eq!(with(&|_| ()), "shop.a has no end");
    assert_eq!(with(&|out| begin_block(&other, out)), "shop.other is not in its prelude");
    assert_eq!(with(&|out| out.extend(TERMINATOR)), "a block has no header");
    assert_eq!(with(&|out| out.extend([1, 0, 0, 0])), "1 is no length of a document");
    assert_eq!(
        with(&|out| [end, end].iter().for_each(|end| end(out))),
        "shop.a goes on after its end"
    );
    let tail = |out: &mut Vec<u8>| {
        end(out);
        out.truncate(out.len() - TERMINATOR.len());
        out.extend(document(1, "x"));
    };
    assert_eq!(with(&tail), "a collection goes on after its end");
    assert_eq!(read(b"PK\x03\x04").unwrap_err().what, "it is none of mongodump's");
    let mut twice = Vec::new();
    prelude(vec![a.clone(), a.clone()]).write(&mut twice);
    assert_eq!(read(&twice).unwrap_err().what, "it names shop.a twice");
    let mut newer = MAGIC.to_vec();
    Writer::new(&mut newer).text("version", "0.2").end();
    newer.extend(TERMINATOR);
    assert_eq!(read(&newer).unwrap_err().what, "its version is \"0.2\", not \"0.1\"");
}

/// The check value of CRC-64/XZ, as its catalogue has it.
#[test]
fn the_checksum_is_the_formats() {
    assert_eq!(Sum::of(b"123456789").crc(), 0x995d_c9bb_df19_39fa);
    assert_eq!(Sum::default(), Sum::of(b""));
}

/// Blocks: the number of a collection, and texts of documents.
fn blocks() -> impl Strategy<Value = Vec<(usize, Vec<String>)>> {
    prop::collection::vec((0_usize..4, prop::collection::vec(".{0,40}", 0..4)), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any collections, blocks in any order, read in pieces of any length.
    #[test]
    fn any_archive_is_read_however_it_is_cut(
        blocks in blocks(),
        pieces in prop::collection::vec(1_usize..200, 1..8),
    ) {
        let all: Vec<_> =
            (0..4).map(|number| collection(&format!("c{number}"), "collection")).collect();
        let (mut out, mut sums) = (Vec::new(), [Sum::default(); 4]);
        let mut documents = vec![Vec::new(); 4];
        let shown = prelude(all.clone());
        shown.write(&mut out);
        for (number, texts) in &blocks {
            let of_block: Vec<_> = texts.iter().map(|text| document(7, text)).collect();
            let sum = block(&all[*number], &of_block, &mut out);
            sums[*number] = sums[*number].and(sum);
            documents[*number].extend(of_block);
        }
        for (of, sum) in all.iter().zip(sums) {
            end_collection(&of.stored(), sum, &mut out);
        }
        let mut scanner = Scanner::new(Held::default());
        let (mut rest, mut lengths) = (out.as_slice(), pieces.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(lengths.next().unwrap().min(&rest.len()).to_owned());
            scanner.write(now).unwrap();
            rest = later;
        }
        let held = scanner.finish().unwrap();
        prop_assert_eq!(held.prelude, shown);
        prop_assert_eq!(held.documents, documents);
    }

    /// A checksum of parts is that of the whole.
    #[test]
    fn sums_of_parts_are_the_sum(whole: Vec<u8>, at: prop::sample::Index) {
        let (first, second) = whole.split_at(at.index(whole.len() + 1));
        prop_assert_eq!(Sum::of(first).and(Sum::of(second)), Sum::of(&whole));
    }

    /// Whatever the bytes are, nothing panics.
    #[test]
    fn nonsense_is_borne(bytes: Vec<u8>, at: prop::sample::Index) {
        let mut archive = small();
        let at = at.index(archive.len());
        archive.splice(at..at, bytes);
        let _ = read(&archive);
    }
}
