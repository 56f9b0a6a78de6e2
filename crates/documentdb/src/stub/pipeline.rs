//! Aggregations: the stages that plan ranges, count, and look at a collection's size.

use std::collections::BTreeSet;

use bson::{RawArray, RawDocument, RawDocumentBuf, cstr, rawdoc};

use super::documents::{Order, Selection};
use super::query::{number, project, select, sort};
use crate::wire::reply::Failure;

/// Runs the stages over documents. `$collStats` is answered from the collection, before this.
pub(super) fn run(mut selection: Selection, stages: &RawArray) -> Result<Selection, Failure> {
    for stage in stages {
        let stage =
            stage?.as_document().ok_or_else(|| Failure::bad_value("a stage is a document"))?;
        selection = step(selection, stage)?;
    }
    Ok(selection)
}

fn step(selection: Selection, stage: &RawDocument) -> Result<Selection, Failure> {
    let (name, operand) =
        stage.iter().next().ok_or_else(|| Failure::bad_value("an empty stage"))??;
    let name = name.as_str();
    let wrong = || Failure::bad_value(format!("{name} has no such operand"));
    let size = || number(operand).and_then(|size| usize::try_from(size).ok()).ok_or_else(wrong);
    let document = || operand.as_document().ok_or_else(wrong);
    match name {
        "$match" => select(selection, document()?),
        "$sort" => sort(selection, document()?),
        "$project" => project(selection, document()?),
        "$limit" => Ok(selection.part(0..size()?)),
        "$skip" => Ok(selection.part(size()?..usize::MAX)),
        "$sample" => {
            let size = document()?.get("size")?.and_then(number);
            let size = size.and_then(|size| usize::try_from(size).ok()).ok_or_else(wrong)?;
            Ok(sample(selection, size))
        }
        "$count" => counted(&selection, operand.as_str().ok_or_else(wrong)?),
        "$group" => group(&selection, document()?),
        other => {
            let message = format!("Unrecognized pipeline stage name: '{other}'");
            Err(Failure::new(40324, "Location40324", message))
        }
    }
}

/// So many documents, none twice, spread as by chance: the same ones each time.
fn sample(selection: Selection, size: usize) -> Selection {
    let all = selection.len();
    if size >= all {
        return selection;
    }
    let (mut chosen, mut state) = (BTreeSet::new(), 1_u64);
    while chosen.len() < size {
        state = super::generate::scramble(state);
        chosen.insert(usize::try_from(state % all as u64).unwrap_or_default());
    }
    let order = Order::List(chosen.into_iter().map(|place| selection.number(place)).collect());
    Selection { order, ..selection }
}

fn counted(selection: &Selection, name: &str) -> Result<Selection, Failure> {
    let name = bson::raw::CString::try_from(name)
        .map_err(|error| Failure::bad_value(error.to_string()))?;
    let mut document = RawDocumentBuf::new();
    document.append(name, whole(selection.len()));
    Ok(Selection::of(Some(document).filter(|_| selection.len() > 0))?)
}

/// Of groups, only that of everything is known, and its size: `{_id: …, n: {$sum: 1}}`.
fn group(selection: &Selection, operand: &RawDocument) -> Result<Selection, Failure> {
    let mut group = rawdoc! { "_id": bson::RawBson::Null };
    for element in operand {
        let (name, value) = element?;
        if name == cstr!("_id") {
            let constant = value.as_str().is_none() && value.as_document().is_none();
            if constant {
                continue;
            }
        }
        let sum = value.as_document().and_then(|sum| sum.get("$sum").ok().flatten());
        if sum.and_then(number) != Some(1) {
            return Err(Failure::bad_value(
                "the stub knows {$group: {_id: null, n: {$sum: 1}}} only",
            ));
        }
        group.append(name, whole(selection.len()));
    }
    Ok(Selection::of(Some(group).filter(|_| selection.len() > 0))?)
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
