//! Reads of whole objects and of ranges, straight from the S3 server's files.
//!
//! The S3 server itself reads 4 KiB at a time, each by way of another thread. That is several seconds of processor
//! time for a gigabyte, which a restore on the same cores would be charged with.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::{Method, Request, Response, StatusCode};

use crate::http::Body;

/// The most that is read at once. What is read was written a moment ago and is in memory.
const PIECE: u64 = 256 << 10;

/// The file that a request wants to read; `None` when it wants something else.
pub(super) fn wanted(root: &Path, request: &Request<Incoming>) -> Option<PathBuf> {
    let query = request.uri().query().unwrap_or_default();
    if request.method() != Method::GET || !matches!(query, "" | "x-id=GetObject") {
        return None;
    }
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8().ok()?;
    let outside = path.split('/').any(|part| part == "..");
    let file = root.join(path.trim_start_matches('/'));
    (!outside && file.is_file()).then_some(file)
}

/// Answers with a file, or with the range of it that is asked for.
pub(super) fn answer(file: &Path, request: &Request<Incoming>) -> Result<Response<Body>> {
    let mut file = File::open(file)?;
    let all = file.metadata()?.len();
    let mut response = Response::builder();
    let mut left = all;
    if let Some(range) = request.headers().get(RANGE) {
        let Some((from, to)) = bounds(range.to_str()?, all) else {
            let body = crate::http::full("<Error><Code>InvalidRange</Code></Error>");
            return Ok(response.status(StatusCode::RANGE_NOT_SATISFIABLE).body(body)?);
        };
        file.seek(SeekFrom::Start(from))?;
        left = to - from;
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, format!("bytes {from}-{}/{all}", to - 1));
    }
    let body = Content { file, left }.map_err(|error| anyhow!(error)).boxed_unsync();
    Ok(response.header(CONTENT_LENGTH, left).body(body)?)
}

/// The first byte of a range and the one after its last: `bytes=2-5`, `bytes=2-`, `bytes=-3`.
fn bounds(range: &str, all: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from, to) {
        ("", last) => (all.saturating_sub(last.parse().ok()?), all),
        (from, "") => (from.parse().ok()?, all),
        (from, to) => (from.parse().ok()?, to.parse::<u64>().ok()?.saturating_add(1).min(all)),
    };
    (from < to).then_some((from, to))
}

/// What is left to send of a file.
struct Content {
    file: File,
    left: u64,
}

impl hyper::body::Body for Content {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let length = self.left.min(PIECE);
        if length == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = self.file.read_exact(&mut piece);
        self.left -= length;
        Poll::Ready(Some(read.map(|()| Frame::data(Bytes::from(piece)))))
    }
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn ranges_are_those_of_http() {
        assert_eq!(bounds("bytes=2-5", 10), Some((2, 6)));
        assert_eq!(bounds("bytes=2-", 10), Some((2, 10)));
        assert_eq!(bounds("bytes=-3", 10), Some((7, 10)));
        assert_eq!(bounds("bytes=8-99", 10), Some((8, 10)));
        assert_eq!(bounds("bytes=10-", 10), None);
        assert_eq!(bounds("bytes=x", 10), None);
    }
}
