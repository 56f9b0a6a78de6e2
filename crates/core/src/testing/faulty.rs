//! A store that fails when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::{Error, ErrorClass, Result};
use crate::ports::{Completion, ObjectLocation, ObjectStore, PartReceipt, Upload};

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

#[derive(Debug)]
struct Plan {
    faults: Vec<Fault>,
    counts: Mutex<BTreeMap<Call, u32>>,
}

impl Plan {
    /// Counts a call, and says what is to go wrong with it.
    fn meet(&self, call: Call) -> Option<(Fault, u32)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(call).or_default();
        *count += 1;
        let count = *count;
        self.faults
            .iter()
            .find(|f| f.call == call && count >= f.nth && count - f.nth < f.times)
            .map(|fault| (*fault, count))
    }

    async fn pass<T>(&self, call: Call, real: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let Some((fault, count)) = self.meet(call) else { return real.await };
        if fault.takes_effect {
            real.await?;
        }
        Err(Error::new(
            fault.class,
            format!("fault injected into {call:?} number {count}"),
            "This is the faulty store of a test",
        ))
    }
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
        Self { inner, plan: Arc::new(Plan { faults, counts: Mutex::default() }) }
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
