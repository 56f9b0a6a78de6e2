//! A line's item: its text as it is, and its key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use autodump_core::table::number::canonical;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// An item to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its JSON text, as it came.
    pub(crate) text: Bytes,
    /// Its key: equal to another's if, and only if, DynamoDB takes the two for the same, however
    /// they are written.
    pub(crate) key: Vec<u8>,
}

/// The key of an item that a table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// As [`Item::key`].
    pub(super) form: Vec<u8>,
    /// The JSON text of the key alone.
    pub(super) text: Bytes,
}

/// Binary values as anybody may write them.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Item {
    /// Which of `workers` writes it: always the same one, so that of two of an object with the
    /// same key the later is written later.
    pub(crate) fn worker(&self, workers: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        usize::try_from(hasher.finish() % workers.max(1) as u64).unwrap_or_default()
    }

    /// What writing it takes, in write units; rather more, since its text is longer than it.
    pub(crate) fn units(text: &Bytes) -> f64 {
        Self::units_of(text.len())
    }

    /// The same for an item whose text has so many bytes. To delete it takes as much.
    pub(super) fn units_of(bytes: usize) -> f64 {
        let units = bytes.div_ceil(1024).max(1);
        f64::from(u32::try_from(units).unwrap_or(u32::MAX))
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "Item")]
    item: &'a RawValue,
}

/// Reads lines of a table whose key has these attributes: names and types.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    keys: Vec<(String, String)>,
}

impl Reader {
    pub(crate) const fn new(keys: Vec<(String, String)>) -> Self {
        Self { keys }
    }

    /// The item of a line, or what is wrong with it: a sentence fragment without a value, since
    /// values belong to customers.
    pub(crate) fn read(&self, line: &[u8]) -> Result<Item, String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| told(&error))?;
        let text = line.item.get();
        let key = self.form(&self.values(text)?);
        Ok(Item { text: Bytes::copy_from_slice(text.as_bytes()), key })
    }

    /// The key of an item, given as it is; what is wrong with it is told as by [`Self::read`].
    pub(super) fn key(&self, item: &str) -> Result<Key, String> {
        let values = self.values(item)?;
        let parts = self.keys.iter().zip(&values);
        let key: Map<String, Value> =
            parts.map(|((name, kind), value)| (name.clone(), json!({kind: value}))).collect();
        let text = Bytes::from(Value::Object(key).to_string());
        Ok(Key { form: self.form(&values), text })
    }

    /// The values of the key's attributes, as they are written.
    fn values(&self, item: &str) -> Result<Vec<String>, String> {
        let mut parser = serde_json::Deserializer::from_str(item);
        let found = Keys(&self.keys).deserialize(&mut parser).map_err(|error| told(&error))?;
        let value = |((name, kind), found): (&(String, String), Attribute)| {
            found
                .and_then(|mut value| value.remove(kind.as_str()).filter(|_| value.is_empty()))
                .ok_or_else(|| format!("has no key attribute {name} of type {kind}"))
        };
        self.keys.iter().zip(found).map(value).collect()
    }

    /// What is no number, or not binary, is left as it is: DynamoDB says what is wrong with it.
    fn form(&self, values: &[String]) -> Vec<u8> {
        let mut form = Vec::new();
        for ((_, kind), value) in self.keys.iter().zip(values) {
            let value = match kind.as_str() {
                "N" => canonical(value).map(String::into_bytes),
                "B" => BINARY.decode(value).ok(),
                _ => None,
            }
            .map_or(Cow::Borrowed(value.as_bytes()), Cow::Owned);
            form.extend_from_slice(&(value.len() as u64).to_be_bytes());
            form.extend_from_slice(&value);
        }
        form
    }
}

/// What serde says, without what it may quote.
fn told(error: &serde_json::Error) -> String {
    format!("is no item in DynamoDB's JSON (column {})", error.column())
}

/// Takes the values of some attributes, and passes over all others.
struct Keys<'a>(&'a [(String, String)]);

type Attribute = Option<BTreeMap<String, String>>;
type Values = Vec<Attribute>;

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut found = vec![None; self.0.len()];
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match self.0.iter().position(|(key, _)| *key == name) {
                Some(index) => found[index] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader() -> Reader {
        Reader::new(vec![("id".to_owned(), "S".to_owned()), ("at".to_owned(), "N".to_owned())])
    }

    #[test]
    fn the_text_of_an_item_is_taken_as_it_is() {
        let item =
            r#"{ "at":{"N":"1"}, "n":{"N":"0.10"},"id":{"S":"a"},"l":{"L":[{"NULL":true}]}}"#;
        let read = reader().read(format!("{{\"Item\": {item}}}\r").as_bytes()).unwrap();
        assert_eq!(read.text, item);
        let other = reader().read(br#"{"Item":{"id":{"S":"\u0061"},"at":{"N":"1"}}}"#).unwrap();
        assert_eq!(read.key, other.key);
        assert_eq!(read.worker(7), other.worker(7));
        let other = reader().read(br#"{"Item":{"id":{"S":"a"},"at":{"N":"2"}}}"#).unwrap();
        assert_ne!(read.key, other.key);
    }

    proptest! {
        #[test]
        fn whatever_an_item_has_its_text_is_kept_and_its_key_found(
            id in "\\PC{1,20}",
            at in -1_000_000i64..1_000_000,
            others in prop::collection::btree_map("\\PC{0,10}", "\\PC{0,30}", 0..8),
            first in any::<bool>(),
        ) {
            let mut parts: Vec<_> = others
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "id" | "at"))
                .map(|(name, value)| format!("{}:{}", json!(name), json!({"M": {"S": value}})))
                .collect();
            let key = format!("{}:{},\"at\":{{\"N\":\"{at}\"}}", json!("id"), json!({"S": id}));
            parts.insert(if first { 0 } else { parts.len() }, key);
            let text = format!("{{{}}}", parts.join(","));
            let read = reader().read(format!("{{\"Item\":{text}}}").as_bytes()).unwrap();
            prop_assert_eq!(&read.text, text.as_bytes());
            let alone = json!({"Item": {"id": {"S": id}, "at": {"N": at.to_string()}}});
            prop_assert_eq!(read.key, reader().read(alone.to_string().as_bytes()).unwrap().key);
        }
    }

    #[test]
    fn keys_do_not_run_into_each_other() {
        let keys = vec![("a".to_owned(), "S".to_owned()), ("b".to_owned(), "S".to_owned())];
        let reader = Reader::new(keys);
        let key = |a: &str, b: &str| {
            let line = format!(r#"{{"Item":{{"a":{{"S":"{a}"}},"b":{{"S":"{b}"}}}}}}"#);
            reader.read(line.as_bytes()).unwrap().key
        };
        assert_ne!(key("x", "yz"), key("xy", "z"));
    }

    #[test]
    fn one_key_has_one_form_however_it_is_written() {
        let reader = |kind: &str| Reader::new(vec![("k".to_owned(), kind.to_owned())]);
        let key = |kind: &str, value: &str| {
            reader(kind).key(&json!({"k": {kind: value}, "other": {"N": "1"}}).to_string()).unwrap()
        };
        for (kind, one, other, same) in [
            ("N", "1", "1.0", true),
            ("N", "-0.10E3", "-100", true),
            ("N", "1", "-1", false),
            ("N", "1", "10", false),
            ("N", "one", "one", true),
            ("S", "1", "1.0", false),
            ("S", "AA==", "AA", false),
            ("B", "AA==", "AA", true),
            ("B", "AA==", "AB==", true),
            ("B", "AA==", "AQ==", false),
        ] {
            let (one, other) = (key(kind, one), key(kind, other));
            assert_eq!(one.form == other.form, same, "{kind}: {one:?} {other:?}");
        }
        assert_eq!(key("N", "1.0").text, r#"{"k":{"N":"1.0"}}"#);
        assert_eq!(key("S", "\"\n").text, r#"{"k":{"S":"\"\n"}}"#);
        let line = br#"{"Item":{"k":{"N":"1"},"other":{"N":"1"}}}"#;
        assert_eq!(reader("N").read(line).unwrap().key, key("N", "1.0").form);
    }

    #[test]
    fn what_is_wrong_is_said_without_values() {
        for (line, why) in [
            (r#"{"Item":{"id":{"S":"geheim"}}}"#, "has no key attribute at of type N"),
            (r#"{"Item":{"id":{"N":"7"},"at":{"N":"1"}}}"#, "has no key attribute id of type S"),
            (r#"{"Item":{"id":"geheim","at":{"N":"1"}}}"#, "is no item in DynamoDB's JSON"),
            (r#"{"Keys":{"id":{"S":"geheim"}}}"#, "is no item in DynamoDB's JSON"),
            (r#"{"Item":{"id":{"S":"geheim"#, "is no item in DynamoDB's JSON"),
            (r#"{"Item":["geheim"]}"#, "is no item in DynamoDB's JSON"),
        ] {
            let told = reader().read(line.as_bytes()).unwrap_err();
            assert!(told.starts_with(why) && !told.contains("geheim"), "{line}: {told}");
        }
    }

    #[test]
    fn units_are_whole_and_at_least_one() {
        for (bytes, units) in [(0, 1.0), (1, 1.0), (1024, 1.0), (1025, 2.0)] {
            let counted = Item::units(&Bytes::from(vec![0; bytes]));
            assert!((counted - units).abs() < f64::EPSILON, "{bytes}: {counted}");
        }
    }
}
