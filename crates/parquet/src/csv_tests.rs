use proptest::prelude::*;

use super::*;
use crate::testing::parsed;

fn written(format: &Format, fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match field {
            Some(text) => format.text(text, &mut out),
            None => format.null(&mut out),
        }
    }
    out.extend_from_slice(format.line_end());
    out
}

#[test]
fn only_what_must_be_is_quoted() {
    let fields: [Option<&[u8]>; 9] = [
        Some(b"plain text"),
        Some(b"a,b"),
        Some(b"say \"hi\""),
        Some(b"two\nlines"),
        Some(b"\r"),
        Some(b""),
        None,
        Some(b"\\."),
        Some(b" \0;'"),
    ];
    let line = written(&Format::default(), &fields);
    let expected =
        b"plain text,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"\r\",\"\",,\"\\.\", \0;'\n";
    assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(expected));
}

#[test]
fn a_value_that_is_the_text_for_null_is_quoted() {
    let format = Format { null: "NULL".to_owned(), line_end: LineEnd::Crlf, header: true };
    let line = written(&format, &[None, Some(b"NULL"), Some(b"null"), Some(b"")]);
    assert_eq!(line, b"NULL,\"NULL\",null,\"\"\r\n");
    let mut number = b"1,7".to_vec();
    let format = Format { null: "7".to_owned(), ..format };
    format.unlike_null(2, &mut number);
    assert_eq!(number, b"1,\"7\"");
    Format::default().unlike_null(2, &mut number);
    assert_eq!(number, b"1,\"7\"");
    for format in [Format::default(), format] {
        let mut empty = b"1,".to_vec();
        format.unlike_null(2, &mut empty);
        assert_eq!(empty, b"1,\"\"");
    }
}

#[test]
fn a_null_text_that_is_no_text_is_refused() {
    for null in ["", "NULL", "\\N", "n/a"] {
        Format { null: null.to_owned(), ..Format::default() }.check().unwrap();
    }
    for null in [",", "\"", "\n", "a\rb"] {
        let format = Format { null: null.to_owned(), ..Format::default() };
        assert_eq!(format.check().unwrap_err().class(), ErrorClass::Configuration, "{null}");
    }
}

/// Short texts and long ones are doubled in different ways.
#[test]
fn quotes_are_doubled_wherever_they_stand() {
    for length in [1, 2, SHORT - 1, SHORT, SHORT + 1, 3 * SHORT] {
        let all = "\"".repeat(length);
        let mut out = Vec::new();
        quoted(all.as_bytes(), &mut out);
        assert_eq!(out, "\"".repeat(2 * length + 2).as_bytes());
        for at in 0..length {
            let text = format!("{}\"{}", "a".repeat(at), "b".repeat(length - at - 1));
            let mut out = b"before,".to_vec();
            quoted(text.as_bytes(), &mut out);
            let expected = format!("before,\"{}\"", text.replace('"', "\"\""));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        lines in prop::collection::vec(
            prop::collection::vec(prop::option::of("[ab\",\r\n\\\\.\0\u{e4}]{0,6}"), 2..5), 1..6),
        crlf in any::<bool>(),
    ) {
        let line_end = if crlf { LineEnd::Crlf } else { LineEnd::Lf };
        let format = Format { line_end, ..Format::default() };
        let mut csv = Vec::new();
        for line in &lines {
            let fields: Vec<_> = line.iter().map(|f| f.as_deref().map(str::as_bytes)).collect();
            csv.extend(written(&format, &fields));
        }
        let lines: Vec<Vec<_>> = lines
            .into_iter()
            .map(|line| line.into_iter().map(|field| field.map(String::into_bytes)).collect())
            .collect();
        prop_assert_eq!(parsed(&csv, format.line_end()), lines);
    }
}
