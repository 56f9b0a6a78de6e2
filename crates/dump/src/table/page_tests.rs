use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn lines(body: &str) -> Vec<String> {
    let lines = String::from_utf8(Page::of(body.as_bytes()).unwrap().lines()).unwrap();
    assert!(lines.is_empty() || lines.ends_with('\n'));
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn items_pass_through_as_they_are() {
    let body = r#" {"Count":2, "Unknown":[{"Items":[]}],
        "Items":[{"n":{"N":"1.50E+3"},"s":{"S":"a\u00e9\"}]"}} , {"b" : {"B":"AA=="}, "b":{"B":""}}],
        "LastEvaluatedKey":{"id":{"N":"1"}},"ScannedCount":7,
        "ConsumedCapacity":{"TableName":"t","CapacityUnits":128.5}}"#;
    let page = Page::of(body.as_bytes()).unwrap();
    assert_eq!((page.items(), page.next()), (2, Some(r#"{"id":{"N":"1"}}"#)));
    assert_eq!(page.units, Some(128.5));
    let expected = [
        r#"{"Item":{"n":{"N":"1.50E+3"},"s":{"S":"a\u00e9\"}]"}}}"#,
        r#"{"Item":{"b" : {"B":"AA=="}, "b":{"B":""}}}"#,
    ];
    assert_eq!(lines(body), expected);
}

#[test]
fn a_page_may_be_empty_and_the_last_one() {
    for end in ["", r#","LastEvaluatedKey":null,"ConsumedCapacity":null"#] {
        let body = format!(r#"{{"Items":[],"Count":0{end}}}"#);
        let page = Page::of(body.as_bytes()).unwrap();
        assert_eq!((page.items(), page.next(), page.units), (0, None, None));
        assert_eq!(page.lines(), b"");
    }
}

#[test]
fn what_is_no_page_is_refused() {
    for (body, why) in [
        (r#"{"Items":[{}],"Count":2}"#, "has 1 items, and says 2"),
        (r#"{"Items":[{}]}"#, "missing field `Count`"),
        (r#"{"Count":0}"#, "missing field `Items`"),
        (r#"{"Items":[{},5],"Count":2}"#, "no object"),
        (r#"{"Items":[],"Count":0,"LastEvaluatedKey":"x"}"#, "LastEvaluatedKey"),
        (r#"{"Items":[],"Count":0} {}"#, "trailing"),
        (r#"{"Items":[{"a":}],"Count":1}"#, "is none"),
        ("", "is none"),
        ("<html>", "is none"),
    ] {
        let error = Page::of(body.as_bytes()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Source, "{body}");
        assert!(error.what().contains(why), "{body}: {error}");
    }
    let not_utf8 = b"{\"Items\":[{\"a\":{\"S\":\"\xff\"}}],\"Count\":1}";
    assert_eq!(Page::of(not_utf8).unwrap_err().class(), ErrorClass::Source);
}

#[test]
fn depth_does_no_harm() {
    let depth = 50_000;
    let item = format!("{{\"l\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let body = format!("{{\"Items\":[{item}],\"Count\":1}}");
    assert_eq!(lines(&body), [format!("{{\"Item\":{item}}}")]);
}

/// A text of JSON with spaces of all kinds, and some characters escaped.
fn text(value: &Value, spaces: &[&str], turn: &mut usize) -> String {
    let mut space = || {
        *turn += 1;
        spaces[*turn % spaces.len()]
    };
    let (a, b) = (space().to_owned(), space().to_owned());
    let list = |parts: Vec<String>, open: char, close: char| {
        format!("{a}{open}{b}{}{a}{close}{b}", parts.join(","))
    };
    match value {
        Value::Object(map) => {
            let part = |(key, value): (&String, &Value)| {
                let (key, value) = (escaped(key, *turn), text(value, spaces, turn));
                format!("{a}{key}{b}:{value}")
            };
            list(map.iter().map(part).collect(), '{', '}')
        }
        Value::Array(all) => {
            list(all.iter().map(|value| text(value, spaces, turn)).collect(), '[', ']')
        }
        Value::String(string) => format!("{a}{}{b}", escaped(string, *turn)),
        other => format!("{a}{other}{b}"),
    }
}

fn escaped(string: &str, turn: usize) -> String {
    let plain = || serde_json::to_string(string).unwrap();
    if turn.is_multiple_of(3) {
        let units: Vec<_> = string.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{}\"", units.concat())
    } else {
        plain()
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\\\\\"{}\\[\\],:\n\r\t/ é漢😀]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn item() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z\"\\\\{}]{0,3}", value(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn lines_are_the_items_whatever_they_look_like(
        items in prop::collection::vec(item(), 0..6),
        next in prop::option::of(item()),
        spaces in prop::collection::vec(prop::sample::select(&["", " ", "\n", "\r\n\t", "  "][..]), 1..7),
    ) {
        let mut body = json!({"Items": items, "Count": items.len(), "ScannedCount": 9});
        if let Some(next) = &next {
            body["LastEvaluatedKey"] = next.clone();
        }
        let body = text(&body, &spaces, &mut 0);
        let found = lines(&body);
        prop_assert_eq!(found.len(), items.len());
        for (line, item) in found.iter().zip(&items) {
            let line: Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(&line, &json!({"Item": item}));
        }
        let page = Page::of(body.as_bytes()).unwrap();
        let key = page.next().map(|key| serde_json::from_str::<Value>(key).unwrap());
        prop_assert_eq!(key, next);
    }

    #[test]
    fn a_body_that_is_cut_off_or_garbled_does_no_harm(
        items in prop::collection::vec(item(), 1..4),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let body = json!({"Items": items, "Count": items.len()}).to_string().into_bytes();
        let at = cut.index(body.len());
        prop_assert!(Page::of(&body[..at]).is_err());
        let mut garbled = body;
        garbled[at] = byte;
        if let Ok(page) = Page::of(&garbled) {
            let lines = String::from_utf8(page.lines()).unwrap();
            prop_assert_eq!(lines.lines().count() as u64, page.items());
        }
    }
}
