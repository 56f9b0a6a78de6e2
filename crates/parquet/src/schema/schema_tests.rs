use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::column::{ColumnInfo, Items, Node, Shape};
use crate::text::{Kind, Unit};

fn shaped(name: &str, shape: Shape) -> Column {
    let kind = if let Shape::Leaf(kind) = shape { kind } else { Kind::Json };
    let node = Node { first: 0, leaves: 1, def: 0, shape };
    let info = ColumnInfo { name: name.to_owned(), kind: kind.name().to_owned(), nullable: true };
    Column { info, node, signature: kind.name().to_owned() }
}

fn column(name: &str, kind: Kind) -> Column {
    shaped(name, Shape::Leaf(kind))
}

fn list(name: &str) -> Column {
    let item = Node { first: 0, leaves: 1, def: 1, shape: Shape::Leaf(Kind::Int) };
    shaped(name, Shape::List(Items { def: 1, rep: 1, item: Box::new(item) }))
}

/// A schema of one column.
fn of(rule: &str) -> String {
    format!("{{\"type\": \"object\", \"properties\": {{\"c\": {rule}}}}}")
}

fn rule(rule: &str, kind: Kind) -> Rule {
    let schema = TableSchema::read(of(rule).as_bytes()).unwrap();
    schema.for_columns(&[column("c", kind)], "s3://b/k").unwrap().remove(0)
}

fn refused(schema: &str) -> String {
    let error = TableSchema::read(schema.as_bytes()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    error.what().to_owned()
}

const DECIMAL: Kind = Kind::Decimal { scale: 38 };

/// Each keyword with a column, what it accepts, what it rejects, and the reason that is given.
const KEYWORDS: &[(&str, Kind, &[&str], &str, &str)] = &[
    (r#"{"type": "integer", "minimum": 1}"#, Kind::Int, &["1", "7"], "0", "breaks minimum 1"),
    (
        r#"{"type": "integer", "exclusiveMinimum": -1}"#,
        Kind::Int,
        &["0"],
        "-1",
        "breaks exclusiveMinimum -1",
    ),
    (
        r#"{"type": "integer", "maximum": 18446744073709551616}"#,
        Kind::Unsigned,
        &["18446744073709551615"],
        "18446744073709551617",
        "breaks maximum 18446744073709551616",
    ),
    (
        r#"{"type": "number", "exclusiveMaximum": 1e2}"#,
        Kind::Float,
        &["99.5", "-Infinity"],
        "100",
        "breaks exclusiveMaximum 1e2",
    ),
    (
        r#"{"type": "number", "minimum": 0}"#,
        Kind::Float,
        &["Infinity", "-0"],
        "NaN",
        "breaks minimum 0",
    ),
    (
        r#"{"type": "number", "maximum": 0.10000000000000000000000000000000000001}"#,
        DECIMAL,
        &["0.10000000000000000000000000000000000001"],
        "0.10000000000000000000000000000000000002",
        "breaks maximum 0.10000000000000000000000000000000000001",
    ),
    (r#"{"type": "integer"}"#, Kind::Decimal { scale: 2 }, &["5.00"], "5.01", "is no integer"),
    (
        r#"{"type": "string", "minLength": 2}"#,
        Kind::Text,
        &["\u{e4}\u{f6}", "abc"],
        "\u{1f980}",
        "breaks minLength 2",
    ),
    (
        r#"{"type": "string", "maxLength": 2}"#,
        Kind::Text,
        &["", "\u{e4}\u{f6}"],
        "abc",
        "breaks maxLength 2",
    ),
    (
        r#"{"type": "string", "pattern": "^[A-Z]{3}$"}"#,
        Kind::Text,
        &["ABC"],
        "ABCD",
        "does not match its pattern ^[A-Z]{3}$",
    ),
    (
        r#"{"type": "string", "pattern": "[0-9]{2}"}"#,
        Kind::Text,
        &["a12b"],
        "a1",
        "does not match its pattern [0-9]{2}",
    ),
    (
        r#"{"type": "string", "enum": ["a", "b"]}"#,
        Kind::Text,
        &["a", "b"],
        "A",
        "is not in its enum",
    ),
    (
        r#"{"enum": [1, 2.50]}"#,
        Kind::Decimal { scale: 2 },
        &["1.00", "2.50"],
        "2.51",
        "is not in its enum",
    ),
    (r#"{"type": "boolean", "const": true}"#, Kind::Bool, &["true"], "false", "is not in its enum"),
    (r#"{"type": "null"}"#, Kind::Int, &[], "0", "is no null"),
    (r#"{"type": "object"}"#, Kind::Json, &[" {\"a\": [1]}"], "[1]", "is no object"),
    (r#"{"type": "array"}"#, Kind::Text, &["[]"], "[", "is no array"),
];

#[test]
fn each_keyword_accepts_and_rejects() {
    for (schema, kind, good, bad, why) in KEYWORDS {
        let rule = rule(schema, *kind);
        for text in *good {
            assert_eq!(rule.check(Some(text.as_bytes())), Ok(()), "{schema} {text}");
        }
        // Without the value, which may be a secret.
        assert_eq!(rule.check(Some(bad.as_bytes())), Err((*why).to_owned()), "{schema}");
    }
}

#[test]
fn null_is_only_where_it_may_be() {
    for (schema, allowed) in [
        (r#"{"type": "string"}"#, false),
        (r#"{"type": ["string", "null"]}"#, true),
        (r#"{"type": ["null", "string"], "pattern": "x"}"#, true),
        ("{}", true),
        ("true", true),
        (r#"{"enum": ["a"]}"#, false),
        (r#"{"enum": ["a", null]}"#, true),
        (r#"{"type": "string", "enum": ["a", null]}"#, false),
        (r#"{"type": ["string", "null"], "enum": ["a"]}"#, false),
        (r#"{"const": null}"#, true),
    ] {
        let expected = if allowed { Ok(()) } else { Err("is NULL".to_owned()) };
        assert_eq!(rule(schema, Kind::Text).check(None), expected, "{schema}");
    }
    assert!(rule(r#"{"const": null}"#, Kind::Text).check(Some(b"x")).is_err());
}

#[test]
fn a_text_must_be_what_its_type_or_format_says() {
    let formats = |name| format!("\"type\": \"string\", \"format\": \"{name}\"");
    let types = |name| format!("\"type\": \"{name}\"");
    let encoded = |name| format!("\"type\": \"string\", \"contentEncoding\": \"{name}\"");
    for (schema, name, good, bad) in [
        (types("integer"), "integer", &["0", "-12", "5.0"][..], &["", "-", "1.5", "a", "NaN"][..]),
        (types("number"), "number", &["1e-7", "NaN", "-Infinity"], &["nan", "x", "1,5", ""]),
        (types("boolean"), "boolean", &["true", "f"], &["1", "TRUE", ""]),
        (types("object"), "object", &["{\"a\": [1]}"], &["{", "", "[]", "null"]),
        (formats("date"), "date", &["2024-02-29", "0001-01-01"], &["2023-02-29", "24-01-01", "x"]),
        (
            formats("time"),
            "time",
            &["23:59:59.5", "01:02:03+00"],
            &["25:00:00", "1:2:3", "00:00:00."],
        ),
        (
            formats("date-time"),
            "date-time",
            &["2024-02-29 12:34:56.123+00", "2024-02-29T00:00:00Z"],
            &["2024-02-29"],
        ),
        (formats("uuid"), "uuid", &["00010203-0405-0607-0809-0a0b0c0d0e0f"], &["00010203", ""]),
        (formats("byte"), "base64", &["", "AP8="], &["AP8", "?"]),
        (encoded("base64"), "base64", &["AP8="], &["\\x00ff"]),
        (encoded("base16"), "base16", &["00fF", ""], &["0", "0g"]),
    ] {
        let rule = rule(&format!("{{{schema}}}"), Kind::Text);
        for text in good {
            assert_eq!(rule.check(Some(text.as_bytes())), Ok(()), "{name}");
        }
        for text in bad {
            let why = rule.check(Some(text.as_bytes())).unwrap_err();
            assert_eq!(why, format!("is no {name}"), "{text:?}");
        }
    }
}

#[test]
fn what_the_file_says_itself_is_not_looked_at_again() {
    let utc = true;
    for (schema, kinds) in [
        (r#"{"type": "integer"}"#, &[Kind::Int, Kind::Unsigned, Kind::Decimal { scale: 0 }][..]),
        (r#"{"type": "number"}"#, &[Kind::Int, Kind::Float, Kind::Decimal { scale: 3 }]),
        (r#"{"type": "boolean"}"#, &[Kind::Bool]),
        (
            r#"{"type": "string"}"#,
            &[Kind::Text, Kind::Json, Kind::Binary, Kind::Uuid, Kind::Date, Kind::Interval],
        ),
        (r#"{"type": "string", "format": "date"}"#, &[Kind::Date]),
        (r#"{"type": "string", "format": "time"}"#, &[Kind::Time { unit: Unit::Micros, utc }]),
        (
            r#"{"type": "string", "format": "date-time"}"#,
            &[Kind::Timestamp { unit: Unit::Nanos, utc }],
        ),
        (r#"{"type": "string", "format": "uuid"}"#, &[Kind::Uuid]),
        (r#"{"type": "string", "format": "byte"}"#, &[Kind::Binary]),
    ] {
        for kind in kinds {
            // No text of theirs would be taken for one.
            assert_eq!(rule(schema, *kind).check(Some(b"?")), Ok(()), "{schema} {kind:?}");
        }
    }
    let schema = TableSchema::read(of(r#"{"type": ["array", "null"]}"#).as_bytes()).unwrap();
    assert!(schema.for_columns(&[list("c")], "f").is_ok());
}

#[test]
fn a_file_has_the_columns_of_the_schema() {
    let read = |required: Value, additional: bool| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "orders", "description": "what is ordered", "type": "object",
            "properties": {"a": {"type": "string", "format": "date"}, "b": {"title": "any"}},
            "required": required, "additionalProperties": additional,
        });
        TableSchema::read(schema.to_string().as_bytes()).unwrap()
    };
    let (a, b, z) = (column("a", Kind::Date), column("b", Kind::Int), column("z", Kind::Int));
    let strict = read(json!(["a"]), false);
    for columns in [vec![b.clone(), a.clone()], vec![a.clone()]] {
        assert_eq!(strict.for_columns(&columns, "f").unwrap().len(), columns.len());
    }
    let open = read(json!(["z"]), true);
    assert_eq!(open.for_columns(&[a.clone(), z.clone()], "f").unwrap().len(), 2);
    for (schema, columns, why) in [
        (&strict, vec![b.clone()], "f lacks column a, which the table schema requires"),
        (&open, vec![a.clone()], "f lacks column z, which the table schema requires"),
        (
            &strict,
            vec![a, z],
            "f has column z, which the table schema has not, nor additionalProperties",
        ),
        (
            &strict,
            vec![column("a", Kind::Int)],
            "f has column a as integer, the table schema as date",
        ),
        (&strict, vec![list("a")], "f has column a as json, the table schema as date"),
    ] {
        let error = schema.for_columns(&columns, "f").unwrap_err();
        assert_eq!((error.what(), error.class()), (why, ErrorClass::Verification));
    }
    let all = TableSchema::read(b"{\"type\": \"object\"}").unwrap();
    assert!(all.for_columns(&[b], "f").unwrap()[0].check(None).is_ok());
}

#[test]
fn a_schema_that_makes_no_sense_is_refused() {
    for (schema, why) in [
        ("{", "the table schema is not understood"),
        ("[]", "the table schema is not understood: invalid type: sequence, expected an object"),
        ("{}", "the table schema lacks \"type\": \"object\""),
        (r#"{"type": "array"}"#, "has type \"array\", and a row is an object"),
        (r#"{"columns": []}"#, "the table schema has the keyword columns, which is not supported"),
        (r##"{"type": "object", "$ref": "#/x"}"##, "the keyword $ref"),
        (r#"{"type": "object", "additionalProperties": {}}"#, "not true or false"),
        (
            r#"{"type": "object", "required": "a"}"#,
            "has required \"a\", which is not a list of names",
        ),
        (r#"{"type": "object", "properties": {"a": {}, "a": {}}}"#, "it has a twice"),
        (r#"{"type": "object", "properties": []}"#, "properties that are not understood"),
        (r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "draft-07/schema#, and"),
    ] {
        let what = refused(schema);
        assert!(what.contains(why), "{what}");
    }
    for (rule, why) in [
        (r#"{"typ": "string"}"#, "has the keyword typ, which is not supported"),
        (r#"{"type": "string", "formatMinimum": "x"}"#, "the keyword formatMinimum"),
        (r#"{"type": "number", "multipleOf": 2}"#, "the keyword multipleOf"),
        (r#"{"anyOf": []}"#, "the keyword anyOf"),
        (r#"{"type": "date"}"#, "has type date, which is none"),
        (r#"{"type": ["string", "integer"]}"#, "one is supported, and null"),
        (r#"{"type": []}"#, "has type [], which nothing is"),
        (r#"{"type": "string", "format": "email"}"#, "has format email, which is not supported"),
        (r#"{"type": "string", "contentEncoding": "7bit"}"#, "has contentEncoding 7bit"),
        (
            r#"{"type": "string", "format": "date", "contentEncoding": "base64"}"#,
            "another contentEncoding",
        ),
        (r#"{"type": "string", "pattern": "("}"#, "has a pattern that is not understood"),
        (r#"{"type": "string", "pattern": "(?=x)"}"#, "has a pattern that is not understood"),
        (r#"{"pattern": "x"}"#, "has pattern, which needs the type string"),
        (r#"{"format": "date"}"#, "has format, which needs the type string"),
        (
            r#"{"type": "string", "minimum": 1}"#,
            "has minimum, which needs the type integer or number",
        ),
        (r#"{"type": "integer", "maxLength": 1}"#, "has maxLength, which needs the type string"),
        (r#"{"type": "integer", "minimum": "1"}"#, "has minimum \"1\", which it cannot be"),
        (r#"{"type": "string", "maxLength": -1}"#, "has maxLength -1, which it cannot be"),
        (r#"{"enum": []}"#, "has enum []"),
        (r#"{"enum": [[1]]}"#, "has enum [[1]]"),
        (r#"{"enum": [1, "a"]}"#, "an enum of several types"),
        (r#"{"type": "string", "enum": [1]}"#, "an enum of integer and another type"),
        (r#"{"enum": [1], "const": 1}"#, "has both enum and const"),
        ("false", "is not understood"),
    ] {
        let what = refused(&of(rule));
        assert!(
            what.starts_with("the table schema, column c: it ") && what.contains(why),
            "{what}"
        );
    }
}

proptest! {
    #[test]
    fn bounds_are_those_of_the_numbers(value in -2000i64..2000, bound in -2000i64..2000, scale in 0u32..4) {
        let point = |number: i64| format!("{number}e-{scale}");
        for (keyword, fits) in [
            ("minimum", value >= bound),
            ("exclusiveMinimum", value > bound),
            ("maximum", value <= bound),
            ("exclusiveMaximum", value < bound),
            ("const", value == bound),
        ] {
            let rule = rule(&format!("{{\"type\": \"number\", \"{keyword}\": {}}}", point(bound)), Kind::Float);
            prop_assert_eq!(rule.check(Some(point(value).as_bytes())).is_ok(), fits, "{}", keyword);
        }
    }

    #[test]
    fn lengths_are_those_of_the_characters(text in "\\PC{0,6}", bound in 0usize..7) {
        let length = text.chars().count();
        for (keyword, fits) in [("minLength", length >= bound), ("maxLength", length <= bound)] {
            let rule = rule(&format!("{{\"type\": \"string\", \"{keyword}\": {bound}}}"), Kind::Text);
            prop_assert_eq!(rule.check(Some(text.as_bytes())).is_ok(), fits, "{}", keyword);
        }
    }

    #[test]
    fn any_json_is_read_or_refused(keyword in "type|enum|const|pattern|format|minimum|minLength|x",
        value in "[\\[\\]{}\",:a-e0-9. -]{0,12}") {
        if let Err(error) = TableSchema::read(of(&format!("{{\"{keyword}\": {value}}}")).as_bytes()) {
            prop_assert_eq!(error.class(), ErrorClass::Configuration);
        }
    }
}
