use std::future::{pending, ready};
use std::pin::pin;

use autodump_core::ports::ObjectLocation;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::*;
use crate::testing::{Columns, file};

const DIRECTORY: &str = "rds/run-1/shop/public.orders/";
const RESULT: &str = "s3://out/csv/run-1/shop/public.orders.manifest.json";

fn settings(schemas: bool) -> Settings {
    let mut settings = json!({
        "name": "Stack/Csv",
        "source": {"bucket": "in", "prefix": "rds/"},
        "layout": "rds",
        "destination": {"bucket": "out", "prefix": "csv/"},
        "onBad": "reject",
    });
    if schemas {
        settings["schemas"] = json!({"bucket": "rules", "prefix": "s/"});
    }
    Settings::read(&settings.to_string()).unwrap()
}

fn at() -> TableAt {
    TableAt { bucket: "in".to_owned(), directory: DIRECTORY.to_owned() }
}

fn put(store: &MemoryStore, bucket: &str, key: &str, content: impl Into<bytes::Bytes>) {
    store.put(&ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() }, content);
}

fn rows(ids: &[i64]) -> Vec<u8> {
    let group = |columns: &mut Columns<'_>| {
        columns.add::<Int64Type>(ids, None, None);
    };
    file("message m { required int64 id; }", WriterProperties::builder(), &[&group])
}

/// A table with one file in each batch.
fn store(batches: &[&[i64]]) -> MemoryStore {
    let store = MemoryStore::default();
    for (index, ids) in batches.iter().enumerate() {
        put(&store, "in", &format!("{DIRECTORY}{}/part-00000-u.gz.parquet", index + 1), rows(ids));
        put(&store, "in", &format!("{DIRECTORY}{}/_SUCCESS", index + 1), "");
    }
    store
}

fn remove(store: &MemoryStore, key: &str) {
    store.remove(&ObjectLocation { bucket: "in".to_owned(), key: format!("{DIRECTORY}{key}") });
}

async fn look(store: &MemoryStore, key: &str, most: u64) -> Looked {
    let settings = settings(false);
    Converter { store, settings: &settings }.look("in", key, most).await.unwrap()
}

async fn converted(store: &MemoryStore, settings: &Settings) -> Result<Done> {
    Converter { store, settings }.convert(&at(), pin!(pending())).await
}

fn reason(looked: Looked) -> String {
    let Looked::Nothing { reason } = looked else { panic!("{looked:?}") };
    reason
}

#[tokio::test]
async fn a_table_is_for_the_function_or_for_a_job_by_its_bytes() {
    let store = store(&[&[1, 2], &[3]]);
    // Other tables, and what is no table, do not count.
    put(&store, "in", "rds/run-1/shop/public.orders_old/1/part-00000-u.gz.parquet", rows(&[4]));
    put(&store, "in", &format!("{DIRECTORY}notes.txt"), "many words");
    put(&store, "in", &format!("{DIRECTORY}1/deeper/x.y/1/part-0.parquet"), rows(&[5]));
    let bytes = (rows(&[1, 2]).len() + rows(&[3]).len()) as u64;
    let size = Size { table: at(), bytes, files: 2 };
    for batch in 1..=2 {
        let key = format!("{DIRECTORY}{batch}/_SUCCESS");
        assert_eq!(look(&store, &key, bytes).await, Looked::Function(size.clone()));
        assert_eq!(look(&store, &key, bytes - 1).await, Looked::Job(size.clone()));
    }
}

#[tokio::test]
async fn nothing_is_done_about_what_is_no_whole_table() {
    let store = store(&[&[1], &[2]]);
    let success = format!("{DIRECTORY}1/_SUCCESS");
    remove(&store, "2/_SUCCESS");
    let growing = reason(look(&store, &success, 1).await);
    assert_eq!(
        growing,
        format!(
            "s3://in/{DIRECTORY} may still be growing: s3://in/{DIRECTORY}2/_SUCCESS is missing"
        )
    );
    assert_eq!(
        converted(&store, &settings(false)).await.unwrap(),
        Done::Growing { reason: growing }
    );
    for key in ["1/part-00000-u.gz.parquet", "2/part-00000-u.gz.parquet"] {
        remove(&store, key);
    }
    let without = format!("s3://in/{DIRECTORY} has no files of Parquet");
    let settings = settings(false);
    let converter = Converter { store: &store, settings: &settings };
    let error = converter.look("in", &success, 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().ends_with("has its _SUCCESS, and no files of Parquet"), "{error}");
    // The whole directory may be gone when the event comes.
    remove(&store, "1/_SUCCESS");
    assert_eq!(reason(look(&store, &success, 1).await), without);
    let error = converted(&store, &settings).await.unwrap_err();
    assert_eq!(error.what(), without);
}

#[tokio::test]
async fn other_objects_are_not_looked_at() {
    let store = FaultyStore::new(MemoryStore::default(), Vec::new());
    let settings = settings(false);
    let converter = Converter { store: &store, settings: &settings };
    for (bucket, key, says) in [
        ("in", "rds/run-1/shop/public.orders/1/part-0.parquet", "is no _SUCCESS of a table"),
        ("in", "rds/run-1/shop/public.orders/1/MY_SUCCESS", "is no _SUCCESS of a table"),
        ("in", "_SUCCESS", "is no _SUCCESS of a table"),
        ("in", "run-1/shop/public.orders/1/_SUCCESS", "is not below s3://in/rds/"),
        ("other", "rds/run-1/shop/public.orders/1/_SUCCESS", "is not below s3://in/rds/"),
    ] {
        let why = reason(converter.look(bucket, key, 1).await.unwrap());
        assert!(why.contains(says) && why.contains(&format!("s3://{bucket}/{key}")), "{why}");
    }
    for (bucket, directory) in [("other", DIRECTORY), ("in", "x/run-1/shop/s.t/"), ("in", "rds/")] {
        let at = TableAt { bucket: bucket.to_owned(), directory: directory.to_owned() };
        let error = converter.convert(&at, pin!(pending())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        let uri = format!("s3://{bucket}/{directory} is no directory of a table");
        assert!(error.what().starts_with(&uri), "{error}");
    }
    assert_eq!(store.count(Call::List), 0);
}

#[tokio::test]
async fn a_table_is_converted_once() {
    let store = store(&[&[1, 2], &[3]]);
    let (manifest, rejects) = (RESULT.to_owned(), 0);
    let summary = Summary { manifest, rows_in: 3, rows_out: 3, rejects };
    let settings = settings(false);
    let first = converted(&store, &settings).await.unwrap();
    assert_eq!(first, Done::Converted(summary.clone()));
    assert_eq!(converted(&store, &settings).await.unwrap(), Done::There(summary));
    let key = format!("{DIRECTORY}2/_SUCCESS");
    let why = reason(look(&store, &key, 1).await);
    assert_eq!(why, format!("s3://in/{DIRECTORY} is converted already: {RESULT}"));
    // A batch that comes later makes it a table that is not converted yet.
    put(&store, "in", &format!("{DIRECTORY}3/part-00000-u.gz.parquet"), rows(&[4]));
    put(&store, "in", &format!("{DIRECTORY}3/_SUCCESS"), "");
    assert!(matches!(look(&store, &key, 1).await, Looked::Job(Size { files: 3, .. })));
    // One that was replaced is another table, and nobody's result is removed.
    put(&store, "in", &format!("{DIRECTORY}1/part-00000-u.gz.parquet"), rows(&[7]));
    let converter = Converter { store: &store, settings: &settings };
    let error = converter.look("in", &key, 1).await.unwrap_err();
    assert!(error.what().contains("is the result of other files"), "{error}");
}

#[tokio::test]
async fn rows_that_break_the_schema_are_counted() {
    let store = store(&[&[1, 2], &[3]]);
    let id = json!({"type": "integer", "maximum": 1});
    let schema = json!({"type": "object", "properties": {"id": id}});
    put(&store, "rules", "s/shop/public.orders.json", schema.to_string());
    let Done::Converted(summary) = converted(&store, &settings(true)).await.unwrap() else {
        panic!("not converted")
    };
    assert_eq!((summary.rows_in, summary.rows_out, summary.rejects), (3, 1, 2));
}

#[tokio::test]
async fn a_schema_that_is_not_understood_is_named_and_nothing_is_written() {
    let store = store(&[&[1]]);
    put(&store, "rules", "s/shop/public.orders.json", "{");
    let error = converted(&store, &settings(true)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().starts_with("s3://rules/s/shop/public.orders.json: "), "{error}");
    assert!(!store.keys().iter().any(|key| key.starts_with("csv/")));
}

#[tokio::test]
async fn a_stop_at_any_time_leaves_nothing() {
    let store = store(&[&[1]]);
    let settings = settings(false);
    let converter = Converter { store: &store, settings: &settings };
    let error = converter.convert(&at(), pin!(ready(()))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(error.what().contains(&format!("s3://in/{DIRECTORY}")), "{error}");
    // While it is converted.
    let soon = tokio::time::sleep(std::time::Duration::from_millis(50));
    let hanging = Hanging(store.clone());
    let converter = Converter { store: &hanging, settings: &settings };
    let error = converter.convert(&at(), pin!(soon)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interrupted);
    assert!(!store.keys().iter().any(|key| key.starts_with("csv/")));
    assert_eq!(store.open_uploads(), [""; 0]);
}

#[tokio::test]
async fn a_listing_that_fails_is_an_error() {
    let (settings, key) = (settings(false), format!("{DIRECTORY}1/_SUCCESS"));
    for nth in 1..=2 {
        let store = FaultyStore::new(store(&[&[1]]), vec![Fault::nth(Call::List, nth)]);
        let converter = Converter { store: &store, settings: &settings };
        let error = converter.look("in", &key, 1).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{nth}");
        let store = FaultyStore::new(store.clone(), vec![Fault::nth(Call::List, nth)]);
        let converter = Converter { store: &store, settings: &settings };
        let error = converter.convert(&at(), pin!(pending())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{nth}");
    }
}

#[tokio::test]
async fn two_thousand_files_are_one_table_however_they_lie() {
    for in_one in [true, false] {
        let store = MemoryStore::default();
        for number in 0..2000 {
            let batch = if in_one { 1 } else { number };
            let directory = format!("{DIRECTORY}{batch}");
            put(&store, "in", &format!("{directory}/part-{number:05}-u.gz.parquet"), "12345");
            put(&store, "in", &format!("{directory}/_SUCCESS"), "");
        }
        let counted = FaultyStore::new(store.clone(), Vec::new());
        let settings = settings(false);
        let converter = Converter { store: &counted, settings: &settings };
        let key = format!("{DIRECTORY}1/_SUCCESS");
        let looked = converter.look("in", &key, 10_000).await.unwrap();
        assert_eq!(looked, Looked::Function(Size { table: at(), bytes: 10_000, files: 2000 }));
        assert!(counted.count(Call::List) <= 6, "{} pages", counted.count(Call::List));
        remove(&store, "1/_SUCCESS");
        assert!(matches!(look(&store, &key, 10_000).await, Looked::Nothing { .. }));
    }
}

#[tokio::test]
async fn a_table_of_too_many_objects_is_refused() {
    let store = MemoryStore::default();
    for number in 0..=MOST {
        put(&store, "in", &format!("{DIRECTORY}1/part-{number:06}.parquet"), "");
    }
    let settings = settings(false);
    let converter = Converter { store: &store, settings: &settings };
    let key = format!("{DIRECTORY}1/_SUCCESS");
    let error = converter.look("in", &key, 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().ends_with("has more than 100000 objects"), "{error}");
}

/// A store that lists, and never gives a byte.
#[derive(Clone)]
struct Hanging(MemoryStore);

impl autodump_core::ports::ObjectStore for Hanging {
    type Upload = autodump_core::testing::memory::MemoryUpload;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<Self::Upload> {
        self.0.create(location, content_type).await
    }
}

impl ObjectReader for Hanging {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(
        &self,
        _: &ObjectLocation,
        _: Option<std::ops::Range<u64>>,
    ) -> Result<Self::Content> {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Err(Error::new(ErrorClass::Source, "it hung", "This is the hanging store of a test"))
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<autodump_core::ports::ListedPage> {
        self.0.page(bucket, prefix, after).await
    }
}

impl ObjectWriter for Hanging {
    async fn put(
        &self,
        location: &ObjectLocation,
        content_type: &str,
        body: bytes::Bytes,
    ) -> Result<autodump_core::ports::Put> {
        ObjectWriter::put(&self.0, location, content_type, body).await
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        ObjectWriter::remove(&self.0, bucket, keys).await
    }
}
