//! What every [`ObjectStore`] promises, as functions that panic when it does not hold.
//!
//! Each function uses a key of its own in the bucket it is given, so all can run against
//! one server. Parts are 5 MiB, because real servers refuse smaller ones.

#![allow(clippy::missing_panics_doc, reason = "panicking is how these tell")]

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

use crate::ports::{Completion, ObjectLocation, ObjectStore, PartReceipt, Upload};

const MIB: usize = 1024 * 1024;

/// Looks into a store from outside, as an operator would.
pub trait Inspect {
    /// The content of a published object, or `None`.
    fn content(&self, location: &ObjectLocation) -> impl Future<Output = Option<Bytes>>;
    /// How many uploads to this key are neither completed nor aborted.
    fn open_uploads(&self, location: &ObjectLocation) -> impl Future<Output = usize>;
}

/// Which comparisons the server behind the store really makes. A server that is laxer than
/// S3 says so here, and the thing is tested on the request instead.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// A part whose CRC is wrong is refused.
    pub part_checksum: bool,
    /// An object whose length or CRC is wrong is refused.
    pub object_checksum: bool,
}

/// Runs the whole contract.
pub async fn all<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
    strict: Strictness,
) {
    appears_whole_and_only_when_completed(store, inspect, bucket).await;
    takes_parts_in_any_order(store, inspect, bucket).await;
    abort_leaves_nothing(store, inspect, bucket).await;
    never_replaces_when_told_not_to(store, inspect, bucket).await;
    replaces_when_allowed(store, inspect, bucket).await;
    if strict.part_checksum {
        refuses_a_damaged_part(store, bucket).await;
    }
    if strict.object_checksum {
        refuses_a_wrong_length_or_checksum(store, inspect, bucket).await;
    }
}

pub(super) fn at(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: format!("postgres/contract/{key}") }
}

pub(super) fn pattern(length: usize, seed: u8) -> Bytes {
    (0..=250u8).cycle().take(length).map(|byte| byte ^ seed).collect()
}

fn crc(content: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Nvme, content)
}

/// The completion of these parts, with the right length and checksum.
#[must_use]
pub fn completion(parts: Vec<PartReceipt>, only_if_absent: bool) -> Completion {
    let bytes = parts.iter().map(|part| part.bytes).sum();
    let crc64nvme = parts
        .iter()
        .map(|part| (part.crc64nvme, part.bytes))
        .reduce(|(sum, _), (next, length)| {
            (checksum_combine(CrcAlgorithm::Crc64Nvme, sum, next, length), length)
        })
        .map_or(0, |(sum, _)| sum);
    Completion { parts, bytes, crc64nvme, only_if_absent }
}

async fn put(upload: &impl Upload, number: u32, body: &Bytes) -> PartReceipt {
    let receipt = upload
        .put_part(number, body.clone(), crc(body))
        .await
        .unwrap_or_else(|error| panic!("part {number} was refused: {error}"));
    assert_eq!(receipt.number, number, "the receipt names another part");
    assert_eq!(receipt.bytes, body.len() as u64, "the receipt has another length");
    assert_eq!(receipt.crc64nvme, crc(body), "the receipt has another checksum");
    assert!(!receipt.etag.is_empty(), "the receipt names no ETag");
    receipt
}

async fn create<S: ObjectStore>(store: &S, location: &ObjectLocation) -> S::Upload {
    let created = store.create(location, "application/octet-stream").await;
    created.unwrap_or_else(|error| panic!("no upload to {location:?}: {error}"))
}

pub(super) async fn publish<S: ObjectStore>(store: &S, location: &ObjectLocation, body: &Bytes) {
    let upload = create(store, location).await;
    let part = put(&upload, 1, body).await;
    let done = upload.complete(completion(vec![part], false)).await;
    done.unwrap_or_else(|error| panic!("{location:?} was not published: {error}"));
}

/// Nothing is visible before completion; after it the bytes are those that were sent.
pub async fn appears_whole_and_only_when_completed<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
) {
    let location = at(bucket, "whole");
    let bodies = [pattern(5 * MIB, 1), pattern(5 * MIB, 2), pattern(17, 3)];
    let upload = create(store, &location).await;
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        parts.push(put(&upload, number, body).await);
    }
    assert_eq!(inspect.content(&location).await, None, "visible before it was completed");
    upload
        .complete(completion(parts, true))
        .await
        .unwrap_or_else(|error| panic!("the upload was not completed: {error}"));
    let content = inspect.content(&location).await.unwrap_or_default();
    assert!(content == bodies.concat(), "the published bytes are not those that were sent");
    assert_eq!(inspect.open_uploads(&location).await, 0, "still open after completion");
}

/// Parts may arrive in any order and at once.
pub async fn takes_parts_in_any_order<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
) {
    let location = at(bucket, "order");
    let bodies = [pattern(5 * MIB, 4), pattern(5 * MIB, 5), pattern(1, 6)];
    let upload = create(store, &location).await;
    let last = put(&upload, 3, &bodies[2]).await;
    let (second, first) =
        futures_util::future::join(put(&upload, 2, &bodies[1]), put(&upload, 1, &bodies[0])).await;
    upload
        .complete(completion(vec![first, second, last], true))
        .await
        .unwrap_or_else(|error| panic!("the upload was not completed: {error}"));
    let content = inspect.content(&location).await.unwrap_or_default();
    assert!(content == bodies.concat(), "the parts were not put in order");
}

/// After an abort nothing is left, and a second one is no error.
pub async fn abort_leaves_nothing<S: ObjectStore>(store: &S, inspect: &impl Inspect, bucket: &str) {
    let location = at(bucket, "aborted");
    let upload = create(store, &location).await;
    let part = put(&upload, 1, &pattern(100, 7)).await;
    assert_eq!(inspect.open_uploads(&location).await, 1, "the open upload is not to be seen");
    upload.abort().await.unwrap_or_else(|error| panic!("abort failed: {error}"));
    assert_eq!(inspect.open_uploads(&location).await, 0, "still open after abort");
    assert_eq!(inspect.content(&location).await, None, "visible after abort");
    upload.abort().await.unwrap_or_else(|error| panic!("the second abort failed: {error}"));
    let late = upload.complete(completion(vec![part], false)).await;
    assert!(late.is_err(), "an aborted upload was completed");
}

/// `only_if_absent` keeps the object that is there, and the upload can be aborted.
pub async fn never_replaces_when_told_not_to<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
) {
    let location = at(bucket, "first-wins");
    let (first, second) = (pattern(10, 8), pattern(20, 9));
    publish(store, &location, &first).await;
    let upload = create(store, &location).await;
    let part = put(&upload, 1, &second).await;
    let refusal = upload.complete(completion(vec![part], true)).await;
    assert!(refusal.is_err(), "an object that was there has been replaced");
    assert_eq!(inspect.content(&location).await, Some(first), "another content is there now");
    upload.abort().await.unwrap_or_else(|error| panic!("abort failed: {error}"));
}

/// Without `only_if_absent` the last one wins.
pub async fn replaces_when_allowed<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
) {
    let location = at(bucket, "last-wins");
    let (first, second) = (pattern(10, 10), pattern(20, 11));
    publish(store, &location, &first).await;
    publish(store, &location, &second).await;
    assert_eq!(inspect.content(&location).await, Some(second), "the first content is still there");
}

/// A part that is not what its checksum says is refused.
pub async fn refuses_a_damaged_part<S: ObjectStore>(store: &S, bucket: &str) {
    let upload = create(store, &at(bucket, "damaged")).await;
    let body = pattern(100, 12);
    let refusal = upload.put_part(1, body.clone(), crc(&body) ^ 1).await;
    assert!(refusal.is_err(), "a damaged part was accepted");
    upload.abort().await.unwrap_or_else(|error| panic!("abort failed: {error}"));
}

/// An object that is not what the completion says is not published.
pub async fn refuses_a_wrong_length_or_checksum<S: ObjectStore>(
    store: &S,
    inspect: &impl Inspect,
    bucket: &str,
) {
    let location = at(bucket, "mismatch");
    let upload = create(store, &location).await;
    let part = put(&upload, 1, &pattern(100, 13)).await;
    let right = completion(vec![part], false);
    let longer = Completion { bytes: right.bytes + 1, ..right.clone() };
    assert!(upload.complete(longer).await.is_err(), "a wrong length was accepted");
    let other = Completion { crc64nvme: right.crc64nvme ^ 1, ..right };
    assert!(upload.complete(other).await.is_err(), "a wrong checksum was accepted");
    assert_eq!(inspect.content(&location).await, None, "a wrong object was published");
    upload.abort().await.unwrap_or_else(|error| panic!("abort failed: {error}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryStore;

    impl Inspect for MemoryStore {
        async fn content(&self, location: &ObjectLocation) -> Option<Bytes> {
            self.object(&location.bucket, &location.key).map(|object| object.content)
        }

        async fn open_uploads(&self, location: &ObjectLocation) -> usize {
            self.open_uploads().iter().filter(|key| **key == location.key).count()
        }
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        let store = MemoryStore::default();
        let strict = Strictness { part_checksum: true, object_checksum: true };
        all(&store, &store.clone(), "bucket", strict).await;
    }
}
