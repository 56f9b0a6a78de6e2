use bson::{Bson, Document, RawDocumentBuf, doc};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn raw(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).unwrap().into_bytes()
}

/// As [`every_type`] is written.
const WRITTEN: [&str; 25] = [
    r#""double":{"$numberDouble":"1.0"}"#,
    r#""large":{"$numberDouble":"1e300"}"#,
    r#""none":{"$numberDouble":"NaN"}"#,
    r#""down":{"$numberDouble":"-Infinity"}"#,
    r#""text":"a\"\\\n\u0001ü""#,
    r#""document":{"b":{"$numberInt":"1"},"a":{"$numberInt":"-1"}}"#,
    r#""array":[{"$numberInt":"1"},"x",null]"#,
    r#""binary":{"$binary":{"base64":"AQID","subType":"00"}}"#,
    r#""old":{"$binary":{"base64":"BAU=","subType":"02"}}"#,
    r#""undefined":{"$undefined":true}"#,
    r#""id":{"$oid":"070707070707070707070707"}"#,
    r#""yes":true"#,
    r#""no":false"#,
    r#""date":{"$date":{"$numberLong":"-1"}}"#,
    r#""null":null"#,
    r#""regex":{"$regularExpression":{"pattern":"^a\"b","options":"im"}}"#,
    r#""code":{"$code":"f()"}"#,
    r#""symbol":{"$symbol":"s"}"#,
    r#""scope":{"$code":"g()","$scope":{"x":{"$numberInt":"1"}}}"#,
    r#""int":{"$numberInt":"-5"}"#,
    r#""long":{"$numberLong":"9223372036854775807"}"#,
    r#""time":{"$timestamp":{"t":9,"i":4}}"#,
    r#""decimal":{"$numberDecimal":"1.50E+3"}"#,
    r#""least":{"$minKey":1}"#,
    r#""most":{"$maxKey":1}"#,
];

fn every_type() -> Document {
    let id = bson::oid::ObjectId::from_bytes([7; 12]);
    doc! {
        "double": 1.0, "large": 1e300, "none": f64::NAN, "down": f64::NEG_INFINITY,
        "text": "a\"\\\n\u{1}ü", "document": {"b": 1, "a": -1}, "array": [1, "x", Bson::Null],
        "binary": Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2, 3],
        }),
        "old": Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::BinaryOld, bytes: vec![4, 5],
        }),
        "undefined": Bson::Undefined, "id": id, "yes": true, "no": false,
        "date": bson::DateTime::from_millis(-1), "null": Bson::Null,
        "regex": Bson::RegularExpression(bson::Regex {
            pattern: bson::raw::CString::try_from("^a\"b").unwrap(),
            options: bson::raw::CString::try_from("im").unwrap(),
        }),
        "code": Bson::JavaScriptCode("f()".to_owned()), "symbol": Bson::Symbol("s".to_owned()),
        "scope": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
            code: "g()".to_owned(), scope: doc! {"x": 1},
        }),
        "int": -5, "long": i64::MAX, "time": Bson::Timestamp(bson::Timestamp { time: 9, increment: 4 }),
        "decimal": "1.50E+3".parse::<Decimal128>().unwrap(),
        "least": Bson::MinKey, "most": Bson::MaxKey,
    }
}

#[test]
fn every_type_is_written_as_the_specification_has_it() {
    let written = document(&raw(&every_type())).unwrap();
    assert_eq!(written, format!("{{{}}}", WRITTEN.join(",")));
}

/// The pointer into a collection is a type that the crate cannot make.
#[test]
fn a_pointer_is_written_and_what_is_cut_off_is_an_error() {
    let mut bytes = Vec::new();
    let value = [&[3, 0, 0, 0, b'a', b'b', 0][..], &[9; 12]].concat();
    super::super::raw::Writer::new(&mut bytes).value("p", 0x0c, &value).end();
    let expected = format!(
        r#"{{"p":{{"$dbPointer":{{"$ref":"ab","$id":{{"$oid":"{}"}}}}}}}}"#,
        "09".repeat(12)
    );
    assert_eq!(document(&bytes).unwrap(), expected);
    assert_eq!(document(&bytes[..bytes.len() - 1]), Err(Malformed::Length));
}

proptest! {
    /// What a reader of JSON makes of a text, and of names, is what they were.
    #[test]
    fn texts_and_names_come_back(name in "[^\0]{0,12}", value in "\\PC{0,12}|[\u{0}-\u{1f}]{0,5}") {
        let written = document(&raw(&doc! {name.clone(): value.clone()})).unwrap();
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(read, json!({name: value.clone()}));
        prop_assert_eq!(serde_json::from_str::<String>(&text(&value)).unwrap(), value);
    }
}
