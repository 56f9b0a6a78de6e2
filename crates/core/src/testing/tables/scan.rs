//! How items are read, page by page.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::items::{key_of, refused};
use super::{Fault, MemoryTables, Table, injected};
use crate::error::Result;
use crate::table::ports::{Answer, PageRequest, TableReader};

/// Items of a page.
const PAGE: usize = 10;

/// How scans go wrong, and how many pages were asked for.
#[derive(Default)]
pub(super) struct Scans {
    calls: u32,
    throttled_every: u32,
}

/// Reads one of the tables.
#[derive(Clone)]
pub struct MemoryReader {
    tables: MemoryTables,
    table: String,
}

impl MemoryTables {
    /// Reads a table of this name.
    #[must_use]
    pub fn reader(&self, table: &str) -> MemoryReader {
        MemoryReader { tables: self.clone(), table: table.to_owned() }
    }

    /// From now on every so many pages one is throttled; 0 is never, 1 is always.
    pub fn hinder_pages(&self, throttled_every: u32) {
        self.state().scans.throttled_every = throttled_every;
    }
}

impl TableReader for MemoryReader {
    async fn page(&self, request: &PageRequest) -> Result<Answer<Bytes>> {
        let mut state = self.tables.state();
        match state.meet("Page") {
            Some(Fault::Error(class)) => return Err(injected("Page", class)),
            Some(Fault::Refusal(code)) => return Err(refused(code)),
            None => {}
        }
        state.scans.calls += 1;
        let every = state.scans.throttled_every;
        if every > 0 && state.scans.calls.is_multiple_of(every) {
            return Ok(Answer::Throttled);
        }
        let table = state.tables.get(&self.table);
        let table = table.ok_or_else(|| refused(format!("there is no table {}", self.table)))?;
        page(table, request).map(Answer::Done).map_err(refused)
    }

    async fn id(&self) -> Result<Option<String>> {
        Ok(self.tables.state().tables.get(&self.table).map(Table::id))
    }
}

fn page(table: &Table, request: &PageRequest) -> Result<Bytes, String> {
    let PageRequest { segment, total_segments, from, limit, .. } = request;
    if *total_segments == 0 || segment >= total_segments {
        return Err(format!("there is no segment {segment} of {total_segments}"));
    }
    let from = match from {
        Some(text) => {
            let key: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Bound::Excluded(key_of(&table.create, &key)?)
        }
        None => Bound::Unbounded,
    };
    let most = limit.map_or(PAGE, |limit| PAGE.min(limit as usize));
    let all = table.items.range((from, Bound::Unbounded));
    let mut found =
        all.filter(|(key, _)| hash(key) % u64::from(*total_segments) == u64::from(*segment));
    let items: Vec<_> = found.by_ref().take(most).map(|(_, item)| item).collect();
    let mut body = json!({"Items": items, "Count": items.len()});
    body["ConsumedCapacity"] = json!({"CapacityUnits": 1.0});
    // A full page does not know that it is the last.
    if let Some(last) = items.last().filter(|_| items.len() == most) {
        body["LastEvaluatedKey"] = Value::Object(key_alone(&table.create, last));
    }
    Ok(Bytes::from(body.to_string()))
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn key_alone(create: &Map<String, Value>, item: &Value) -> Map<String, Value> {
    let schema = create["KeySchema"].as_array().into_iter().flatten();
    let names = schema.filter_map(|part| part["AttributeName"].as_str());
    names.map(|name| (name.to_owned(), item[name].clone())).collect()
}
