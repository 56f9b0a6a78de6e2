//! Files that are odd and well, and some that only look so.

use std::future::pending;

use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};

use super::tests::{converted, destination, left, plain, run, store, table};
use super::*;
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
