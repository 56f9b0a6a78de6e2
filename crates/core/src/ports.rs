//! What the use cases need from the world, in our own words. No SDK type crosses these.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;

use bytes::Bytes;

use crate::error::Result;
use crate::execution::ExecutionInput;
use crate::pages::Pages;
use crate::secret::SecretValue;

/// A resource as it is now: who it is, and its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The full ARN.
    pub arn: String,
    /// The name a person knows it by, such as `prod/app`.
    pub name: String,
    /// All its tags, configuration and others.
    pub tags: BTreeMap<String, String>,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// The resources of this page, possibly none.
    pub resources: Vec<Resource>,
    /// What to ask for next; `None` on the last page.
    pub next: Option<String>,
}

/// Finds resources that may be targets. It reads tags, never a secret's value.
pub trait TargetSource: Sync {
    /// The tokens of the first pages, one for each place that is looked at. The places are listed
    /// side by side, and one that fails or hangs stops no other.
    fn starts(&self) -> Vec<Option<String>> {
        vec![None]
    }

    /// One page of the resources that bear a tag key with `tag_key` as prefix. It may hold
    /// more than asked for; the caller looks at the tags itself.
    fn page(
        &self,
        tag_key: &str,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page>> + Send;

    /// The resource as it is now, by ARN or name. `None` when it does not exist or is
    /// scheduled for deletion; that is not an error.
    fn find(&self, id: &str) -> impl Future<Output = Result<Option<Resource>>> + Send;
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A new execution runs.
    Started,
    /// The very same run was started before. That is a success.
    AlreadyThere,
}

/// Starts executions of the state machine.
pub trait Executions: Sync {
    /// Starts an execution under `name`. A second start of the same name is
    /// [`Start::AlreadyThere`]; every other refusal is an error.
    fn start(
        &self,
        name: &str,
        input: &ExecutionInput,
    ) -> impl Future<Output = Result<Start>> + Send;
}

/// Reads a secret's value. Only the dumper has one.
pub trait SecretReader: Sync {
    /// The current value (`AWSCURRENT`) as text. Never logged, never in an error.
    fn value(&self, id: &str) -> impl Future<Output = Result<String>> + Send;
}

/// How a database is reached now. Whoever opens a connection asks first, so that a secret
/// that was rotated, or a token that has expired, stops nobody.
pub trait DatabaseAccess: Send + Sync {
    /// The secret as it is now. Where it asks for IAM authentication, its password is a fresh
    /// token.
    fn secret(&self) -> impl Future<Output = Result<SecretValue>> + Send;
}

/// Where an object is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The full key.
    pub key: String,
}

/// A part that the store has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReceipt {
    /// From 1, without holes.
    pub number: u32,
    /// Length in bytes.
    pub bytes: u64,
    /// The store's name for the accepted part.
    pub etag: String,
    /// CRC64-NVME of the part.
    pub crc64nvme: u64,
}

/// What the whole object must be for its publication to succeed.
#[derive(Debug, Clone)]
pub struct Completion {
    /// Every part, by ascending number.
    pub parts: Vec<PartReceipt>,
    /// Length of the whole object in bytes; the store compares.
    pub bytes: u64,
    /// CRC64-NVME of the whole object; the store compares.
    pub crc64nvme: u64,
    /// Refuse when an object of that key is already there.
    pub only_if_absent: bool,
}

/// A store of objects that appear whole or not at all.
pub trait ObjectStore: Sync {
    /// An upload in progress.
    type Upload: Upload;

    /// Begins a multipart upload. Nothing is visible under `location` until it is completed.
    fn create(
        &self,
        location: &ObjectLocation,
        content_type: &str,
    ) -> impl Future<Output = Result<Self::Upload>> + Send;
}

/// A multipart upload in progress. Whoever holds it completes or aborts it: stores do not
/// clean up by themselves when it is dropped.
pub trait Upload: Send + Sync + 'static {
    /// Sends part `number` (from 1). Safe to call for several parts at once.
    fn put_part(
        &self,
        number: u32,
        body: Bytes,
        crc64nvme: u64,
    ) -> impl Future<Output = Result<PartReceipt>> + Send;

    /// Publishes the object. The store compares size and checksum first; on error nothing
    /// new is visible, and the upload is still to be aborted.
    fn complete(&self, completion: Completion) -> impl Future<Output = Result<()>> + Send;

    /// Throws all parts away. Calling it twice is no error.
    fn abort(&self) -> impl Future<Output = Result<()>> + Send;
}

/// What became of a put that may find an object there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Written,
    /// An object of that key was there already, and is as it was. It may be one that this very
    /// put wrote, where its answer was lost.
    AlreadyThere,
}

/// Writes and removes small objects, in one request each.
pub trait ObjectWriter: Sync {
    /// Puts an object of at most 5 GiB, if there is none of that key.
    fn put(
        &self,
        location: &ObjectLocation,
        content_type: &str,
        body: Bytes,
    ) -> impl Future<Output = Result<Put>> + Send;

    /// Removes objects, those that are not there without an error.
    fn remove(&self, bucket: &str, keys: &[String]) -> impl Future<Output = Result<()>> + Send;
}

/// An upload that was begun, and is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The full key.
    pub key: String,
    /// The store's name for the upload.
    pub id: String,
}

/// Finds and ends uploads that somebody else began. What an operator has; the dumper ends its own.
pub trait Unfinishing: Sync {
    /// The unfinished uploads whose keys begin with `prefix`.
    fn unfinished(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<Unfinished>>> + Send;

    /// Throws one away. One that is gone is no error.
    fn abandon(&self, bucket: &str, upload: &Unfinished)
    -> impl Future<Output = Result<()>> + Send;
}

/// An object that a listing showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The full key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// The store's name for this very content, without quotes; empty where it gives none.
    pub etag: String,
}

/// Some of the objects of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// By ascending key. A page may have none although others follow.
    pub objects: Vec<Listed>,
    /// The key after which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// Reads what a store holds. The dumper has one for the state of a table's backup alone: it cannot
/// read a backup.
pub trait ObjectReader: Sync {
    /// The content of an object on its way.
    type Content: Content;

    /// The bytes `range` of an object, or all. An object that is not there, or is shorter
    /// than `range`, is an error of class [`ErrorClass::Verification`]. An empty range gives
    /// nothing, and the object need not be looked at.
    ///
    /// [`ErrorClass::Verification`]: crate::ErrorClass::Verification
    fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = Result<Self::Content>> + Send;

    /// The first objects whose keys begin with `prefix` and come after the key `after`, which need
    /// not be there: about a thousand, by ascending key. So a listing of any length takes no more
    /// memory than a page, and goes on whatever was removed meanwhile.
    fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<ListedPage>> + Send;

    /// All objects whose keys begin with `prefix`, by ascending key. Only for what is known to be
    /// few: all else is read with [`Pages`].
    fn list(&self, bucket: &str, prefix: &str) -> impl Future<Output = Result<Vec<Listed>>> + Send {
        async move {
            let mut all = Vec::new();
            let mut pages = Pages::of(self, bucket, prefix);
            while let Some(page) = pages.next().await? {
                all.extend(page);
            }
            Ok(all)
        }
    }
}

/// The content of an object on its way. A connection that breaks is mended within: bytes
/// are given once and in order, or an error is.
pub trait Content: Send + 'static {
    /// The next bytes; `None` after the last.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}
