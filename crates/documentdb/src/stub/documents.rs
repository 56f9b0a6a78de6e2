//! The documents of a collection in memory, and pages of them as they go over the wire.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bson::error::Result;
use bson::{RawBsonRef, RawDocument};
use bytes::Bytes;

use super::order::compare;

/// Pages are kept, so that they are put together once: no more than this, in bytes.
const KEPT: usize = 2 << 30;
/// The most that a page has, in bytes, unless its first document alone is larger.
const PAGE: usize = 16 << 20;

/// Documents one after another, in the order in which they were inserted.
#[derive(Default)]
pub(crate) struct Documents {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Whether each has a larger `_id` than the one before.
    unordered: bool,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    found: HashMap<(usize, usize), Bytes>,
    size: usize,
}

impl Documents {
    /// Appends a document.
    pub(crate) fn push(&mut self, document: &RawDocument) -> Result<()> {
        if let Some(last) = self.ends.len().checked_sub(1).filter(|_| !self.unordered) {
            self.unordered = compare(id(self.get(last)?)?, id(document)?).is_ge();
        }
        self.bytes.extend_from_slice(document.as_bytes());
        self.ends.push(self.bytes.len());
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All documents' size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether they are in the order of their `_id`.
    pub(crate) fn ascending(&self) -> bool {
        !self.unordered
    }

    /// The document of a number.
    pub(crate) fn get(&self, at: usize) -> Result<&RawDocument> {
        RawDocument::from_bytes(self.slice(at))
    }

    fn slice(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The first document whose `_id` is not below a bound, where they are [`Self::ascending`].
    pub(crate) fn position(&self, below: impl Fn(RawBsonRef<'_>) -> bool) -> Result<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if below(id(self.get(middle)?)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn kept(&self, range: &Range<usize>) -> Bytes {
        let key = (range.start, range.end);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = pages.found.get(&key) {
            return page.clone();
        }
        let page = array(range.clone().map(|at| self.slice(at)));
        if pages.size + page.len() <= KEPT {
            pages.size += page.len();
            pages.found.insert(key, page.clone());
        }
        page
    }
}

/// Pages stay as they are when documents are appended.
impl Clone for Documents {
    fn clone(&self) -> Self {
        let (bytes, ends) = (self.bytes.clone(), self.ends.clone());
        Self { bytes, ends, unordered: self.unordered, pages: Mutex::default() }
    }
}

fn id(document: &RawDocument) -> Result<RawBsonRef<'_>> {
    Ok(document.get("_id")?.unwrap_or(RawBsonRef::Null))
}

/// A BSON array of documents.
fn array<'a>(documents: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut bytes = vec![0; 4];
    for (at, document) in documents.enumerate() {
        bytes.push(3);
        bytes.extend_from_slice(at.to_string().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(document);
    }
    bytes.push(0);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&size.to_le_bytes());
    bytes.into()
}

/// Some of a collection's documents, in an order.
pub(crate) struct Selection {
    pub(crate) documents: Arc<Documents>,
    pub(crate) order: Order,
}

/// Which documents, by their numbers.
pub(crate) enum Order {
    Span(Range<usize>),
    List(Vec<usize>),
}

impl Selection {
    /// All documents, as they were inserted.
    pub(crate) fn all(documents: Arc<Documents>) -> Self {
        Self { order: Order::Span(0..documents.len()), documents }
    }

    /// Documents that stand in no collection.
    pub(crate) fn of(documents: impl IntoIterator<Item = bson::RawDocumentBuf>) -> Result<Self> {
        let mut all = Documents::default();
        documents.into_iter().try_for_each(|document| all.push(&document))?;
        Ok(Self::all(Arc::new(all)))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.order {
            Order::Span(range) => range.len(),
            Order::List(numbers) => numbers.len(),
        }
    }

    /// The document's number at a place of the selection.
    pub(crate) fn number(&self, place: usize) -> usize {
        match &self.order {
            Order::Span(range) => range.start + place,
            Order::List(numbers) => numbers[place],
        }
    }

    /// The documents in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<&RawDocument>> {
        (0..self.len()).map(|place| self.documents.get(self.number(place)))
    }

    /// Only the places in a range; what lies beyond the end is left out.
    pub(crate) fn part(self, places: Range<usize>) -> Self {
        let end = places.end.min(self.len());
        let places = places.start.min(end)..end;
        let order = match self.order {
            Order::Span(range) => Order::Span(range.start + places.start..range.start + places.end),
            Order::List(numbers) => Order::List(numbers[places].to_vec()),
        };
        Self { documents: self.documents, order }
    }

    /// A page from a place on, with at most so many documents: as an array, and how many they are.
    pub(crate) fn page(&self, from: usize, most: usize) -> (Bytes, usize) {
        let mut size = 0;
        let end = from + most.min(self.len() - from);
        let mut to = from;
        while to < end {
            size += self.documents.slice(self.number(to)).len() + 8;
            if size > PAGE && to > from {
                break;
            }
            to += 1;
        }
        let page = match &self.order {
            Order::Span(range) => self.documents.kept(&(range.start + from..range.start + to)),
            Order::List(list) => array(list[from..to].iter().map(|at| self.documents.slice(*at))),
        };
        (page, to - from)
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
