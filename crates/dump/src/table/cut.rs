//! The frames of a journal become data objects, each with a checkpoint.

use autodump_core::compression::Algorithm;
use autodump_core::manifest::Object;
use autodump_core::ports::{ObjectLocation, ObjectReader, ObjectWriter, Put};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use autodump_core::{Error, ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::checkpoint::{Checkpoint, DataObject};
use super::crc;
use super::journal::Frame;
use super::place::Place;
use crate::uploader::broke_down;

/// What a data object's buffer grows by.
const GROWTH: usize = 8 << 20;

/// The journal so far, as far as it matters: where each segment is, and what is not yet in a
/// data object.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) state: Checkpoint,
    /// The number of the next checkpoint.
    number: u64,
    object_bytes: usize,
    frames: Vec<u8>,
    items: u64,
}

/// A data object, and the checkpoint that follows it.
#[derive(Debug)]
pub(super) struct Cut {
    number: u64,
    frames: Bytes,
    items: u64,
    state: Checkpoint,
}

impl Log {
    /// The log after the checkpoint `state`, which leaves `number` to the next one.
    pub(super) fn after(state: Checkpoint, number: u64, scan: &Scan) -> Self {
        let object_bytes = usize::try_from(scan.object_bytes).unwrap_or(usize::MAX).max(1);
        Self { state, number, object_bytes, frames: Vec::new(), items: 0 }
    }

    /// Appends the next object of the journal, which lies at `location`.
    pub(super) fn append(&mut self, frames: &[Frame], location: &ObjectLocation) -> Result<()> {
        for Frame { entry, bytes } in frames {
            self.state.note(entry, location)?;
            self.items += entry.items;
            if bytes.is_empty() {
                continue;
            }
            let missing = (self.frames.len() + bytes.len()).saturating_sub(self.frames.capacity());
            if missing > 0 {
                self.frames.reserve_exact(bytes.len().max(GROWTH.min(self.object_bytes)));
            }
            self.frames.extend_from_slice(bytes);
        }
        self.state.journal += 1;
        Ok(())
    }

    /// Whether the next data object ends here.
    pub(super) const fn is_full(&self) -> bool {
        self.frames.len() >= self.object_bytes
    }

    /// Takes the data object that ends here out of it.
    pub(super) fn cut(&mut self) -> Cut {
        let number = self.number;
        self.number += 1;
        let mut state = self.state.clone();
        state.complete = state.is_done();
        Cut {
            number,
            frames: std::mem::take(&mut self.frames).into(),
            items: std::mem::take(&mut self.items),
            state,
        }
    }
}

impl Cut {
    /// Puts the data object, if it has any bytes, and then the checkpoint. Gives the checkpoint.
    /// That they are there already is as good: another attempt made them of the same journal.
    pub(super) async fn put<S: ObjectReader + ObjectWriter>(
        self,
        store: &S,
        place: &Place,
        scan: &Scan,
        algorithm: Algorithm,
    ) -> Result<Checkpoint> {
        let Self { number, frames, items, mut state } = self;
        let range = state.range;
        if !frames.is_empty() {
            let number = state.objects.len() as u64;
            let location = place.at(&layout::data(range, number, algorithm));
            let object = described(location.clone(), frames.clone()).await?;
            // Whether it is there already does not matter, and the job may not read its data.
            store.put(&location, "application/octet-stream", frames).await?;
            tracing::info!(key = object.key, bytes = object.bytes, items, "data object complete");
            state.objects.push(DataObject { object, items });
        }
        let location = place.at(&layout::checkpoint(range, number));
        let put = store.put(&location, "application/json", state.encode()?.into()).await?;
        if put == Put::AlreadyThere {
            let there = Checkpoint::read(store, &location, scan, range).await?;
            if there != state {
                return Err(differs(&location));
            }
        }
        Ok(state)
    }
}

/// Hashes an object on a thread for blocking work.
async fn described(location: ObjectLocation, body: Bytes) -> Result<Object> {
    let work = move || Object {
        bucket: location.bucket,
        key: location.key,
        bytes: body.len() as u64,
        sha256: hex::encode(Sha256::digest(&body)),
        crc64nvme: BASE64_STANDARD.encode(crc::of(&body).to_be_bytes()),
        segments: Vec::new(),
    };
    tokio::task::spawn_blocking(work).await.map_err(broke_down)
}

fn differs(location: &ObjectLocation) -> Error {
    Error::new(
        ErrorClass::Verification,
        format!(
            "s3://{}/{} is there already, and is not what the journal gives",
            location.bucket, location.key
        ),
        "Start a new run of this table, and find out what changed this object or the journal",
    )
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
