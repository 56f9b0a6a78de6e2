//! The DynamoDB that all ways read from: dynoxide, a real one, in memory.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::Request;
use serde_json::{Value, json};
use tokio::process::Command;

use super::TABLE;
use super::items::Items;
use super::stub::Totals;
use crate::http::{self, Upstream, full};
use crate::moto::free_port;
use crate::process::{Owned, Processes};

/// How many items `BatchWriteItem` takes.
const BATCH: usize = 25;
/// How many batches are written at once.
const AT_ONCE: usize = 4;
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running emulator. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Emulator {
    process: Owned,
    port: u16,
    upstream: Upstream,
}

impl Emulator {
    pub(super) async fn start(
        program: &Path,
        directory: &Path,
        processes: &Processes,
    ) -> Result<Self> {
        let port = free_port()?;
        let log = directory.join("dynoxide.log");
        let output = std::fs::File::create(&log)?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--log", "quiet", "-p", &port.to_string()])
            .env_clear()
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let process = processes.spawn(&mut command)?;
        let upstream = Upstream::new(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut emulator = Self { process, port, upstream };
        let begun = Instant::now();
        while emulator.call("ListTables", &json!({})).await.is_err() {
            if !emulator.process.is_running() || begun.elapsed() > START_LIMIT {
                bail!("dynoxide does not answer; it says: {}", super::super::tail(&log));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(emulator)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the table, and puts items into it until DynamoDB would count so many bytes.
    pub(super) async fn load(&self, counted: u64) -> Result<Totals> {
        let mut input = super::create();
        input["TableName"] = json!(TABLE);
        self.call("CreateTable", &input).await?;
        let (mut items, mut totals) = (Items::new(5), Totals::default());
        let batches = std::iter::from_fn(|| {
            (totals.counted < counted).then(|| batch(&mut items, &mut totals))
        });
        let writes = batches.map(|batch| async { self.write(batch?).await });
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(totals)
    }

    async fn write(&self, body: String) -> Result<()> {
        let answer: Value = serde_json::from_slice(&self.send("BatchWriteItem", body).await?)?;
        let left = answer["UnprocessedItems"].as_object().is_some_and(|left| !left.is_empty());
        ensure!(!left, "the emulator did not write all items");
        Ok(())
    }

    async fn call(&self, operation: &str, input: &Value) -> Result<()> {
        self.send(operation, input.to_string()).await.map(drop)
    }

    /// The body of the answer to a call.
    pub(super) async fn send(&self, operation: &str, body: String) -> Result<Bytes> {
        let request = Request::builder()
            .method("POST")
            .uri("/")
            .header("host", format!("127.0.0.1:{}", self.port))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", AUTHORIZATION)
            .body(full(body))?;
        let answer = self.upstream.send(request).await?;
        let status = answer.status();
        let text = http::read(answer.into_body()).await?;
        ensure!(
            status.is_success(),
            "{operation}: {status}: {}",
            String::from_utf8_lossy(&text[..text.len().min(500)])
        );
        Ok(text)
    }
}

/// It looks that there is one, and does not check it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, \
    SignedHeaders=host;x-amz-date;x-amz-target, Signature=00";

/// The next items as the input of `BatchWriteItem`.
fn batch(items: &mut Items, totals: &mut Totals) -> Result<String> {
    let mut puts = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let item = items.next()?;
        totals.add(Totals { items: 1, bytes: item.line(), counted: item.counted });
        puts.push(format!("{{\"PutRequest\":{{\"Item\":{}}}}}", item.text));
    }
    Ok(format!("{{\"RequestItems\":{{\"{TABLE}\":[{}]}}}}", puts.join(",")))
}
