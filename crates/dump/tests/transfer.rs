//! Stream → parts → the same bytes, whatever the lengths.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use autodump_core::ports::{ObjectLocation, Upload as _};
use autodump_core::testing::MemoryStore;
use autodump_core::{Error, ErrorClass, Result};
use autodump_dump::progress::Progress;
use autodump_dump::transfer::{Source, transfer};
use autodump_dump::uploader::{Limits, Uploader};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const MIB: usize = 1024 * 1024;

/// Gives `content` in pieces of these lengths, over and over.
struct Pieces<'a> {
    content: &'a [u8],
    lengths: Vec<usize>,
    turn: usize,
    fails_at_end: bool,
}

impl Source for Pieces<'_> {
    async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
        tokio::task::yield_now().await;
        if self.content.is_empty() && self.fails_at_end {
            return Err(Error::new(ErrorClass::Source, "the end is not the end", "None"));
        }
        let wanted = self.lengths[self.turn % self.lengths.len()];
        self.turn += 1;
        let (now, later) = self.content.split_at(wanted.min(limit).min(self.content.len()));
        buffer.extend_from_slice(now);
        self.content = later;
        Ok(now.len())
    }
}

fn location() -> ObjectLocation {
    ObjectLocation { bucket: "b".to_owned(), key: "k".to_owned() }
}

async fn upload(source: &mut Pieces<'_>, limits: Limits, store: &MemoryStore) -> Result<Vec<u8>> {
    let progress = Arc::new(Progress::default());
    let uploader = Uploader::new(store.clone(), limits, Arc::clone(&progress));
    let staged = match transfer(&uploader, location(), 0, source).await {
        Ok(staged) => staged,
        Err(error) => {
            uploader.abort_open(tokio::time::sleep(Duration::from_secs(1))).await;
            return Err(error);
        }
    };
    let mut all = Vec::new();
    for object in staged {
        object.upload.complete(object.completion.clone()).await?;
        let stored = store.object("b", &object.location.key).unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&stored.content)), object.sha256);
        assert_eq!(stored.length, object.completion.bytes);
        all.extend_from_slice(&stored.content);
    }
    assert_eq!((progress.read(), progress.sent()), (all.len() as u64, all.len() as u64));
    Ok(all)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_bytes_come_out_as_they_went_in(
        length in prop_oneof![
            1..64usize, 8 * MIB - 2..8 * MIB + 2, 16 * MIB - 1..16 * MIB + 1, 1..40 * MIB,
        ],
        lengths in prop::collection::vec(1024..2 * MIB, 1..5),
        in_flight in 1..5usize,
        memory in 16..40u32,
        parts in 1..4u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let content = content(length);
        let mut source =
            Pieces { content: &content, lengths: lengths.clone(), turn: 0, fails_at_end: false };
        let limits = Limits { memory: memory << 20, in_flight, parts };
        let store = MemoryStore::default();
        let out = runtime.block_on(upload(&mut source, limits, &store)).unwrap();
        prop_assert!(out == content);

        let mut source = Pieces { content: &content, lengths, turn: 0, fails_at_end: true };
        let store = MemoryStore::default();
        let outcome = runtime.block_on(upload(&mut source, limits, &store));
        prop_assert_eq!(outcome.unwrap_err().class(), ErrorClass::Source);
        prop_assert!(store.keys().is_empty() && store.open_uploads().is_empty());
    }
}
