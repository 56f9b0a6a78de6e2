//! How long aborting may take, and uploads whose beginning was not yet confirmed.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::Duration;

use autodump_core::ErrorClass;
use autodump_core::Result;
use autodump_core::ports::{Completion, ObjectLocation, ObjectStore, PartReceipt, Upload};
use autodump_core::testing::MemoryStore;
use autodump_dump::run::{Settings, run};
use bytes::Bytes;
use support::{Script, access, job, settings};
use tokio::time::{Instant, sleep};

/// A store whose answers to some requests come late, although these take effect: at once
/// for those that begin an upload, in the end for those that abort one.
#[derive(Debug, Clone, Default)]
struct Slow {
    inner: MemoryStore,
    create: Duration,
    abort: Duration,
}

struct SlowUpload<U> {
    inner: U,
    abort: Duration,
}

impl ObjectStore for Slow {
    type Upload = SlowUpload<<MemoryStore as ObjectStore>::Upload>;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<Self::Upload> {
        let inner = self.inner.create(location, content_type).await?;
        sleep(self.create).await;
        Ok(SlowUpload { inner, abort: self.abort })
    }
}

impl<U: Upload> Upload for SlowUpload<U> {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        self.inner.put_part(number, body, crc64nvme).await
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        self.inner.complete(completion).await
    }

    async fn abort(&self) -> Result<()> {
        sleep(self.abort).await;
        self.inner.abort().await
    }
}

/// The class of a failed dump, how long it took in all, and how many uploads are left.
async fn outcome(
    script: &'static str,
    store: &Slow,
    settings: &Settings,
    stop: impl Future<Output = ()> + Send,
) -> (ErrorClass, Duration, usize) {
    let start = Instant::now();
    let error = run(&Script(script), store, &access(), &job(), settings, stop).await.unwrap_err();
    (error.class(), start.elapsed(), store.inner.open_uploads().len())
}

#[tokio::test]
async fn an_upload_that_is_being_begun_when_the_stop_comes_is_aborted() {
    let store = Slow { create: Duration::from_millis(400), ..Slow::default() };
    let stop = sleep(Duration::from_millis(100));
    let (class, time, left) = outcome("echo x", &store, &settings(), stop).await;
    assert_eq!((class, left), (ErrorClass::Interrupted, 0));
    assert!(time >= store.create, "{time:?}");
}

#[tokio::test]
async fn a_beginning_that_is_never_confirmed_is_not_waited_for_without_end() {
    let store = Slow { create: Duration::from_mins(9), ..Slow::default() };
    let settings = Settings { abort_grace: Duration::from_millis(300), ..settings() };
    let stop = sleep(Duration::from_millis(100));
    let (class, time, _) = outcome("echo x", &store, &settings, stop).await;
    assert_eq!(class, ErrorClass::Interrupted);
    assert!(time < Duration::from_secs(5), "{time:?}");
}

const FAILS: &str = "head -c 9000000 /dev/zero; exit 1";

#[tokio::test]
async fn after_a_failure_aborting_may_take_longer_than_after_a_stop() {
    let store = Slow { abort: Duration::from_secs(1), ..Slow::default() };
    let settings = Settings { abort_grace: Duration::from_millis(100), ..settings() };
    let never = std::future::pending();
    let (class, _, left) = outcome(FAILS, &store, &settings, never).await;
    assert_eq!((class, left), (ErrorClass::Engine, 0));

    let store = Slow { abort: Duration::from_mins(9), ..Slow::default() };
    let settings = Settings { abort_limit: Duration::from_millis(100), ..settings };
    let never = std::future::pending();
    let (class, time, left) = outcome(FAILS, &store, &settings, never).await;
    assert_eq!((class, left), (ErrorClass::Engine, 2));
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[tokio::test]
async fn a_stop_cuts_aborting_short() {
    let store = Slow { abort: Duration::from_mins(9), ..Slow::default() };
    let settings = Settings { abort_grace: Duration::from_millis(300), ..settings() };
    let stop = sleep(Duration::from_secs(1));
    let (class, time, left) = outcome(FAILS, &store, &settings, stop).await;
    assert_eq!((class, left), (ErrorClass::Engine, 2));
    assert!(time >= Duration::from_millis(1300) && time < Duration::from_secs(10), "{time:?}");

    // Asked before: the program is ended, and aborting has only the short time.
    let stop = sleep(Duration::from_millis(200));
    let (class, time, left) = outcome("sleep 600", &store, &settings, stop).await;
    assert_eq!((class, left), (ErrorClass::Interrupted, 4));
    assert!(time < Duration::from_secs(10), "{time:?}");
}
