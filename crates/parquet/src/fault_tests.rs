//! What goes wrong, and what is left of it: nothing.

use std::future::pending;

use autodump_core::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};
use parquet::basic::{Compression as Codec, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::tests::{DIRECTORY, at, destination, left, run, simple, store, table};
use super::*;
use crate::options::Memory;
use crate::testing::{Columns, file, parsed};
use autodump_dump::publish::Patience;

pub(super) fn key(batch: u32) -> String {
    format!("{DIRECTORY}{batch}/part-00000-u.gz.parquet")
}

pub(super) fn impatient() -> Options {
    let patience = Patience { total: Duration::ZERO, ..Patience::default() };
    Options { patience, ..Options::default() }
}

/// A file too long to be read in one request.
fn large() -> Vec<u8> {
    let group = |columns: &mut Columns<'_>| {
        let ids: Vec<_> = (0..700_000i64)
            .map(|id| id.wrapping_mul(0x9E37_79B9_7F4A_7C15u64.cast_signed()))
            .collect();
        columns.add::<Int64Type>(&ids, None, None);
    };
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    file("message m { required int64 id; }", properties, &[&group])
}

async fn with(faults: Vec<Fault>, cuts: Vec<Cut>) -> (MemoryStore, Result<Outcome>, u32) {
    let memory = store(&[large(), simple(0, 3)]);
    memory.remove(&at(&key(2)));
    let whole = table(&memory).await;
    let store = FaultyStore::new(memory.clone(), faults).with_cuts(cuts);
    let outcome =
        convert(&store, "in", &whole, &store, &destination(), &impatient(), pending()).await;
    (memory, outcome, store.count(Call::Get))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_nothing_is_left() {
    let (memory, outcome, gets) = with(Vec::new(), Vec::new()).await;
    assert!(matches!(outcome, Ok(Outcome::Converted(_))));
    assert_eq!(left(&memory).0.len(), 2);
    assert!(gets >= 4, "{gets} reads");
    let reads = (1..=gets).map(|nth| Fault::nth(Call::Get, nth));
    let writes = [Call::Create, Call::PutPart]
        .into_iter()
        .flat_map(|call| [1, 2].map(|nth| Fault::nth(call, nth)));
    let lists = (1..=3).map(|nth| Fault::nth(Call::List, nth));
    for fault in reads.chain(writes).chain(lists).chain([Fault::nth(Call::Complete, 1)]) {
        let (memory, outcome, _) = with(vec![fault], Vec::new()).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{fault:?}: {error}");
        assert_eq!(left(&memory), (Vec::new(), Vec::new()), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_off_leaves_nothing() {
    for nth_get in 1..=4 {
        let cut = Cut { nth_get, after: 1000, class: ErrorClass::Source };
        let (memory, outcome, _) = with(Vec::new(), vec![cut]).await;
        assert_eq!(outcome.unwrap_err().class(), ErrorClass::Source, "{nth_get}");
        assert_eq!(left(&memory), (Vec::new(), Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_cannot_be_published_leaves_no_result() {
    let (memory, outcome, _) = with(vec![Fault::nth(Call::Complete, 2)], Vec::new()).await;
    let error = outcome.unwrap_err();
    assert!(error.what().contains("data was written to s3://out/csv/"), "{error}");
    let (keys, open) = left(&memory);
    assert_eq!((keys.len(), open.len()), (1, 0));
    // The next one finds no manifest, and makes it whole.
    let whole = table(&memory).await;
    let outcome =
        convert(&memory, "in", &whole, &memory, &destination(), &impatient(), pending()).await;
    assert!(matches!(outcome, Ok(Outcome::Converted(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_is_lost_is_no_failure() {
    let lost = Fault { takes_effect: true, ..Fault::nth(Call::Complete, 2) };
    let (memory, outcome, _) = with(vec![lost], Vec::new()).await;
    assert!(matches!(outcome, Ok(Outcome::AlreadyThere(_))), "{outcome:?}");
    assert_eq!(left(&memory).0.len(), 2);
}

#[tokio::test]
async fn an_object_that_changes_or_goes_is_named() {
    let memory = store(&[simple(0, 100), simple(100, 200)]);
    let listed = table(&memory).await;
    let convert = || async {
        convert(&memory, "in", &listed, &memory, &destination(), &impatient(), pending())
            .await
            .unwrap_err()
    };
    memory.put(&at(&key(2)), simple(100, 201));
    let error = convert().await;
    assert!(error.what().contains("2/part-00000-u.gz.parquet had"), "{error}");
    // Of the same length, but of other content.
    let other = simple(200, 300);
    let same = listed.files[1].bytes;
    assert_eq!(other.len() as u64, same);
    memory.put(&at(&key(2)), other);
    let error = convert().await;
    assert!(error.what().contains("ETag"), "{error}");
    memory.remove(&at(&key(2)));
    let error = convert().await;
    assert!(error.what().contains("was removed while it was read"), "{error}");
    assert_eq!(left(&memory), (Vec::new(), Vec::new()));
}

/// The errors of a table of this one file.
async fn refused(content: Vec<u8>) -> Error {
    let memory = store(&[content]);
    let error = run(&memory, &impatient()).await.unwrap_err();
    assert_eq!(left(&memory), (Vec::new(), Vec::new()), "{error}");
    error
}

#[tokio::test]
async fn what_is_no_parquet_is_named() {
    let good = simple(0, 1000);
    let with_length = |length: u32| {
        let at = good.len() - 8;
        [&good[..at], &length.to_le_bytes()[..], &b"PAR1"[..]].concat()
    };
    for (content, why) in [
        (Vec::new(), "it has 0 bytes"),
        (good[..good.len() / 2].to_vec(), "does not end as Parquet does"),
        (good[..11].to_vec(), "it has 11 bytes"),
        (with_length(u32::MAX), "declares 4294967295 bytes of metadata"),
        (with_length(20), "its metadata"),
        ([&good[..good.len() - 4], &b"PARE"[..]].concat(), "is encrypted by Parquet itself"),
    ] {
        let error = refused(content).await;
        assert!(
            error.what().contains("s3://in/exports/run-1/shop/public.orders/1/part-0"),
            "{error}"
        );
        assert!(error.what().contains(why), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_byte_may_be_wrong() {
    for good in [simple(0, 300), pairs()] {
        for (at, change) in (0..good.len()).flat_map(|at| [0x01, 0x80, 0xff].map(|by| (at, by))) {
            let mut content = good.clone();
            content[at] ^= change;
            let memory = store(&[content]);
            // Not every byte is one that a checksum covers.
            if let Err(error) = run(&memory, &impatient()).await {
                assert_ne!(error.class(), ErrorClass::Internal, "{at}: {error}");
                assert_eq!(left(&memory), (Vec::new(), Vec::new()), "{at}: {error}");
            }
        }
    }
}

/// Lists of pairs.
fn pairs() -> Vec<u8> {
    let schema = "message m { optional group l (LIST) { repeated group list { \
        required group element { required int64 a; required binary b (STRING); } } } }";
    let (def, rep) = ([2, 2, 2, 1, 0, 2], [0, 1, 1, 0, 0, 0]);
    let texts = ["one", "two", "three", "four"].map(ByteArray::from);
    file(
        schema,
        WriterProperties::builder(),
        &[&|columns: &mut Columns<'_>| {
            columns.add::<Int64Type>(&[1, 2, 3, 4], Some(&def), Some(&rep));
            columns.add::<ByteArrayType>(&texts, Some(&def), Some(&rep));
        }],
    )
}

/// Pages of zeros: `bytes` of them for each value, packed to almost nothing.
fn bomb(bytes: usize, values: usize, dictionary: bool) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(dictionary)
        .set_dictionary_page_size_limit(usize::MAX)
        .set_data_page_size_limit(usize::MAX)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_compression(Codec::GZIP(GzipLevel::default()));
    let group = |columns: &mut Columns<'_>| {
        let value = |index: usize| {
            let mut value = vec![0; bytes];
            value[..8].copy_from_slice(&(index as u64).to_le_bytes());
            ByteArray::from(value)
        };
        columns.add::<ByteArrayType>(&(0..values).map(value).collect::<Vec<_>>(), None, None);
    };
    file("message m { required binary blob; }", properties, &[&group])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_before_it_is_decompressed() {
    for dictionary in [true, false] {
        let content = bomb(2 << 20, 80, dictionary);
        assert!(content.len() < 1 << 20);
        let error = refused(content).await;
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(
            error.what().contains("row group 0, column blob: a page has 167772480 bytes"),
            "{error}"
        );
        assert!(error.what().contains("may take 150994944 bytes"), "{error}");
    }
    // One that is within the limit is read, and its rows are refused by their length.
    let options = Options { memory: Memory { row: 1 << 20, ..Memory::default() }, ..impatient() };
    let error = run(&store(&[bomb(2 << 20, 10, true)]), &options).await.unwrap_err();
    assert!(
        error.what().contains("row 1: column blob makes its row longer than 1048576"),
        "{error}"
    );
}

#[tokio::test]
async fn bad_rows_go_to_a_file_of_their_own() {
    let schema = json!({"type": "object", "properties": {
        "id": {"type": "integer", "maximum": 6},
        "name": {"type": "string", "pattern": "^name [0-5]"},
    }});
    let schema = crate::schema::TableSchema::read(schema.to_string().as_bytes()).unwrap();
    let options = Options { schema: Some(schema), ..impatient() };
    let memory = store(&[simple(1, 3), simple(3, 9)]);
    let error = run(&memory, &options).await.unwrap_err();
    let why = "2/part-00000-u.gz.parquet, row 1: column name is NULL";
    assert!(error.what().ends_with(why), "{error}");
    assert_eq!(left(&memory), (Vec::new(), Vec::new()));
    // Errors get into logs: the rule is told, and never the value.
    for (id, why) in
        [(7, "id breaks maximum 6"), (-1, "name does not match its pattern ^name [0-5]")]
    {
        let error = run(&store(&[simple(id, id + 1)]), &options).await.unwrap_err();
        assert!(error.what().ends_with(&format!("row 1: column {why}")), "{error}");
    }
    let options = Options { on_bad: OnBad::Reject, ..options };
    let Outcome::Converted(manifest) = run(&memory, &options).await.unwrap() else { panic!() };
    assert_eq!((manifest.rows_in, manifest.rows_out, manifest.rejects), (8, 4, 4));
    let content = |key: &str| memory.object("out", key).unwrap().content;
    assert_eq!(
        content(&manifest.objects[0].key),
        "id,name\n1,name 1\n2,name 2\n4,name 4\n5,name 5\n"
    );
    let rejects = parsed(&content(&manifest.reject_objects[0].key), b"\n");
    let field = |text: &str| Some(text.as_bytes().to_vec());
    let file = key(2);
    let line =
        |row, reason, id, name| vec![field(&file), field(row), field(reason), field(id), name];
    assert_eq!(
        rejects,
        [
            ["file", "row", "reason", "id", "name"].map(field).to_vec(),
            line("1", "column name is NULL", "3", None),
            line("4", "column name is NULL", "6", None),
            line("5", "column id breaks maximum 6", "7", field("name 7")),
            line("6", "column id breaks maximum 6", "8", field("name 8")),
        ]
    );
}

#[tokio::test]
async fn a_reject_file_without_rows_is_none() {
    let memory = store(&[simple(1, 3)]);
    let options = Options { on_bad: OnBad::Reject, ..impatient() };
    let Outcome::Converted(manifest) = run(&memory, &options).await.unwrap() else { panic!() };
    assert_eq!(manifest.reject_objects, []);
    let (keys, open) = left(&memory);
    assert_eq!((keys.len(), open), (2, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_leaves_nothing() {
    for wait in [0, 1, 5, 20] {
        let memory = store(&[large()]);
        let whole = table(&memory).await;
        let stop = tokio::time::sleep(Duration::from_millis(wait));
        let (to, options) = (destination(), impatient());
        let outcome = convert(&memory, "in", &whole, &memory, &to, &options, stop).await;
        let (keys, open) = left(&memory);
        assert_eq!(open, [""; 0]);
        match outcome {
            Ok(_) => assert_eq!(keys.len(), 2, "{wait} ms were enough"),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Interrupted);
                assert!(!keys.iter().any(|key| key.ends_with(".manifest.json")), "{keys:?}");
            }
        }
    }
}
