//! The order of values, as MongoDB sorts and compares them.

use std::cmp::Ordering;

use bson::{RawArray, RawBsonRef, RawDocument};

/// Values of different kinds are in this order. Conditions compare only values of one kind.
pub(crate) fn kind(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => 0,
        RawBsonRef::Null | RawBsonRef::Undefined => 1,
        RawBsonRef::Int32(_)
        | RawBsonRef::Int64(_)
        | RawBsonRef::Double(_)
        | RawBsonRef::Decimal128(_) => 2,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => 3,
        RawBsonRef::Document(_) => 4,
        RawBsonRef::Array(_) => 5,
        RawBsonRef::Binary(_) => 6,
        RawBsonRef::ObjectId(_) => 7,
        RawBsonRef::Boolean(_) => 8,
        RawBsonRef::DateTime(_) => 9,
        RawBsonRef::Timestamp(_) => 10,
        RawBsonRef::RegularExpression(_) => 11,
        RawBsonRef::DbPointer(_) => 12,
        RawBsonRef::JavaScriptCode(_) => 13,
        RawBsonRef::JavaScriptCodeWithScope(_) => 14,
        RawBsonRef::MaxKey => 15,
    }
}

/// Compares two values. Those of kinds that nobody sorts by are compared by how they are printed.
pub(crate) fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    kind(left).cmp(&kind(right)).then_with(|| match (left, right) {
        (RawBsonRef::Boolean(left), RawBsonRef::Boolean(right)) => left.cmp(&right),
        (RawBsonRef::DateTime(left), RawBsonRef::DateTime(right)) => left.cmp(&right),
        (RawBsonRef::Timestamp(left), RawBsonRef::Timestamp(right)) => left.cmp(&right),
        (RawBsonRef::ObjectId(left), RawBsonRef::ObjectId(right)) => {
            left.bytes().cmp(&right.bytes())
        }
        (RawBsonRef::Document(left), RawBsonRef::Document(right)) => documents(left, right),
        (RawBsonRef::Array(left), RawBsonRef::Array(right)) => arrays(left, right),
        (RawBsonRef::Binary(left), RawBsonRef::Binary(right)) => {
            let key =
                |binary: bson::RawBinaryRef<'_>| (binary.bytes.len(), u8::from(binary.subtype));
            key(left).cmp(&key(right)).then_with(|| left.bytes.cmp(right.bytes))
        }
        _ => match (text(left), text(right)) {
            (Some(left), Some(right)) => left.cmp(right),
            _ => numbers(left, right),
        },
    })
}

/// Whether this is NaN, which is neither less nor more than anything.
pub(crate) fn not_a_number(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Double(number) => number.is_nan(),
        RawBsonRef::Decimal128(number) => number.to_string().contains("NaN"),
        _ => false,
    }
}

fn text(value: RawBsonRef<'_>) -> Option<&str> {
    match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => Some(text),
        _ => None,
    }
}

/// Not-a-number is below all numbers, and equal to itself.
fn numbers(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return left.cmp(&right);
    }
    let (Some(left), Some(right)) = (real(left), real(right)) else {
        return format!("{left:?}").cmp(&format!("{right:?}"));
    };
    left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "beyond 2^53, doubles are compared as doubles")]
fn real(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Double(number) => Some(number),
        RawBsonRef::Decimal128(number) => number.to_string().parse().ok(),
        other => whole(other).map(|number| number as f64),
    }
}

fn documents(left: &RawDocument, right: &RawDocument) -> Ordering {
    let (mut left, mut right) = (left.iter(), right.iter());
    loop {
        match (left.next(), right.next()) {
            (Some(Ok(left)), Some(Ok(right))) => {
                let order = kind(left.1)
                    .cmp(&kind(right.1))
                    .then_with(|| left.0.as_str().cmp(right.0.as_str()))
                    .then_with(|| compare(left.1, right.1));
                if order.is_ne() {
                    return order;
                }
            }
            (left, right) => return left.is_some().cmp(&right.is_some()),
        }
    }
}

fn arrays(left: &RawArray, right: &RawArray) -> Ordering {
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    loop {
        match (left.next(), right.next()) {
            (Some(Ok(left)), Some(Ok(right))) => {
                let order = compare(left, right);
                if order.is_ne() {
                    return order;
                }
            }
            (left, right) => return left.is_some().cmp(&right.is_some()),
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
