//! What the tests of whole ranges share: a plan, a store that can be left at any moment, and the
//! comparison of a backup with its table.

use std::future::pending;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use autodump_core::Result;
use autodump_core::compression::{Algorithm, Compression};
use autodump_core::hash::TagHash;
use autodump_core::manifest::Job;
use autodump_core::ports::{ListedPage, ObjectLocation, ObjectReader, ObjectWriter, Put};
use autodump_core::table::plan::{Method, Plan, Scan};
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::fake::FakeTable;
use super::finish::Finish;
use super::range::{RangeJob, run};
use super::summary::{Summary, summarise};
use crate::codec::Decoder;

pub(super) const BUCKET: &str = "b";
pub(super) const DIRECTORY: &str = "dynamodb/t-12345678/2026/11/21/20261121T000000Z-12345678/";

pub(super) fn scan(segments: u32, ranges: u32) -> Scan {
    Scan {
        segments,
        ranges,
        parallel: None,
        at_once: 3,
        consistent: false,
        units_per_second: None,
        compression: "zstd:1".to_owned(),
        object_bytes: 2000,
        item_bytes: 500,
        items: 0,
    }
}

/// The definition of a table.
const GOLDEN: &str = include_str!("../../../../contract/table-definition.json");
pub(super) const ARN: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";

pub(super) fn plan(method: Method) -> Plan {
    Plan {
        version: 1,
        resource_arn: ARN.to_owned(),
        tag_hash: TagHash::from("v1:00".to_owned()),
        scheduled_for: "2026-11-22T08:00:00Z".parse().unwrap(),
        execution_arn: "arn:aws:states:eu-central-1:111122223333:execution:AutoDump:x".to_owned(),
        planned_at: "2026-11-22T08:00:41Z".parse().unwrap(),
        verify: Level::Checksum,
        table_id: None,
        replica: None,
        method,
        definition: serde_json::from_str(GOLDEN).unwrap(),
    }
}

/// The second attempt to end the run.
pub(super) fn finish(plan: &Plan) -> Finish<'_> {
    Finish {
        bucket: BUCKET,
        directory: DIRECTORY,
        plan,
        job: Job { id: "job".to_owned(), attempt: 2 },
        autodump_version: "0.1.0".to_owned(),
    }
}

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-22T08:03:07Z".parse().unwrap()
}

pub(super) fn job(scan: &Scan, range: u32) -> RangeJob {
    let (bucket, directory) = (BUCKET.to_owned(), DIRECTORY.to_owned());
    RangeJob { bucket, directory, scan: scan.clone(), range }
}

pub(super) async fn read<S: ObjectReader + ObjectWriter>(
    table: &FakeTable,
    store: &S,
    scan: &Scan,
) -> Result<()> {
    for range in 0..scan.ranges {
        run(table, store, &job(scan, range), pending()).await?;
    }
    Ok(())
}

pub(super) fn decoded(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(algorithm).unwrap();
    let mut all = Vec::new();
    decoder
        .write(bytes, &mut |piece| {
            all.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    decoder.finish().unwrap();
    all
}

/// All lines of a backup, sorted. Its objects are compared with what is said of them.
pub(super) async fn lines(store: &MemoryStore, scan: &Scan) -> (Vec<String>, Summary) {
    let algorithm = scan.compression.parse::<Compression>().unwrap().algorithm();
    let summary = summarise(store, BUCKET, DIRECTORY, scan).await.unwrap();
    let mut all = Vec::new();
    for data in &summary.objects {
        let content = store.object(BUCKET, &data.object.key).unwrap().content;
        assert_eq!(content.len() as u64, data.object.bytes);
        assert_eq!(hex::encode(Sha256::digest(&content)), data.object.sha256);
        let text = String::from_utf8(decoded(algorithm, &content)).unwrap();
        assert!(text.ends_with('\n'));
        all.extend(text.lines().map(str::to_owned));
        let items = text.lines().count();
        assert_eq!(items as u64, data.items);
    }
    all.sort_unstable();
    assert_eq!(all.len() as u64, summary.items);
    assert_eq!(summary.bytes, all.iter().map(|line| line.len() as u64 + 1).sum::<u64>());
    (all, summary)
}

pub(super) async fn assert_whole(table: &FakeTable, store: &MemoryStore, scan: &Scan) {
    let (lines, summary) = lines(store, scan).await;
    assert!(lines == table.lines(), "{} lines, {} items", lines.len(), table.lines().len());
    let numbers: Vec<_> = summary.segments.iter().map(|segment| segment.segment).collect();
    assert_eq!(numbers, (0..scan.segments).collect::<Vec<_>>());
    let data = store.keys().iter().filter(|key| key.contains("/data/")).count();
    assert_eq!(data, summary.objects.len(), "there are data objects that nobody knows");
}

/// A store that waits before and after each call, so that it can be left there.
#[derive(Debug, Clone)]
pub(super) struct Yielding {
    pub(super) store: MemoryStore,
    /// Each object is put again, as by an adapter that has lost the first answer.
    pub(super) twice: bool,
    /// How long it takes to put an object of the journal.
    pub(super) journal: Duration,
    /// Each data object takes one before it is put.
    pub(super) data: Arc<Semaphore>,
}

impl Yielding {
    pub(super) fn new(store: &MemoryStore) -> Self {
        let data = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { store: store.clone(), twice: false, journal: Duration::ZERO, data }
    }
}

impl ObjectReader for Yielding {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<Self::Content> {
        yield_now().await;
        self.store.get(location, range).await
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        yield_now().await;
        self.store.page(bucket, prefix, after).await
    }
}

impl ObjectWriter for Yielding {
    async fn put(&self, location: &ObjectLocation, kind: &str, body: Bytes) -> Result<Put> {
        yield_now().await;
        if location.key.contains("/data/") {
            self.data.acquire().await.unwrap().forget();
        }
        if location.key.contains("/journal-") && !self.journal.is_zero() {
            sleep(self.journal).await;
        }
        let put = ObjectWriter::put(&self.store, location, kind, body.clone()).await?;
        yield_now().await;
        if self.twice {
            ObjectWriter::put(&self.store, location, kind, body).await
        } else {
            Ok(put)
        }
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        ObjectWriter::remove(&self.store, bucket, keys).await
    }
}
