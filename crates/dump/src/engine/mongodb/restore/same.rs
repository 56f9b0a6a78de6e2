//! Whether what was made is there as it was defined, as far as a server shows it.

use bson::{Bson, Document};

use super::definition::Definition;

/// Options that mean something to whoever uses a collection or a view, and which servers show as they
/// were given; with what stands for one that is not shown.
const OPTIONS: [(&str, Option<&str>); 10] = [
    ("viewOn", None),
    ("pipeline", None),
    ("capped", None),
    ("max", None),
    ("validator", None),
    ("validationLevel", Some("strict")),
    ("validationAction", Some("error")),
    ("expireAfterSeconds", None),
    ("timeseries", None),
    ("collation", None),
];
/// The same of an index.
const OF_INDEX: [(&str, Option<&str>); 6] = [
    ("key", None),
    ("unique", None),
    ("sparse", None),
    ("partialFilterExpression", None),
    ("expireAfterSeconds", None),
    ("collation", Some("simple")),
];
/// Documents to which servers add what they take by default, and which of their fields count.
const GROWING: [(&str, &[&str]); 2] = [
    ("timeseries", &["timeField", "metaField", "granularity"]),
    ("collation", &["locale", "strength", "caseLevel", "caseFirst", "numericOrdering"]),
];

impl Definition {
    /// In what `there`, which a server shows, is not this: sentence fragments. Only what this has
    /// counts.
    pub(in super::super) fn differences(&self, there: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        for option in different(&self.options, &there.options, &OPTIONS) {
            wrong.push(format!("has another {option}"));
        }
        for index in self.made() {
            let Ok(name) = index.get_str("name") else { continue };
            let is_it = |other: &&Document| other.get_str("name").is_ok_and(|n| n == name);
            match there.made().find(is_it) {
                None => wrong.push(format!("has no index {name}")),
                Some(other) => wrong.extend(
                    different(index, other, &OF_INDEX)
                        .map(|field| format!("has the index {name} with another {field}")),
                ),
            }
        }
        wrong
    }
}

/// Which of these fields of `wanted` are others in `there`.
fn different<'a>(
    wanted: &'a Document,
    there: &'a Document,
    fields: &'a [(&'a str, Option<&'a str>)],
) -> impl Iterator<Item = &'a str> {
    let is_other = move |(name, default): &&(&str, Option<&str>)| {
        let Some(wanted) = wanted.get(*name) else { return false };
        match there.get(*name) {
            Some(there) => !same_field(name, wanted, there),
            None => !stands_for_nothing(wanted, *default),
        }
    };
    fields.iter().filter(is_other).map(|(name, _)| *name)
}

/// Whether it means the same as a field that is not there.
fn stands_for_nothing(wanted: &Bson, default: Option<&str>) -> bool {
    let text = wanted.as_str().or_else(|| wanted.as_document()?.get_str("locale").ok());
    let is_empty = wanted.as_document().is_some_and(Document::is_empty);
    wanted.as_bool() == Some(false) || is_empty || text.is_some() && text == default
}

fn same_field(name: &str, wanted: &Bson, there: &Bson) -> bool {
    let growing = GROWING.iter().find(|(growing, _)| *growing == name).map(|(_, fields)| *fields);
    let (Some(fields), Bson::Document(wanted), Bson::Document(there)) = (growing, wanted, there)
    else {
        return same(wanted, there);
    };
    fields.iter().all(|field| match (wanted.get(field), there.get(field)) {
        (Some(wanted), Some(there)) => same(wanted, there),
        // The server adds, or leaves out, what it takes by default.
        (None, _) | (_, None) => {
            !["timeField", "metaField", "locale"].contains(field)
                || wanted.get(field) == there.get(field)
        }
    })
}

/// Whether two values are the same, of whatever type their numbers are. Fields have an order.
fn same(one: &Bson, other: &Bson) -> bool {
    match (one, other) {
        (Bson::Document(one), Bson::Document(other)) => {
            let fields = || one.iter().zip(other);
            one.len() == other.len() && fields().all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
        }
        (Bson::Array(one), Bson::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        _ => one == other || number(one).is_some_and(|one| number(other) == Some(one)),
    }
}

/// A whole number, of whatever type.
fn number(value: &Bson) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "only whole numbers are taken")]
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    let number = value.as_i64().or(value.as_i32().map(i64::from));
    number.or_else(|| value.as_f64().and_then(whole))
}

#[cfg(test)]
#[path = "same_tests.rs"]
mod tests;
