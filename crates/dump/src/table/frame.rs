//! A page becomes an entry of the journal: lines, and their compressed frame.
//!
//! This is where a backup's processor time goes, so it is done on the threads for blocking
//! work, where it holds up no request.

use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::Result;
use autodump_core::compression::Compression;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::crc;
use super::journal::{Entry, Frame};
use super::page::Page;
use crate::codec::Encoder;
use crate::uploader::broke_down;

/// Bytes of a page that DynamoDB counts as one unit, if it is read consistently.
const UNIT: usize = 4096;

/// Makes entries. Clones share their encoders.
#[derive(Clone)]
pub(super) struct Framer {
    compression: Compression,
    consistent: bool,
    /// One for each processor: more pages at once would only take more memory.
    slots: Arc<Semaphore>,
    /// Encoders that are not in use now.
    idle: Arc<Mutex<Vec<Encoder>>>,
}

impl Framer {
    pub(super) fn new(compression: Compression, consistent: bool) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = Arc::new(Semaphore::new(processors));
        Self { compression, consistent, slots, idle: Arc::default() }
    }

    /// The entry that the body of an answer makes. Its frame is one or more whole frames of the
    /// compression, and empty where the page has no items.
    pub(super) async fn frame(&self, segment: u32, body: Bytes) -> Result<Frame> {
        let framer = self.clone();
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(broke_down)?;
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            framer.frame_now(segment, &body)
        });
        work.await.map_err(broke_down)?
    }

    fn frame_now(&self, segment: u32, body: &[u8]) -> Result<Frame> {
        let page = Page::of(body)?;
        let lines = page.lines();
        let frame = self.compressed(&lines)?;
        let entry = Entry {
            segment,
            next: page.next().map(str::to_owned),
            items: page.items(),
            bytes: lines.len() as u64,
            crc64nvme: crc::of(&lines),
            units: page.units.unwrap_or_else(|| self.guess(body.len())),
            frame: frame.len() as u64,
            frame_crc64nvme: crc::of(&frame),
        };
        Ok(Frame { entry, bytes: frame.into() })
    }

    fn compressed(&self, lines: &[u8]) -> Result<Vec<u8>> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut encoder = match waiting {
            Some(encoder) => encoder,
            None => Encoder::new(self.compression)?,
        };
        let mut frame = Vec::new();
        encoder.write(lines, &mut frame);
        encoder.end_frame(&mut frame);
        idle().push(encoder);
        frame.shrink_to_fit();
        Ok(frame)
    }

    /// What a page of this length costs at most, for a server that does not say.
    fn guess(&self, bytes: usize) -> f64 {
        let units = f64::from(u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX));
        if self.consistent { units } else { units / 2.0 }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
