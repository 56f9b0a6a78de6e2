use autodump_core::testing::MemoryStore;
use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;

use super::super::file::begin;
use super::*;
use crate::testing::{Columns, file};

async fn opened(content: Vec<u8>) -> Opened {
    let store = MemoryStore::default();
    let at = autodump_core::ports::ObjectLocation { bucket: "b".to_owned(), key: "k".to_owned() };
    store.put(&at, content);
    let listed = autodump_core::ports::ObjectReader::list(&store, "b", "k").await.unwrap();
    begin(store, "b", listed[0].clone()).await.unwrap().open().await.unwrap()
}

/// One list of 200,000 numbers, and 3,000 of one each.
fn lists() -> Vec<u8> {
    let schema = "message m { required group l (LIST) { repeated int64 n; } }";
    let values: Vec<_> = (0..203_000).collect();
    let begins = |at: &i64| i16::from((1..200_000).contains(at));
    let rep: Vec<_> = values.iter().map(begins).collect();
    file(
        schema,
        WriterProperties::builder(),
        &[&|columns: &mut Columns<'_>| {
            columns.add::<Int64Type>(&values, Some(&vec![1; values.len()]), Some(&rep));
        }],
    )
}

#[tokio::test]
async fn what_a_long_list_took_is_given_back() {
    let file = opened(lists()).await;
    let mut group = Group::open(&file, 0, 160 << 20).unwrap();
    let first = group.advance().unwrap();
    assert!(group.leaves[0].room() >= 200_000);
    for _ in 0..first + 200_000 - 1 {
        group.leaves[0].pass().unwrap();
    }
    assert_eq!(group.advance().unwrap(), 3001 - first);
    let room = group.leaves[0].room();
    assert!(room <= 2 * first, "{room}");
}

#[tokio::test]
async fn long_metadata_leave_less_to_pages() {
    let mut file = opened(lists()).await;
    assert!(Group::open(&file, 0, 20 << 20).unwrap().advance().is_err());
    assert!(Group::open(&file, 0, 40 << 20).unwrap().advance().is_ok());
    file.metadata_bytes = 25 << 20;
    let error = Group::open(&file, 0, 40 << 20).unwrap().advance().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("all pages together may take 3145728 bytes"), "{error}");
}
