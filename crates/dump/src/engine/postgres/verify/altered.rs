//! A backup with some entries of its table of contents left out, for the restore that proves it:
//! the store stays as it is.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use autodump_core::ports::{Content, ListedPage, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use sha2::{Digest, Sha256};

use crate::engine::postgres::directory::Directory;
use crate::engine::postgres::toc::{FILE_NAME, Toc};

/// A store that gives another manifest and another table of contents than it holds.
#[derive(Debug, Clone)]
pub(super) struct Altered<R> {
    reader: R,
    instead: Arc<[(ObjectLocation, Bytes)]>,
}

impl<R> Altered<R> {
    /// The backup whose manifest is at `at`, without the entries `without`. It is the table of contents that was
    /// verified that is restored, even if the store has another one by now.
    pub(super) fn new(
        reader: R,
        at: &ObjectLocation,
        directory: Directory<'_>,
        toc: &Toc,
        without: &BTreeSet<i32>,
    ) -> Result<Self> {
        let backup = directory.backup;
        let mut toc = toc.clone();
        toc.entries.retain(|entry| !without.contains(&entry.dump_id));
        let contents = Bytes::from(toc.write());
        let mut manifest = backup.manifest.clone();
        let mut instead = Vec::new();
        for (original, object) in backup.manifest.objects.iter().zip(&mut manifest.objects) {
            if directory.file_name(original) == Some(FILE_NAME) {
                object.bytes = contents.len() as u64;
                object.sha256 = hex::encode(Sha256::digest(&contents));
                let crc = checksum(CrcAlgorithm::Crc64Nvme, &contents);
                object.crc64nvme = BASE64_STANDARD.encode(crc.to_be_bytes());
                instead.push((backup.location(original), contents.clone()));
            }
        }
        let manifest = serde_json::to_vec(&manifest).map_err(|error| {
            let what = format!("the manifest cannot be written as JSON: {error}");
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        })?;
        instead.push((at.clone(), manifest.into()));
        Ok(Self { reader, instead: instead.into() })
    }
}

impl<R: ObjectReader> ObjectReader for Altered<R> {
    type Content = Given<R::Content>;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<Self::Content> {
        let Some((_, bytes)) = self.instead.iter().find(|(at, _)| at == location) else {
            return Ok(Given::Stored(self.reader.get(location, range).await?));
        };
        let Some(range) = range else { return Ok(Given::Here(Some(bytes.clone()))) };
        let whole = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let part = whole.filter(|(from, to)| from <= to && *to <= bytes.len());
        let (from, to) = part.ok_or_else(|| {
            let what = format!("{} has {} bytes, not {range:?}", location.key, bytes.len());
            Error::new(ErrorClass::Verification, what, "Use another backup")
        })?;
        Ok(Given::Here(Some(bytes.slice(from..to))))
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.reader.page(bucket, prefix, after).await
    }
}

/// What is given.
#[derive(Debug)]
pub(super) enum Given<C> {
    /// The rest of what is not in the store.
    Here(Option<Bytes>),
    /// What the store holds.
    Stored(C),
}

impl<C: Content> Content for Given<C> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Here(bytes) => Ok(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::Stored(content) => content.next().await,
        }
    }
}
