//! In which order documents come, and where reading can go on after it was interrupted.

use std::cmp::Ordering;
use std::fmt;

use autodump_core::Result;
use bson::RawDocumentBuf;

use super::connection::command;
use super::ranges::{Id, Range, compare};
use super::raw::{Element, Elements};
use super::reader::Work;

/// In which order the documents of a collection are asked for. Without one, a document that is
/// changed meanwhile can come twice, or not at all, where the server moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorting {
    /// In the server's own: it has a meaning, or there is no other.
    Own,
    /// By `_id`, which may be there more than once: no shard knows those of another.
    Merged,
    /// By `_id` of perhaps several types. `$gt` finds only those of one.
    Mixed,
    /// By `_id` of one type: reading can go on behind each of them.
    Uniform,
}

/// Why a document cannot be one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strange {
    /// Servers store `_id` as the first field.
    NoId,
    /// The server has another understanding of ranges.
    Outside,
    /// It has the `_id` of the one before it.
    Twice,
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoId => "a document does not begin with _id",
            Self::Outside => "the server gives documents that are not in the range",
            Self::Twice => "the server gives two documents with the same _id",
        })
    }
}

/// How far the reading of a range is.
#[derive(Debug)]
pub(super) struct Order {
    /// What is still to be read.
    range: Range,
    sorting: Sorting,
    /// A document came since it was asked for.
    begun: bool,
    /// The last that came, where they are sorted.
    last: Option<Id>,
    /// All came in the order that was asked for, as far as it can be told.
    kept: bool,
}

impl Order {
    /// Nothing was read.
    pub(super) const fn new(range: Range, sorting: Sorting) -> Self {
        let kept = matches!(sorting, Sorting::Uniform);
        Self { range, sorting, begun: false, last: None, kept }
    }

    /// The command that gives what is still to be read.
    pub(super) fn command(&self, work: &Work) -> Result<RawDocumentBuf> {
        let filter = self.range.filter();
        command(|writer| {
            let writer = writer.text("find", &work.stored.collection).raw("filter", &filter);
            let writer = if self.sorting == Sorting::Own {
                writer
            } else {
                writer.document("sort", |sort| sort.int32("_id", 1))
            };
            writer.int32("batchSize", i32::try_from(work.batch).unwrap_or(i32::MAX))
        })
    }

    /// Takes note of a document.
    pub(super) fn note(&mut self, document: &[u8]) -> Result<(), Strange> {
        self.begun = true;
        if self.sorting == Sorting::Own {
            return Ok(());
        }
        let field = match Elements::of(document).map(|mut fields| fields.next()) {
            Ok(Some(Ok(field))) if field.name == "_id" => field,
            _ if self.range == Range::default() => {
                (self.last, self.kept) = (None, false);
                return Ok(());
            }
            _ => return Err(Strange::NoId),
        };
        if self.range.lacks(&field) {
            return Err(Strange::Outside);
        }
        let last = self.last.as_ref().map(Id::field);
        if last == Some(field) && self.sorting != Sorting::Merged {
            return Err(Strange::Twice);
        }
        self.kept = self.kept && last.is_none_or(|last| follows(&field, &last));
        match &mut self.last {
            Some(last) => last.set(&field),
            none => *none = Some(Id::of(&field)),
        }
        Ok(())
    }

    /// Leaves out what came already. False where that cannot be told.
    pub(super) fn resume(&mut self) -> bool {
        if !self.begun {
            return true;
        }
        let Some(last) = self.last.take_if(|_| self.kept) else { return false };
        self.range = self.range.after(last);
        self.begun = false;
        true
    }
}

fn follows(id: &Element<'_>, last: &Element<'_>) -> bool {
    compare(id, last) == Some(Ordering::Greater)
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
