use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

use super::*;

const SCHEMA: &str = "message m {
    required int64 id; optional int32 small; optional boolean yes; required double number;
    optional float half; optional binary name (STRING); required fixed_len_byte_array(2) two;
}";

fn row(n: i64) -> Vec<Cell> {
    let even = n % 2 == 0;
    let or_null = |cell| if even { cell } else { Cell::Null };
    vec![
        Cell::Int(n),
        or_null(Cell::Int(n)),
        or_null(Cell::Bool(even)),
        Cell::Float(1.5),
        or_null(Cell::Float(0.5)),
        or_null(Cell::text("a")),
        Cell::Bytes(vec![1, 2]),
    ]
}

fn read(file: Bytes) -> Vec<Vec<Field>> {
    let reader = SerializedFileReader::new(file).expect("a file of Parquet");
    let codec = reader.metadata().row_group(0).column(0).compression();
    assert!(matches!(codec, Compression::GZIP(_)), "{codec:?}");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| row.expect("a row").get_column_iter().map(|(_, field)| field.clone()).collect())
        .collect()
}

#[test]
fn rows_are_spread_over_the_files_and_read_back() {
    let table = Table::generated("a.b.c", SCHEMA, 7, row).in_batches(&[2, 1]);
    let mut all = Vec::new();
    for number in 0..3 {
        let rows = read(table.file(number).expect("a file"));
        assert!(rows.len() >= 2, "{rows:?}");
        all.extend(rows);
    }
    assert_eq!(all.len(), 7);
    for (number, row) in (0..).zip(&all) {
        assert_eq!(row[0], Field::Long(number));
        let null = number % 2 == 1;
        assert_eq!(row[1] == Field::Null && row[2] == Field::Null && row[5] == Field::Null, null);
        assert_eq!((&row[3], &row[6]), (&Field::Double(1.5), &Field::Bytes(vec![1, 2].into())));
    }
    assert_eq!(all[2][5], Field::Str("a".to_owned()));
    let columns = table.columns().expect("columns");
    assert_eq!(columns[1], ("small".to_owned(), "INT32".to_owned()));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let schema = "message m { required int32 id; }";
    for cells in [vec![], vec![Cell::Null], vec![Cell::Int(1 << 40)], vec![Cell::text("1")]] {
        let table = Table::of_rows("a.b.c", schema, vec![cells.clone()]);
        assert!(table.file(0).is_err(), "{cells:?}");
    }
    assert!(Table::of_rows("a.b.c", schema, vec![vec![Cell::Int(1)]]).file(0).is_ok());
    assert!(Table::of_files("a.b.c", vec![Bytes::from_static(b"x")]).file(1).is_err());
}

#[test]
fn a_part_of_an_export_is_chosen_by_whole_names() {
    let table = Table::skipped("shop.public.orders", "why");
    let among = |only: &[&str]| {
        let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
        table.is_among(&only)
    };
    assert!(among(&[]) && among(&["shop"]) && among(&["other", "shop.public"]));
    assert!(among(&["shop.public.orders"]));
    assert!(!among(&["sho"]) && !among(&["shop.public.order"]) && !among(&["other"]));
}
