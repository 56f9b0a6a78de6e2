//! A store that fails when it is told to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::{Error, ErrorClass, Result};
use crate::ports::{
    Completion, Content, ListedPage, ObjectLocation, ObjectReader, ObjectStore, ObjectWriter,
    PartReceipt, Put, Unfinished, Unfinishing, Upload,
};

/// The kinds of calls that a store gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`ObjectStore::create`].
    Create,
    /// [`Upload::put_part`].
    PutPart,
    /// [`Upload::complete`].
    Complete,
    /// [`Upload::abort`].
    Abort,
    /// [`ObjectReader::get`].
    Get,
    /// [`ObjectReader::page`]: one for each page.
    List,
    /// [`ObjectWriter::put`].
    Put,
    /// [`ObjectWriter::remove`].
    Remove,
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The kind of call.
    pub call: Call,
    /// The first call of that kind that fails, from 1.
    pub nth: u32,
    /// How many in a row fail.
    pub times: u32,
    /// The class of the error.
    pub class: ErrorClass,
    /// Whether the call takes effect and only its answer is lost.
    pub takes_effect: bool,
}

impl Fault {
    /// The `nth` call of a kind fails once, with a destination error and without effect.
    #[must_use]
    pub const fn nth(call: Call, nth: u32) -> Self {
        Self { call, nth, times: 1, class: ErrorClass::Destination, takes_effect: false }
    }
}

/// A content that ends in an error.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Whose content: that of this [`Call::Get`], from 1.
    pub nth_get: u32,
    /// After how many bytes.
    pub after: u64,
    /// The class of the error.
    pub class: ErrorClass,
}

#[derive(Debug)]
struct Plan {
    faults: Vec<Fault>,
    cuts: Vec<Cut>,
    counts: Mutex<BTreeMap<Call, u32>>,
}

impl Plan {
    /// Counts a call, and says what is to go wrong with it.
    fn meet(&self, call: Call) -> (Option<Fault>, u32) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(call).or_default();
        *count += 1;
        let count = *count;
        let fits = |f: &&Fault| f.call == call && count >= f.nth && count - f.nth < f.times;
        (self.faults.iter().find(fits).copied(), count)
    }

    async fn pass<T>(&self, call: Call, real: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.pass_counted(call, real).await.map(|(answer, _)| answer)
    }

    /// The answer, and the number of the call.
    async fn pass_counted<T>(
        &self,
        call: Call,
        real: impl Future<Output = Result<T>> + Send,
    ) -> Result<(T, u32)> {
        let (fault, count) = self.meet(call);
        let Some(fault) = fault else { return Ok((real.await?, count)) };
        if fault.takes_effect {
            real.await?;
        }
        Err(injected(fault.class, &format!("into {call:?} number {count}")))
    }
}

fn injected(class: ErrorClass, whereto: &str) -> Error {
    let what = format!("fault injected {whereto}");
    Error::new(class, what, "This is the faulty store of a test")
}

/// Wraps a store and makes chosen calls fail. Clones count together.
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    inner: S,
    plan: Arc<Plan>,
}

impl<S> FaultyStore<S> {
    /// `inner`, with these faults.
    pub fn new(inner: S, faults: Vec<Fault>) -> Self {
        let plan = Plan { faults, cuts: Vec::new(), counts: Mutex::default() };
        Self { inner, plan: Arc::new(plan) }
    }

    /// The same, counting anew, with these contents cut off.
    #[must_use]
    pub fn with_cuts(self, cuts: Vec<Cut>) -> Self {
        let plan = Plan { faults: self.plan.faults.clone(), cuts, counts: Mutex::default() };
        Self { inner: self.inner, plan: Arc::new(plan) }
    }

    /// How many calls of a kind there were, failed ones included.
    #[must_use]
    pub fn count(&self, call: Call) -> u32 {
        let counts = self.plan.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&call).copied().unwrap_or_default()
    }
}

impl<S: ObjectStore> ObjectStore for FaultyStore<S> {
    type Upload = FaultyUpload<S::Upload>;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<Self::Upload> {
        let real = self.inner.create(location, content_type);
        let inner = self.plan.pass(Call::Create, real).await?;
        Ok(FaultyUpload { inner, plan: Arc::clone(&self.plan) })
    }
}

/// An upload into a [`FaultyStore`].
#[derive(Debug)]
pub struct FaultyUpload<U> {
    inner: U,
    plan: Arc<Plan>,
}

impl<U: Upload> Upload for FaultyUpload<U> {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        self.plan.pass(Call::PutPart, self.inner.put_part(number, body, crc64nvme)).await
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        self.plan.pass(Call::Complete, self.inner.complete(completion)).await
    }

    async fn abort(&self) -> Result<()> {
        self.plan.pass(Call::Abort, self.inner.abort()).await
    }
}

impl<S: ObjectReader> ObjectReader for FaultyStore<S> {
    type Content = FaultyContent<S::Content>;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<Self::Content> {
        let real = self.inner.get(location, range);
        let (inner, count) = self.plan.pass_counted(Call::Get, real).await?;
        let cut = self.plan.cuts.iter().find(|cut| cut.nth_get == count).copied();
        Ok(FaultyContent { inner, cut })
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.plan.pass(Call::List, self.inner.page(bucket, prefix, after)).await
    }
}

impl<S: ObjectWriter> ObjectWriter for FaultyStore<S> {
    async fn put(&self, location: &ObjectLocation, content_type: &str, body: Bytes) -> Result<Put> {
        self.plan.pass(Call::Put, self.inner.put(location, content_type, body)).await
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        self.plan.pass(Call::Remove, self.inner.remove(bucket, keys)).await
    }
}

/// Nothing goes wrong with these.
impl<S: Unfinishing> Unfinishing for FaultyStore<S> {
    async fn unfinished(&self, bucket: &str, prefix: &str) -> Result<Vec<Unfinished>> {
        self.inner.unfinished(bucket, prefix).await
    }

    async fn abandon(&self, bucket: &str, upload: &Unfinished) -> Result<()> {
        self.inner.abandon(bucket, upload).await
    }
}

/// A content out of a [`FaultyStore`].
#[derive(Debug)]
pub struct FaultyContent<C> {
    inner: C,
    /// What is left of it until it fails.
    cut: Option<Cut>,
}

impl<C: Content> Content for FaultyContent<C> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(cut) = &mut self.cut else { return self.inner.next().await };
        if cut.after == 0 {
            return Err(injected(cut.class, &format!("into the content of get {}", cut.nth_get)));
        }
        let Some(mut bytes) = self.inner.next().await? else { return Ok(None) };
        let left = usize::try_from(cut.after).unwrap_or(usize::MAX);
        bytes.truncate(left);
        cut.after -= bytes.len() as u64;
        Ok(Some(bytes))
    }
}
