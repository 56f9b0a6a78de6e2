//! How items are written.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Fault, MemoryTables, injected};
use crate::error::{Error, ErrorClass, Result};
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

fn refused(what: impl Into<String>) -> Error {
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

impl TableWriter for MemoryWriter {
    async fn write(&self, items: &[Bytes]) -> Result<ports::Answer<Bytes>> {
        let mut state = self.tables.state();
        match state.meet("Write") {
            Some(Fault::Error(class)) => return Err(injected("Write", class)),
            Some(Fault::Refusal(code)) => return Err(refused(code)),
            None => {}
        }
        state.writes.calls += 1;
        let calls = state.writes.calls;
        let bytes: usize = items.iter().map(Bytes::len).sum();
        if items.is_empty() || items.len() > ITEMS || bytes > BATCH {
            return Err(refused(format!("a batch of {} items, {bytes} bytes", items.len())));
        }
        state.writes.largest = state.writes.largest.max(items.len());
        let now = |every: u32| every > 0 && calls.is_multiple_of(every);
        let (throttled, partly) =
            (now(state.writes.throttled_every), now(state.writes.partly_every));
        let table = state.tables.get_mut(&self.table);
        let table = table.ok_or_else(|| refused(format!("there is no table {}", self.table)))?;
        if table.polls > 0 {
            return Err(refused(format!("the table {} is not active", self.table)));
        }
        let mut read = Vec::new();
        let mut keys = BTreeSet::new();
        for item in items {
            let item: Value = serde_json::from_slice(item).map_err(|e| refused(e.to_string()))?;
            let key = key_of(&table.create, &item).map_err(refused)?;
            if size(&json!({"M": item})) > ITEM + 3 {
                return Err(refused("an item of more than 400 KB"));
            }
            if !keys.insert(key.clone()) {
                return Err(refused(format!("the key {key} is twice in a batch")));
            }
            read.push((key, item));
        }
        if throttled {
            return Ok(ports::Answer::Throttled);
        }
        let left = read.split_off(if partly { read.len() / 2 } else { read.len() });
        table.items.extend(read);
        let left: Vec<_> =
            left.into_iter().map(|(_, item)| json!({"PutRequest": {"Item": item}})).collect();
        let unprocessed =
            if left.is_empty() { json!({}) } else { json!({self.table.as_str(): left}) };
        let body = json!({"UnprocessedItems": unprocessed}).to_string();
        Ok(ports::Answer::Done(Bytes::from(body)))
    }
}
