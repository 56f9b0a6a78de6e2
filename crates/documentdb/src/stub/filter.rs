//! Conditions on documents: those that dump tools ask for. Others are refused, never ignored.

use std::cmp::Ordering;

use bson::{RawBsonRef, RawDocument};

use super::order::{compare, kind, not_a_number};
use crate::wire::reply::Failure;

/// Whether a document fulfils a filter.
pub(crate) fn matches(filter: &RawDocument, document: &RawDocument) -> Result<bool, Failure> {
    for condition in filter {
        let (key, condition) = condition?;
        let holds = match key.as_str() {
            "$comment" => true,
            "$and" => every(condition, document)?,
            "$or" => any(condition, document)?,
            "$nor" => !any(condition, document)?,
            name if name.starts_with('$') => return Err(unknown(name)),
            path => field_matches(condition, field(document, path)?)?,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value at a path like `a.b`. There is no looking into arrays.
pub(crate) fn field<'a>(
    document: &'a RawDocument,
    path: &str,
) -> Result<Option<RawBsonRef<'a>>, Failure> {
    match path.split_once('.') {
        None => Ok(document.get(path)?),
        Some((first, rest)) => match document.get(first)? {
            Some(RawBsonRef::Document(inner)) => field(inner, rest),
            _ => Ok(None),
        },
    }
}

fn every(filters: RawBsonRef<'_>, document: &RawDocument) -> Result<bool, Failure> {
    for filter in list(filters)? {
        if !matches(filter, document)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any(filters: RawBsonRef<'_>, document: &RawDocument) -> Result<bool, Failure> {
    for filter in list(filters)? {
        if matches(filter, document)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn list(filters: RawBsonRef<'_>) -> Result<Vec<&RawDocument>, Failure> {
    let wrong = || Failure::bad_value("a list of filters is wanted");
    let filters = filters.as_array().ok_or_else(wrong)?;
    filters.into_iter().map(|filter| filter?.as_document().ok_or_else(wrong)).collect()
}

/// The operators of a condition like `{$gte: 1, $lt: 9}`; `None` where it is a value to be equal to.
pub(crate) fn operators(condition: RawBsonRef<'_>) -> Option<&RawDocument> {
    let document = condition.as_document()?;
    let (first, _) = document.iter().next()?.ok()?;
    first.as_str().starts_with('$').then_some(document)
}

fn field_matches(
    condition: RawBsonRef<'_>,
    value: Option<RawBsonRef<'_>>,
) -> Result<bool, Failure> {
    let Some(operators) = operators(condition) else {
        return Ok(equal(condition, value));
    };
    for operator in operators {
        let (name, operand) = operator?;
        if !holds(name.as_str(), operand, value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(
    operator: &str,
    operand: RawBsonRef<'_>,
    value: Option<RawBsonRef<'_>>,
) -> Result<bool, Failure> {
    let comparable = |value: &RawBsonRef<'_>| {
        kind(*value) == kind(operand) && not_a_number(*value) == not_a_number(operand)
    };
    let order = || value.filter(comparable).map(|value| compare(value, operand));
    Ok(match operator {
        "$eq" => equal(operand, value),
        "$ne" => !equal(operand, value),
        "$gt" => order() == Some(Ordering::Greater),
        "$gte" => order().is_some_and(Ordering::is_ge),
        "$lt" => order() == Some(Ordering::Less),
        "$lte" => order().is_some_and(Ordering::is_le),
        "$in" => contains(operand, value)?,
        "$nin" => !contains(operand, value)?,
        "$exists" => value.is_some() == (operand.as_bool() != Some(false)),
        "$not" => !field_matches(operand, value)?,
        "$regex" => begins(operand, value)?,
        other => return Err(unknown(other)),
    })
}

/// A field that is missing is equal to null.
fn equal(wanted: RawBsonRef<'_>, value: Option<RawBsonRef<'_>>) -> bool {
    compare(value.unwrap_or(RawBsonRef::Null), wanted).is_eq()
}

fn contains(values: RawBsonRef<'_>, value: Option<RawBsonRef<'_>>) -> Result<bool, Failure> {
    let values = values.as_array().ok_or_else(|| Failure::bad_value("$in needs an array"))?;
    for wanted in values {
        if equal(wanted?, value) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of regular expressions, only a fixed beginning is known: `^system\.`.
fn begins(pattern: RawBsonRef<'_>, value: Option<RawBsonRef<'_>>) -> Result<bool, Failure> {
    let pattern = match pattern {
        RawBsonRef::RegularExpression(regex) => regex.pattern.as_str(),
        other => other.as_str().unwrap_or_default(),
    };
    let refused = || Failure::bad_value(format!("the stub does not know the pattern {pattern}"));
    let fixed = pattern.strip_prefix('^').ok_or_else(refused)?.replace("\\.", "\n");
    if fixed.contains(|c: char| "\\.*+?()[]{}|^$".contains(c)) {
        return Err(refused());
    }
    let fixed = fixed.replace('\n', ".");
    Ok(value.and_then(bson::RawBsonRef::as_str).is_some_and(|text| text.starts_with(&fixed)))
}

fn unknown(operator: &str) -> Failure {
    Failure::bad_value(format!("unknown operator: {operator}"))
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
