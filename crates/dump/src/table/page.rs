//! The answer to a Scan, divided into the texts of its items.
//!
//! Values are never read: an item's text goes into the backup as it came, so no type and no
//! digit can be lost.

use autodump_core::{Error, ErrorClass, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What stands around each item in a line, as `ImportTable` reads it.
const BEFORE: &[u8] = b"{\"Item\":";
const AFTER: &[u8] = b"}\n";

/// A page whose body was divided.
#[derive(Debug)]
pub(super) struct Page<'a> {
    items: Vec<&'a RawValue>,
    next: Option<&'a RawValue>,
    /// Read units that it took; `None` where the answer does not say.
    pub(super) units: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    count: u64,
    #[serde(borrow, default)]
    last_evaluated_key: Option<&'a RawValue>,
    #[serde(default)]
    consumed_capacity: Option<ConsumedCapacity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConsumedCapacity {
    #[serde(default)]
    capacity_units: Option<f64>,
}

impl<'a> Page<'a> {
    /// Divides the body of an answer. One that is no such body, or has another number of items
    /// than it says, is an error of class [`ErrorClass::Source`].
    pub(super) fn of(body: &'a [u8]) -> Result<Self> {
        let body: Body<'a> =
            serde_json::from_slice(body).map_err(|error| broken(&format!("is none: {error}")))?;
        let is_object = |value: &&'a RawValue| value.get().starts_with('{');
        if body.items.len() as u64 != body.count {
            let (has, says) = (body.items.len(), body.count);
            return Err(broken(&format!("has {has} items, and says {says}")));
        }
        if !body.items.iter().all(is_object) {
            return Err(broken("has an item that is no object"));
        }
        if !body.last_evaluated_key.as_ref().is_none_or(is_object) {
            return Err(broken("has a LastEvaluatedKey that is no object"));
        }
        let units = body.consumed_capacity.and_then(|consumed| consumed.capacity_units);
        let units = units.filter(|units| units.is_finite() && *units >= 0.0);
        Ok(Self { items: body.items, next: body.last_evaluated_key, units })
    }

    /// How many items it has.
    pub(super) fn items(&self) -> u64 {
        self.items.len() as u64
    }

    /// The text of the key that the next page begins after; `None` on a segment's last page.
    pub(super) fn next(&self) -> Option<&'a str> {
        self.next.map(RawValue::get)
    }

    /// The texts of its items, as they came.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.items.iter().map(|item| item.get())
    }

    /// Its items as lines.
    pub(super) fn lines(&self) -> Vec<u8> {
        let around = BEFORE.len() + AFTER.len();
        let bytes = self.items.iter().map(|item| item.get().len() + around).sum();
        let mut lines = Vec::with_capacity(bytes);
        for item in &self.items {
            lines.extend_from_slice(BEFORE);
            let start = lines.len();
            lines.extend_from_slice(item.get().as_bytes());
            join_lines(&mut lines[start..]);
            lines.extend_from_slice(AFTER);
        }
        lines
    }
}

/// Makes line breaks spaces. In JSON they are never part of a string: they stand between tokens,
/// where a space is worth the same.
fn join_lines(text: &mut [u8]) {
    let is_break = |byte: u8| byte == b'\n' || byte == b'\r';
    // A fold over all of them, as nearly no text has one and this way it is fast.
    if text.iter().fold(false, |found, byte| found | is_break(*byte)) {
        text.iter_mut().filter(|byte| is_break(**byte)).for_each(|byte| *byte = b' ');
    }
}

fn broken(why: &str) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("DynamoDB's answer to a Scan {why}"),
        "Look at what stands between this job and DynamoDB, such as an endpoint of your own",
    )
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
