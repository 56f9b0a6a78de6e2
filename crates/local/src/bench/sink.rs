//! An S3 that costs next to nothing: it reads what it is sent, counts it and forgets it.
//!
//! It answers as S3 does, so that clients take the same paths as against S3: checksums are echoed, not checked. What a
//! program reads again, it keeps: JSON that is no data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::http::{Body, full};

/// Headers of a part or an object that S3 repeats in its answer.
const CHECKSUMS: [&str; 3] =
    ["x-amz-checksum-crc64nvme", "x-amz-checksum-crc32c", "x-amz-checksum-crc32"];

/// What `DeleteObjects` names an object with.
const KEY: (&str, &str) = ("http://s3.amazonaws.com/doc/2006-03-01/", "Key");

/// As much of a body's end as can hold a trailing checksum.
const TAIL: usize = 256;

/// What has been written so far.
#[derive(Debug, Default)]
pub(super) struct Sink {
    state: Mutex<State>,
    part_takes_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    uploads: BTreeMap<String, Upload>,
    objects: BTreeMap<String, u64>,
    /// The content of what is kept.
    kept: BTreeMap<String, Bytes>,
    made: u64,
    puts: u64,
}

#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<u32, u64>,
}

/// A request's target: the object, and the query.
struct Target {
    key: String,
    query: BTreeMap<String, String>,
}

/// What came with a body, once it has been read.
struct Received {
    bytes: u64,
    checksum: Option<(HeaderName, HeaderValue)>,
    /// Empty unless it was to be kept.
    content: Bytes,
}

impl Sink {
    /// The objects there are, by `bucket/key`, with their sizes in bytes; the sink forgets them.
    pub(super) fn take_objects(&self) -> BTreeMap<String, u64> {
        let mut state = self.state();
        state.kept.clear();
        std::mem::take(&mut state.objects)
    }

    /// Puts an object that a program is to find. `name` is `bucket/key`, of a kind that is kept.
    pub(super) fn place(&self, name: &str, content: Bytes) {
        let mut state = self.state();
        state.objects.insert(name.to_owned(), content.len() as u64);
        state.kept.insert(name.to_owned(), content);
    }

    /// The content of an object that was kept.
    pub(super) fn content(&self, name: &str) -> Option<Bytes> {
        self.state().kept.get(name).cloned()
    }

    /// How many objects have been put in one request.
    pub(super) fn puts(&self) -> u64 {
        self.state().puts
    }

    /// Uploads that have been neither completed nor aborted.
    pub(super) fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    /// From now on each part takes this many milliseconds more, after it has been read.
    pub(super) fn slow_down(&self, part_takes_ms: u64) {
        self.part_takes_ms.store(part_takes_ms, Ordering::Relaxed);
    }

    /// Answers one request.
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let target = Target::of(&request);
        let (parts, body) = request.into_parts();
        let removes = parts.method == Method::POST && target.query.contains_key("delete");
        let received = receive(&parts.headers, body, removes || is_kept(&target)).await?;
        let upload = target.query.get("uploadId");
        match (parts.method, upload) {
            (Method::POST, None) if target.query.contains_key("uploads") => {
                self.create(&target, &parts.headers)
            }
            (Method::PUT, Some(id)) => {
                let more = Duration::from_millis(self.part_takes_ms.load(Ordering::Relaxed));
                tokio::time::sleep(more).await;
                self.part(&target, id, received)
            }
            (Method::POST, Some(id)) => self.complete(id, &parts.headers),
            (Method::DELETE, Some(id)) => Ok(self.abort(id)),
            (Method::POST, None) if removes => self.remove(&target, &received.content),
            (Method::PUT, None) => self.put(&target, received, &parts.headers),
            (Method::GET, None) if is_kept(&target) && !parts.headers.contains_key("range") => {
                self.get(&target)
            }
            (Method::GET, None) if target.query.contains_key("list-type") => self.list(&target),
            (Method::HEAD, None) => self.head(&target),
            _ => Ok(error(StatusCode::NOT_IMPLEMENTED, "NotImplemented")),
        }
    }

    fn create(&self, target: &Target, headers: &HeaderMap) -> Result<Response<Body>> {
        let mut state = self.state();
        state.made += 1;
        let id = format!("upload-{}", state.made);
        let upload = Upload { key: target.key.clone(), parts: BTreeMap::new() };
        state.uploads.insert(id.clone(), upload);
        let (bucket, key) = target.key.split_once('/').unwrap_or_default();
        let mut response = xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>",
            escaped(key)
        ))?;
        for name in ["x-amz-checksum-algorithm", "x-amz-checksum-type"] {
            if let Some(value) = headers.get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }

    fn part(&self, target: &Target, id: &str, received: Received) -> Result<Response<Body>> {
        let number = target.query.get("partNumber").and_then(|number| number.parse().ok());
        let mut state = self.state();
        let (Some(upload), Some(number)) = (state.uploads.get_mut(id), number) else {
            return Ok(error(StatusCode::NOT_FOUND, "NoSuchUpload"));
        };
        upload.parts.insert(number, received.bytes);
        stored(&format!("{number:032x}"), received.checksum)
    }

    fn complete(&self, id: &str, headers: &HeaderMap) -> Result<Response<Body>> {
        let mut state = self.state();
        let Some(upload) = state.uploads.remove(id) else {
            return Ok(error(StatusCode::NOT_FOUND, "NoSuchUpload"));
        };
        let bytes = upload.parts.values().sum();
        let (bucket, key) = upload.key.split_once('/').unwrap_or_default();
        let checksum = headers.get(CHECKSUMS[0]).and_then(|value| value.to_str().ok());
        let checksum = checksum.map_or_else(String::new, |value| {
            format!("<ChecksumCRC64NVME>{value}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>")
        });
        let response = xml(&format!(
            "<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key>\
             <ETag>&quot;{:032x}-{}&quot;</ETag>{checksum}</CompleteMultipartUploadResult>",
            escaped(key),
            upload.parts.len(),
            upload.parts.len()
        ));
        state.objects.insert(upload.key, bytes);
        response
    }

    fn abort(&self, id: &str) -> Response<Body> {
        let code = if self.state().uploads.remove(id).is_some() {
            StatusCode::NO_CONTENT
        } else {
            return error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let mut response = Response::new(full(""));
        *response.status_mut() = code;
        response
    }

    fn put(
        &self,
        target: &Target,
        received: Received,
        headers: &HeaderMap,
    ) -> Result<Response<Body>> {
        let mut state = self.state();
        if headers.contains_key("if-none-match") && state.objects.contains_key(&target.key) {
            return Ok(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"));
        }
        state.puts += 1;
        state.objects.insert(target.key.clone(), received.bytes);
        if is_kept(target) {
            state.kept.insert(target.key.clone(), received.content);
        }
        stored(&format!("{:032x}", received.bytes), received.checksum)
    }

    fn get(&self, target: &Target) -> Result<Response<Body>> {
        let Some(content) = self.content(&target.key) else {
            return Ok(error(StatusCode::NOT_FOUND, "NoSuchKey"));
        };
        let tag = format!("\"{:032x}\"", content.len());
        Ok(Response::builder().header("etag", tag).body(full(content))?)
    }

    /// `DeleteObjects`, which says nothing of what was not there.
    fn remove(&self, target: &Target, content: &[u8]) -> Result<Response<Body>> {
        let bucket = target.key.trim_end_matches('/');
        let text = std::str::from_utf8(content)?;
        let document = roxmltree::Document::parse(text)?;
        let mut state = self.state();
        for key in document.descendants().filter(|node| node.has_tag_name(KEY)) {
            let name = format!("{bucket}/{}", key.text().unwrap_or_default());
            state.objects.remove(&name);
            state.kept.remove(&name);
        }
        xml("<DeleteResult></DeleteResult>")
    }

    /// `ListObjectsV2`, all on one page.
    fn list(&self, target: &Target) -> Result<Response<Body>> {
        let bucket = target.key.trim_end_matches('/');
        let prefix = target.query.get("prefix").map_or("", String::as_str);
        let after = target.query.get("start-after").map_or("", String::as_str);
        let state = self.state();
        let objects = state.objects.iter().filter_map(|(name, bytes)| {
            let key = name.strip_prefix(bucket)?.strip_prefix('/')?;
            (key.starts_with(prefix) && key > after).then_some((key, bytes))
        });
        let contents: Vec<String> = objects
            .map(|(key, bytes)| {
                format!(
                    "<Contents><Key>{}</Key><Size>{bytes}</Size><ETag>&quot;{bytes:032x}&quot;</ETag>\
                     <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>",
                    escaped(key)
                )
            })
            .collect();
        xml(&format!(
            "<ListBucketResult><Name>{bucket}</Name><KeyCount>{}</KeyCount>\
             <IsTruncated>false</IsTruncated>{}</ListBucketResult>",
            contents.len(),
            contents.concat()
        ))
    }

    fn head(&self, target: &Target) -> Result<Response<Body>> {
        let Some(bytes) = self.state().objects.get(&target.key).copied() else {
            let mut response = Response::new(full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        };
        let builder = Response::builder().header("content-length", bytes);
        Ok(builder.header("etag", format!("\"{bytes:032x}\"")).body(full(""))?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn of(request: &Request<Incoming>) -> Self {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let pairs = request.uri().query().unwrap_or_default().split('&');
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Self { key: decoded(request.uri().path().trim_start_matches('/')), query: query.collect() }
    }
}

/// Whether the content of such an object is kept.
fn is_kept(target: &Target) -> bool {
    let is_json = Path::new(&target.key).extension().is_some_and(|extension| extension == "json");
    is_json && !target.key.contains("/data/")
}

/// Reads a body to its end. Unless it is to be kept, nothing stays but its size and its checksum, which may stand
/// before or after it.
async fn receive(headers: &HeaderMap, mut body: Incoming, keep: bool) -> Result<Received> {
    let mut bytes = 0;
    let mut content = Vec::new();
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len() as u64;
        if keep {
            content.extend_from_slice(&data);
        }
        tail.extend_from_slice(&data[data.len().saturating_sub(TAIL)..]);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
    let declared = headers
        .get("x-amz-decoded-content-length")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Received {
        bytes: declared.unwrap_or(bytes),
        checksum: checksum(headers, &tail),
        content: content.into(),
    })
}

fn checksum(headers: &HeaderMap, tail: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    CHECKSUMS.iter().find_map(|name| {
        let value = match headers.get(*name) {
            Some(value) => value.clone(),
            None => trailing(headers, tail, name)?,
        };
        Some((HeaderName::from_static(name), value))
    })
}

/// The checksum in the trailer of an `aws-chunked` body.
fn trailing(headers: &HeaderMap, tail: &[u8], name: &str) -> Option<HeaderValue> {
    if headers.get("x-amz-trailer")?.to_str().ok()? != name {
        return None;
    }
    let text = String::from_utf8_lossy(tail);
    let line = text.rsplit("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    HeaderValue::from_str(line.trim()).ok()
}

fn stored(tag: &str, checksum: Option<(HeaderName, HeaderValue)>) -> Result<Response<Body>> {
    let mut response = Response::builder().header("etag", format!("\"{tag}\"")).body(full(""))?;
    if let Some((name, value)) = checksum {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn xml(body: &str) -> Result<Response<Body>> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    Ok(Response::builder().header("content-type", "application/xml").body(full(text))?)
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let text = format!(
        "<Error><Code>{code}</Code><Message>the benchmark's sink: {code}</Message></Error>"
    );
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
