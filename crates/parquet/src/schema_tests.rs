use super::*;
use crate::column::{ColumnInfo, Node, Shape};
use crate::text::Kind;

fn column(name: &str, kind: Kind) -> Column {
    let node = Node { first: 0, leaves: 1, def: 0, shape: Shape::Leaf(kind) };
    let info = ColumnInfo { name: name.to_owned(), kind: kind.name().to_owned(), nullable: true };
    Column { info, node, signature: kind.name().to_owned() }
}

fn rule(schema: &str, kind: Kind) -> Rule {
    let schema = format!("{{\"columns\": [{{\"name\": \"c\", {schema}}}]}}");
    let schema = TableSchema::read(schema.as_bytes()).unwrap();
    schema.rules().unwrap().for_columns(&[column("c", kind)], "s3://b/k").unwrap().remove(0)
}

fn refused(schema: &str) -> String {
    let error = TableSchema::read(schema.as_bytes()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    error.what().to_owned()
}

#[test]
fn null_is_only_where_it_may_be() {
    let strict = rule("\"nullable\": false", Kind::Text);
    assert_eq!(strict.check(None), Err("is NULL".to_owned()));
    assert_eq!(strict.check(Some(b"")), Ok(()));
    assert_eq!(rule("\"nullable\": true", Kind::Text).check(None), Ok(()));
    assert_eq!(rule("\"pattern\": \"x\"", Kind::Text).check(None), Ok(()));
}

#[test]
fn patterns_match_anywhere_unless_they_say_so() {
    let anywhere = rule("\"pattern\": \"[0-9]{2}\"", Kind::Text);
    assert_eq!(anywhere.check(Some(b"a12b")), Ok(()));
    assert_eq!(anywhere.check(Some(b"a1")).unwrap_err(), "does not match [0-9]{2}: \"a1\"");
    let whole = rule("\"pattern\": \"^.{3}$\"", Kind::Text);
    assert_eq!(whole.check(Some("\u{e4}\u{f6}\u{fc}".as_bytes())), Ok(()));
    assert!(whole.check(Some(b"abcd")).is_err());
}

#[test]
fn bounds_are_of_the_type() {
    let range =
        rule("\"type\": \"integer\", \"min\": -5, \"max\": 18446744073709551616", Kind::Int);
    for (text, fits) in [("-5", true), ("-6", false), ("18446744073709551615", true), ("0", true)] {
        assert_eq!(range.check(Some(text.as_bytes())).is_ok(), fits, "{text}");
    }
    let exact = "\"type\": \"decimal\", \"max\": \"0.10000000000000000000000000000000000001\"";
    let exact = rule(exact, Kind::Decimal { scale: 38 });
    assert_eq!(exact.check(Some(b"0.10000000000000000000000000000000000001")), Ok(()));
    let above = exact.check(Some(b"0.10000000000000000000000000000000000002"));
    assert!(above.unwrap_err().starts_with("is above its maximum"));
    let days = rule("\"type\": \"date\", \"min\": \"2026-01-01\"", Kind::Date);
    assert_eq!(days.check(Some(b"2026-01-01")), Ok(()));
    assert!(days.check(Some(b"2025-12-31")).unwrap_err().starts_with("is below its minimum"));
    let length = rule("\"type\": \"string\", \"min\": 1, \"max\": 3", Kind::Text);
    assert_eq!(length.check(Some("\u{e4}\u{f6}\u{fc}".as_bytes())), Ok(()));
    assert!(length.check(Some(b"")).is_err());
    assert!(length.check(Some(b"four")).is_err());
}

#[test]
fn a_text_must_be_what_its_type_says() {
    for (kind, good, bad) in [
        ("integer", &["0", "-12"][..], &["", "-", "1.0", "a"][..]),
        ("decimal", &["1", "-1.5"], &["Infinity", "NaN", "", "1,5"]),
        ("float", &["1e-7", "NaN", "-Infinity"], &["nan", "x"]),
        ("boolean", &["true", "f"], &["1", "TRUE", ""]),
        ("date", &["2024-02-29", "0001-01-01"], &["2023-02-29", "2024-13-01", "24-01-01", "x"]),
        ("time", &["00:00:00", "23:59:59.5", "01:02:03+00"], &["25:00:00", "1:2:3", "00:00:00."]),
        ("timestamp", &["2024-02-29 12:34:56.123+00", "2024-02-29T00:00:00Z"], &["2024-02-29"]),
        ("uuid", &["00010203-0405-0607-0809-0a0b0c0d0e0f"], &["00010203", ""]),
        ("json", &["{\"a\": [1]}", "null"], &["{", ""]),
    ] {
        let rule = rule(&format!("\"type\": \"{kind}\""), Kind::Text);
        for text in good {
            assert_eq!(rule.check(Some(text.as_bytes())), Ok(()), "{kind}");
        }
        for text in bad {
            let why = rule.check(Some(text.as_bytes())).unwrap_err();
            assert_eq!(why, format!("is no {kind}: {text:?}"));
        }
    }
}

#[test]
fn a_file_has_the_columns_of_the_schema() {
    let schema = "{\"columns\": [{\"name\": \"a\", \"type\": \"date\"}, {\"name\": \"b\"}]}";
    let rules = TableSchema::read(schema.as_bytes()).unwrap().rules().unwrap();
    let (a, b) = (column("a", Kind::Date), column("b", Kind::Int));
    assert_eq!(rules.for_columns(&[b.clone(), a.clone()], "f").unwrap().len(), 2);
    for (columns, why) in [
        (vec![a.clone()], "f lacks column b of the table schema"),
        (
            vec![a.clone(), b.clone(), column("z", Kind::Int)],
            "f has column z, the table schema has not",
        ),
        (vec![column("a", Kind::Int), b], "f has column a as integer, the table schema as date"),
    ] {
        let error = rules.for_columns(&columns, "f").unwrap_err();
        assert_eq!((error.what(), error.class()), (why, ErrorClass::Verification));
    }
}

#[test]
fn a_schema_that_makes_no_sense_is_refused() {
    for (schema, why) in [
        ("{", "is not understood"),
        ("{\"columns\": [{\"name\": \"a\", \"typ\": \"date\"}]}", "typ"),
        ("{\"columns\": [{\"name\": \"a\", \"type\": \"money\"}]}", "money"),
        ("{\"columns\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "has column a twice"),
        ("{\"columns\": [{\"name\": \"a\", \"pattern\": \"(\"}]}", "pattern of column a"),
        ("{\"columns\": [{\"name\": \"a\", \"min\": -1}]}", "column a has a min or max"),
        ("{\"columns\": [{\"name\": \"a\", \"type\": \"date\", \"max\": 7}]}", "min or max"),
        ("{\"columns\": [{\"name\": \"a\", \"type\": \"integer\", \"max\": \"x\"}]}", "min or max"),
    ] {
        let what = refused(schema);
        assert!(what.contains(why), "{what}");
    }
}

#[test]
fn long_texts_are_shown_by_their_beginning() {
    let why = rule("\"max\": 1", Kind::Text).check(Some("\u{e4}".repeat(500).as_bytes()));
    assert_eq!(why.unwrap_err(), format!("is above its maximum: \"{}\"…", "\u{e4}".repeat(60)));
}
