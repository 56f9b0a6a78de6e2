//! A real S3 server, on a directory: what is written can be read again, and looked at as files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::dumps::BUCKET;
use super::reads;
use super::server::KEY;
use crate::http::{self, Body};

/// A server with one empty bucket. Dropping it removes all that it holds.
#[derive(Debug)]
pub(super) struct Store {
    directory: TempDir,
    endpoint: String,
    task: JoinHandle<()>,
}

/// A backup that is as its manifest says.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    /// `s3://…/manifest.json`.
    pub(super) url: String,
    /// The bytes of its objects, by `bucket/key`, the manifest among them.
    pub(super) objects: BTreeMap<String, u64>,
    /// How it is compressed, such as `zstd:1`; what the manifest says.
    pub(super) compression: Option<String>,
    pub(super) manifest: Value,
}

impl Store {
    /// Starts the server; its files lie below `parent`.
    pub(super) async fn start(parent: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("s3-").tempdir_in(parent)?;
        std::fs::create_dir(directory.path().join(BUCKET))?;
        let files = FileSystem::new(directory.path())
            .map_err(|error| anyhow!("the S3 server does not start: {error:?}"))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, KEY));
        let service = Arc::new(service.build());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for S3")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let root = directory.path().to_owned();
        let task = tokio::spawn(http::serve(listener, move |request| {
            answer(Arc::clone(&service), root.clone(), request)
        }));
        Ok(Self { directory, endpoint, task })
    }

    /// What makes an AWS SDK use this server as its S3.
    pub(super) fn environment(&self) -> (&'static str, String) {
        ("AWS_ENDPOINT_URL_S3", self.endpoint.clone())
    }

    /// The objects there are, by `bucket/key`, with their bytes.
    pub(super) fn objects(&self) -> Result<BTreeMap<String, u64>> {
        let bucket = self.directory.path().join(BUCKET);
        let mut objects = BTreeMap::new();
        for file in files(&bucket)? {
            let key = file.strip_prefix(self.directory.path())?.display().to_string();
            objects.insert(key, std::fs::metadata(&file)?.len());
        }
        Ok(objects)
    }

    /// The file of an object, by its `bucket/key`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The one backup there is. Fails unless its objects are those of its manifest, byte for byte: their number,
    /// their lengths, their hashes.
    pub(super) fn backup(&self) -> Result<Backup> {
        let objects = self.objects()?;
        let mut manifests = objects.keys().filter(|key| key.ends_with("/manifest.json"));
        let (Some(key), None) = (manifests.next(), manifests.next()) else {
            return Err(anyhow!("there is not one manifest, but {objects:?}"));
        };
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(self.directory.path().join(key))?)?;
        let listed = manifest["objects"].as_array().context("the manifest lists no objects")?;
        ensure!(
            listed.len() + 1 == objects.len(),
            "the manifest lists {} objects, {} are there beside it: {:?}",
            listed.len(),
            objects.len() - 1,
            objects.keys()
        );
        for object in listed {
            self.compare(object, &objects)?;
        }
        Ok(Backup {
            url: format!("s3://{key}"),
            compression: manifest["method"]["compression"].as_str().map(str::to_owned),
            objects,
            manifest,
        })
    }

    fn compare(&self, listed: &Value, objects: &BTreeMap<String, u64>) -> Result<()> {
        let text = |field: &str| listed[field].as_str().unwrap_or_default();
        let key = format!("{}/{}", text("bucket"), text("key"));
        let (bytes, said) = (objects.get(&key).copied(), listed["bytes"].as_u64());
        ensure!(
            bytes.is_some() && bytes == said,
            "{key} has {bytes:?} bytes, the manifest says {said:?}"
        );
        let hash = sha256(&self.directory.path().join(&key))?;
        ensure!(hash == text("sha256"), "{key} has another SHA-256 than the manifest says");
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    service: Arc<S3Service>,
    root: PathBuf,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    if let Some(file) = reads::wanted(&root, &request) {
        return reads::answer(&file, &request);
    }
    let answered = service.call(request).await.map_err(|error| anyhow!("S3: {error:?}"))?;
    Ok(answered.map(|body| body.map_err(|error| anyhow!("S3: {error}")).boxed_unsync()))
}

/// All files below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn sha256(file: &Path) -> Result<String> {
    let mut file = std::fs::File::open(file)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut block)?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&block[..count]);
    }
}
