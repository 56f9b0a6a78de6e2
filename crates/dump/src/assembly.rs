//! One object in the making, written by several hands at once.
//!
//! Each hand appends *pieces* that make sense wherever they stand among the others (whole
//! compressed frames of whole rows), in the order in which they come. Parts are formed of
//! them under one lock, which also hashes the object in its order: a piece that is too short
//! for a part waits and is joined to the next one. When an object has all the parts it may
//! have, it goes on in a further object; all of them together are the content.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use autodump_core::ports::{Completion, ObjectLocation, PartReceipt, Upload};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, OwnedMutexGuard, OwnedSemaphorePermit};

use crate::open_uploads::SharedStore;
use crate::part_size::{Plan, SMALLEST};
use crate::uploader::{Sending, Uploader};

const CONTENT_TYPE: &str = "application/octet-stream";

/// An object whose parts are all uploaded and compared, and which nobody sees yet.
#[derive(Debug)]
pub struct Staged<U> {
    /// Where it will appear.
    pub location: ObjectLocation,
    /// The upload to complete.
    pub upload: Arc<U>,
    /// What the object has to be.
    pub completion: Completion,
    /// SHA-256 of the object.
    pub sha256: [u8; 32],
    /// Lengths of the pieces it is made of, where each makes sense without the others.
    pub segments: Vec<u64>,
}

/// Bytes that are to be appended, and the memory they take.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The object, or the objects, in the making.
pub(crate) struct Assembly<S: SharedStore> {
    uploader: Arc<Uploader<S>>,
    first: ObjectLocation,
    plan: Plan,
    pieces: Pieces,
    next_size: AtomicU64,
    state: Arc<tokio::sync::Mutex<State<S::Upload>>>,
}

/// What the pieces of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Each makes sense without the others.
    Whole,
    /// Cut anywhere.
    Cut,
}

#[derive(Debug)]
struct State<U> {
    objects: Vec<Object<U>>,
    /// Pieces that are waiting for a part; shorter than the smallest part.
    waiting: Vec<u8>,
    /// Bytes since the last place where a piece ended.
    since_boundary: u64,
    /// An object ended within a piece: its segments would make no sense alone.
    misaligned: bool,
}

/// One object of the store.
#[derive(Debug)]
struct Object<U> {
    location: ObjectLocation,
    upload: Arc<OnceCell<Arc<U>>>,
    sha256: Sha256,
    /// Of all parts up to now.
    crc64nvme: u64,
    bytes: u64,
    sent: u32,
    segments: Vec<u64>,
    receipts: Arc<Mutex<Vec<PartReceipt>>>,
}

impl<S: SharedStore> Assembly<S> {
    /// An object at `location` of probably `expected` bytes, with parts of at most `largest`
    /// bytes. Nothing is sent yet.
    pub(crate) fn new(
        uploader: &Arc<Uploader<S>>,
        location: ObjectLocation,
        expected: u64,
        largest: u64,
        pieces: Pieces,
    ) -> Self {
        let plan = Plan::new(expected).at_most(largest);
        let state = State {
            objects: vec![Object::new(location.clone())],
            waiting: Vec::new(),
            since_boundary: 0,
            misaligned: false,
        };
        Self {
            uploader: Arc::clone(uploader),
            first: location,
            plan,
            pieces,
            next_size: AtomicU64::new(plan.size(1)),
            state: Arc::new(tokio::sync::Mutex::new(state)),
        }
    }

    /// Begins the upload now instead of with its first part, so that a bucket that cannot be
    /// written is found early.
    pub(crate) async fn begin(&self) -> Result<()> {
        let (cell, location) = {
            let state = self.state.lock().await;
            (Arc::clone(&state.objects[0].upload), state.objects[0].location.clone())
        };
        upload(&self.uploader, &cell, &location).await.map(drop)
    }

    /// How large the next part should be.
    pub(crate) fn next_size(&self) -> u64 {
        self.next_size.load(Ordering::Relaxed)
    }

    /// Ends the content with `last`, and sends what was waiting. All hands must have ended,
    /// and the caller may hold no memory, since this waits for some.
    pub(crate) async fn finish(&self, last: &[u8], sending: &mut Sending) -> Result<()> {
        let mut state = sending.during(self.state.lock()).await?;
        let mut body = std::mem::take(&mut state.waiting);
        body.extend_from_slice(last);
        if body.is_empty() && state.objects.iter().any(|object| object.sent > 0) {
            return Ok(());
        }
        let permit = sending.during(self.uploader.reserve(body.len() as u64)).await??;
        self.send(&mut state, body, permit, true, sending);
        Ok(())
    }

    /// The objects, when the store has accepted all parts. Compares: the parts the store
    /// accepted are, in length and checksum, what was appended.
    pub(crate) async fn staged(&self) -> Result<Vec<Staged<S::Upload>>> {
        let mut state = self.state.lock().await;
        let parts: u32 = state.objects.iter().map(|object| object.sent).sum();
        let whole = self.pieces == Pieces::Whole && !state.misaligned || parts <= 1;
        state.objects.drain(..).map(|object| object.into_staged(whole)).collect()
    }

    fn send(
        &self,
        state: &mut State<S::Upload>,
        body: Vec<u8>,
        permit: OwnedSemaphorePermit,
        ends: bool,
        sending: &mut Sending,
    ) {
        let object = self.object_for_next_part(state);
        let crc = object.take_in(&body);
        let number = object.sent;
        let (cell, location) = (Arc::clone(&object.upload), object.location.clone());
        let receipts = Arc::clone(&object.receipts);
        state.note_boundary(body.len() as u64, ends);
        let next = if state.objects.len() == 1 { number + 1 } else { self.uploader.limits.parts };
        self.next_size.store(self.plan.size(next), Ordering::Relaxed);
        let uploader = Arc::clone(&self.uploader);
        sending.spawn(async move {
            let slot = Arc::clone(&uploader.slots).acquire_owned().await;
            let upload = upload(&uploader, &cell, &location).await?;
            let receipt = upload.put_part(number, Bytes::from(body), crc).await?;
            drop((permit, slot));
            uploader.progress.add_sent(receipt.bytes);
            receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
            Ok(())
        });
    }

    fn object_for_next_part<'a>(
        &self,
        state: &'a mut State<S::Upload>,
    ) -> &'a mut Object<S::Upload> {
        let last = state.objects.len() - 1;
        if state.objects[last].sent == self.uploader.limits.parts {
            state.misaligned |= state.since_boundary > 0;
            let key = format!("{}.{}", self.first.key, state.objects.len() + 1);
            state.objects.push(Object::new(ObjectLocation { key, ..self.first.clone() }));
        }
        let last = state.objects.len() - 1;
        &mut state.objects[last]
    }
}

/// The upload of an object, begun if it was not.
async fn upload<S: SharedStore>(
    uploader: &Uploader<S>,
    cell: &OnceCell<Arc<S::Upload>>,
    location: &ObjectLocation,
) -> Result<Arc<S::Upload>> {
    let begin = || uploader.open.create(&uploader.store, location, CONTENT_TYPE);
    cell.get_or_try_init(begin).await.map(Arc::clone)
}

/// One of those who write an object.
pub(crate) struct Hand<S: SharedStore> {
    assembly: Arc<Assembly<S>>,
    /// Held while a piece is appended in more than one go: nothing may come between.
    held: Option<OwnedMutexGuard<State<S::Upload>>>,
}

impl<S: SharedStore> Hand<S> {
    pub(crate) const fn new(assembly: Arc<Assembly<S>>) -> Self {
        Self { assembly, held: None }
    }

    pub(crate) const fn assembly(&self) -> &Arc<Assembly<S>> {
        &self.assembly
    }

    /// Whether nobody else can append before this one does.
    pub(crate) const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Appends a piece, or with `ends` false a first part of one: then the object is locked
    /// until its end was appended, and the part must be at least as large as the smallest.
    pub(crate) async fn append(
        &mut self,
        piece: Piece,
        ends: bool,
        sending: &mut Sending,
    ) -> Result<()> {
        let mut state = match self.held.take() {
            Some(state) => state,
            None => sending.during(Arc::clone(&self.assembly.state).lock_owned()).await?,
        };
        let (body, permit) = state.join(piece);
        if ends && (body.len() as u64) < SMALLEST {
            state.waiting = body;
            return Ok(());
        }
        self.assembly.send(&mut state, body, permit, ends, sending);
        if !ends {
            self.held = Some(state);
        }
        Ok(())
    }
}

impl<U> State<U> {
    /// What was waiting, and the piece.
    fn join(&mut self, piece: Piece) -> (Vec<u8>, OwnedSemaphorePermit) {
        let Piece { bytes, permit } = piece;
        if self.waiting.is_empty() {
            return (bytes, permit);
        }
        let mut joined = std::mem::take(&mut self.waiting);
        joined.extend_from_slice(&bytes);
        (joined, permit)
    }

    fn note_boundary(&mut self, bytes: u64, ends: bool) {
        self.since_boundary += bytes;
        if ends {
            let segment = std::mem::take(&mut self.since_boundary);
            let last = self.objects.len() - 1;
            self.objects[last].segments.push(segment);
        }
    }
}

impl<U> Object<U> {
    fn new(location: ObjectLocation) -> Self {
        Self {
            location,
            upload: Arc::default(),
            sha256: Sha256::new(),
            crc64nvme: checksum(CrcAlgorithm::Crc64Nvme, &[]),
            bytes: 0,
            sent: 0,
            segments: Vec::new(),
            receipts: Arc::default(),
        }
    }

    /// Takes note of the next part, and returns its CRC.
    fn take_in(&mut self, part: &[u8]) -> u64 {
        let (bytes, crc) = (part.len() as u64, checksum(CrcAlgorithm::Crc64Nvme, part));
        self.bytes += bytes;
        self.sha256.update(part);
        self.crc64nvme = checksum_combine(CrcAlgorithm::Crc64Nvme, self.crc64nvme, crc, bytes);
        self.sent += 1;
        crc
    }

    fn into_staged(self, whole: bool) -> Result<Staged<U>> {
        let mut parts =
            std::mem::take(&mut *self.receipts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.sort_unstable_by_key(|receipt| receipt.number);
        let completion = Completion {
            parts,
            bytes: self.bytes,
            crc64nvme: self.crc64nvme,
            only_if_absent: false,
        };
        compare(&completion, self.sent, &self.location)?;
        let upload = self.upload.get().map(Arc::clone);
        let upload = upload.ok_or_else(|| differs(&self.location, "it was never begun"))?;
        Ok(Staged {
            location: self.location,
            upload,
            completion,
            sha256: self.sha256.finalize().into(),
            segments: if whole { self.segments } else { Vec::new() },
        })
    }
}

/// Compares what the store has accepted with what was appended.
fn compare(completion: &Completion, sent: u32, location: &ObjectLocation) -> Result<()> {
    let mut bytes = 0;
    let mut crc = checksum(CrcAlgorithm::Crc64Nvme, &[]);
    for receipt in &completion.parts {
        crc = checksum_combine(CrcAlgorithm::Crc64Nvme, crc, receipt.crc64nvme, receipt.bytes);
        bytes += receipt.bytes;
    }
    let whole = completion.parts.iter().map(|receipt| receipt.number).eq(1..=sent);
    if whole && bytes == completion.bytes && crc == completion.crc64nvme {
        return Ok(());
    }
    let what = format!(
        "its parts ({bytes} bytes, CRC {crc:016x}) are not what was read ({} bytes, CRC {:016x})",
        completion.bytes, completion.crc64nvme
    );
    Err(differs(location, &what))
}

fn differs(location: &ObjectLocation, what: &str) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("s3://{}/{} is not whole: {what}", location.bucket, location.key),
        "Nothing was published. Start the run again, and report this if it repeats",
    )
}

#[cfg(test)]
#[path = "assembly_tests.rs"]
mod tests;
