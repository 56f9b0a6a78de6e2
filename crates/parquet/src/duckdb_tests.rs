//! What `DuckDB` reads from the CSV and from the Parquet itself is the same, type by type.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use parquet::basic::{Compression as Codec, GzipLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};

use super::tests::{converted, plain};
use super::*;
use crate::testing::{Columns, file};

const EDGES: &str = "message m {
    optional boolean b; optional int32 i32; optional int64 i64; optional int32 u8 (INTEGER(8,false));
    optional int64 u64 (INTEGER(64,false)); optional float f; optional double d;
    optional int32 d9 (DECIMAL(9,2)); optional int64 d18 (DECIMAL(18,4));
    optional fixed_len_byte_array(16) d38 (DECIMAL(38,10)); optional fixed_len_byte_array(16) d380 (DECIMAL(38,38));
    optional int32 day (DATE); optional int64 clock (TIME(MICROS,false));
    optional int64 stamp (TIMESTAMP(MICROS,true)); optional int64 millis (TIMESTAMP(MILLIS,false));
    optional int64 nanos (TIMESTAMP(NANOS,false)); optional fixed_len_byte_array(16) id (UUID);
    optional binary bytes; optional binary text (STRING); optional binary doc (JSON);
    optional group list (LIST) { repeated group list { optional int64 element; } }
}";

/// Rows of the lowest, the highest and other values, and one of NULL.
fn edges(columns: &mut Columns<'_>) {
    let def = Some(&[1, 1, 1, 0][..]);
    let fixed =
        |value: i128| FixedLenByteArray::from(ByteArray::from(value.to_be_bytes().to_vec()));
    let most = 10i128.pow(38) - 1;
    let bytes = |values: [&[u8]; 3]| values.map(|value| ByteArray::from(value.to_vec()));
    let long = "long \"text\", and\r\nmore \u{e9}\u{1f980} ".repeat(40_000);
    assert!(long.len() > 1 << 20);
    columns
        .add::<BoolType>(&[true, false, true], def, None)
        .add::<Int32Type>(&[i32::MIN, i32::MAX, 0], def, None)
        .add::<Int64Type>(&[i64::MIN, i64::MAX, -1], def, None)
        .add::<Int32Type>(&[0, 255, 128], def, None)
        .add::<Int64Type>(&[0, -1, i64::MIN], def, None)
        .add::<FloatType>(&[f32::NAN, f32::NEG_INFINITY, f32::MIN_POSITIVE / 4.0], def, None)
        .add::<DoubleType>(&[f64::INFINITY, f64::MAX, 5e-324], def, None)
        .add::<Int32Type>(&[-999_999_999, 999_999_999, -1], def, None)
        .add::<Int64Type>(&[999_999_999_999_999_999, -999_999_999_999_999_999, 5], def, None)
        .add::<FixedLenByteArrayType>(&[fixed(most), fixed(-most), fixed(-1)], def, None)
        .add::<FixedLenByteArrayType>(&[fixed(most), fixed(-most), fixed(1)], def, None)
        .add::<Int32Type>(&[-719_162, 2_932_896, 11_016], def, None)
        .add::<Int64Type>(&[0, 86_399_999_999, 1], def, None)
        .add::<Int64Type>(&[-62_135_596_800_000_000, 253_402_300_799_999_999, -1], def, None)
        .add::<Int64Type>(&[-1, 253_402_300_799_999, 0], def, None)
        .add::<Int64Type>(&[-1, 4_102_444_799_999_999_999, 1_000], def, None)
        .add::<FixedLenByteArrayType>(&[fixed(-1), fixed(0), fixed(0x0123 << 64)], def, None)
        .add::<ByteArrayType>(&bytes([b"\0\0a\0\xff\"", b"", b",\r\n"]), def, None)
        .add::<ByteArrayType>(&bytes([long.as_bytes(), b"", b"\"\"\n,'\\."]), def, None)
        .add::<ByteArrayType>(&bytes([b"{\"a\": \"x,\\n\"}", b"null", b"\"\""]), def, None)
        .add::<Int64Type>(&[i64::MIN, 7], Some(&[3, 2, 3, 1, 1, 0]), Some(&[0, 1, 1, 0, 0, 0]));
}

/// A Python with `DuckDB`, unless it cannot be installed.
fn python() -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/lib/parquet-peers");
    let made = Command::new(script).output().unwrap();
    if made.status.success() {
        return Some(String::from_utf8(made.stdout).unwrap().trim().to_owned());
    }
    let why = String::from_utf8_lossy(&made.stderr).into_owned();
    let _ = writeln!(std::io::stderr(), "!! SKIPPED: DuckDB cannot be installed: {why}");
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_what_was_written() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (parquet, csv) = (directory.path().join("t.parquet"), directory.path().join("t.csv"));
    let compared = || {
        let mut command = Command::new(&python);
        command.args(["-c", include_str!("duckdb_tests.py")]).arg(&parquet).arg(&csv);
        let output = command.arg("list=to_json(list)::VARCHAR").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    for dictionary in [true, false] {
        let properties = plain()
            .set_dictionary_enabled(dictionary)
            .set_compression(Codec::GZIP(GzipLevel::default()));
        let content = file(EDGES, properties, &[&edges]);
        std::fs::write(&parquet, &content).unwrap();
        let (written, ..) = converted(&[content], &Options::default()).await;
        std::fs::write(&csv, &written).unwrap();
        let (equal, said) = compared();
        assert!(equal, "{said}");
        // It would tell.
        let text = String::from_utf8(written).unwrap();
        for (was, is) in
            [("2147483647", "2147483646"), ("\\x0000", "\\x0001"), ("2000-02-29", "2000-02-28")]
        {
            assert!(text.contains(was), "{was}");
            std::fs::write(&csv, text.replacen(was, is, 1)).unwrap();
            assert!(!compared().0, "{was}");
        }
    }
}
