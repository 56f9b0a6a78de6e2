use std::future::pending;

use autodump_core::testing::MemoryStore;
use parquet::basic::{Compression as Codec, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::*;
use crate::csv::Format;
use crate::layout::Layout;
use crate::testing::{Columns, file};

pub(super) const DIRECTORY: &str = "exports/run-1/shop/public.orders/";
const KEY: &str = "csv/run-1/shop/public.orders.csv";
const SIMPLE: &str = "message m { required int64 id; optional binary name (STRING); }";

pub(super) fn at(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: "in".to_owned(), key: key.to_owned() }
}

/// A store with these files as batches of one table.
pub(super) fn store(files: &[Vec<u8>]) -> MemoryStore {
    let store = MemoryStore::default();
    for (index, content) in files.iter().enumerate() {
        let batch = format!("{DIRECTORY}{}", index + 1);
        store.put(&at(&format!("{batch}/part-00000-u.gz.parquet")), content.clone());
        store.put(&at(&format!("{batch}/_SUCCESS")), "");
    }
    store
}

pub(super) async fn table(store: &impl ObjectReader) -> Table {
    Layout::Rds.tables(&store.list("in", "exports/").await.unwrap()).remove(0)
}

pub(super) fn destination() -> Destination {
    Destination { bucket: "out".to_owned(), prefix: "csv/".to_owned() }
}

pub(super) async fn run(store: &MemoryStore, options: &Options) -> Result<Outcome> {
    let table = table(store).await;
    convert(store, "in", &table, store, &destination(), options, pending()).await
}

/// Everything in the destination, and what is not finished.
pub(super) fn left(store: &MemoryStore) -> (Vec<String>, Vec<String>) {
    let keys = store.keys().into_iter().filter(|key| key.starts_with("csv/")).collect();
    (keys, store.open_uploads())
}

pub(super) async fn converted(
    files: &[Vec<u8>],
    options: &Options,
) -> (Vec<u8>, ResultManifest, MemoryStore) {
    let store = store(files);
    let Outcome::Converted(manifest) = run(&store, options).await.unwrap() else { panic!() };
    let object = store.object("out", &manifest.objects[0].key).unwrap();
    assert_eq!(object.length, manifest.objects[0].bytes);
    assert_eq!(manifest.rows_in, manifest.rows_out + manifest.rejects);
    assert_eq!(store.open_uploads(), [""; 0]);
    (object.content.to_vec(), *manifest, store)
}

pub(super) fn plain() -> parquet::file::properties::WriterPropertiesBuilder {
    WriterProperties::builder()
}

/// Rows `first..last` with a name each, but for every third.
pub(super) fn simple(first: i64, last: i64) -> Vec<u8> {
    let group = |columns: &mut Columns<'_>| {
        let ids: Vec<_> = (first..last).collect();
        let has_one = |id: &&i64| **id % 3 != 0;
        let names: Vec<_> =
            ids.iter().filter(has_one).map(|id| ByteArray::from(&*format!("name {id}"))).collect();
        let def: Vec<_> = ids.iter().map(|id| i16::from(has_one(&id))).collect();
        columns.add::<Int64Type>(&ids, None, None);
        columns.add::<ByteArrayType>(&names, Some(&def), None);
    };
    file(SIMPLE, plain().set_compression(Codec::GZIP(GzipLevel::default())), &[&group])
}

fn simple_csv(rows: std::ops::Range<i64>) -> String {
    let name = |id: i64| if id % 3 == 0 { String::new() } else { format!("name {id}") };
    rows.fold("id,name\n".to_owned(), |csv, id| csv + &format!("{id},{}\n", name(id)))
}

#[tokio::test]
async fn the_files_of_a_table_become_one_csv_and_a_manifest() {
    let files = [simple(0, 5000), simple(5000, 5000), simple(5000, 9000)];
    let (csv, manifest, store) = converted(&files, &Options::default()).await;
    assert!(String::from_utf8(csv).unwrap() == simple_csv(0..9000));
    assert_eq!(left(&store).0, [KEY.to_owned(), KEY.replace(".csv", ".manifest.json")]);
    let proof = store.object("out", "csv/run-1/shop/public.orders.manifest.json").unwrap();
    let read: ResultManifest = serde_json::from_slice(&proof.content).unwrap();
    assert_eq!(read, manifest);
    let rows: Vec<_> = manifest.source.files.iter().map(|file| file.rows).collect();
    assert_eq!((rows, manifest.rows_out, manifest.rejects), (vec![5000, 0, 4000], 9000, 0));
    let columns = json!([
        {"name": "id", "type": "integer", "nullable": false},
        {"name": "name", "type": "string", "nullable": true},
    ]);
    assert_eq!(serde_json::to_value(&manifest.columns).unwrap(), columns);
}

#[tokio::test]
async fn a_second_conversion_does_nothing_and_a_larger_table_replaces() {
    let store = store(&[simple(0, 10)]);
    let options = Options::default();
    assert!(matches!(run(&store, &options).await.unwrap(), Outcome::Converted(_)));
    let before = store.object("out", KEY).unwrap();
    let touched = vec![b'x'; before.content.len()];
    let csv = ObjectLocation { bucket: "out".to_owned(), key: KEY.to_owned() };
    store.put(&csv, touched.clone());
    assert!(matches!(run(&store, &options).await.unwrap(), Outcome::AlreadyThere(_)));
    assert_eq!(store.object("out", KEY).unwrap().content, touched);
    // A further batch has come.
    store.put(&at(&format!("{DIRECTORY}2/part-00000-u.gz.parquet")), simple(10, 12));
    store.put(&at(&format!("{DIRECTORY}2/_SUCCESS")), "");
    let Outcome::Converted(manifest) = run(&store, &options).await.unwrap() else { panic!() };
    assert_eq!(manifest.rows_out, 12);
    assert!(store.object("out", KEY).unwrap().content.starts_with(&before.content));
    // Other files of the same name are another thing.
    store.put(&at(&format!("{DIRECTORY}1/part-00000-u.gz.parquet")), simple(0, 11));
    let error = run(&store, &options).await.unwrap_err();
    assert!(error.what().contains("is the result of other files"), "{error}");
}

#[tokio::test]
async fn a_growing_table_and_one_without_files_are_refused() {
    let store = store(&[simple(0, 3), simple(3, 5)]);
    store.remove(&at(&format!("{DIRECTORY}2/_SUCCESS")));
    let error = run(&store, &Options::default()).await.unwrap_err();
    assert!(error.what().contains("public.orders/2/_SUCCESS is missing"), "{error}");
    store.put(&at(&format!("{DIRECTORY}2/_SUCCESS")), "");
    for batch in 1..3 {
        store.remove(&at(&format!("{DIRECTORY}{batch}/part-00000-u.gz.parquet")));
    }
    let error = run(&store, &Options::default()).await.unwrap_err();
    assert!(error.what().contains("has no files of Parquet"), "{error}");
    assert_eq!(left(&store), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn the_format_can_be_chosen() {
    let content = simple(0, 3);
    let format =
        Format { null: "\\N".to_owned(), header: false, line_end: crate::csv::LineEnd::Crlf };
    let options = Options { format, ..Options::default() };
    let (csv, ..) = converted(std::slice::from_ref(&content), &options).await;
    assert_eq!(csv, b"0,\\N\r\n1,name 1\r\n2,name 2\r\n");
    for (compression, end) in [("gzip:6", ".csv.gz"), ("zstd", ".csv.zst")] {
        let options = Options { compression: compression.parse().unwrap(), ..Options::default() };
        let (packed, manifest, _) = converted(std::slice::from_ref(&content), &options).await;
        assert!(manifest.objects[0].key.ends_with(end));
        let mut csv = Vec::new();
        let mut decoder =
            autodump_dump::codec::Decoder::new(options.compression.algorithm()).unwrap();
        decoder
            .write(&packed, &mut |piece| {
                csv.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        decoder.finish().unwrap();
        assert_eq!(csv, simple_csv(0..3).as_bytes());
    }
    let options = Options { compression: "lz4".parse().unwrap(), ..Options::default() };
    let error = run(&store(&[content]), &options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn empty_bytes_are_not_null() {
    let content = file(
        "message m { required int64 id; optional binary b; }",
        plain(),
        &[&|columns| {
            columns.add::<Int64Type>(&[1, 2, 3], None, None);
            let bytes = [ByteArray::from(vec![]), ByteArray::from(vec![0])];
            columns.add::<ByteArrayType>(&bytes, Some(&[1, 0, 1]), None);
        }],
    );
    for (binary, null, expected) in [
        (crate::Binary::Base64, "", "id,b\n1,\"\"\n2,\n3,AA==\n"),
        (crate::Binary::Base64, "\\N", "id,b\n1,\"\"\n2,\\N\n3,AA==\n"),
        (crate::Binary::Hex, "", "id,b\n1,\\x\n2,\n3,\\x00\n"),
    ] {
        let format = Format { null: null.to_owned(), ..Format::default() };
        let options = Options { format, binary, ..Options::default() };
        let (csv, ..) = converted(std::slice::from_ref(&content), &options).await;
        assert_eq!(String::from_utf8_lossy(&csv), expected);
    }
}

#[tokio::test]
async fn files_that_differ_are_named() {
    let of = |schema: &str, add: &dyn Fn(&mut Columns<'_>)| file(schema, plain(), &[add]);
    let ids = |columns: &mut Columns<'_>| {
        columns.add::<Int64Type>(&[1], None, None);
    };
    let first = simple(0, 3);
    let name = [ByteArray::from("x")];
    for (other, why) in [
        (
            of("message m { required int64 id; }", &ids),
            "2/part-00000-u.gz.parquet lacks column name",
        ),
        (
            of("message m { required int64 id; optional binary name; }", &|columns| {
                ids(columns);
                columns.add::<ByteArrayType>(&name, Some(&[1]), None);
            }),
            "has column name as binary, not as string",
        ),
        (
            of("message m { required binary name (STRING); required int64 id; }", &|columns| {
                columns.add::<ByteArrayType>(&name, None, None);
                ids(columns);
            }),
            "has column id at another place",
        ),
        (
            of(
                "message m { required int64 id; required binary name (STRING); required int64 z; }",
                &|columns| {
                    ids(columns);
                    columns.add::<ByteArrayType>(&name, None, None);
                    ids(columns);
                },
            ),
            "has the further column z",
        ),
    ] {
        let store = store(&[first.clone(), other]);
        let error = run(&store, &Options::default()).await.unwrap_err();
        assert!(error.what().contains(why), "{error}");
        assert_eq!(left(&store), (Vec::new(), Vec::new()));
    }
    // Where only one of them allows NULL, they are of one table.
    let strict =
        of("message m { required int64 id; required binary name (STRING); }", &|columns| {
            ids(columns);
            columns.add::<ByteArrayType>(&name, None, None);
        });
    let (csv, manifest, _) = converted(&[strict, simple(3, 4)], &Options::default()).await;
    assert_eq!(csv, b"id,name\n1,x\n3,\n");
    assert!(manifest.columns[1].nullable);
}
