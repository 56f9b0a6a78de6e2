//! A backup as its manifest shows it.

use autodump_core::compression::Algorithm;
use autodump_core::manifest::{Manifest, Object};
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::{Error, ErrorClass, Result};
use sha2::{Digest, Sha256};

use crate::codec;
use crate::object::{AnyManifest, broken, read_all, read_any_manifest, uri};

const TOC: &str = "toc.dat";

/// Reads the manifest of a database's backup. One that is not there, cannot be read or has an
/// unknown version is an error of class [`ErrorClass::Verification`]; that of a table is one of
/// class [`ErrorClass::Configuration`].
pub async fn read_manifest<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
) -> Result<Manifest> {
    match read_any_manifest(reader, location).await? {
        AnyManifest::Database(manifest) => Ok(*manifest),
        AnyManifest::Table(table) => Err(Error::new(
            ErrorClass::Configuration,
            format!("{} is the backup of the DynamoDB table {}", uri(location), table.database),
            "Name the backup of a database",
        )),
    }
}

/// A backup and where it lies now.
#[derive(Debug)]
pub struct Backup {
    /// Its manifest.
    pub manifest: Manifest,
    at: ObjectLocation,
    /// What the keys of the archive's objects begin with in the manifest, with a slash.
    archive: String,
}

impl Backup {
    /// Reads the manifest.
    pub async fn open<R: ObjectReader>(reader: &R, at: &ObjectLocation) -> Result<Self> {
        let manifest = read_manifest(reader, at).await?;
        if manifest.engine.name != "postgres" {
            return Err(Error::new(
                ErrorClass::Configuration,
                format!("the backup is of the engine {:?}", manifest.engine.name),
                "Only backups of postgres can be restored",
            ));
        }
        let mut keys = manifest.objects.iter().map(|object| object.key.as_str());
        let archive = keys.find_map(|key| key.strip_suffix(TOC).filter(|p| p.ends_with('/')));
        let archive = archive
            .map(str::to_owned)
            .ok_or_else(|| broken(format!("the manifest {} names no {TOC}", uri(at))))?;
        Ok(Self { manifest, at: at.clone(), archive })
    }

    /// Where an object lies: beside the manifest as it was when it was written, wherever the
    /// whole run was copied to since.
    #[must_use]
    pub fn location(&self, object: &Object) -> ObjectLocation {
        let run = self.archive.trim_end_matches('/').rsplit_once('/').map_or("", |(run, _)| run);
        let here = self.at.key.rsplit_once('/').map_or("", |(run, _)| run);
        match object.key.strip_prefix(run).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !run.is_empty() => {
                let slash = if here.is_empty() { "" } else { "/" };
                let key = format!("{here}{slash}{rest}");
                ObjectLocation { bucket: self.at.bucket.clone(), key }
            }
            _ => ObjectLocation { bucket: object.bucket.clone(), key: object.key.clone() },
        }
    }

    /// The name of an object within the archive's directory; `None` for others.
    #[must_use]
    pub fn file_name<'a>(&self, object: &'a Object) -> Option<&'a str> {
        object.key.strip_prefix(&self.archive).filter(|name| !name.contains('/'))
    }

    /// The objects that hold the data file `name` of the table of contents, in order; empty
    /// when there is none.
    #[must_use]
    pub fn data_file(&self, name: &str) -> Vec<&Object> {
        let find = |wanted: &str| {
            self.manifest.objects.iter().find(|object| self.file_name(object) == Some(wanted))
        };
        for algorithm in [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd, Algorithm::Lz4] {
            let first = format!("{name}{}", codec::extension(algorithm));
            let Some(object) = find(&first) else { continue };
            let more = (2_u32..).map_while(|number| find(&format!("{first}.{number}")));
            return std::iter::once(object).chain(more).collect();
        }
        Vec::new()
    }

    /// The table of contents, compared with the manifest.
    pub async fn table_of_contents<R: ObjectReader>(&self, reader: &R) -> Result<Vec<u8>> {
        let mut objects = self.manifest.objects.iter();
        let object = objects.find(|object| self.file_name(object) == Some(TOC));
        let object = object.ok_or_else(|| broken(format!("{} names no {TOC}", uri(&self.at))))?;
        let location = self.location(object);
        let bytes = read_all(reader, &location).await?;
        compare(object, &location, &Sha256::digest(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }
}

/// Compares what was read of a whole object with the manifest.
pub(crate) fn compare(
    object: &Object,
    location: &ObjectLocation,
    sha256: &[u8],
    bytes: u64,
) -> Result<()> {
    if bytes != object.bytes {
        let what = format!("{} has {bytes} bytes, not {}", uri(location), object.bytes);
        return Err(broken(what));
    }
    let sha256 = hex::encode(sha256);
    if sha256 != object.sha256 {
        let expected = &object.sha256;
        return Err(broken(format!("{} has SHA-256 {sha256}, not {expected}", uri(location))));
    }
    Ok(())
}
