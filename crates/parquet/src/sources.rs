//! Whether the files of a table still are what was listed, and what was made of them before.

use std::collections::{BTreeMap, BTreeSet};

use autodump_core::pages::{Pages, exists};
use autodump_core::ports::{Listed, ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};

use crate::layout::Table;
use crate::manifest::{ResultManifest, Source, VERSION};
use crate::options::Options;
use crate::read::whole;

/// The longest manifest of a result that is read.
const LONGEST: u64 = 256 << 20;

/// Compares the files with those in the bucket now. One that was replaced or removed meanwhile is
/// an error of class [`ErrorClass::Verification`]; the key of one that has come is returned.
pub(crate) async fn unchanged<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    table: &Table,
) -> Result<Option<String>> {
    let mut come = None;
    let mut expected: BTreeMap<&str, &Listed> =
        table.files.iter().map(|file| (file.key.as_str(), file)).collect();
    let mut pages = Pages::of(reader, bucket, &table.directory);
    while let Some(page) = pages.next().await? {
        for found in page {
            let Some(file) = expected.remove(found.key.as_str()) else {
                come = come.or_else(|| table.has_place_for(&found.key).then_some(found.key));
                continue;
            };
            if *file != found {
                let was = format!("{} bytes, ETag {}", file.bytes, file.etag);
                let is = format!("{} bytes, ETag {}", found.bytes, found.etag);
                let what = format!("s3://{bucket}/{} had {was}, and now {is}", found.key);
                return Err(changed(what));
            }
        }
    }
    match expected.keys().next() {
        None => Ok(come),
        Some(key) => Err(changed(format!("s3://{bucket}/{key} was removed while it was read"))),
    }
}

fn changed(what: String) -> Error {
    let hint = "Convert the table again when nothing writes to its directory any more";
    Error::new(ErrorClass::Verification, what, hint)
}

/// What a result that is there already means for this conversion.
#[derive(Debug, PartialEq)]
pub(crate) enum Before {
    /// There is none.
    Nothing,
    /// It is the result of these files, or of these and others that a newer listing has.
    Covered(Box<ResultManifest>),
    /// It has to be made anew: others have come since, or it was made in another way, or what it
    /// names is not there as it says.
    Outdated,
}

/// Looks at the manifest that is there. One of other files is an error: two tables must not share
/// a place.
pub(crate) async fn before<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    bucket: &str,
    table: &Table,
    options: &Options,
) -> Result<Before> {
    if !exists(reader, &location.bucket, &location.key).await? {
        return Ok(Before::Nothing);
    }
    let manifest = read(reader, location).await?;
    let listed = |file: &Listed| (file.key.clone(), file.bytes, file.etag.clone());
    let now: BTreeSet<_> = table.files.iter().map(listed).collect();
    let Source { bucket: old_bucket, directory, files } = &manifest.source;
    let then: BTreeSet<_> =
        files.iter().map(|file| (file.key.clone(), file.bytes, file.etag.clone())).collect();
    let here = old_bucket == bucket && *directory == table.directory;
    if here && now.is_subset(&then) && is_good(reader, location, &manifest, options).await? {
        return Ok(Before::Covered(Box::new(manifest)));
    }
    if here && then.is_subset(&now) {
        return Ok(Before::Outdated);
    }
    Err(Error::new(
        ErrorClass::Configuration,
        format!(
            "s3://{}/{} is the result of other files: {} of s3://{old_bucket}/{directory}",
            location.bucket,
            location.key,
            then.len()
        ),
        "Remove that manifest if its result is not needed any more, or choose another destination",
    ))
}

/// Whether a result was made as it would be now, and its objects have the bytes that it says.
async fn is_good<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    manifest: &ResultManifest,
    options: &Options,
) -> Result<bool> {
    let outdated = |why: &str| {
        tracing::warn!(key = location.key, why, "the result is to be made anew");
        Ok(false)
    };
    if !manifest.is_made_with(options) {
        return outdated("its options are not those of now");
    }
    for object in manifest.objects.iter().chain(&manifest.reject_objects) {
        // Of all keys that begin with this one, it is the first.
        let page = reader.page(&location.bucket, &object.key, None).await?;
        let found = page.objects.first().filter(|found| found.key == object.key);
        if found.is_none_or(|found| found.bytes != object.bytes) {
            return outdated("the data beside it are not those that it names");
        }
    }
    Ok(true)
}

async fn read<R: ObjectReader>(reader: &R, location: &ObjectLocation) -> Result<ResultManifest> {
    let uri = format!("s3://{}/{}", location.bucket, location.key);
    let broken = |why: String| {
        let hint = "Remove it, and convert the table again";
        Error::new(ErrorClass::Verification, format!("the manifest {uri} {why}"), hint)
    };
    let page = reader.page(&location.bucket, &location.key, None).await?;
    let listed = page.objects.into_iter().find(|object| object.key == location.key);
    let bytes = listed.ok_or_else(|| broken("was removed".to_owned()))?.bytes;
    if bytes > LONGEST {
        return Err(broken(format!("has {bytes} bytes, more than {LONGEST}")));
    }
    let json = whole(reader, location, 0..bytes).await?;
    let manifest: ResultManifest = serde_json::from_slice(&json)
        .map_err(|error| broken(format!("is not understood: {error}")))?;
    if manifest.version == VERSION {
        Ok(manifest)
    } else {
        Err(broken(format!("has version {}, and {VERSION} is understood", manifest.version)))
    }
}
