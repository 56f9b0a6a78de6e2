//! In which order documents come, and where reading can go on after it was interrupted.

use autodump_core::Result;
use bson::RawDocumentBuf;
use std::cmp::Ordering;

use super::connection::command;
use super::ranges::{Id, Range, compare};
use super::raw::{Element, Elements};
use super::reader::Work;

/// How far the reading of a range is.
#[derive(Debug)]
pub(super) struct Order {
    /// What is still to be read.
    range: Range,
    /// Documents are asked for in the order of `_id`.
    ordered: bool,
    /// The last that came.
    last: Option<Id>,
    /// All came in the order that was asked for, as far as it can be told.
    kept: bool,
}

impl Order {
    /// Nothing was read.
    pub(super) const fn new(range: Range, ordered: bool) -> Self {
        Self { range, ordered, last: None, kept: ordered }
    }

    /// The command that gives what is still to be read.
    pub(super) fn command(&self, work: &Work) -> Result<RawDocumentBuf> {
        let filter = self.range.filter();
        command(|writer| {
            let writer = writer.text("find", &work.stored.collection).raw("filter", &filter);
            let writer = if self.ordered {
                writer.document("sort", |sort| sort.int32("_id", 1))
            } else {
                writer
            };
            writer.int32("batchSize", i32::try_from(work.batch).unwrap_or(i32::MAX))
        })
    }

    /// Takes note of a document. The error says why it cannot be one that was asked for; then
    /// the server has another understanding of ranges.
    pub(super) fn note(&mut self, document: &[u8]) -> Result<(), String> {
        if !self.ordered {
            return Ok(());
        }
        // Servers store it as the first field.
        let field = match Elements::of(document).map(|mut fields| fields.next()) {
            Ok(Some(Ok(field))) if field.name == "_id" => field,
            _ => return Err("a document does not begin with _id".to_owned()),
        };
        if self.range.lacks(&field) {
            return Err("the server gives documents that are not in the range".to_owned());
        }
        self.kept = self.kept && self.last.as_ref().is_none_or(|last| follows(&field, last));
        match &mut self.last {
            Some(last) => last.set(&field),
            none => *none = Some(Id::of(&field)),
        }
        Ok(())
    }

    /// Leaves out what came already. False where that cannot be told.
    pub(super) fn resume(&mut self) -> bool {
        if self.ordered && self.last.is_none() {
            return true;
        }
        let Some(last) = self.last.take_if(|_| self.kept) else { return false };
        self.range = self.range.after(last);
        true
    }
}

fn follows(id: &Element<'_>, last: &Id) -> bool {
    compare(id, &last.field()) == Some(Ordering::Greater)
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
