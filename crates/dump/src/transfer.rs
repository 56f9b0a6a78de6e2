//! From a stream of unknown length to uploaded, unpublished parts, with bounded memory.
//!
//! A part is filled in memory and sent from there, so that a failed request can be sent
//! again. (A part cannot be streamed instead: its length has to be declared before its first
//! byte, and nobody knows where a dump ends.) Parts are therefore no larger than half of
//! [`Limits::memory`]. When an object has all the parts it may have, the stream goes on in a
//! further object; the concatenation of all of them is the dump. With the usual limits that
//! happens no earlier than after 179 GiB, and after 625 GiB where the size was expected.

use std::sync::Arc;

use autodump_core::ports::{Completion, ObjectLocation, PartReceipt, Upload};
use autodump_core::{Error, ErrorClass, Result};
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use crate::open_uploads::{OpenUploads, SharedStore};
use crate::part_size::{PARTS, Plan};
use crate::progress::Progress;

/// The most that is asked of a source at once, so that hashing never holds up the uploads
/// for longer than a millisecond.
const READ: usize = 1024 * 1024;

/// Where a dump's bytes come from.
pub trait Source: Send {
    /// Appends up to `limit` bytes to `buffer` and says how many; waits until there is one.
    /// 0 is the end, and the promise that everything before it is the whole dump: a source
    /// that failed returns its error instead, and never 0. Dropping the future loses nothing.
    fn read(
        &mut self,
        buffer: &mut BytesMut,
        limit: usize,
    ) -> impl Future<Output = Result<usize>> + Send;
}

/// How much a transfer may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that all part buffers may hold together, the one being filled included.
    pub memory: u32,
    /// Parts that are sent at once.
    pub in_flight: usize,
    /// Parts of one object.
    pub parts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 128 * 1024 * 1024, in_flight: 4, parts: PARTS }
    }
}

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
}

/// An object being written.
#[derive(Debug)]
struct Object<U> {
    location: ObjectLocation,
    upload: Arc<U>,
    sha256: Sha256,
    crc64nvme: crc_fast::Digest,
    bytes: u64,
    sent: u32,
    receipts: Vec<PartReceipt>,
}

/// A transfer whose first upload has been begun.
#[derive(Debug)]
pub struct Transfer<'a, S: SharedStore> {
    store: &'a S,
    open: &'a OpenUploads<S::Upload>,
    limits: Limits,
    plan: Plan,
    progress: Arc<Progress>,
    objects: Vec<Object<S::Upload>>,
    tasks: JoinSet<Result<(usize, PartReceipt)>>,
    memory: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

const CONTENT_TYPE: &str = "application/octet-stream";

impl<'a, S: SharedStore> Transfer<'a, S> {
    /// Begins the upload to `location`, so that a bucket that cannot be written is found
    /// before the database has any work. `expected` is the probable length in bytes.
    pub async fn begin(
        store: &'a S,
        open: &'a OpenUploads<S::Upload>,
        location: ObjectLocation,
        expected: u64,
        limits: Limits,
        progress: Arc<Progress>,
    ) -> Result<Self> {
        let plan = Plan::new(expected).at_most(u64::from(limits.memory) / 2);
        let mut transfer = Self {
            store,
            open,
            limits,
            plan,
            progress,
            objects: Vec::new(),
            tasks: JoinSet::new(),
            memory: Arc::new(Semaphore::new(limits.memory as usize)),
            slots: Arc::new(Semaphore::new(limits.in_flight)),
        };
        transfer.next_object(location).await?;
        Ok(transfer)
    }

    /// Uploads everything that `source` gives, and compares: the parts the store accepted
    /// are, in length and checksum, the stream that was read. Fails when there is not one
    /// byte. On any failure the uploads stay in the list of open ones, for the caller to
    /// abort; none of their parts is on its way any more.
    pub async fn run(mut self, source: &mut impl Source) -> Result<Vec<Staged<S::Upload>>> {
        match self.drain(source).await {
            Ok(()) => self.objects.into_iter().map(Object::into_staged).collect(),
            Err(error) => {
                self.tasks.shutdown().await;
                Err(error)
            }
        }
    }

    async fn drain(&mut self, source: &mut impl Source) -> Result<()> {
        while let Some((part, permit)) = self.fill(source).await? {
            self.send(part, permit).await?;
        }
        while let Some(done) = self.tasks.join_next().await {
            self.note(done)?;
        }
        if self.progress.read() == 0 {
            return Err(Error::new(
                ErrorClass::Engine,
                "the dump program ended well but wrote nothing",
                "Run it by hand against this database; an empty dump is never kept",
            ));
        }
        Ok(())
    }

    /// The next part, full unless it is the last; `None` after the end.
    async fn fill(
        &mut self,
        source: &mut impl Source,
    ) -> Result<Option<(Bytes, OwnedSemaphorePermit)>> {
        let size = self.next_size();
        let permit = self.while_sending(Arc::clone(&self.memory).acquire_many_owned(size)).await?;
        let permit = permit.map_err(internal)?;
        let size = size as usize;
        let mut part = BytesMut::with_capacity(size);
        while part.len() < size {
            let before = part.len();
            let limit = READ.min(size - before);
            if self.while_sending(source.read(&mut part, limit)).await?? == 0 {
                break;
            }
            let object = self.current_object().await?;
            object.take_in(&part[before..]);
            self.progress.add_read((part.len() - before) as u64);
        }
        Ok((!part.is_empty()).then(|| (part.freeze(), permit)))
    }

    fn next_size(&self) -> u32 {
        let number = match self.objects.as_slice() {
            [only] if only.sent < self.limits.parts => only.sent + 1,
            _ => self.limits.parts,
        };
        u32::try_from(self.plan.size(number)).unwrap_or(u32::MAX).min(self.limits.memory)
    }

    /// Sends a part of the current object as soon as there is a slot.
    async fn send(&mut self, body: Bytes, permit: OwnedSemaphorePermit) -> Result<()> {
        let slot = self.while_sending(Arc::clone(&self.slots).acquire_owned()).await?;
        let slot = slot.map_err(internal)?;
        let index = self.objects.len() - 1;
        let object = &mut self.objects[index];
        object.sent += 1;
        let (upload, number) = (Arc::clone(&object.upload), object.sent);
        let crc = checksum(CrcAlgorithm::Crc64Nvme, &body);
        self.tasks.spawn(async move {
            let receipt = upload.put_part(number, body, crc).await?;
            drop((permit, slot));
            Ok((index, receipt))
        });
        Ok(())
    }

    /// The object that the next byte belongs to: a further one when all parts are used up.
    async fn current_object(&mut self) -> Result<&mut Object<S::Upload>> {
        let last = self.objects.len() - 1;
        if self.objects[last].sent == self.limits.parts {
            let location = self.further_location();
            self.next_object(location).await?;
        }
        let last = self.objects.len() - 1;
        Ok(&mut self.objects[last])
    }

    fn further_location(&self) -> ObjectLocation {
        let first = &self.objects[0].location;
        let key = format!("{}.{}", first.key, self.objects.len() + 1);
        ObjectLocation { key, ..first.clone() }
    }

    async fn next_object(&mut self, location: ObjectLocation) -> Result<()> {
        let upload = self.open.create(self.store, &location, CONTENT_TYPE).await?;
        self.objects.push(Object {
            location,
            upload,
            sha256: Sha256::new(),
            crc64nvme: crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme),
            bytes: 0,
            sent: 0,
            receipts: Vec::new(),
        });
        Ok(())
    }

    /// Waits for `future`, and meanwhile takes note of the parts that arrive: the first one
    /// that failed ends the waiting.
    async fn while_sending<F: Future>(&mut self, future: F) -> Result<F::Output> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => self.note(done)?,
                output = &mut future => return Ok(output),
            }
        }
    }

    fn note(&mut self, done: Result<Result<(usize, PartReceipt)>, JoinError>) -> Result<()> {
        let (index, receipt) = done.map_err(internal)??;
        self.progress.add_sent(receipt.bytes);
        self.objects[index].receipts.push(receipt);
        Ok(())
    }
}

impl<U> Object<U> {
    fn take_in(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        self.crc64nvme.update(bytes);
    }

    fn into_staged(mut self) -> Result<Staged<U>> {
        self.receipts.sort_unstable_by_key(|receipt| receipt.number);
        let completion = Completion {
            parts: self.receipts,
            bytes: self.bytes,
            crc64nvme: self.crc64nvme.finalize(),
            only_if_absent: false,
        };
        compare(&completion, self.sent, &self.location)?;
        Ok(Staged {
            location: self.location,
            upload: self.upload,
            completion,
            sha256: self.sha256.finalize().into(),
        })
    }
}

/// Compares what the store has accepted with what was read.
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
    Err(Error::new(
        ErrorClass::Internal,
        format!(
            "the parts of s3://{}/{} ({bytes} bytes, CRC {crc:016x}) are not the stream that \
             was read ({} bytes, CRC {:016x})",
            location.bucket, location.key, completion.bytes, completion.crc64nvme
        ),
        "Nothing was published. Start the run again, and report this if it repeats",
    ))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("a part's task broke down: {error}"),
        "Report this: it is a fault of AutoDump",
    )
    .caused_by(error)
}
