//! Files of every type, by every codec and encoding, as CSV.

use parquet::basic::{Compression as Codec, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterVersion;

use super::tests::{converted, plain};
use super::*;
use crate::options::Memory;
use crate::testing::{Columns, Field, file, parsed};

pub(super) const EVERY: &str = "message m {
    required boolean b; required int32 i8 (INTEGER(8,true)); required int64 u64 (INTEGER(64,false));
    required float f; required double d; required int32 d9 (DECIMAL(9,2));
    required int64 d18 (DECIMAL(18,0)); required fixed_len_byte_array(16) d38 (DECIMAL(38,10));
    required binary dmany (DECIMAL(50,3)); required int32 day (DATE);
    required int64 time (TIME(MICROS,false)); required int64 stamp (TIMESTAMP(MICROS,true));
    required int64 nanos (TIMESTAMP(NANOS,false)); required int96 old;
    required fixed_len_byte_array(16) id (UUID); required binary bytes; required binary doc (JSON);
    required binary e (ENUM); required int64 legacy (TIMESTAMP_MILLIS); required binary s (STRING);
}";

pub(super) fn every(columns: &mut Columns<'_>) {
    let fixed = |bytes: [u8; 16]| FixedLenByteArray::from(ByteArray::from(bytes.to_vec()));
    let many = ByteArray::from([vec![0x80], vec![0; 18]].concat());
    columns
        .add::<BoolType>(&[true, false], None, None)
        .add::<Int32Type>(&[-128, 127], None, None)
        .add::<Int64Type>(&[-1, 0], None, None)
        .add::<FloatType>(&[f32::NAN, 0.1], None, None)
        .add::<DoubleType>(&[f64::NEG_INFINITY, -1.5e300], None, None)
        .add::<Int32Type>(&[-999_999_999, 1], None, None)
        .add::<Int64Type>(&[i64::MAX, 0], None, None)
        .add::<FixedLenByteArrayType>(
            &[fixed((10i128.pow(38) - 1).to_be_bytes()), fixed((-1i128).to_be_bytes())],
            None,
            None,
        )
        .add::<ByteArrayType>(&[many, ByteArray::from(vec![5])], None, None)
        .add::<Int32Type>(&[-719_163, 19_782], None, None)
        .add::<Int64Type>(&[86_399_999_999, 0], None, None)
        .add::<Int64Type>(&[-1, 1_709_210_096_123_000], None, None)
        .add::<Int64Type>(&[1, 0], None, None)
        .add::<Int96Type>(
            &[Int96::from(vec![1, 0, 2_440_589]), Int96::from(vec![0, 0, 2_440_588])],
            None,
            None,
        )
        .add::<FixedLenByteArrayType>(&[fixed([0xab; 16]), fixed([0; 16])], None, None)
        .add::<ByteArrayType>(&[ByteArray::from(vec![0, 255]), ByteArray::from(vec![])], None, None)
        .add::<ByteArrayType>(
            &[ByteArray::from("{\"a\": \"b\"}"), ByteArray::from("[]")],
            None,
            None,
        )
        .add::<ByteArrayType>(&[ByteArray::from("x"), ByteArray::from("y")], None, None)
        .add::<Int64Type>(&[0, -1], None, None)
        .add::<ByteArrayType>(&[ByteArray::from("a,\"b\"\r\n"), ByteArray::from("")], None, None);
}

const EXPECTED: [[&str; 20]; 2] = [
    [
        "true",
        "-128",
        "18446744073709551615",
        "NaN",
        "-Infinity",
        "-9999999.99",
        "9223372036854775807",
        "9999999999999999999999999999.9999999999",
        "-2854495385411919762116571938898990272765493.248",
        "0001-12-31 BC",
        "23:59:59.999999",
        "1969-12-31 23:59:59.999999+00",
        "1970-01-01 00:00:00.000000001",
        "1970-01-02 00:00:00.000000001",
        "abababab-abab-abab-abab-abababababab",
        "\\x00ff",
        "{\"a\": \"b\"}",
        "x",
        "1970-01-01 00:00:00+00",
        "a,\"b\"\r\n",
    ],
    [
        "false",
        "127",
        "0",
        "0.1",
        "-1.5e300",
        "0.01",
        "0",
        "-0.0000000001",
        "0.005",
        "2024-02-29",
        "00:00:00",
        "2024-02-29 12:34:56.123+00",
        "1970-01-01 00:00:00",
        "1970-01-01 00:00:00",
        "00000000-0000-0000-0000-000000000000",
        "\\x",
        "[]",
        "y",
        "1969-12-31 23:59:59.999+00",
        "",
    ],
];

#[tokio::test]
async fn every_type_is_written_exactly_by_every_codec_and_version() {
    let codecs = [
        Codec::UNCOMPRESSED,
        Codec::SNAPPY,
        Codec::GZIP(GzipLevel::default()),
        Codec::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let properties = plain()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary);
                let content = file(EVERY, properties, &[&every, &every]);
                let (csv, ..) = converted(&[content], &Options::default()).await;
                let lines = parsed(&csv, b"\n");
                assert_eq!(lines.len(), 5);
                for (line, expected) in lines[1..].iter().zip(EXPECTED.iter().cycle()) {
                    let texts: Vec<_> = line.iter().map(text).collect();
                    assert_eq!(texts, expected, "{codec:?} {version:?} {dictionary}");
                }
            }
        }
    }
}

fn text(field: &Field) -> &str {
    std::str::from_utf8(field.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn delta_encodings_are_read() {
    let values: Vec<_> =
        (0..3000).map(|n| ByteArray::from(&*format!("some common prefix {}", n * 7))).collect();
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::PLAIN]
    {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = plain()
                .set_dictionary_enabled(false)
                .set_encoding(encoding)
                .set_writer_version(version)
                .set_data_page_row_count_limit(700);
            let def = vec![1; values.len()];
            let group = |columns: &mut Columns<'_>| {
                columns.add::<ByteArrayType>(&values, Some(&def), None);
            };
            let content = file("message m { optional binary s (STRING); }", properties, &[&group]);
            let (csv, ..) = converted(&[content], &Options::default()).await;
            let lines: Vec<_> = std::str::from_utf8(&csv).unwrap().lines().skip(1).collect();
            let expected: Vec<_> = values.iter().map(|value| value.as_utf8().unwrap()).collect();
            assert!(lines == expected, "{encoding} {version:?}");
        }
    }
}

pub(super) const NESTED: &str = "message m {
    optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
    optional group props (MAP) { repeated group key_value {
        required int32 key; optional double value; } }
    required group point { required int64 x; optional group inner (LIST) {
        repeated group list { required int32 element (DECIMAL(5,2)); } } }
}";

/// Rows: `["a","q\"é\n"],{1:2.5,7:NaN},(1,[1.50])` · `[],{},(2,NULL)` · `[NULL],NULL,(3,[])` · `NULL,{5:NULL},(4,[0.01,0.02])`.
pub(super) fn nested(columns: &mut Columns<'_>) {
    columns
        .add::<ByteArrayType>(
            &[ByteArray::from("a"), ByteArray::from("q\"\u{e9}\n")],
            Some(&[3, 3, 1, 2, 0]),
            Some(&[0, 1, 0, 0, 0]),
        )
        .add::<Int32Type>(&[1, 7, 5], Some(&[2, 2, 1, 0, 2]), Some(&[0, 1, 0, 0, 0]))
        .add::<DoubleType>(&[2.5, f64::NAN], Some(&[3, 3, 1, 0, 2]), Some(&[0, 1, 0, 0, 0]))
        .add::<Int64Type>(&[1, 2, 3, 4], None, None)
        .add::<Int32Type>(&[150, 1, 2], Some(&[2, 0, 1, 2, 2]), Some(&[0, 0, 0, 0, 1]));
}

#[tokio::test]
async fn nested_values_are_json() {
    let (csv, manifest, _) =
        converted(&[file(NESTED, plain(), &[&nested])], &Options::default()).await;
    let lines = parsed(&csv, b"\n");
    let read =
        |field: &Field| field.as_deref().map(|text| String::from_utf8(text.to_vec()).unwrap());
    let rows: Vec<Vec<_>> = lines[1..].iter().map(|line| line.iter().map(read).collect()).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            [
                some("[\"a\",\"q\\\"\u{e9}\\n\"]"),
                some("{\"1\":2.5,\"7\":\"NaN\"}"),
                some("{\"x\":1,\"inner\":[1.50]}")
            ],
            [some("[]"), some("{}"), some("{\"x\":2,\"inner\":null}")],
            [some("[null]"), None, some("{\"x\":3,\"inner\":[]}")],
            [None, some("{\"5\":null}"), some("{\"x\":4,\"inner\":[0.01,0.02]}")],
        ]
    );
    assert!(manifest.columns.iter().all(|column| column.kind == "json"));
}

/// A value for each row that is made of the one before it, without end.
#[tokio::test]
async fn prefixes_that_make_much_of_little_are_refused() {
    let values: Vec<_> = (0..2000).map(|n| ByteArray::from(vec![b'x'; 100_000 + n])).collect();
    let properties = plain()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_data_page_row_count_limit(10_000);
    let group = |columns: &mut Columns<'_>| {
        columns.add::<ByteArrayType>(&values, None, None);
    };
    let content = file("message m { required binary s (STRING); }", properties, &[&group]);
    assert!(content.len() < 1 << 20, "{}", content.len());
    let error = super::tests::run(&super::tests::store(&[content]), &Options::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.what().contains("the 2000 values of a page take 20"), "{error}");
}

/// One row of a list that refers to one value of a dictionary over and over.
#[tokio::test]
async fn a_row_that_makes_much_of_little_is_refused() {
    const SCHEMA: &str = "message m { repeated binary s (STRING); }";
    for (items, why) in [
        (100_000usize, "row 1: column s makes its row longer than 16777216 bytes"),
        (3_000_000, "the 3000000 values of a page take"),
    ] {
        let value = ByteArray::from(vec![b'x'; 1000]);
        let values = vec![value; items];
        let def = vec![1; items];
        let mut rep = vec![1; items];
        rep[0] = 0;
        let group = |columns: &mut Columns<'_>| {
            columns.add::<ByteArrayType>(&values, Some(&def), Some(&rep));
        };
        let properties = plain().set_data_page_row_count_limit(usize::MAX);
        let content = file(SCHEMA, properties, &[&group]);
        assert!(content.len() < 1 << 20, "{}", content.len());
        let memory = Memory { pages: 64 << 20, ..Memory::default() };
        let options = Options { memory, ..Options::default() };
        let error = super::tests::run(&super::tests::store(&[content]), &options).await;
        let error = error.unwrap_err();
        assert!(error.what().contains(why), "{error}");
    }
}
