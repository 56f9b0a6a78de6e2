//! A table's backup as its manifest shows it, and where it lies now.

use autodump_core::compression::Compression;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::layout::{DATA, DEFINITION};
use autodump_core::table::manifest::{TableManifest, TableObject};
use autodump_core::{Error, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Backup, DataObject};
use crate::object::{broken, read_all, uri};

impl Backup {
    /// The backup whose manifest was read from `at`, for a restore into `target`. Its objects are
    /// beside the manifest as they were when it was written, wherever the whole run was copied to
    /// since. The table's definition is read; what does not fit the manifest is an error of class
    /// [`Verification`](autodump_core::ErrorClass::Verification).
    pub async fn open<R: ObjectReader>(
        reader: &R,
        at: &ObjectLocation,
        manifest: &TableManifest,
        target: &TableArn,
    ) -> Result<Self> {
        let moved = Moved::of(at, manifest)?;
        let text: Compression = manifest.method.compression.parse().map_err(|why| {
            let compression = &manifest.method.compression;
            broken(format!("{} has the compression {compression:?}, which {why}", uri(at)))
        })?;
        let objects: Vec<_> =
            manifest.objects.iter().map(|object| moved.object(object)).collect::<Result<_>>()?;
        let items: u64 = objects.iter().map(|object| object.items).sum();
        if items != manifest.items {
            let expected = manifest.items;
            let what = format!("the objects of {} have {items} items, not {expected}", uri(at));
            return Err(broken(what));
        }
        Ok(Self {
            directory: uri(&moved.at("")),
            data: data(&objects).unwrap_or_else(|| moved.at(DATA)),
            bucket_owner: owner(at, manifest).filter(|owner| *owner != target.account),
            objects,
            compression: text.algorithm(),
            definition: definition(reader, &moved.at(DEFINITION)).await?,
        })
    }
}

/// A run's directory as the manifest names it, and where it is now.
struct Moved<'a> {
    /// With a slash at its end.
    then: &'a str,
    bucket: &'a str,
    /// With a slash at its end, unless it is the bucket itself.
    now: &'a str,
}

impl<'a> Moved<'a> {
    fn of(at: &'a ObjectLocation, manifest: &'a TableManifest) -> Result<Self> {
        let named = manifest.definition.strip_suffix(DEFINITION);
        let then = named.filter(|run| run.ends_with('/')).ok_or_else(|| {
            let named = &manifest.definition;
            broken(format!("the manifest {} names {named:?}, and no {DEFINITION}", uri(at)))
        })?;
        let now = at.key.rfind('/').map_or("", |slash| &at.key[..=slash]);
        Ok(Self { then, bucket: &at.bucket, now })
    }

    /// Where the object of this name within the directory is.
    fn at(&self, name: &str) -> ObjectLocation {
        ObjectLocation { bucket: self.bucket.to_owned(), key: format!("{}{name}", self.now) }
    }

    fn object(&self, object: &TableObject) -> Result<DataObject> {
        let location = object.key.strip_prefix(self.then).map_or_else(
            || ObjectLocation { bucket: object.bucket.clone(), key: object.key.clone() },
            |name| self.at(name),
        );
        let crc64nvme = object.crc64nvme.as_deref().map(|text| {
            let bytes = BASE64_STANDARD.decode(text).ok().and_then(|all| all.try_into().ok());
            bytes.map(u64::from_be_bytes).ok_or_else(|| {
                broken(format!("the CRC of {} in the manifest is {text:?}", uri(&location)))
            })
        });
        Ok(DataObject {
            crc64nvme: crc64nvme.transpose()?,
            location,
            bytes: object.bytes,
            sha256: object.sha256.clone(),
            items: object.items,
        })
    }
}

/// The directory of the data objects: of an export it is a few levels below the run's.
fn data(objects: &[DataObject]) -> Option<ObjectLocation> {
    let ObjectLocation { bucket, key } = &objects.first()?.location;
    let key = key.get(..=key.rfind('/')?)?;
    Some(ObjectLocation { bucket: bucket.clone(), key: key.to_owned() })
}

/// The account of the bucket: that of the execution, as long as the backup is where it was made.
fn owner(at: &ObjectLocation, manifest: &TableManifest) -> Option<String> {
    let moved = manifest.objects.iter().any(|object| object.bucket != at.bucket);
    let account = manifest.execution_arn.split(':').nth(4)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && !moved).then(|| account.to_owned())
}

async fn definition<R: ObjectReader>(reader: &R, at: &ObjectLocation) -> Result<Definition> {
    let bytes = read_all(reader, at).await?;
    let text = String::from_utf8(bytes)
        .map_err(|_| broken(format!("the definition {} is not in UTF-8", uri(at))))?;
    Definition::parse(&text).map_err(|error| {
        let what = format!("{}: {}", uri(at), error.what());
        Error::new(error.class(), what, error.hint().to_owned())
    })
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
