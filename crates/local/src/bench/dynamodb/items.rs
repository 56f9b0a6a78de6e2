//! The benchmark's items: orders, log lines, documents and readings of a shop, as DynamoDB writes them in JSON.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::Value;

use super::super::rng::Rng;
use super::super::rows::{Writer, words};

/// What stands around an item in a line of a backup: `{"Item":` before it, a brace and a line break after it.
const AROUND: u64 = 10;

/// One item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its JSON, such as `{"pk":{"S":"order#1"},"sk":{"S":"2024"}}`.
    pub(super) text: String,
    /// Its bytes as DynamoDB counts them: names and values, without JSON.
    pub(super) counted: u64,
}

impl Item {
    /// The bytes of its line in a backup.
    pub(super) fn line(&self) -> u64 {
        self.text.len() as u64 + AROUND
    }
}

/// Items without end; the same seed gives the same ones. No two have the same key.
pub(super) struct Items {
    rng: Rng,
    words: Vec<String>,
    made: u64,
}

impl Items {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), words: words(), made: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Item> {
        self.made += 1;
        let kind = self.rng.pick(&[KINDS[0], KINDS[0], KINDS[1], KINDS[1], KINDS[2], KINDS[3]]);
        let mut text = Vec::with_capacity(2048);
        let mut writer = Writer { out: &mut text, rng: &mut self.rng, words: &self.words };
        write!(writer.out, "{{\"pk\":{{\"S\":\"{kind}#{:016x}\"}},\"sk\":{{\"S\":\"", self.made)?;
        writer.time(self.made)?;
        writer.out.extend_from_slice(b"\"}");
        match kind {
            "order" => order(&mut writer)?,
            "event" => event(&mut writer)?,
            "document" => document(&mut writer)?,
            _ => reading(&mut writer)?,
        }
        writer.out.push(b'}');
        let text = String::from_utf8(text)?;
        let counted = counted(&serde_json::from_str(&text)?);
        Ok(Item { text, counted })
    }
}

const KINDS: [&str; 4] = ["order", "event", "document", "reading"];

fn order(w: &mut Writer<'_>) -> io::Result<()> {
    let status = w.rng.pick(&["paid", "shipped", "delivered", "delivered", "returned"]);
    let (customer, paid) = (w.rng.below(400_000), status != "returned");
    write!(w.out, ",\"customer\":{{\"N\":\"{customer}\"}},\"status\":{{\"S\":\"{status}\"}}")?;
    write!(
        w.out,
        ",\"paid\":{{\"BOOL\":{paid}}},\"coupon\":{{\"NULL\":true}},\"token\":{{\"S\":\""
    )?;
    w.uuid()?;
    w.out.extend_from_slice(b"\"},\"total\":{\"N\":\"");
    w.money(900)?;
    w.out.extend_from_slice(b"\"},\"lines\":{\"L\":[");
    for n in 0..=w.rng.below(4) {
        let (comma, sku) = (if n > 0 { "," } else { "" }, w.rng.below(90_000_000));
        write!(
            w.out,
            "{comma}{{\"M\":{{\"sku\":{{\"S\":\"{sku:08}\"}},\"quantity\":{{\"N\":\"{}\"}}",
            n + 1
        )?;
        w.out.extend_from_slice(b",\"price\":{\"N\":\"");
        w.money(400)?;
        w.out.extend_from_slice(b"\"}}}");
    }
    w.out.extend_from_slice(b"]}");
    Ok(())
}

fn event(w: &mut Writer<'_>) -> io::Result<()> {
    let level = w.rng.pick(&["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"]);
    let service = w.rng.pick(&["checkout", "catalogue", "billing", "search", "accounts"]);
    write!(w.out, ",\"level\":{{\"S\":\"{level}\"}},\"service\":{{\"S\":\"{service}\"}}")?;
    w.out.extend_from_slice(b",\"trace\":{\"B\":\"");
    base64(w, 24);
    write!(w.out, "\"}},\"took\":{{\"N\":\"{}\"}},\"message\":{{\"S\":\"", w.rng.skewed(3000))?;
    let words = 8 + w.rng.below(18);
    w.sentence(words);
    w.out.extend_from_slice(b"\"}");
    Ok(())
}

fn document(w: &mut Writer<'_>) -> io::Result<()> {
    let locale = w.rng.pick(&["de-DE", "fr-FR", "pt-PT", "sv-SE"]);
    write!(w.out, ",\"locale\":{{\"S\":\"{locale}\"}},\"body\":{{\"M\":{{\"title\":{{\"S\":\"")?;
    w.sentence(4);
    w.out.extend_from_slice(b"\"},\"tags\":{\"SS\":[");
    for n in 0..=w.rng.below(4) {
        // A set holds nothing twice.
        let (comma, word) = (if n > 0 { "," } else { "" }, w.word().to_owned());
        write!(w.out, "{comma}\"{word}-{n}\"")?;
    }
    write!(w.out, "]}},\"draft\":{{\"BOOL\":{}}},\"text\":{{\"S\":\"", w.rng.below(4) == 0)?;
    let words = 60 + w.rng.below(240);
    w.sentence(words);
    w.out.extend_from_slice(b"\"}}},\"image\":{\"B\":\"");
    base64(w, 400);
    w.out.extend_from_slice(b"\"}");
    Ok(())
}

fn reading(w: &mut Writer<'_>) -> io::Result<()> {
    let (base, noise) = (15 + w.rng.below(10), w.rng.below(10_000));
    write!(
        w.out,
        ",\"sensor\":{{\"N\":\"{}\"}},\"value\":{{\"N\":\"{base}.{noise:04}\"}}",
        w.rng.below(250)
    )?;
    w.out.extend_from_slice(b",\"window\":{\"NS\":[");
    for n in 0..6 {
        let comma = if n > 0 { "," } else { "" };
        write!(w.out, "{comma}\"{n}.{:09}1\"", w.rng.below(1_000_000_000))?;
    }
    w.out.extend_from_slice(b"]}");
    Ok(())
}

/// So many characters of base64, a multiple of four.
fn base64(w: &mut Writer<'_>, characters: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for _ in 0..characters {
        let index = usize::try_from(w.rng.below(64)).unwrap_or_default();
        w.out.push(ALPHABET[index]);
    }
}

/// The bytes of an item: of each attribute its name, and its value.
fn counted(item: &Value) -> u64 {
    let attributes = item.as_object().into_iter().flatten();
    attributes.map(|(name, value)| name.len() as u64 + size(value)).sum()
}

/// As DynamoDB documents it: a number has a byte for two digits and one more, a list or map three bytes and one for
/// each element.
fn size(value: &Value) -> u64 {
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return 0;
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().len() as u64;
    let number = |value: &Value| text(value).div_ceil(2) + 1;
    let elements = value.as_array().into_iter().flatten();
    match kind.as_str() {
        "S" => text(value),
        "N" => number(value),
        "B" => text(value) / 4 * 3,
        "SS" => elements.map(text).sum(),
        "NS" => elements.map(number).sum(),
        "L" => 3 + elements.map(|element| 1 + size(element)).sum::<u64>(),
        "M" => 3 + counted(value) + value.as_object().map_or(0, serde_json::Map::len) as u64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_json_with_keys_of_their_own_and_of_every_kind() {
        let mut items = Items::new(7);
        let (mut keys, mut types) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..500 {
            let item = items.next().unwrap();
            let value: Value = serde_json::from_str(&item.text).unwrap();
            let key = (value["pk"]["S"].as_str().unwrap(), value["sk"]["S"].as_str().unwrap());
            assert!(keys.insert((key.0.to_owned(), key.1.to_owned())), "{}", item.text);
            for (_, value) in value.as_object().unwrap() {
                types.extend(value.as_object().unwrap().keys().cloned());
            }
            assert!(item.counted > 100 && item.counted < item.text.len() as u64, "{}", item.text);
        }
        let all = ["B", "BOOL", "L", "M", "N", "NS", "NULL", "S"];
        assert_eq!(types.iter().map(String::as_str).collect::<Vec<_>>(), all);
    }

    #[test]
    fn the_same_seed_gives_the_same_items() {
        let texts = |seed| {
            let mut items = Items::new(seed);
            (0..20).map(|_| items.next().unwrap().text).collect::<Vec<_>>()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
    }

    #[test]
    fn bytes_are_counted_as_documented() {
        let item = json!({"pk": {"S": "abc"}, "n": {"N": "1234"}, "b": {"B": "AAAA"},
            "l": {"L": [{"S": "xy"}, {"BOOL": true}]}, "m": {"M": {"k": {"S": "v"}}}});
        // pk 2 + 3, n 1 + 3, b 1 + 3, l 1 + 3 + 3 + 2, m 1 + 3 + 2 + 1
        assert_eq!(counted(&item), 5 + 4 + 4 + 9 + 7);
    }
}
