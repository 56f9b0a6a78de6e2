//! A DynamoDB that costs next to nothing: it answers every Scan with a prepared page.
//!
//! Each page is made once, with its CRC-32; of an answer only the key to go on after is written anew, and the CRC goes
//! on over it. Nothing is copied.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::items::Items;
use crate::http::{self, Body};

/// What DynamoDB puts on a page, as it counts bytes.
const PAGE: u64 = 1 << 20;
/// How many bytes are half a unit.
const UNIT: u64 = 4096;

/// Prepared pages.
#[derive(Debug)]
pub(super) struct Pages(Vec<Page>);

#[derive(Debug)]
struct Page {
    /// An answer but for its end.
    body: Bytes,
    /// The CRC of that.
    crc: Digest,
    totals: Totals,
}

/// What a reader has to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) items: u64,
    /// Of the items as lines of a backup.
    pub(super) bytes: u64,
    /// The same as DynamoDB counts them.
    pub(super) counted: u64,
}

impl Totals {
    pub(super) fn add(&mut self, more: Self) {
        self.items += more.items;
        self.bytes += more.bytes;
        self.counted += more.counted;
    }
}

impl Pages {
    pub(super) fn prepare(count: usize) -> Result<Self> {
        let mut items = Items::new(11);
        (0..count).map(|_| Page::prepare(&mut items)).collect::<Result<_>>().map(Self)
    }

    /// What `pages` of them hold, taken in turn, over and over.
    pub(super) fn totals(&self, pages: u64) -> Totals {
        let mut all = Totals::default();
        (0..pages).for_each(|number| all.add(self.page(number).totals));
        all
    }

    fn page(&self, number: u64) -> &Page {
        let index = number % self.0.len() as u64;
        &self.0[usize::try_from(index).unwrap_or_default()]
    }
}

impl Page {
    fn prepare(items: &mut Items) -> Result<Self> {
        let (mut texts, mut totals) = (Vec::new(), Totals::default());
        while totals.counted < PAGE {
            let item = items.next()?;
            totals.add(Totals { items: 1, bytes: item.line(), counted: item.counted });
            texts.push(item.text);
        }
        let (count, halves) = (totals.items, totals.counted.div_ceil(UNIT));
        let body = format!(
            "{{\"ConsumedCapacity\":{{\"CapacityUnits\":{}.{},\"TableName\":\"{}\"}},\"Count\":{count},\
             \"ScannedCount\":{count},\"Items\":[{}]",
            halves / 2,
            halves % 2 * 5,
            super::TABLE,
            texts.join(",")
        );
        let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
        crc.update(body.as_bytes());
        Ok(Self { body: body.into(), crc, totals })
    }

    /// The answer with this page; `next` is the number of the segment's next one.
    fn answer(&self, next: Option<u64>) -> Result<Response<Body>> {
        let end = next.map_or_else(
            || "}".to_owned(),
            |next| format!(",\"LastEvaluatedKey\":{{\"pk\":{{\"S\":\"{next}\"}}}}}}"),
        );
        let mut crc = self.crc;
        crc.update(end.as_bytes());
        let length = self.body.len() + end.len();
        let parts = [self.body.clone(), Bytes::from(end)];
        let frames = stream::iter(parts.into_iter().map(|part| Ok(Frame::data(part))));
        Ok(Response::builder()
            .header("content-type", "application/x-amz-json-1.0")
            .header("content-length", length)
            .header("x-amz-crc32", crc.finalize())
            .body(StreamBody::new(frames).boxed_unsync())?)
    }
}

/// A table of prepared pages on a loopback port of its own. Dropping it closes the port.
#[derive(Debug)]
pub(super) struct Stub {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Stub {
    /// A table of `all` pages, whatever the number of segments.
    pub(super) async fn start(pages: Arc<Pages>, all: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for the stub")?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(http::serve(listener, move |request| {
            let pages = Arc::clone(&pages);
            async move { handle(&pages, all, request).await }
        }));
        Ok(Self { address, task })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(pages: &Pages, all: u64, request: Request<Incoming>) -> Result<Response<Body>> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    ensure!(target.ends_with(".Scan"), "the stub knows Scan alone, not {target:?}");
    let input: Value = serde_json::from_slice(&http::read(request.into_body()).await?)?;
    let (number, next) = which(&input, all)?;
    pages.page(number).answer(next)
}

/// Which of all pages is asked for, and the segment's next one. A segment has the pages from one border to the next.
fn which(input: &Value, all: u64) -> Result<(u64, Option<u64>)> {
    let (segment, segments) = (input["Segment"].as_u64(), input["TotalSegments"].as_u64());
    let (segment, segments) = (segment.unwrap_or_default(), segments.unwrap_or(1).max(1));
    let (from, to) = (all * segment / segments, all * (segment + 1) / segments);
    let number = match &input["ExclusiveStartKey"]["pk"]["S"] {
        Value::Null => from,
        key => key.as_str().and_then(|key| key.parse().ok()).context("no key of the stub")?,
    };
    if !(from..to).contains(&number) {
        bail!("segment {segment} of {segments} has no page {number} of {all}");
    }
    Ok((number, (number + 1 < to).then_some(number + 1)))
}

#[cfg(test)]
#[path = "stub_tests.rs"]
mod tests;
