//! How a collection is cut into ranges of `_id`, and where it must not be.
//!
//! A query by `$gte` and `$lt` finds values of one type alone, and no NaN. Every range but the
//! first begins where the one before ends, and the outer ones are open: together they are the
//! collection only if all its `_id` are of one type.

use std::cmp::Ordering;

use super::raw::{Element, Writer};

/// An `_id` as it stands in BSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    kind: u8,
    value: Vec<u8>,
}

impl Id {
    /// The value of a field.
    #[must_use]
    pub fn of(field: &Element<'_>) -> Self {
        Self { kind: field.kind, value: field.value.to_vec() }
    }

    /// Makes it the value of another field.
    pub(super) fn set(&mut self, field: &Element<'_>) {
        self.kind = field.kind;
        self.value.clear();
        self.value.extend_from_slice(field.value);
    }

    /// The same value as a field.
    pub(super) fn field(&self) -> Element<'_> {
        Element { kind: self.kind, name: "_id", value: &self.value }
    }

    fn key(&self) -> Option<Key<'_>> {
        Key::of(&self.field())
    }
}

/// How two values stand to each other where they are compared as MongoDB does it without a
/// collation. `None` where they are of types that are not cut, or not of one.
#[must_use]
pub fn compare(one: &Element<'_>, other: &Element<'_>) -> Option<Ordering> {
    Key::of(one)?.compare(Key::of(other)?)
}

/// A value that is compared with those of its type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Key<'a> {
    Integer(i64),
    Double(f64),
    Text(&'a [u8]),
    /// Its length, and its subtype with its bytes.
    Binary(usize, &'a [u8]),
    Object(&'a [u8]),
    Date(i64),
    Timestamp(u64),
}

impl<'a> Key<'a> {
    /// What a value is compared as. `None` where it is none of the types that are cut.
    fn of(field: &Element<'a>) -> Option<Self> {
        let value = field.value;
        match field.kind {
            0x01 => {
                let number = f64::from_le_bytes(value.try_into().ok()?);
                (!number.is_nan()).then_some(Key::Double(number))
            }
            0x10 => Some(Key::Integer(i32::from_le_bytes(value.try_into().ok()?).into())),
            0x12 => Some(Key::Integer(i64::from_le_bytes(value.try_into().ok()?))),
            0x02 => value.get(4..).map(Key::Text),
            0x05 => Some(Key::Binary(value.len(), value.get(4..)?)),
            0x07 => Some(Key::Object(value)),
            0x09 => Some(Key::Date(i64::from_le_bytes(value.try_into().ok()?))),
            0x11 => Some(Key::Timestamp(u64::from_le_bytes(value.try_into().ok()?))),
            _ => None,
        }
    }

    /// As MongoDB has it without a collation. `None` where the types differ, or where a large
    /// integer is compared with a fraction.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) | (Self::Date(a), Self::Date(b)) => {
                Some(a.cmp(&b))
            }
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Integer(a), Self::Double(b)) => exact(a)?.partial_cmp(&b),
            (Self::Double(a), Self::Integer(b)) => a.partial_cmp(&exact(b)?),
            (Self::Text(a), Self::Text(b)) | (Self::Object(a), Self::Object(b)) => Some(a.cmp(b)),
            (Self::Binary(a, of_a), Self::Binary(b, of_b)) => Some((a, of_a).cmp(&(b, of_b))),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }
}

/// The same number as a fraction, where there is one.
fn exact(number: i64) -> Option<f64> {
    let small = i32::try_from(number >> 21).is_ok();
    #[allow(clippy::cast_precision_loss, reason = "it has at most 53 bits")]
    small.then_some(number as f64)
}

/// A range of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The first `_id` that may be in it; else there is no lower end.
    pub from: Option<Id>,
    /// An `_id` that all that are in it come after; else there is no such end.
    pub after: Option<Id>,
    /// The first `_id` that is in it no more; else there is no upper end.
    pub below: Option<Id>,
}

impl Range {
    /// What of it comes after `id`, which is in it.
    #[must_use]
    pub fn after(&self, id: Id) -> Self {
        Self { after: Some(id), from: None, below: self.below.clone() }
    }

    /// Whether a value certainly is not in it.
    #[must_use]
    pub fn lacks(&self, id: &Element<'_>) -> bool {
        let is = |end: &Option<Id>, ordering: &[Ordering]| {
            let end = end.as_ref().and_then(|end| compare(id, &end.field()));
            end.is_some_and(|found| ordering.contains(&found))
        };
        is(&self.from, &[Ordering::Less])
            || is(&self.after, &[Ordering::Less, Ordering::Equal])
            || is(&self.below, &[Ordering::Greater, Ordering::Equal])
    }

    /// The filter of a query that finds it, as a document.
    #[must_use]
    pub fn filter(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let filter = Writer::new(&mut out);
        let ends = [("$gte", &self.from), ("$gt", &self.after), ("$lt", &self.below)];
        let filter = if ends.iter().all(|(_, end)| end.is_none()) {
            filter
        } else {
            filter.document("_id", |writer| {
                ends.iter().fold(writer, |writer, (name, end)| match end {
                    Some(Id { kind, value }) => writer.value(name, *kind, value),
                    None => writer,
                })
            })
        };
        filter.end();
        out
    }
}

/// How a collection is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// By one cursor, and why.
    Whole(&'static str),
    /// By ranges: at least one.
    Ranges(Vec<Range>),
}

/// Cuts a collection into at most `parts` ranges. `smallest` and `largest` are its first and
/// last `_id` in the server's order, and `sample` some others in that order.
#[must_use]
pub fn split(smallest: &Id, largest: &Id, sample: &[Id], parts: usize) -> Split {
    let (Some(first), Some(last)) = (smallest.key(), largest.key()) else {
        return Split::Whole("its _id are of a type that is not cut into ranges");
    };
    if first.compare(last).is_none() {
        return Split::Whole("its _id are of several types");
    }
    let mut ends: Vec<&Id> = Vec::new();
    for id in boundaries(sample, parts) {
        let before = ends.last().map_or(smallest, |before| before);
        let (Some(before), Some(key)) = (before.key(), id.key()) else {
            return Split::Whole("its _id are of several types");
        };
        match before.compare(key) {
            Some(Ordering::Less) => ends.push(id),
            Some(Ordering::Equal) => {}
            Some(Ordering::Greater) => {
                return Split::Whole("the server has another order of _id than expected");
            }
            None => return Split::Whole("its _id are of several types"),
        }
    }
    let from = std::iter::once(None).chain(ends.iter().map(|id| Some((*id).clone())));
    let below = ends.iter().map(|id| Some((*id).clone())).chain(std::iter::once(None));
    Split::Ranges(from.zip(below).map(|(from, below)| Range { from, after: None, below }).collect())
}

/// Those of a sample that stand between parts of about the same length.
fn boundaries(sample: &[Id], parts: usize) -> impl Iterator<Item = &Id> {
    let parts = parts.clamp(1, sample.len() + 1);
    (1..parts).map(move |number| &sample[number * sample.len() / parts])
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
