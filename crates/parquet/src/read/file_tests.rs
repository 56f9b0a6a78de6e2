use autodump_core::testing::{Call, FaultyStore, MemoryStore};
use parquet::data_type::Int64Type;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::testing::{Columns, file};

/// A file too long to be read at once, whose metadata are longer than what is read first.
fn large() -> Vec<u8> {
    let note = KeyValue::new("note".to_owned(), "x".repeat(100_000));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![note]));
    file(
        "message m { required int64 id; }",
        properties,
        &[&|columns: &mut Columns<'_>| {
            columns.add::<Int64Type>(&(0..600_000).collect::<Vec<_>>(), None, None);
        }],
    )
}

#[tokio::test]
async fn metadata_wait_for_the_turn_of_their_file() {
    let memory = MemoryStore::default();
    let location = ObjectLocation { bucket: "b".to_owned(), key: "k".to_owned() };
    memory.put(&location, large());
    let listed = memory.list("b", "k").await.unwrap().remove(0);
    let store = FaultyStore::new(memory, Vec::new());
    let begun = begin(store.clone(), "b", listed).await.unwrap();
    assert_eq!((store.count(Call::Get), begun.end.len() as u64), (1, TAIL));
    let opened = begun.open().await.unwrap();
    assert_eq!(store.count(Call::Get), 2);
    assert_eq!(opened.metadata.file_metadata().num_rows(), 600_000);
    assert!(opened.metadata_bytes > 100_000 && opened.content.is_none());
}
