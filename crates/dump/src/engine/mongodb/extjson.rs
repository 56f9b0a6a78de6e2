//! BSON as canonical extended JSON, version 2: definitions of collections in an archive are
//! written so. Fields stay in their order, which means something in an index.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bson::Decimal128;

use super::raw::{Element, Elements, Malformed};

/// A document.
pub(super) fn document(bytes: &[u8]) -> Result<String, Malformed> {
    let mut out = String::new();
    fields(bytes, &mut out)?;
    Ok(out)
}

/// A text, with quotes.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quoted(text, &mut out);
    out
}

/// The items of an array, or documents, as an array.
pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", Vec::from_iter(items).join(","))
}

fn fields(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    out.push('{');
    for (number, field) in Elements::of(bytes)?.enumerate() {
        let field = field?;
        comma(number, out);
        quoted(field.name, out);
        out.push(':');
        value(&field, out)?;
    }
    out.push('}');
    Ok(())
}

fn items(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    out.push('[');
    for (number, item) in Elements::of(bytes)?.enumerate() {
        comma(number, out);
        value(&item?, out)?;
    }
    out.push(']');
    Ok(())
}

fn comma(number: usize, out: &mut String) {
    if number > 0 {
        out.push(',');
    }
}

fn value(field: &Element<'_>, out: &mut String) -> Result<(), Malformed> {
    let bytes = field.value;
    match field.kind {
        0x01 => named("$numberDouble", &double(f64::from_le_bytes(of(bytes)?)), out),
        0x02 => quoted(utf8(bytes)?, out),
        0x03 => fields(bytes, out)?,
        0x04 => items(bytes, out)?,
        0x05 => binary(bytes, out)?,
        0x06 => out.push_str(r#"{"$undefined":true}"#),
        0x07 => named("$oid", &hex::encode(bytes), out),
        0x08 => out.push_str(if bytes == [0] { "false" } else { "true" }),
        0x09 => {
            out.push_str(r#"{"$date":"#);
            named("$numberLong", &i64::from_le_bytes(of(bytes)?).to_string(), out);
            out.push('}');
        }
        0x0a => out.push_str("null"),
        0x0b => regular_expression(bytes, out)?,
        0x0c => pointer(bytes, out)?,
        0x0d => named("$code", utf8(bytes)?, out),
        0x0e => named("$symbol", utf8(bytes)?, out),
        0x0f => code_with_scope(bytes, out)?,
        0x10 => named("$numberInt", &i32::from_le_bytes(of(bytes)?).to_string(), out),
        0x11 => {
            let [low, high] = halves(u64::from_le_bytes(of(bytes)?));
            // Writing to a text cannot fail.
            let _ = write!(out, r#"{{"$timestamp":{{"t":{high},"i":{low}}}}}"#);
        }
        0x12 => named("$numberLong", &i64::from_le_bytes(of(bytes)?).to_string(), out),
        0x13 => named("$numberDecimal", &Decimal128::from_bytes(of(bytes)?).to_string(), out),
        0x7f => out.push_str(r#"{"$maxKey":1}"#),
        0xff => out.push_str(r#"{"$minKey":1}"#),
        other => return Err(Malformed::Type(other)),
    }
    Ok(())
}

fn of<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Value)
}

/// The seconds stand above the number within them.
fn halves(timestamp: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = timestamp.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{number:?}")
    }
}

/// The text in a value that has its length before and a zero behind it.
fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    let text = bytes.get(4..).and_then(|text| text.strip_suffix(&[0])).ok_or(Malformed::Value)?;
    std::str::from_utf8(text).map_err(|_| Malformed::Value)
}

fn binary(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let (subtype, data) = bytes.get(4..).and_then(<[u8]>::split_first).ok_or(Malformed::Value)?;
    // The oldest of the subtypes has its length once more.
    let data = if *subtype == 2 { data.get(4..).ok_or(Malformed::Value)? } else { data };
    let data = BASE64_STANDARD.encode(data);
    let _ = write!(out, r#"{{"$binary":{{"base64":"{data}","subType":"{subtype:02x}"}}}}"#);
    Ok(())
}

fn regular_expression(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut texts = bytes.split(|byte| *byte == 0);
    let mut next = || {
        let text = texts.next().ok_or(Malformed::Value)?;
        std::str::from_utf8(text).map_err(|_| Malformed::Value)
    };
    let (pattern, options) = (text(next()?), text(next()?));
    let _ = write!(out, r#"{{"$regularExpression":{{"pattern":{pattern},"options":{options}}}}}"#);
    Ok(())
}

fn pointer(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let (collection, id) =
        bytes.split_at_checked(bytes.len().saturating_sub(12)).ok_or(Malformed::Value)?;
    let (collection, id) = (text(utf8(collection)?), hex::encode(id));
    let _ = write!(out, r#"{{"$dbPointer":{{"$ref":{collection},"$id":{{"$oid":"{id}"}}}}}}"#);
    Ok(())
}

fn code_with_scope(bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let rest = bytes.get(4..).ok_or(Malformed::Value)?;
    let length = super::raw::length_of(rest).and_then(|length| usize::try_from(length).ok());
    let end = length.ok_or(Malformed::Value)?.saturating_add(4);
    let (code, scope) = rest.split_at_checked(end).ok_or(Malformed::Value)?;
    out.push_str(r#"{"$code":"#);
    quoted(utf8(code)?, out);
    out.push_str(r#","$scope":"#);
    fields(scope, out)?;
    out.push('}');
    Ok(())
}

/// `{"name":"text"}`.
fn named(name: &str, text: &str, out: &mut String) {
    out.push_str("{\"");
    out.push_str(name);
    out.push_str("\":");
    quoted(text, out);
    out.push('}');
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if u32::from(other) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[path = "extjson_tests.rs"]
mod tests;
