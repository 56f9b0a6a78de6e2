//! A file of Parquet: what its footer says.

use std::sync::Arc;

use autodump_core::ports::{Listed, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::place::damaged;
use super::tree;
use super::window::{Ranges, Remote, whole};

/// A file of at most this many bytes is read in one request.
const SMALL: u64 = 4 << 20;
/// How much of the end of a larger one is read first.
const TAIL: u64 = 64 << 10;
/// The longest metadata that are read. What is made of them takes some times as much.
const LONGEST_METADATA: u64 = 16 << 20;
/// What stands behind the metadata: their length, and the format's name.
const FOOTER: u64 = 8;
const MAGIC: &[u8] = b"PAR1";

/// A file whose footer was read.
pub(crate) struct Opened {
    /// The object as it was listed.
    pub(crate) listed: Listed,
    /// `s3://bucket/key`.
    pub(crate) uri: String,
    pub(crate) metadata: ParquetMetaData,
    /// What they take in memory.
    pub(crate) metadata_bytes: u64,
    pub(crate) ranges: Arc<dyn Ranges>,
    /// All of it, if it is small.
    pub(crate) content: Option<Bytes>,
}

/// A file whose end was read, and that is not opened before its turn comes: two files' metadata
/// are never there at the same time.
pub(crate) struct Begun<R> {
    reader: R,
    location: ObjectLocation,
    listed: Listed,
    uri: String,
    end: Bytes,
}

/// Reads the end of a file, at most 4 MiB.
pub(crate) async fn begin<R: ObjectReader>(
    reader: R,
    bucket: &str,
    listed: Listed,
) -> Result<Begun<R>> {
    let location = ObjectLocation { bucket: bucket.to_owned(), key: listed.key.clone() };
    let uri = format!("s3://{bucket}/{}", listed.key);
    if listed.bytes < FOOTER + MAGIC.len() as u64 {
        let why = format!("it has {} bytes, and the shortest file of Parquet has 12", listed.bytes);
        return Err(damaged(&uri, why));
    }
    let tail = if listed.bytes <= SMALL { listed.bytes } else { TAIL };
    let end = whole(&reader, &location, listed.bytes - tail..listed.bytes).await?;
    Ok(Begun { reader, location, listed, uri, end })
}

impl<R: ObjectReader + Clone + Send + 'static> Begun<R> {
    /// Reads the footer.
    pub(crate) async fn open(self) -> Result<Opened> {
        let Self { reader, location, listed, uri, mut end } = self;
        let start = listed.bytes - end.len() as u64;
        let content = (start == 0).then(|| end.clone());
        let length = metadata_length(&uri, &end, listed.bytes)?;
        if length + FOOTER > end.len() as u64 {
            let missing = listed.bytes - FOOTER - length..start;
            let before = whole(&reader, &location, missing).await?;
            end = [before, end].concat().into();
        }
        let first = end.len() - usize::try_from(length + FOOTER).unwrap_or(usize::MAX);
        let metadata = &end[first..end.len() - usize::try_from(FOOTER).unwrap_or(0)];
        let metadata = decoded(&uri, metadata)?;
        let metadata_bytes = metadata.memory_size() as u64;
        let ranges = Arc::new(Remote::new(reader, location));
        Ok(Opened { listed, uri, metadata, metadata_bytes, ranges, content })
    }
}

fn metadata_length(uri: &str, end: &[u8], bytes: u64) -> Result<u64> {
    let short = || damaged(uri, "its footer is missing");
    let footer: &[u8; 8] = end.last_chunk().ok_or_else(short)?;
    let (length, magic) = footer.split_at(4);
    if magic == b"PARE" {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!("{uri} is encrypted by Parquet itself"),
            "Write it without Parquet's own encryption: S3 encrypts at rest",
        ));
    }
    if magic != MAGIC {
        return Err(damaged(uri, "it does not end as Parquet does, with PAR1"));
    }
    let length = u64::from(u32::from_le_bytes(length.try_into().map_err(|_| short())?));
    if length + FOOTER + MAGIC.len() as u64 > bytes {
        let why = format!("its footer declares {length} bytes of metadata, and it has {bytes}");
        return Err(damaged(uri, why));
    }
    if length > LONGEST_METADATA {
        return Err(Error::new(
            ErrorClass::Configuration,
            format!(
                "{uri} has {length} bytes of metadata, and at most {LONGEST_METADATA} are read"
            ),
            "Write it with fewer row groups",
        ));
    }
    Ok(length)
}

/// Metadata that are nonsense can make the decoder panic, which is told as any other damage.
fn decoded(uri: &str, bytes: &[u8]) -> Result<ParquetMetaData> {
    tree::check(bytes).map_err(|why| damaged(uri, format!("its metadata: {why}")))?;
    let skip = ParquetStatisticsPolicy::SkipAll;
    // Nobody looks at them here, and old writers put odd ones there.
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(skip.clone())
        .with_size_stats_policy(skip.clone())
        .with_encoding_stats_policy(skip);
    let decode = || ParquetMetaDataReader::decode_metadata_with_options(bytes, Some(&options));
    std::panic::catch_unwind(decode)
        .map_err(|_| damaged(uri, "its metadata make no sense"))?
        .map_err(|error| damaged(uri, format!("its metadata: {error}")))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
