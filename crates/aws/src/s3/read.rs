//! Reading what the store holds.

use std::ops::Range;
use std::time::Duration;

use autodump_core::ports::{Content, Listed, ListedPage, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::failure::{SHORTER, read_failure};
use super::{S3Store, unusable};
use crate::failure::in_words;

/// How often in a row a content is continued after its connection broke. Each time the
/// request itself is tried several times.
const CONTINUATIONS: u32 = 5;
/// A connection that gave this many bytes before it broke was a good one: the count of
/// continuations begins anew.
const GOOD: u64 = 1024 * 1024;
/// Before the second continuation in a row; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl ObjectReader for S3Store {
    type Content = S3Content;

    async fn get(&self, location: &ObjectLocation, range: Option<Range<u64>>) -> Result<S3Content> {
        let mut content = S3Content {
            client: self.client.clone(),
            location: location.clone(),
            etag: None,
            rest: range.clone().unwrap_or_default(),
            body: ByteStream::default(),
            since: 0,
            continuations: 0,
        };
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(content);
        }
        let answer = content.ask(range.as_ref()).await?;
        let length = length(&answer, location)?;
        match range {
            None => content.rest = 0..length,
            Some(range) => exactly(&range, length, &answer, location)?,
        }
        content.etag = answer.e_tag;
        content.body = answer.body;
        Ok(content)
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        let location = ObjectLocation { bucket: bucket.to_owned(), key: prefix.to_owned() };
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let answer = request.set_start_after(after.map(str::to_owned)).send().await;
        let answer = answer.map_err(|error| read_failure("cannot be listed", &location, error))?;
        let found = answer.contents.unwrap_or_default();
        let mut next = None;
        if answer.is_truncated == Some(true) {
            next = found.last().and_then(|last| last.key.clone());
            if next.as_deref() <= after {
                return Err(unusable("gave no end of a list, and nothing new", &location));
            }
        }
        let objects = found.into_iter().filter_map(|object| {
            let bytes = object.size.and_then(|size| u64::try_from(size).ok())?;
            let etag = object.e_tag.unwrap_or_default().trim_matches('"').to_owned();
            Some(Listed { key: object.key?, bytes, etag })
        });
        Ok(ListedPage { objects: objects.collect(), next })
    }
}

/// The content of an object of S3 on its way. When its connection breaks, the rest is asked
/// for again, of the very same object.
#[derive(Debug)]
pub struct S3Content {
    client: Client,
    location: ObjectLocation,
    /// The object's, by its first answer.
    etag: Option<String>,
    /// What has not been given yet.
    rest: Range<u64>,
    body: ByteStream,
    /// Bytes that this connection gave.
    since: u64,
    continuations: u32,
}

impl Content for S3Content {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.rest.is_empty() {
            let why = match self.body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => return self.take(bytes).map(Some),
                Some(Err(error)) => in_words(&error),
                None => "the connection ended too early".to_owned(),
            };
            self.resume(why).await?;
        }
        Ok(None)
    }
}

impl S3Content {
    fn take(&mut self, bytes: Bytes) -> Result<Bytes> {
        let length = bytes.len() as u64;
        if length > self.rest.end - self.rest.start {
            return Err(unusable("gave more bytes than it announced", &self.location));
        }
        self.rest.start += length;
        self.since += length;
        Ok(bytes)
    }

    /// Asks for the rest. Once it has failed for good it fails for ever.
    async fn resume(&mut self, why: String) -> Result<()> {
        if self.since >= GOOD {
            self.continuations = 0;
        }
        if self.continuations >= CONTINUATIONS {
            let ObjectLocation { bucket, key } = &self.location;
            let at = self.rest.start;
            return Err(Error::new(
                ErrorClass::Destination,
                format!(
                    "s3://{bucket}/{key}: reading broke off at byte {at} again and again: {why}"
                ),
                "Look at the network between here and S3, and start again",
            ));
        }
        tracing::debug!(key = self.location.key, at = self.rest.start, why, "reading on");
        if let Some(earlier) = self.continuations.checked_sub(1) {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(earlier)).await;
        }
        self.continuations += 1;
        self.since = 0;
        // A body that has ended stays so: should this fail, the next call comes here again.
        self.body = ByteStream::default();
        let range = self.rest.clone();
        let answer = self.ask(Some(&range)).await?;
        exactly(&range, length(&answer, &self.location)?, &answer, &self.location)?;
        self.body = answer.body;
        Ok(())
    }

    async fn ask(&self, range: Option<&Range<u64>>) -> Result<GetObjectOutput> {
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let ObjectLocation { bucket, key } = &self.location;
        let request = self.client.get_object().bucket(bucket).key(key);
        let request = request.set_range(range).set_if_match(self.etag.clone());
        let answer = request.send().await;
        answer.map_err(|error| read_failure("cannot be read", &self.location, error))
    }
}

fn length(answer: &GetObjectOutput, location: &ObjectLocation) -> Result<u64> {
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| unusable("gave an object without a length", location))
}

/// Checks that an answer is that to `range`: S3 cuts a range at the object's end, and a server
/// may take no notice of it.
fn exactly(
    range: &Range<u64>,
    length: u64,
    answer: &GetObjectOutput,
    location: &ObjectLocation,
) -> Result<()> {
    let start = format!("bytes {}-", range.start);
    let starts_there = answer.content_range.as_ref().is_some_and(|got| got.starts_with(&start));
    let asked = range.end - range.start;
    if !starts_there || length > asked {
        return Err(unusable("gave other bytes than those asked for", location));
    }
    if length == asked {
        return Ok(());
    }
    let ObjectLocation { bucket, key } = location;
    let end = range.start + length;
    Err(Error::new(
        ErrorClass::Verification,
        format!("s3://{bucket}/{key} ends at byte {end}, before {}", range.end),
        SHORTER,
    ))
}
