//! Rows of any content, written in any way, and read back from the CSV.

use parquet::basic::{Compression as Codec, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterVersion;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{plain, run, store};
use super::*;
use crate::testing::{Columns, file, parsed};

const SCHEMA: &str = "message m {
    optional int64 number; optional binary text (STRING);
    optional group list (LIST) { repeated group list { optional int32 element; } } }";

#[derive(Debug, Clone)]
struct Row {
    number: Option<i64>,
    text: Option<String>,
    list: Option<Vec<Option<i32>>>,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop::option::of("[a-c\",\r\n\u{e4}]{0,5}");
    let list = prop::option::of(prop::collection::vec(prop::option::of(any::<i32>()), 0..4));
    let row = (any::<Option<i64>>(), text, list);
    // More than are read at once, of a few kinds.
    let kinds = prop::collection::vec(row, 1..20);
    (kinds, 1usize..5000).prop_map(|(kinds, count)| {
        let kinds = kinds.into_iter().map(|(number, text, list)| Row { number, text, list });
        kinds.collect::<Vec<_>>().into_iter().cycle().take(count).collect()
    })
}

fn write(rows: &[Row], columns: &mut Columns<'_>) {
    let numbers: Vec<_> = rows.iter().filter_map(|row| row.number).collect();
    let there: Vec<_> = rows.iter().map(|row| i16::from(row.number.is_some())).collect();
    columns.add::<Int64Type>(&numbers, Some(&there), None);
    let texts: Vec<_> =
        rows.iter().filter_map(|row| row.text.as_deref()).map(ByteArray::from).collect();
    let there: Vec<_> = rows.iter().map(|row| i16::from(row.text.is_some())).collect();
    columns.add::<ByteArrayType>(&texts, Some(&there), None);
    let (mut items, mut def, mut rep) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row.list.as_deref() {
            None => (def.push(0), rep.push(0)),
            Some([]) => (def.push(1), rep.push(0)),
            Some(list) => {
                def.extend(list.iter().map(|item| 2 + i16::from(item.is_some())));
                rep.extend((0..list.len()).map(|index| i16::from(index > 0)));
                items.extend(list.iter().flatten());
                continue;
            }
        };
    }
    columns.add::<Int32Type>(&items, Some(&def), Some(&rep));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_are_read_as_they_were_written(
        rows in rows(),
        page_rows in 1usize..3000,
        version in prop::sample::select(&[WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0][..]),
        dictionary in any::<bool>(),
        packed in any::<bool>(),
    ) {
        let codec = if packed { Codec::GZIP(GzipLevel::default()) } else { Codec::UNCOMPRESSED };
        let properties = plain()
            .set_writer_version(version)
            .set_dictionary_enabled(dictionary)
            .set_compression(codec)
            .set_write_batch_size(page_rows.min(64))
            .set_data_page_row_count_limit(page_rows);
        let (first, second) = rows.split_at(rows.len() / 3);
        let content = file(SCHEMA, properties, &[&|c| write(first, c), &|c| write(second, c)]);
        let memory = store(&[content]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&memory, &Options::default())).unwrap();
        let csv = memory.object("out", "csv/run-1/shop/public.orders.csv").unwrap().content;
        let lines = parsed(&csv, b"\n");
        prop_assert_eq!(lines.len(), rows.len() + 1);
        for (line, row) in lines[1..].iter().zip(&rows) {
            let text = |at: usize| {
                line[at].as_deref().map(|text| String::from_utf8(text.to_vec()).unwrap())
            };
            prop_assert_eq!(text(0), row.number.map(|number| number.to_string()));
            prop_assert_eq!(text(1), row.text.clone());
            let list: Option<Value> = text(2).map(|json| serde_json::from_str(&json).unwrap());
            prop_assert_eq!(list, row.list.as_ref().map(|list| json!(list)));
        }
    }
}
