//! Which documents a query means, in which order, and what of them.

use std::cmp::Ordering;
use std::sync::Arc;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use super::documents::{Documents, Order, Selection};
use super::filter::{field, matches, operators};
use super::order::{compare, kind, not_a_number};
use crate::wire::reply::Failure;

/// The documents that fulfil a filter, as they were inserted. A range of `_id` is looked up where the
/// documents are in that order: everything else is read from beginning to end.
pub(super) fn select(selection: Selection, filter: &RawDocument) -> Result<Selection, Failure> {
    if filter.is_empty() {
        return Ok(selection);
    }
    if let Order::Span(all) = &selection.order {
        let whole = all.len() == selection.documents.len();
        if whole && let Some(range) = range(&selection.documents, filter)? {
            return Ok(Selection { order: Order::Span(range), ..selection });
        }
    }
    let mut found = Vec::new();
    for place in 0..selection.len() {
        let number = selection.number(place);
        if matches(filter, selection.documents.get(number)?)? {
            found.push(number);
        }
    }
    Ok(Selection { order: Order::List(found), ..selection })
}

/// Where the documents of a filter like `{_id: {$gte: 1, $lt: 9}}` are.
fn range(
    documents: &Documents,
    filter: &RawDocument,
) -> Result<Option<std::ops::Range<usize>>, Failure> {
    let mut conditions = filter.iter();
    let (Some(Ok((key, condition))), None) = (conditions.next(), conditions.next()) else {
        return Ok(None);
    };
    let Some(operators) = operators(condition).filter(|_| key == "_id" && documents.ascending())
    else {
        return Ok(None);
    };
    let (mut start, mut end, mut kinds) = (0, documents.len(), Vec::new());
    for operator in operators {
        let (name, bound) = operator?;
        let at = |below: fn(Ordering) -> bool| documents.position(|id| below(compare(id, bound)));
        match name.as_str() {
            "$gte" => start = start.max(at(Ordering::is_lt)?),
            "$gt" => start = start.max(at(Ordering::is_le)?),
            "$lt" => end = end.min(at(Ordering::is_lt)?),
            "$lte" => end = end.min(at(Ordering::is_le)?),
            _ => return Ok(None),
        }
        if not_a_number(bound) {
            return Ok(None);
        }
        kinds.push(kind(bound));
    }
    let Some(only) = kinds.first().copied().filter(|first| kinds.iter().all(|kind| kind == first))
    else {
        return Ok(None);
    };
    // Only values of the bounds' kind, and no NaN, which is below all other numbers.
    start = start.max(documents.position(|id| kind(id) < only || not_a_number(id))?);
    end = end.min(documents.position(|id| kind(id) <= only)?);
    Ok(Some(start..end.max(start)))
}

/// Sorts by one or more fields, or by the order of insertion (`$natural`).
pub(super) fn sort(selection: Selection, by: &RawDocument) -> Result<Selection, Failure> {
    let mut keys = Vec::new();
    for key in by {
        let (path, direction) = key?;
        let direction =
            number(direction).ok_or_else(|| Failure::bad_value("a sort needs 1 or -1"))?;
        keys.push((path.as_str(), direction < 0));
    }
    let natural =
        |path: &str| path == "$natural" || (path == "_id" && selection.documents.ascending());
    match (keys.as_slice(), &selection.order) {
        ([], _) => Ok(selection),
        ([(path, false)], Order::Span(_)) if natural(path) => Ok(selection),
        ([(path, true)], Order::Span(range)) if natural(path) => {
            let order = Order::List(range.clone().rev().collect());
            Ok(Selection { order, ..selection })
        }
        _ => by_keys(selection, &keys),
    }
}

fn by_keys(selection: Selection, keys: &[(&str, bool)]) -> Result<Selection, Failure> {
    let mut sorted = Vec::with_capacity(selection.len());
    for place in 0..selection.len() {
        let document = selection.documents.get(selection.number(place))?;
        let values: Vec<_> =
            keys.iter().map(|(path, _)| field(document, path)).collect::<Result<_, _>>()?;
        sorted.push((values, selection.number(place)));
    }
    sorted.sort_by(|(left, _), (right, _)| {
        let pairs = left.iter().zip(right).zip(keys);
        let mut orders = pairs.map(|((left, right), (_, down))| {
            let or_null = |value: &Option<_>| value.unwrap_or(RawBsonRef::Null);
            let order = compare(or_null(left), or_null(right));
            if *down { order.reverse() } else { order }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let order = Order::List(sorted.into_iter().map(|(_, number)| number).collect());
    Ok(Selection { documents: selection.documents, order })
}

/// Only some fields, or all but some: of the uppermost level.
pub(super) fn project(selection: Selection, fields: &RawDocument) -> Result<Selection, Failure> {
    if fields.is_empty() {
        return Ok(selection);
    }
    let mut wanted = Vec::new();
    for one in fields {
        let (name, value) = one?;
        let yes = value.as_bool().or_else(|| number(value).map(|number| number != 0));
        let yes = yes.ok_or_else(|| Failure::bad_value("the stub projects by 0 and 1 only"))?;
        wanted.push((name.as_str(), yes));
    }
    let including = wanted.iter().any(|(_, yes)| *yes);
    let keeps = |name: &str| {
        let said = wanted.iter().find(|(wanted, _)| *wanted == name).map(|(_, yes)| *yes);
        said.unwrap_or(!including || name == "_id")
    };
    let mut projected = Documents::default();
    for document in selection.iter() {
        let mut kept = RawDocumentBuf::new();
        for element in document? {
            let (name, value) = element?;
            if keeps(name.as_str()) {
                kept.append(name, value);
            }
        }
        projected.push(&kept)?;
    }
    Ok(Selection::all(Arc::new(projected)))
}

/// A number of any type, without what is behind its point.
#[allow(clippy::cast_possible_truncation, reason = "sizes and counts, which doubles hold")]
pub(super) fn number(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::Double(number) => Some(number as i64),
        _ => None,
    }
}

/// A field that has to be a document, or an empty one where it is missing.
pub(super) fn inner<'a>(document: &'a RawDocument, name: &str) -> Result<&'a RawDocument, Failure> {
    const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
    match document.get(name)? {
        Some(RawBsonRef::Document(inner)) => Ok(inner),
        None | Some(RawBsonRef::Null) => Ok(RawDocument::from_bytes(EMPTY)?),
        Some(_) => Err(Failure::bad_value(format!("{name} has to be a document"))),
    }
}

/// A field that has to be a count, if it is there.
pub(super) fn count(document: &RawDocument, name: &str) -> Result<Option<usize>, Failure> {
    let Some(value) = document.get(name)? else { return Ok(None) };
    let number =
        number(value).ok_or_else(|| Failure::bad_value(format!("{name} has to be a number")))?;
    Ok(usize::try_from(number.unsigned_abs()).ok())
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
