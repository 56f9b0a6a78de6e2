//! The pieces of an archive together: what no piece shows by itself.

use super::{Known, Part, Sum};

/// Puts together what the pieces say of their collections, in the order in which they stand in
/// the archive.
#[derive(Debug)]
pub struct Joined<'a> {
    known: &'a Known,
    collections: Vec<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    sum: Sum,
    ended: bool,
    told: bool,
}

impl<'a> Joined<'a> {
    /// No piece was read.
    #[must_use]
    pub fn new(known: &'a Known) -> Self {
        let collections = vec![State::default(); known.prelude.collections.len()];
        Self { known, collections }
    }

    /// Takes the next piece. The first thing that is wrong with a collection is told, as a
    /// sentence without its full stop.
    pub fn add(&mut self, parts: &[Part]) -> Vec<String> {
        parts.iter().filter_map(|part| self.part(part)).collect()
    }

    fn part(&mut self, part: &Part) -> Option<String> {
        let state = self.collections.get_mut(part.collection)?;
        let wrong = if state.ended {
            Some("goes on after its end".to_owned())
        } else {
            state.sum = state.sum.and(part.sum);
            let found = state.sum.crc();
            let end = part.end.filter(|crc| *crc != found);
            end.map(|crc| format!("has the checksum {found:016x}, not {crc:016x}"))
        };
        state.ended |= part.end.is_some();
        let wrong = wrong.filter(|_| !state.told)?;
        state.told = true;
        Some(format!("{} {wrong}", self.shown(part.collection)))
    }

    /// What is wrong when there are no more pieces: collections without an end.
    #[must_use]
    pub fn finish(self) -> Vec<String> {
        let unended = |(_, state): &(usize, &State)| !state.ended && !state.told;
        let unended = self.collections.iter().enumerate().filter(unended);
        unended.map(|(number, _)| format!("{} has no end", self.shown(number))).collect()
    }

    fn shown(&self, number: usize) -> String {
        let namespace = &self.known.prelude.collections[number].namespace;
        format!("the collection {}.{}", namespace.database, namespace.collection)
    }
}

#[cfg(test)]
#[path = "joined_tests.rs"]
mod tests;
