//! Documents that are the same each time: for benchmarks and comparisons.

use bson::oid::ObjectId;
use bson::{DateTime, RawDocumentBuf, cstr, rawbson, rawdoc};

/// How much is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 1 MiB.
    Tiny,
    /// 64 MiB.
    Small,
    /// 512 MiB.
    Medium,
    /// 2 GiB.
    Large,
}

impl Size {
    /// About so many bytes of BSON.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Tiny => 1 << 20,
            Self::Small => 64 << 20,
            Self::Medium => 512 << 20,
            Self::Large => 2 << 30,
        }
    }
}

/// How large each document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// About 200 B: an event.
    Small,
    /// About 1 KB: an order with its text.
    Kilobyte,
}

impl Shape {
    /// How many documents of this shape have so many bytes together: [`Size::bytes`], for example.
    #[must_use]
    pub fn documents(self, bytes: usize) -> usize {
        match self {
            Self::Small => bytes / 200,
            Self::Kilobyte => bytes / 1000,
        }
    }

    fn letters(self) -> usize {
        match self {
            Self::Small => 112,
            Self::Kilobyte => 760,
        }
    }
}

/// The type of each `_id`. They ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// 32-bit integers from 0 on.
    Int,
    /// Object ids as a driver makes them in an hour.
    ObjectId,
}

const WORDS: [&str; 16] = [
    "river", "stone", "amber", "quick", "paper", "winter", "of", "the", "candle", "north", "under",
    "garden", "letter", "seven", "a", "harbour",
];

/// The document of a number.
#[must_use]
pub fn document(shape: Shape, ids: Ids, number: usize) -> RawDocumentBuf {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let chance = scramble(u64::from(number));
    let mut document = RawDocumentBuf::new();
    match ids {
        Ids::Int => document.append(cstr!("_id"), i32::try_from(number).unwrap_or(i32::MAX)),
        Ids::ObjectId => document.append(cstr!("_id"), object_id(number)),
    }
    let low = i32::try_from(chance & 0xffff).unwrap_or_default();
    document.append(cstr!("customer"), format!("c{:06}", chance % 500_000));
    document
        .append(cstr!("at"), DateTime::from_millis(1_700_000_000_000 + i64::from(number) * 250));
    document.append(cstr!("quantity"), low % 100);
    document.append(cstr!("price"), f64::from(low) / 100.0);
    if shape == Shape::Kilobyte {
        document.append(cstr!("tags"), rawbson!([word(chance), word(chance >> 8)]));
        document.append(cstr!("address"), rawdoc! { "city": word(chance >> 16), "zip": low });
    }
    document.append(cstr!("text"), text(chance, shape.letters()));
    document
}

fn object_id(number: u32) -> ObjectId {
    let mut bytes = [0x65, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0];
    let time = 0x6500_0000 + number / 1000;
    bytes[..4].copy_from_slice(&time.to_be_bytes());
    bytes[9..].copy_from_slice(&number.to_be_bytes()[1..]);
    ObjectId::from_bytes(bytes)
}

fn word(chance: u64) -> &'static str {
    WORDS[usize::try_from(chance % 16).unwrap_or_default()]
}

fn text(mut chance: u64, letters: usize) -> String {
    let mut text = String::with_capacity(letters + 8);
    while text.len() < letters {
        chance = scramble(chance);
        text.push_str(word(chance >> 7));
        text.push(' ');
    }
    text.truncate(letters);
    text
}

/// The next of a row of numbers that look like chance.
pub(super) fn scramble(state: u64) -> u64 {
    let mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Ids, Shape, Size, document};

    #[test]
    fn documents_are_about_as_large_as_their_shape_says_and_always_the_same() {
        for (shape, from, to) in [(Shape::Small, 180, 220), (Shape::Kilobyte, 920, 1080)] {
            for number in [0, 7, 123_456] {
                let one = document(shape, Ids::Int, number);
                let size = one.as_bytes().len();
                assert!((from..to).contains(&size), "{shape:?} {size}");
                assert_eq!(one, document(shape, Ids::Int, number));
            }
        }
        assert_eq!(Shape::Kilobyte.documents(Size::Tiny.bytes()), 1048);
    }

    #[test]
    fn ids_ascend() {
        let id =
            |number| document(Shape::Small, Ids::ObjectId, number).get_object_id("_id").unwrap();
        assert!((0..5000).all(|number| id(number) < id(number + 1)));
    }
}
