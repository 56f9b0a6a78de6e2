//! An object store in memory that is as strict as S3.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

use crate::error::{Error, ErrorClass, Result};
use crate::ports::{
    Completion, Content, Listed, ListedPage, ObjectLocation, ObjectReader, ObjectStore,
    ObjectWriter, PartReceipt, Put, Unfinished, Unfinishing, Upload,
};

/// S3's lower limit for every part but the last.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
const LAST_PART_NUMBER: u32 = 10_000;
/// The longest piece of a content that is read: odd, so that no border falls on another.
const PIECE: usize = 65_537;
/// How many objects a page of a listing has at most, as with S3.
const PAGE: usize = 1000;

/// A published object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// What it was declared to be.
    pub content_type: String,
    /// Length in bytes.
    pub length: u64,
    /// The content; empty in a store made by [`MemoryStore::sink`].
    pub content: Bytes,
    /// CRC64-NVME of the content.
    pub crc64nvme: u64,
}

#[derive(Debug)]
struct Part {
    content: Bytes,
    receipt: PartReceipt,
}

#[derive(Debug)]
struct Open {
    location: ObjectLocation,
    content_type: String,
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<(String, String), StoredObject>,
    open: BTreeMap<u64, Open>,
    created: u64,
}

/// The store. Clones share their content.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    keeps_content: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { state: Arc::default(), keeps_content: true }
    }
}

impl MemoryStore {
    /// A store that checks everything and forgets the bytes: it costs nothing, so the
    /// program that uploads can be measured alone.
    #[must_use]
    pub fn sink() -> Self {
        Self { keeps_content: false, ..Self::default() }
    }

    /// A published object, if it is there.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<StoredObject> {
        self.state().objects.get(&(bucket.to_owned(), key.to_owned())).cloned()
    }

    /// Puts an object there as it is, or in the place of one: to damage a backup.
    pub fn put(&self, location: &ObjectLocation, content: impl Into<Bytes>) {
        let content = content.into();
        let object = StoredObject {
            content_type: "application/octet-stream".to_owned(),
            length: content.len() as u64,
            crc64nvme: checksum(CrcAlgorithm::Crc64Nvme, &content),
            content,
        };
        let key = (location.bucket.clone(), location.key.clone());
        self.state().objects.insert(key, object);
    }

    /// Removes an object, if it is there.
    pub fn remove(&self, location: &ObjectLocation) {
        self.state().objects.remove(&(location.bucket.clone(), location.key.clone()));
    }

    /// The keys of all published objects in all buckets, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().map(|(_, key)| key.clone()).collect()
    }

    /// The keys of uploads that are neither completed nor aborted, sorted.
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        let mut keys: Vec<_> =
            self.state().open.values().map(|open| open.location.key.clone()).collect();
        keys.sort();
        keys
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorClass::Destination, what, "This is the memory store of a test")
}

impl ObjectStore for MemoryStore {
    type Upload = MemoryUpload;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<MemoryUpload> {
        let mut state = self.state();
        state.created += 1;
        let id = state.created;
        let open = Open {
            location: location.clone(),
            content_type: content_type.to_owned(),
            parts: BTreeMap::new(),
        };
        state.open.insert(id, open);
        drop(state);
        Ok(MemoryUpload { store: self.clone(), id })
    }
}

impl ObjectReader for MemoryStore {
    type Content = MemoryContent;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<MemoryContent> {
        let missing = |what: &str| {
            let what = format!("s3://{}/{} {what}", location.bucket, location.key);
            Error::new(ErrorClass::Verification, what, "This is the memory store of a test")
        };
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(MemoryContent { rest: Bytes::new() });
        }
        let object = self.object(&location.bucket, &location.key);
        let object = object.ok_or_else(|| missing("is not there"))?;
        if object.length != object.content.len() as u64 {
            return Err(refused("a sink has forgotten its bytes"));
        }
        let Some(range) = range else { return Ok(MemoryContent { rest: object.content }) };
        if range.end > object.length {
            return Err(missing(&format!("has {} bytes, not {range:?}", object.length)));
        }
        let index = |at| usize::try_from(at).map_err(|_| missing("is too long"));
        let range = index(range.start)?..index(range.end)?;
        Ok(MemoryContent { rest: object.content.slice(range) })
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        let state = self.state();
        let at = |key: &str| (bucket.to_owned(), key.to_owned());
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(at(after)),
            None => Bound::Included(at(prefix)),
        };
        let fits = |found: &(String, String)| found.0 == bucket && found.1.starts_with(prefix);
        let listed = |((_, key), o): (&(String, String), &StoredObject)| Listed {
            key: key.clone(),
            bytes: o.length,
            etag: format!("{:016x}", o.crc64nvme),
        };
        let all = state.objects.range((from, Bound::Unbounded));
        let mut all = all.take_while(|(found, _)| fits(found)).map(listed);
        let objects: Vec<_> = all.by_ref().take(PAGE).collect();
        let more = all.next().is_some();
        let next = objects.last().filter(|_| more).map(|last| last.key.clone());
        Ok(ListedPage { objects, next })
    }
}

impl ObjectWriter for MemoryStore {
    async fn put(&self, location: &ObjectLocation, content_type: &str, body: Bytes) -> Result<Put> {
        let key = (location.bucket.clone(), location.key.clone());
        let mut state = self.state();
        if state.objects.contains_key(&key) {
            return Ok(Put::AlreadyThere);
        }
        let object = StoredObject {
            content_type: content_type.to_owned(),
            length: body.len() as u64,
            crc64nvme: checksum(CrcAlgorithm::Crc64Nvme, &body),
            content: if self.keeps_content { body } else { Bytes::new() },
        };
        state.objects.insert(key, object);
        Ok(Put::Written)
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        let mut state = self.state();
        for key in keys {
            state.objects.remove(&(bucket.to_owned(), key.clone()));
        }
        Ok(())
    }
}

/// The content of an object of a [`MemoryStore`], in pieces.
#[derive(Debug)]
pub struct MemoryContent {
    rest: Bytes,
}

impl Content for MemoryContent {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// An upload into a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryUpload {
    store: MemoryStore,
    id: u64,
}

impl Upload for MemoryUpload {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        let actual = checksum(CrcAlgorithm::Crc64Nvme, &body);
        if actual != crc64nvme {
            return Err(refused(format!(
                "part {number} has CRC {actual:016x}, not {crc64nvme:016x}"
            )));
        }
        if number == 0 || number > LAST_PART_NUMBER {
            return Err(refused(format!("{number} is no part number")));
        }
        let receipt = PartReceipt {
            number,
            bytes: body.len() as u64,
            etag: format!("\"{actual:016x}\""),
            crc64nvme,
        };
        let content = if self.store.keeps_content { body } else { Bytes::new() };
        let mut state = self.store.state();
        let open = state
            .open
            .get_mut(&self.id)
            .ok_or_else(|| refused("the upload does not exist any more"))?;
        open.parts.insert(number, Part { content, receipt: receipt.clone() });
        Ok(receipt)
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        let mut state = self.store.state();
        let open = state
            .open
            .get(&self.id)
            .ok_or_else(|| refused("the upload does not exist any more"))?;
        let key = (open.location.bucket.clone(), open.location.key.clone());
        if completion.only_if_absent && state.objects.contains_key(&key) {
            return Err(refused(format!("{} is already there", key.1)));
        }
        let object = assemble(open, &completion)?;
        state.open.remove(&self.id);
        state.objects.insert(key, object);
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        self.store.state().open.remove(&self.id);
        Ok(())
    }
}

impl Unfinishing for MemoryStore {
    async fn unfinished(&self, bucket: &str, prefix: &str) -> Result<Vec<Unfinished>> {
        let state = self.state();
        let is_below = |at: &ObjectLocation| at.bucket == bucket && at.key.starts_with(prefix);
        let open = state.open.iter().filter(|(_, open)| is_below(&open.location));
        Ok(open
            .map(|(id, open)| Unfinished { key: open.location.key.clone(), id: id.to_string() })
            .collect())
    }

    async fn abandon(&self, _: &str, upload: &Unfinished) -> Result<()> {
        let id: u64 = upload.id.parse().map_err(|_| refused("there never was such an upload"))?;
        self.state().open.remove(&id);
        Ok(())
    }
}

fn assemble(open: &Open, completion: &Completion) -> Result<StoredObject> {
    if completion.parts.is_empty() {
        return Err(refused("a completion names at least one part"));
    }
    let mut content = BytesMut::new();
    let (mut length, mut crc) = (0, None);
    for (index, receipt) in completion.parts.iter().enumerate() {
        let part = open.parts.get(&receipt.number).filter(|part| part.receipt == *receipt);
        let Some(part) = part else {
            return Err(refused(format!("part {} is not what was uploaded", receipt.number)));
        };
        if index > 0 && completion.parts[index - 1].number >= receipt.number {
            return Err(refused("the parts are not in ascending order"));
        }
        if index + 1 < completion.parts.len() && receipt.bytes < SMALLEST_PART {
            return Err(refused(format!("part {} is too small", receipt.number)));
        }
        content.extend_from_slice(&part.content);
        length += receipt.bytes;
        crc = Some(crc.map_or(receipt.crc64nvme, |sum| {
            checksum_combine(CrcAlgorithm::Crc64Nvme, sum, receipt.crc64nvme, receipt.bytes)
        }));
    }
    if length != completion.bytes {
        return Err(refused(format!("the object has {length} bytes, not {}", completion.bytes)));
    }
    if crc != Some(completion.crc64nvme) {
        return Err(refused("the object's CRC is another one"));
    }
    Ok(StoredObject {
        content_type: open.content_type.clone(),
        length,
        content: content.freeze(),
        crc64nvme: completion.crc64nvme,
    })
}
