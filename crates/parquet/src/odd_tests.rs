//! Files that are odd and well, and some that only look so.

use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};

use super::tests::{converted, left, plain, run, store};
use super::*;
use crate::options::Memory;
use crate::testing::{Columns, file};

/// The metadata of a file with each `from` in them replaced.
fn with_metadata(content: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (rest, footer) = content.split_at(content.len() - 8);
    let length = u32::from_le_bytes(footer[..4].try_into().unwrap()) as usize;
    let (data, metadata) = rest.split_at(rest.len() - length);
    let mut changed = Vec::new();
    let mut at = 0;
    while at < metadata.len() {
        let found = metadata[at..].starts_with(from);
        changed.extend_from_slice(if found { to } else { &metadata[at..=at] });
        at += if found { from.len() } else { 1 };
    }
    assert_ne!(changed, metadata);
    let length = u32::try_from(changed.len()).unwrap().to_le_bytes();
    [data, &changed, &length, b"PAR1"].concat()
}

#[tokio::test]
async fn statistics_that_make_no_sense_do_no_harm() {
    let id = 0x0102_0304_0506_0708i64;
    let good = file(
        "message m { required int64 id; }",
        plain(),
        &[&|columns| {
            columns.add::<Int64Type>(&[id], None, None);
        }],
    );
    // Eight bytes after their length; seven are too few for a number.
    let bytes = id.to_le_bytes();
    let odd = with_metadata(&good, &[&[8], &bytes[..]].concat(), &[&[7], &bytes[1..]].concat());
    let (csv, ..) = converted(&[odd], &Options::default()).await;
    assert_eq!(csv, format!("id\n{id}\n").as_bytes());
}

/// Texts of 100 KB, in pages of 1 MB that are packed to little.
fn long_texts(schema: &str, rows: usize, rep: Option<&[i16]>) -> Vec<u8> {
    let properties = plain()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(1 << 20)
        .set_write_batch_size(1)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_compression(Codec::ZSTD(ZstdLevel::default()));
    let text = |row: usize| ByteArray::from(&*format!("{row:06}").repeat(16_667));
    let texts: Vec<_> = (0..rows).map(text).collect();
    let def = rep.map(|rep| vec![1; rep.len()]);
    file(
        schema,
        properties,
        &[&|columns: &mut Columns<'_>| {
            columns.add::<ByteArrayType>(&texts, def.as_deref(), rep);
        }],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_long_texts_are_read_a_few_at_a_time() {
    let options = Options { compression: "zstd".parse().unwrap(), ..Options::default() };
    let plain = long_texts("message m { required binary t (STRING); }", 3000, None);
    let (_, manifest, _) = converted(&[plain], &options).await;
    assert_eq!(manifest.rows_out, 3000);
    // Two in each list.
    let rep: Vec<_> = [0, 1].into_iter().cycle().take(3000).collect();
    let lists = "message m { required group l (LIST) { repeated binary t (STRING); } }";
    let lists = long_texts(lists, rep.len(), Some(&rep));
    let (_, manifest, _) = converted(&[lists], &options).await;
    assert_eq!(manifest.rows_out, 1500);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_long_lists_are_read_a_few_at_a_time() {
    let properties = plain().set_data_page_size_limit(4 << 10).set_write_batch_size(1000);
    let schema = "message m { required group l (LIST) { repeated boolean b; } }";
    let content = file(
        schema,
        properties,
        &[&|columns: &mut Columns<'_>| {
            let values = vec![true; 2_100_000];
            let rep: Vec<_> = (0..values.len()).map(|at| i16::from(at % 1000 > 0)).collect();
            columns.add::<BoolType>(&values, Some(&vec![1; values.len()]), Some(&rep));
        }],
    );
    let memory = Memory { pages: 32 << 20, ..Memory::default() };
    let options = Options { memory, ..Options::default() };
    let (_, manifest, _) = converted(&[content], &options).await;
    assert_eq!(manifest.rows_out, 2100);
}

/// The levels of two leaves side by side, each of which has values where its level is 1 or more.
type Side<'a> = (&'a [i16], &'a [i16]);

async fn side_by_side(schema: &str, max_def: i16, sides: [Side<'_>; 2]) -> Result<Vec<u8>> {
    let content = file(
        schema,
        plain(),
        &[&|columns: &mut Columns<'_>| {
            for (def, rep) in sides {
                let there = def.iter().filter(|def| **def == max_def).count();
                let values: Vec<_> = (1..=i64::try_from(there).unwrap()).collect();
                let rep = Some(rep).filter(|rep| !rep.is_empty());
                columns.add::<Int64Type>(&values, Some(def), rep);
            }
        }],
    );
    let memory = store(&[content]);
    let outcome = run(&memory, &Options::default()).await;
    if outcome.is_err() {
        assert_eq!(left(&memory), (Vec::new(), Vec::new()));
    }
    outcome
        .map(|_| memory.object("out", "csv/run-1/shop/public.orders.csv").unwrap().content.into())
}

#[tokio::test]
async fn neighbours_of_other_lengths_are_refused() {
    let pairs = "message m { required group l (LIST) { repeated group list { \
        required group element { required int64 a; required int64 b; } } } }";
    let lists = "message m { required group l (LIST) { repeated group list { \
        required group element (LIST) { repeated group list { \
        required int64 a; required int64 b; } } } } }";
    let maybe = "message m { optional group s { optional int64 a; optional int64 b; } }";
    let several = "message m { required group s { repeated int64 a; repeated int64 b; } }";
    let good = side_by_side(pairs, 1, [(&[1, 1, 0], &[0, 1, 0]); 2]).await.unwrap();
    assert_eq!(good, b"l\n\"[{\"\"a\"\":1,\"\"b\"\":1},{\"\"a\"\":2,\"\"b\"\":2}]\"\n[]\n");
    let good = side_by_side(several, 1, [(&[1, 1], &[0, 1]), (&[1], &[0])]).await.unwrap();
    assert_eq!(good, b"s\n\"{\"\"a\"\":[1,2],\"\"b\"\":[1]}\"\n");
    let cases: [(_, _, [Side<'_>; 2]); 5] = [
        // Of another row, of another list within a row, only one of them empty or NULL.
        (pairs, 1, [(&[1, 1, 1], &[0, 1, 0]), (&[1, 1, 1], &[0, 0, 1])]),
        (pairs, 1, [(&[1, 1], &[0, 0]), (&[1, 1, 1], &[0, 0, 1])]),
        (pairs, 1, [(&[1, 0], &[0, 0]), (&[1, 1], &[0, 0])]),
        (lists, 2, [(&[2, 2, 2], &[0, 1, 2]), (&[2, 2, 2], &[0, 2, 1])]),
        (maybe, 2, [(&[0, 2], &[]), (&[2, 2], &[])]),
    ];
    for (schema, max_def, sides) in cases {
        let error = side_by_side(schema, max_def, sides).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification, "{sides:?}: {error}");
        let leaf = if schema == maybe { "s.b" } else { ".list.element." };
        assert!(error.what().contains(leaf), "{sides:?}: {error}");
        assert!(error.what().contains("1/part-00000-u.gz.parquet"), "{error}");
    }
}
