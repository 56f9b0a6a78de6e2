//! Buckets that are directories.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use autodump_core::ports::{
    Completion, Content, Listed, ListedPage, ObjectLocation, ObjectReader, ObjectStore,
    ObjectWriter, PartReceipt, Put, Upload,
};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;

/// What is read at once: about what comes of a connection.
const PIECE: u64 = 256 << 10;

/// Objects as files. One that was uploaded is a directory with its parts, `00001` and so on.
#[derive(Clone)]
pub(crate) struct Disk {
    root: Arc<PathBuf>,
    /// Whether what is uploaded is written.
    keeps: bool,
    uploads: Arc<AtomicU64>,
}

pub(crate) struct Piece {
    file: File,
    range: Range<u64>,
}

pub(crate) struct Parts {
    disk: Disk,
    location: ObjectLocation,
    directory: PathBuf,
}

impl Disk {
    pub(crate) fn new(root: &str, keeps: bool) -> Self {
        Self { root: Arc::new(PathBuf::from(root)), keeps, uploads: Arc::default() }
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }
}

pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let what = format!("{}: {error}", path.display());
    Error::new(ErrorClass::Source, what, "Look at the disk")
}

impl Content for Piece {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let length = (self.range.end - self.range.start).min(PIECE);
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut bytes, self.range.start);
        read.map_err(|error| failed(Path::new("a piece of a file"), &error))?;
        self.range.start += length;
        Ok(Some(bytes.into()))
    }
}

impl ObjectReader for Disk {
    type Content = Piece;

    async fn get(&self, location: &ObjectLocation, range: Option<Range<u64>>) -> Result<Piece> {
        let path = self.path(&location.bucket, &location.key);
        let file = File::open(&path).map_err(|error| failed(&path, &error))?;
        let length = file.metadata().map_err(|error| failed(&path, &error))?.len();
        Ok(Piece { file, range: range.unwrap_or(0..length) })
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        let mut objects = Vec::new();
        let root = self.root.join(bucket);
        if root.exists() {
            files(&root, &root, &mut objects).map_err(|error| failed(&root, &error))?;
        }
        objects.retain(|object| {
            object.key.starts_with(prefix) && after.is_none_or(|after| object.key.as_str() > after)
        });
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(ListedPage { objects, next: None })
    }
}

fn files(root: &Path, directory: &Path, found: &mut Vec<Listed>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            files(root, &path, found)?;
        } else if let Ok(key) = path.strip_prefix(root) {
            let key = key.display().to_string();
            found.push(Listed { key, bytes: metadata.len(), etag: "as-it-was".to_owned() });
        }
    }
    Ok(())
}

impl ObjectStore for Disk {
    type Upload = Parts;

    async fn create(&self, location: &ObjectLocation, _: &str) -> Result<Parts> {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        let directory = self.root.join("uploads").join(number.to_string());
        fs::create_dir_all(&directory).map_err(|error| failed(&directory, &error))?;
        Ok(Parts { disk: self.clone(), location: location.clone(), directory })
    }
}

impl Upload for Parts {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        if self.disk.keeps {
            let path = self.directory.join(format!("{number:05}"));
            fs::write(&path, &body).map_err(|error| failed(&path, &error))?;
        }
        let etag = number.to_string();
        Ok(PartReceipt { number, bytes: body.len() as u64, etag, crc64nvme })
    }

    async fn complete(&self, _: Completion) -> Result<()> {
        let path = self.disk.path(&self.location.bucket, &self.location.key);
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        fs::rename(&self.directory, &path).map_err(|error| failed(&path, &error))
    }

    async fn abort(&self) -> Result<()> {
        // What was completed is somewhere else by now.
        let _ = fs::remove_dir_all(&self.directory);
        Ok(())
    }
}

impl ObjectWriter for Disk {
    async fn put(&self, location: &ObjectLocation, _: &str, body: Bytes) -> Result<Put> {
        let path = self.path(&location.bucket, &location.key);
        fs::write(&path, &body).map_err(|error| failed(&path, &error))?;
        Ok(Put::Written)
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        for key in keys {
            let path = self.path(bucket, key);
            fs::remove_dir_all(&path).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}
