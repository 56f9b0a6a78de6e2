//! What is wrong with an archive is found, by a verification and by a restore.

use autodump_core::ErrorClass;
use autodump_core::manifest::Table;
use autodump_core::verification::Level;
use autodump_dump::engine::mongodb::archive::{Prelude, Scanner, Visitor};
use autodump_dump::rows::RowDigest;
use bson::doc;
use serde_json::json;

use super::made::{Content, Made, gzip, numbered, of_kind, pieces, plain};
use super::target::{Target, verify};

/// What an archive holds, by collections.
#[derive(Default)]
struct Held {
    prelude: Prelude,
    digests: Vec<RowDigest>,
}

impl Visitor for Held {
    fn prelude(&mut self, prelude: &Prelude) {
        self.prelude = prelude.clone();
        self.digests = vec![RowDigest::default(); prelude.collections.len()];
    }

    fn document(&mut self, collection: usize, document: &[u8]) {
        self.digests[collection].add(document);
    }

    fn end(&mut self, _: usize) {}
}

fn held(archive: &[u8]) -> Held {
    let mut scanner = Scanner::new(Held::default());
    scanner.write(archive).unwrap();
    scanner.finish().unwrap()
}

pub(crate) fn prelude(archive: &[u8]) -> Prelude {
    held(archive).prelude
}

/// What a manifest says of an archive.
pub(crate) fn tables(archive: &[u8]) -> Vec<Table> {
    let Held { prelude, digests } = held(archive);
    let table = |(collection, digest): (
        &autodump_dump::engine::mongodb::archive::Collection,
        RowDigest,
    )| Table {
        schema: collection.namespace.database.clone(),
        name: collection.namespace.collection.clone(),
        rows: digest.rows,
        hash: digest.hex(),
        keys: Vec::new(),
    };
    prelude.collections.iter().zip(digests).map(table).collect()
}

fn contents() -> Vec<Content> {
    vec![plain("a", &numbered(500)), plain("b", &numbered(40))]
}

/// A damage: what it is called, the backup that has it, and what has to be said.
type Damage = (&'static str, Made, &'static str);

/// Those of the object: the manifest tells what it was before.
fn of_object() -> Vec<Damage> {
    let made = || Made::new(&contents());
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let made = made();
        let mut bytes = made.bytes();
        change(&mut bytes);
        made.put(&bytes);
        made
    };
    let middle = made().manifest.objects[0].segments[0] + 100;
    let middle = usize::try_from(middle).unwrap();
    let missing = made();
    let key = missing.manifest.objects[0].key.clone();
    let location = autodump_core::ports::ObjectLocation { bucket: "backups".to_owned(), key };
    missing.store.remove(&location);
    vec![
        ("cut", changed(&|bytes| bytes.truncate(bytes.len() - 30)), "shop.archive.gz"),
        ("flipped", changed(&|bytes| bytes[middle] ^= 0x10), "shop.archive.gz"),
        ("flipped in the prelude", changed(&|bytes| bytes[40] ^= 1), "shop.archive.gz"),
        ("missing", missing, "shop.archive.gz"),
    ]
}

/// Those of the content: the manifest's checksums of the object are right.
fn of_content() -> Vec<Damage> {
    let pieces = pieces(&contents());
    let made = |order: &[usize]| {
        let some: Vec<_> = order.iter().map(|number| pieces[*number].clone()).collect();
        Made::of_pieces(&contents(), &some)
    };
    let mut document = pieces.clone();
    let last = document[1].len() - 8;
    document[1][last] ^= 1;
    let mut block = pieces.clone();
    let cut = block[2].len() - 4;
    block[2].truncate(cut);
    let more = vec![plain("a", &numbered(500)), plain("b", &numbered(40)), plain("c", &[])];
    let fewer = vec![plain("a", &numbered(500))];
    let other = vec![plain("a", &numbered(500)), plain("b", &numbered(41))];
    let with = |contents: &[Content]| {
        let mut made = Made::new(&self::contents());
        made.manifest.tables = Made::new(contents).manifest.tables;
        made.put(&made.bytes());
        made
    };
    let mut lying = Made::new(&contents());
    lying.manifest.objects[0].segments[1] -= 1;
    lying.manifest.objects[0].segments[2] += 1;
    lying.put(&lying.bytes());
    let mut short = Made::new(&contents());
    short.manifest.objects[0].segments.pop();
    short.put(&short.bytes());
    let gzip = gzip(&pieces.concat());
    let cut_member = gzip[..gzip.len() - 9].to_vec();
    let cut_member = Made::of_object(&contents(), "shop.archive.gz", &cut_member, Vec::new());
    vec![
        ("two pieces swapped", made(&[0, 2, 1, 3, 4, 5]), "the collection shop.a has the checksum"),
        ("a piece missing", made(&[0, 1, 3, 4, 5]), "the collection shop.a has the checksum"),
        ("no end", made(&[0, 1, 2, 3, 4]), "the collection shop.a has no end"),
        ("no prelude", made(&[1, 2, 3, 4, 5]), "none of mongodump's"),
        ("another document", Made::of_pieces(&contents(), &document), "shop.a has the checksum"),
        ("a block without end", Made::of_pieces(&contents(), &block), "it is cut off"),
        ("lacks a collection", with(&more), "the collection shop.c is not in the archive"),
        ("unknown collection", with(&fewer), "the manifest does not know the collection shop.b"),
        ("another count", with(&other), "the collection shop.b has 40 rows, not 41"),
        ("lying segments", lying, "gzip data are damaged"),
        ("segments too short", short, "the segments of"),
        ("a member without its end", cut_member, "it ends within a frame"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_found_by_a_verification() {
    let sound = verify(&Made::new(&contents()), Level::Archive, None).await.unwrap();
    assert!(sound.passed && sound.unchecked.is_empty(), "{sound:?}");
    assert_eq!((sound.seen.objects, sound.seen.tables, sound.seen.rows), (1, 2, 540));
    for (name, made, says) in of_object().into_iter().chain(of_content()) {
        let verification = verify(&made, Level::Restore, None).await.unwrap();
        assert!(!verification.passed, "{name}");
        let problems = verification.problems.join("; ");
        assert!(problems.contains(says), "{name}: {problems}");
        assert_eq!(verification.restored_into, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_found_by_a_restore() {
    let Some(target) = Target::new().await else { return };
    for (number, (name, made, says)) in of_object().into_iter().chain(of_content()).enumerate() {
        let database = format!("damaged{number}");
        let error = target.restore(&made, &database, json!({ "jobs": 2 })).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification, "{name}: {error}");
        assert!(error.what().contains(says), "{name}: {error}");
        let there = target.databases().await.contains(&database);
        assert_eq!(
            error.hint().contains(&format!("The database {database} holds only a part")),
            there,
            "{name}: {error}"
        );
    }
}

/// A backup with another name of a collection in its prelude than was written, whether that is
/// compressed or not: what it came from tells.
fn renamed(name: &str) -> Made {
    let pieces = pieces(&[plain("aaa", &numbered(50))]);
    let is_gzip = name == "shop.archive.gz";
    let pieces = pieces.iter().map(|p| if is_gzip { unpacked(p) } else { p.clone() });
    let pieces: Vec<_> = pieces.collect();
    let segments = pieces.iter().map(|piece| piece.len() as u64).collect();
    let mut bytes = pieces.concat();
    let made = Made::of_object(&[plain("aba", &numbered(50))], name, &bytes, segments);
    for at in 0..bytes.len() - 4 {
        if &bytes[at..at + 4] == b"aaa\0" {
            bytes[at + 1] = b'b';
        }
    }
    made.put(&bytes);
    made
}

/// One gzip member in which the bytes stand as they are.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_before_the_prelude_was_compared() {
    let target = Target::stub().await;
    target.run("shop", doc! { "insert": "aba", "documents": [{ "_id": 1 }] }).await;
    let before = target.documents("shop").await;
    for name in ["shop.archive.gz", "shop.archive"] {
        for options in [json!({ "clean": true }), json!({ "clean": true, "schemaOnly": true })] {
            let error = target.restore(&renamed(name), "shop", options).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification, "{name}: {error}");
            assert_eq!(target.documents("shop").await, before, "{name}: {error}");
        }
    }
    // Other names than in the manifest, with right checksums.
    let mut made = Made::new(&contents());
    made.manifest.tables.pop();
    made.put(&made.bytes());
    let error = target.restore(&made, "b", json!({ "schemaOnly": true })).await.unwrap_err();
    assert!(error.what().contains("does not know the collection shop.b"), "{error}");
    assert!(!target.databases().await.contains(&"b".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_read_is_found_without_a_server() {
    let contents = [of_kind("a", "collection", r#"{"indexes":[1]}"#, &numbered(3))];
    let verification = verify(&Made::new(&contents), Level::Archive, None).await.unwrap();
    let says = "the definition of shop.a is damaged: one of its indexes is no document";
    assert_eq!(verification.problems, [says]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_told_with_object_place_and_collection() {
    let Some(target) = Target::new().await else { return };
    let (_, made, _) = of_object().remove(1);
    let error = target.restore(&made, "flipped", json!({})).await.unwrap_err();
    let what = error.what();
    assert!(what.starts_with("bytes ") && what.contains("of s3://backups/mongodb/"), "{what}");
    // Whether the decompressor or the archive's reader sees it first depends on the byte.
    assert!(what.contains("damaged"), "{what}");
}
