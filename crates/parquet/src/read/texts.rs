//! Byte arrays that stay where they are in their pages.
//!
//! Texts are most of what there is. So their columns are read as if they were of numbers, each of
//! which says where the text lies: in the dictionary, or in one of the pages. A number takes 4
//! bytes, and a text of its own would take 32.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::column::Cell;
use crate::look::Look;

/// Places of pages are counted up to this, and then from 0 again. What is held at a time is far
/// less.
const WRAP: u32 = 1 << 31;
/// The length before each text.
const LENGTH: usize = 4;

/// The texts of the pages that are in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    dictionary: Bytes,
    /// Where each begins, and its texts with their lengths.
    pages: Vec<(u32, Bytes)>,
    next: u32,
    /// Whether they are looked at: they may hold anything.
    free: bool,
}

/// Where a text is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The number of the page, or [`DICTIONARY`].
    page: u32,
    start: u32,
    length: u32,
    look: Look,
}

/// What a place and what was found there take.
pub(crate) const FOUND: u64 = 4 + size_of::<Option<Span>>() as u64;

const DICTIONARY: u32 = u32::MAX;

/// Those that the pages of a column add to, and its reader looks at.
#[derive(Debug, Clone)]
pub(crate) struct SharedTexts(Arc<Mutex<Texts>>);

impl SharedTexts {
    /// Those of a column; texts, if they are `free`, or bytes that mean something else.
    pub(crate) fn new(free: bool) -> Self {
        Self(Arc::new(Mutex::new(Texts { free, ..Texts::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Texts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the texts of the dictionary, and appends their places to `out`, as many as there
    /// must be. `None` where there are others.
    pub(crate) fn dictionary(&self, texts: Bytes, values: u32, out: &mut Vec<u8>) -> Option<()> {
        let before = out.len();
        places(&texts, values, Some, out)?;
        if out.len() - before != values as usize * LENGTH {
            return None;
        }
        self.lock().dictionary = texts;
        Some(())
    }

    /// Takes the texts of a page, and appends their places to `out`. `None` where they are none,
    /// or more than `most`.
    pub(crate) fn page(&self, texts: Bytes, most: u32, out: &mut Vec<u8>) -> Option<()> {
        let mut held = self.lock();
        let base = held.next;
        places(&texts, most, |place| Some(!(base.checked_add(place)? % WRAP)), out)?;
        let length = u32::try_from(texts.len()).ok()?;
        held.next = base.checked_add(length)? % WRAP;
        held.pages.push((base, texts));
        Some(())
    }

    /// Forgets all pages but the last, whose rest is read next.
    pub(crate) fn settle(&self) {
        let mut held = self.lock();
        let last = held.pages.len().saturating_sub(1);
        held.pages.drain(..last);
    }

    /// As they are now.
    pub(crate) fn snapshot(&self) -> Texts {
        self.lock().clone()
    }
}

impl Span {
    #[allow(
        clippy::inline_always,
        reason = "handed over in memory, it is read before it is written: a seventh of the time"
    )]
    #[inline(always)]
    fn of(page: u32, texts: &[u8], at: usize, looks: bool) -> Option<Self> {
        let text = text(texts, at)?;
        let look = if looks { Look::at(text) } else { Look::NONE };
        let length = u32::try_from(text.len()).ok()?;
        Some(Self { page, start: u32::try_from(at + LENGTH).ok()?, length, look })
    }
}

impl Texts {
    /// Looks up texts by their places, and looks at them if they are to be looked at. All of a
    /// column at once is twice as quick as one by one: they lie all over the dictionary, and the
    /// processor waits for many at a time; and those of a column are like each other.
    pub(crate) fn find(&self, places: &[i32], found: &mut Vec<Option<Span>>) {
        found.clear();
        found.extend(places.iter().map(|place| self.span(*place)));
    }

    fn span(&self, place: i32) -> Option<Span> {
        if let Ok(start) = usize::try_from(place) {
            return Span::of(DICTIONARY, &self.dictionary, start, self.free);
        }
        let place = (!place).cast_unsigned();
        self.pages.iter().enumerate().rev().find_map(|(page, (base, texts))| {
            let start = (place.wrapping_sub(*base) % WRAP) as usize;
            Span::of(u32::try_from(page).ok()?, texts, start, self.free)
        })
    }

    /// What was found.
    #[inline]
    pub(crate) fn get(&self, span: Span) -> Option<Cell<'_>> {
        let Span { page, start, length, look } = span;
        let texts = match page {
            DICTIONARY => &self.dictionary,
            page => &self.pages.get(page as usize)?.1,
        };
        let text = texts.get(start as usize..start as usize + length as usize)?;
        Some(if self.free { Cell::Text(text, look) } else { Cell::Bytes(text) })
    }
}

fn text(texts: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = texts.get(at..)?.split_first_chunk::<LENGTH>()?;
    rest.get(..u32::from_le_bytes(*length) as usize)
}

/// Appends where each of the texts is, as `code` writes it.
fn places(
    texts: &[u8],
    most: u32,
    code: impl Fn(u32) -> Option<u32>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (mut at, mut left) = (0, most);
    while at < texts.len() {
        left = left.checked_sub(1)?;
        let length = text(texts, at)?.len();
        out.extend_from_slice(&code(u32::try_from(at).ok()?)?.to_le_bytes());
        at += LENGTH + length;
    }
    Some(())
}

/// A column of the same levels that has numbers of 4 bytes.
pub(crate) fn as_numbers(column: &ColumnDescriptor) -> ParquetResult<ColumnDescriptor> {
    let numbers = Type::primitive_type_builder(column.name(), Physical::INT32).build()?;
    let (def, rep) = (column.max_def_level(), column.max_rep_level());
    Ok(ColumnDescriptor::new(Arc::new(numbers), def, rep, column.path().clone()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(texts: &[Vec<u8>]) -> Bytes {
        let with_length = |text: &Vec<u8>| {
            let length = u32::try_from(text.len()).unwrap();
            [&length.to_le_bytes()[..], text].concat()
        };
        texts.iter().flat_map(with_length).collect()
    }

    fn at(texts: &Texts, place: i32) -> Option<&[u8]> {
        let mut found = Vec::new();
        texts.find(&[place], &mut found);
        let (text, look) = found[0].and_then(|span| texts.get(span))?.text()?;
        assert_eq!(look, Look::at(text));
        Some(text)
    }

    fn numbers(bytes: &[u8]) -> Vec<i32> {
        bytes.chunks(4).map(|four| i32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    proptest! {
        #[test]
        fn every_text_is_found_at_its_place(
            dictionary in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            pages in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9), 1..5),
            begins in prop::sample::select(&[0, 7, WRAP - 40, WRAP - 1][..]),
        ) {
            let texts = SharedTexts::new(true);
            texts.lock().next = begins;
            let (mut dictionary_places, mut places) = (Vec::new(), Vec::new());
            let count = u32::try_from(dictionary.len()).unwrap();
            texts.dictionary(plain(&dictionary), count, &mut dictionary_places).unwrap();
            for page in &pages {
                texts.page(plain(page), 9, &mut places).unwrap();
            }
            let held = texts.snapshot();
            for (place, text) in numbers(&dictionary_places).into_iter().zip(&dictionary) {
                prop_assert_eq!(at(&held, place), Some(&text[..]));
            }
            let places = numbers(&places);
            prop_assert_eq!(places.len(), pages.iter().map(Vec::len).sum::<usize>());
            for (place, text) in places.iter().zip(pages.iter().flatten()) {
                prop_assert_eq!(at(&held, *place), Some(&text[..]));
            }
            texts.settle();
            let last = pages.last().unwrap();
            let held = texts.snapshot();
            for (place, text) in places[places.len() - last.len()..].iter().zip(last) {
                prop_assert_eq!(at(&held, *place), Some(&text[..]));
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), place: i32) {
            let texts = SharedTexts::new(true);
            let _ = texts.page(bytes.clone().into(), 10, &mut Vec::new());
            let _ = texts.dictionary(bytes.into(), 3, &mut Vec::new());
            let held = texts.snapshot();
            prop_assert!(at(&held, place).is_none_or(|text| text.len() < 60));
        }
    }

    #[test]
    fn texts_that_are_cut_off_are_none() {
        let texts = SharedTexts::new(true);
        let two = plain(&[b"ab".to_vec(), b"c".to_vec()]);
        assert_eq!(texts.dictionary(two.clone(), 3, &mut Vec::new()), None);
        assert_eq!(texts.page(two.slice(..two.len() - 1), 2, &mut Vec::new()), None);
        assert_eq!(texts.page(two.slice(..8), 2, &mut Vec::new()), None);
        assert_eq!(texts.page(two.clone(), 1, &mut Vec::new()), None);
        assert_eq!(texts.page(two, 2, &mut Vec::new()), Some(()));
    }
}
