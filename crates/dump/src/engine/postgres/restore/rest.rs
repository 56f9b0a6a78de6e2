//! Files that `pg_restore` has to read by itself: large objects, and rows that cannot be
//! loaded by us. They need room in the scratch directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use autodump_core::manifest::Object;
use autodump_core::ports::{Content, ObjectLocation};
use autodump_core::{Error, ErrorClass, Result};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::client::unusable;
use crate::engine::postgres::directory::Directory;
use crate::restore::SharedReader;
use crate::restore::backup::compare;

/// Files that are fetched at once.
const TOGETHER: usize = 8;

/// A file to be made of one or several objects.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    path: PathBuf,
    objects: Vec<(Object, ObjectLocation)>,
}

/// What has to be fetched of the data files `names`, and, with `large_objects`, of these.
pub(super) fn wanted<'a>(
    directory: Directory<'_>,
    scratch: &Path,
    names: impl IntoIterator<Item = &'a str>,
    large_objects: bool,
) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    let mut taken = BTreeSet::new();
    let mut add = |name: &str, objects: Vec<&Object>| {
        if taken.insert(name.to_owned()) {
            let objects =
                objects.into_iter().map(|o| (o.clone(), directory.backup.location(o))).collect();
            wanted.push(Wanted { path: scratch.join(name), objects });
        }
    };
    for name in names {
        let objects = directory.data_file(name);
        let first = objects.first().and_then(|object| directory.file_name(object));
        let first = first.ok_or_else(|| {
            Error::new(
                ErrorClass::Verification,
                format!("the manifest names no object for the file {name} of the archive"),
                "Use another backup",
            )
        })?;
        add(first, objects.clone());
    }
    if large_objects {
        for object in &directory.backup.manifest.objects {
            match directory.file_name(object) {
                Some(name) if is_of_large_objects(name) => {
                    add(name, directory.data_file(stem(name)));
                }
                _ => {}
            }
        }
    }
    Ok(wanted)
}

/// Whether a file of an archive holds large objects, or lists them: `blob_16433.dat`, with the
/// ending of its compression, `blobs.toc` (`pg_dump` up to 16) or `blobs_12.toc`. Rows of a schema
/// named `blobs` lie in `blobs.….dat`.
fn is_of_large_objects(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let content = stem(name).strip_suffix(".dat").and_then(|name| name.strip_prefix("blob_"));
    let list = name.strip_suffix(".toc").and_then(|name| name.strip_prefix("blobs"));
    content.is_some_and(digits)
        || list.is_some_and(|list| list.is_empty() || list.strip_prefix('_').is_some_and(digits))
}

/// The name without the ending of its compression.
fn stem(name: &str) -> &str {
    [".gz", ".zst", ".lz4"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

pub(super) fn bytes(wanted: &[Wanted]) -> u64 {
    wanted.iter().flat_map(|file| &file.objects).map(|(object, _)| object.bytes).sum()
}

/// Fetches files, several at once, each compared with the manifest.
pub(super) async fn fetch<R: SharedReader>(reader: &R, wanted: Vec<Wanted>) -> Result<()> {
    let mut wanted = wanted.into_iter();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < TOGETHER {
            let Some(file) = wanted.next() else { break };
            tasks.spawn(fetch_one(reader.clone(), file));
        }
        let Some(done) = tasks.join_next().await else { return Ok(()) };
        done.map_err(crate::uploader::broke_down)??;
    }
}

async fn fetch_one<R: SharedReader>(reader: R, wanted: Wanted) -> Result<()> {
    let Wanted { path, objects } = wanted;
    let mut file = File::create(&path).map_err(|error| unusable(&path, error))?;
    for (object, location) in objects {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut content = reader.get(&location, None).await?;
        while let Some(more) = content.next().await? {
            hash.update(&more);
            bytes += more.len() as u64;
            file.write_all(&more).map_err(|error| unusable(&path, error))?;
        }
        compare(&object, &location, &hash.finalize(), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_objects_are_taken_for_such() {
        for name in
            ["blob_16433.dat", "blob_1.dat.gz", "blob_1.dat.zst", "blobs.toc", "blobs_7.toc"]
        {
            assert!(is_of_large_objects(name), "{name}");
        }
        for name in [
            "blobs.toc-16400.dat",
            "blobs.t-16400.dat.gz",
            "blob_1.dat-16400.dat",
            "blob_1.dat.gz.2",
            "blob_.dat",
            "blob_x.dat",
            "blobs_.toc",
            "blobs_a.toc",
            "blob.toc",
        ] {
            assert!(!is_of_large_objects(name), "{name}");
        }
    }
}
