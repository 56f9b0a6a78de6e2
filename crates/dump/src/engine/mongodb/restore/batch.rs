//! Documents on their way into a collection, as one command inserts them.

use std::collections::BTreeMap;
use std::sync::Arc;

use autodump_core::Result;
use bson::RawDocumentBuf;

use crate::engine::mongodb::archive::{Prelude, Visitor};
use crate::engine::mongodb::connection::command;
use crate::engine::mongodb::raw::length_of;
use crate::rows::RowDigest;

/// A command with more bytes waits no longer. A server takes one of 16 MiB and a document; one of
/// 48 MB only in another form, which inserts no faster.
const BYTES: usize = 4 << 20;
/// Bytes of all that wait; the archive of another program mixes collections.
const WAITING: usize = 16 << 20;
/// Documents of a command. MongoDB takes 100,000, and `DocumentDB` on PostgreSQL 25,000.
const DOCUMENTS: u64 = 25_000;

/// Documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// Its number in the archive's prelude.
    pub(super) collection: usize,
    pub(super) documents: u64,
    /// An array in BSON, whose length is not known yet and whose end is missing.
    array: Vec<u8>,
}

impl Batch {
    const fn new(collection: usize) -> Self {
        Self { collection, documents: 0, array: Vec::new() }
    }

    fn push(&mut self, document: &[u8]) {
        if self.array.is_empty() {
            self.array.extend([0; 4]);
        }
        self.array.push(0x03);
        self.array.extend(self.documents.to_string().as_bytes());
        self.array.push(0);
        self.array.extend_from_slice(document);
        self.documents += 1;
    }

    /// The command that inserts them, in their order if that `is_ordered`. What the validator of a
    /// collection that was there says of them does not matter, where the server can leave it out.
    pub(super) fn insert(&self, name: &str, is_ordered: bool) -> Result<RawDocumentBuf> {
        let mut array = self.array.clone();
        array.push(0);
        let length = i32::try_from(array.len()).unwrap_or(i32::MAX).to_le_bytes();
        array[..4].copy_from_slice(&length);
        command(|writer| {
            writer
                .text("insert", name)
                .truth("ordered", is_ordered)
                .truth("bypassDocumentValidation", true)
                .document("writeConcern", |concern| concern.text("w", "majority"))
                .value("documents", 0x04, &array)
        })
    }

    /// What is left of it behind the first `count` documents.
    pub(super) fn behind(&self, count: usize) -> Self {
        let mut left = Self::new(self.collection);
        self.items().skip(count).for_each(|document| left.push(document));
        left
    }

    /// How many documents it has up to this one, and with it; none where it is not in it.
    pub(super) fn up_to(&self, document: &[u8]) -> usize {
        let found = self.items().enumerate().filter(|(_, item)| *item == document).last();
        found.map_or(0, |(number, _)| number + 1)
    }

    fn items(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.array.get(4..).unwrap_or_default();
        std::iter::from_fn(move || {
            let key = rest.iter().position(|byte| *byte == 0)? + 1;
            let length = usize::try_from(length_of(&rest[key..])?).ok()?;
            let (item, after) = rest[key..].split_at_checked(length)?;
            rest = after;
            Some(item)
        })
    }
}

/// Cuts the documents of a piece into batches, and knows what they are together.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Of each collection, whether its documents are wanted.
    wanted: Arc<[bool]>,
    open: BTreeMap<usize, Batch>,
    waiting: usize,
    pub(super) ready: Vec<Batch>,
    pub(super) digests: BTreeMap<usize, RowDigest>,
}

impl Cutter {
    pub(super) fn new(wanted: Arc<[bool]>) -> Self {
        Self {
            wanted,
            open: BTreeMap::new(),
            waiting: 0,
            ready: Vec::new(),
            digests: BTreeMap::new(),
        }
    }

    /// What waits is ready now.
    pub(super) fn flush(&mut self) {
        self.waiting = 0;
        self.ready.extend(std::mem::take(&mut self.open).into_values());
    }
}

impl Visitor for Cutter {
    fn prelude(&mut self, _: &Prelude) {}

    fn document(&mut self, collection: usize, document: &[u8]) {
        self.digests.entry(collection).or_default().add(document);
        if !self.wanted.get(collection).copied().unwrap_or(false) {
            return;
        }
        let batch = self.open.entry(collection).or_insert_with(|| Batch::new(collection));
        // What is too much for one command together is inserted by two.
        if batch.documents > 0 && batch.array.len() + document.len() > BYTES {
            self.waiting -= batch.array.len();
            self.ready.push(std::mem::replace(batch, Batch::new(collection)));
        }
        let before = batch.array.len();
        batch.push(document);
        self.waiting += batch.array.len() - before;
        if batch.documents >= DOCUMENTS || self.waiting > WAITING {
            self.flush();
        }
    }

    fn end(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::mongodb::raw::{Elements, Writer};

    fn document(number: i32, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).int32("_id", number).text("s", &"x".repeat(length)).end();
        bytes
    }

    /// The documents of a command.
    fn documents(batch: &Batch) -> Vec<Vec<u8>> {
        let command = batch.insert("a", false).unwrap();
        let mut fields = Elements::of(command.as_bytes()).unwrap();
        let array = fields.find(|f| f.as_ref().unwrap().name == "documents").unwrap().unwrap();
        Elements::of(array.value).unwrap().map(|item| item.unwrap().value.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn every_wanted_document_is_in_one_command_and_none_is_too_long(
            lengths in proptest::collection::vec((0_usize..3, 0_usize..3_000_000), 1..12),
        ) {
            let mut cutter = Cutter::new([true, true, false].into());
            let mut given: [Vec<Vec<u8>>; 3] = Default::default();
            for (number, (collection, length)) in lengths.iter().enumerate() {
                let document = document(i32::try_from(number).unwrap(), *length);
                cutter.document(*collection, &document);
                given[*collection].push(document);
            }
            cutter.flush();
            for (collection, given) in given.iter().enumerate() {
                let digest = cutter.digests.get(&collection).copied().unwrap_or_default();
                prop_assert_eq!(digest.rows, given.len() as u64);
            }
            let mut found: [Vec<Vec<u8>>; 3] = Default::default();
            for batch in cutter.ready {
                prop_assert!(batch.array.len() <= BYTES + 64);
                let (collection, count) = (batch.collection, batch.documents);
                let documents = documents(&batch);
                prop_assert_eq!(documents.len() as u64, count);
                found[collection].extend(documents);
            }
            given[2].clear();
            prop_assert_eq!(found, given);
        }
    }

    #[test]
    fn a_batch_goes_on_behind_what_is_there() {
        let all: Vec<_> = (0..12).map(|n| document(n, 3)).collect();
        let mut batch = Batch::new(5);
        for document in &all {
            batch.push(document);
        }
        assert_eq!((batch.up_to(&all[10]), batch.up_to(&document(99, 3))), (11, 0));
        for count in [0, 1, 11] {
            let left = batch.behind(count);
            assert_eq!((left.collection, left.documents), (5, 12 - count as u64));
            assert_eq!(documents(&left), all[count..]);
        }
        assert_eq!(batch.behind(12).documents, 0);
    }

    #[test]
    fn the_longest_document_goes_alone() {
        let mut cutter = Cutter::new([true].into());
        for (number, length) in [(1, 10), (2, 16 << 20), (3, 10)] {
            cutter.document(0, &document(number, length));
        }
        cutter.flush();
        let counts: Vec<_> = cutter.ready.iter().map(|batch| batch.documents).collect();
        assert_eq!(counts, [1, 1, 1]);
    }
}
