//! How items are written.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Fault, MemoryTables, injected};
use crate::error::{Error, ErrorClass, Result};
use crate::table::number::canonical;
use crate::table::ports::{self, TableWriter};

/// `BatchWriteItem`'s limits.
const ITEMS: usize = 25;
const BATCH: usize = 16 << 20;
const ITEM: usize = 400 << 10;

/// How writes go wrong, and how many there were.
#[derive(Default)]
pub(super) struct Writes {
    calls: u32,
    throttled_every: u32,
    partly_every: u32,
    largest: usize,
}

/// Writes one of the tables.
#[derive(Clone)]
pub struct MemoryWriter {
    tables: MemoryTables,
    table: String,
}

impl MemoryTables {
    /// Writes a table of this name.
    #[must_use]
    pub fn writer(&self, table: &str) -> MemoryWriter {
        MemoryWriter { tables: self.clone(), table: table.to_owned() }
    }

    /// From now on every so many calls a write is throttled as a whole, or leaves half of its
    /// items; 0 is never, 1 is always.
    pub fn hinder(&self, throttled_every: u32, partly_every: u32) {
        let mut state = self.state();
        state.writes.throttled_every = throttled_every;
        state.writes.partly_every = partly_every;
    }

    /// How many items the largest batch had.
    #[must_use]
    pub fn largest_batch(&self) -> usize {
        self.state().writes.largest
    }
}

pub(super) fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, "These are the tables of a test")
}

/// The text of an item's key, or what is wrong with it.
pub(super) fn key_of(create: &Map<String, Value>, item: &Value) -> Result<String, String> {
    let mut key = Vec::new();
    for part in create["KeySchema"].as_array().into_iter().flatten() {
        let name = &part["AttributeName"];
        let attributes = create["AttributeDefinitions"].as_array();
        let kind = attributes
            .and_then(|all| all.iter().find(|one| one["AttributeName"] == *name))
            .and_then(|one| one["AttributeType"].as_str());
        let value = name.as_str().and_then(|name| item.get(name));
        let (Some(kind), Some(value)) = (kind, value) else {
            return Err(format!("the item has no {name}"));
        };
        if value.get(kind).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("{name} is no {kind}, or empty"));
        }
        key.push(value.to_string());
    }
    Ok(key.join(" "))
}

/// An item whose attribute is of another type than an index takes is refused.
fn indexed(create: &Map<String, Value>, item: &Value) -> Result<(), String> {
    for part in create["AttributeDefinitions"].as_array().into_iter().flatten() {
        let name = part["AttributeName"].as_str().unwrap_or_default();
        let kind = part["AttributeType"].as_str().unwrap_or_default();
        let Some(value) = item.get(name) else { continue };
        if value.get(kind).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("the index key {name} is no {kind}, or empty"));
        }
    }
    Ok(())
}

/// Writes the numbers of an item's key as the service does: one number always the same.
fn normalise(create: &Map<String, Value>, item: &mut Value) -> Result<(), String> {
    for part in create["AttributeDefinitions"].as_array().into_iter().flatten() {
        let name = part["AttributeName"].as_str().unwrap_or_default();
        let Some(number) = item.get_mut(name).and_then(|value| value.get_mut("N")) else {
            continue;
        };
        let form = number.as_str().and_then(canonical).ok_or(format!("{name} is no number"))?;
        *number = json!(plain(&form));
    }
    Ok(())
}

/// A number in its canonical form, without an exponent.
fn plain(form: &str) -> String {
    let Some((digits, exponent)) = form.split_once('e') else { return form.to_owned() };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let exponent: isize = exponent.parse().unwrap_or_default();
    let zeros = "0".repeat(exponent.unsigned_abs());
    if exponent >= 0 {
        return format!("{sign}{digits}{zeros}");
    }
    let all = format!("{zeros}{digits}");
    let (whole, fraction) = all.split_at(all.len() - exponent.unsigned_abs());
    let whole = whole.trim_start_matches('0');
    format!("{sign}{}.{fraction}", if whole.is_empty() { "0" } else { whole })
}

/// Bytes of an attribute's value, roughly as the service counts them.
fn size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return 0;
    };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("B", Value::String(text)) => text.len() / 4 * 3,
        ("N", Value::String(text)) => text.len().div_ceil(2) + 1,
        ("L", Value::Array(all)) => 3 + all.iter().map(|one| 1 + size(one)).sum::<usize>(),
        ("M", Value::Object(all)) => 3 + all.iter().map(|(k, v)| k.len() + size(v)).sum::<usize>(),
        (_, Value::Array(all)) => all.iter().map(|one| one.to_string().len()).sum(),
        _ => 1,
    }
}

/// What a batch does with each of its entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Write,
    Delete,
}

impl MemoryWriter {
    fn batch(&self, verb: Verb, texts: &[Bytes]) -> Result<ports::Answer<Bytes>> {
        let mut state = self.tables.state();
        let name = if verb == Verb::Write { "Write" } else { "Delete" };
        match state.meet(name) {
            Some(Fault::Error(class)) => return Err(injected(name, class)),
            Some(Fault::Refusal(code)) => return Err(refused(code)),
            None => {}
        }
        let Some((throttled, partly)) = state.writes.count(texts) else {
            let bytes: usize = texts.iter().map(Bytes::len).sum();
            return Err(refused(format!("a batch of {} items, {bytes} bytes", texts.len())));
        };
        let table = state.tables.get_mut(&self.table);
        let table = table.ok_or_else(|| refused(format!("there is no table {}", self.table)))?;
        if table.polls > 0 {
            return Err(refused(format!("the table {} is not active", self.table)));
        }
        let mut read = Vec::new();
        let mut keys = BTreeSet::new();
        for text in texts {
            let (key, item) = entry(&table.create, verb, text).map_err(refused)?;
            if !keys.insert(key.clone()) {
                return Err(refused(format!("the key {key} is twice in a batch")));
            }
            read.push((key, item));
        }
        if throttled {
            return Ok(ports::Answer::Throttled);
        }
        let left = read.split_off(if partly { read.len() / 2 } else { read.len() });
        match verb {
            Verb::Write => table.items.extend(read),
            Verb::Delete => {
                for (key, _) in &read {
                    table.items.remove(key);
                }
            }
        }
        let request = |item: Value| match verb {
            Verb::Write => json!({"PutRequest": {"Item": item}}),
            Verb::Delete => json!({"DeleteRequest": {"Key": item}}),
        };
        let left: Vec<_> = left.into_iter().map(|(_, item)| request(item)).collect();
        let unprocessed =
            if left.is_empty() { json!({}) } else { json!({self.table.as_str(): left}) };
        let body = json!({"UnprocessedItems": unprocessed}).to_string();
        Ok(ports::Answer::Done(Bytes::from(body)))
    }
}

impl Writes {
    /// Counts a call: whether it is throttled, and whether it leaves half; none where it is not
    /// within the limits.
    fn count(&mut self, texts: &[Bytes]) -> Option<(bool, bool)> {
        self.calls += 1;
        let bytes: usize = texts.iter().map(Bytes::len).sum();
        if texts.is_empty() || texts.len() > ITEMS || bytes > BATCH {
            return None;
        }
        self.largest = self.largest.max(texts.len());
        let now = |every: u32| every > 0 && self.calls.is_multiple_of(every);
        Some((now(self.throttled_every), now(self.partly_every)))
    }
}

/// An item, or a key and nothing else, as the table has it, and the text of its key.
fn entry(create: &Map<String, Value>, verb: Verb, text: &Bytes) -> Result<(String, Value), String> {
    let mut item: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    normalise(create, &mut item)?;
    let key = key_of(create, &item)?;
    indexed(create, &item)?;
    let parts = create["KeySchema"].as_array().map_or(0, Vec::len);
    if verb == Verb::Delete && item.as_object().is_none_or(|key| key.len() != parts) {
        return Err("the key has other attributes too".to_owned());
    }
    if size(&json!({"M": item})) > ITEM + 3 {
        return Err("an item of more than 400 KB".to_owned());
    }
    Ok((key, item))
}

impl TableWriter for MemoryWriter {
    async fn write(&self, items: &[Bytes]) -> Result<ports::Answer<Bytes>> {
        self.batch(Verb::Write, items)
    }

    async fn delete(&self, keys: &[Bytes]) -> Result<ports::Answer<Bytes>> {
        self.batch(Verb::Delete, keys)
    }
}
