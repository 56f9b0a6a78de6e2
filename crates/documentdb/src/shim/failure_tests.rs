use bson::{RawDocument, rawdoc};

use super::{code, unpacked, write_result};

/// As `DocumentDB` 1.0 gave it for a second document of the same `_id`.
const DUPLICATE: i32 = 0x1304_001d;

#[test]
fn a_packed_state_is_unpacked() {
    assert_eq!(unpacked(DUPLICATE), "M001C");
    assert_eq!(code("M001C").0, 11000);
}

#[test]
fn a_state_that_is_not_known_is_an_internal_error() {
    assert_eq!(code("XX000"), (1, "InternalError"));
}

#[test]
fn write_errors_get_mongodbs_codes_and_all_else_stays() {
    let given = rawdoc! {
        "n": 3,
        "ok": 1.0,
        "writeErrors": [{ "index": 1, "code": DUPLICATE, "errmsg": "twice" }],
    };
    let wanted = rawdoc! {
        "n": 3,
        "ok": 1.0,
        "writeErrors": [{ "index": 1, "code": 11000, "errmsg": "twice" }],
    };
    let translated = write_result(given.as_bytes()).unwrap();
    assert_eq!(translated, wanted);
    assert!(RawDocument::from_bytes(translated.as_bytes()).is_ok());
}
