//! Buckets, objects and open multipart uploads.

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use hyper::Method;
use roxmltree::{Document, Node};

use super::{Api, encode};

/// One object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A multipart upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// The key that it would become.
    pub key: String,
    /// Its id.
    pub id: String,
}

impl Api {
    /// Creates a bucket.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.s3(Method::PUT, &format!("/{bucket}"), Bytes::new()).await.map(drop)
    }

    /// Stores an object.
    pub async fn put_object(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Result<()> {
        self.s3(Method::PUT, &object_path(bucket, key), body.into()).await.map(drop)
    }

    /// Reads an object whole.
    pub async fn get_object(&self, bucket: &str, key: &str) -> Result<Bytes> {
        self.s3(Method::GET, &object_path(bucket, key), Bytes::new()).await
    }

    /// An object's size and `ETag`, without quotes.
    pub(crate) async fn head_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<(ObjectInfo, String)> {
        let path = object_path(bucket, key);
        let answer = self.send("s3", Method::HEAD, &path, &[], Bytes::new()).await?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let (size, etag) = (header("content-length"), header("etag"));
        let (Some(size), Some(etag), true) = (size, etag, answer.status.is_success()) else {
            bail!("S3 HEAD {path} answered {} with size {size:?} and ETag {etag:?}", answer.status);
        };
        let object = ObjectInfo { key: key.to_owned(), bytes: size.parse()? };
        Ok((object, etag.trim_matches('"').to_owned()))
    }

    /// Removes an object.
    pub async fn delete_object(&self, bucket: &str, key: &str) -> Result<()> {
        self.s3(Method::DELETE, &object_path(bucket, key), Bytes::new()).await.map(drop)
    }

    /// All objects whose keys begin with a prefix, sorted by key.
    pub async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!(
                "/{bucket}?list-type=2&max-keys=1000&prefix={}&start-after={}",
                encode(prefix),
                encode(&after)
            );
            let text = text_of(self.s3(Method::GET, &path, Bytes::new()).await?)?;
            let page = Document::parse(&text)?;
            for node in elements(&page, "Contents") {
                let bytes = child(node, "Size")?.parse()?;
                all.push(ObjectInfo { key: child(node, "Key")?, bytes });
            }
            let more = elements(&page, "IsTruncated").any(|node| node.text() == Some("true"));
            match all.last() {
                Some(last) if more => after.clone_from(&last.key),
                _ => return Ok(all),
            }
        }
    }

    /// All multipart uploads that are open, of keys that begin with a prefix.
    pub async fn open_uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<OpenUpload>> {
        let path = format!("/{bucket}?uploads&prefix={}", encode(prefix));
        let text = text_of(self.s3(Method::GET, &path, Bytes::new()).await?)?;
        let page = Document::parse(&text)?;
        elements(&page, "Upload")
            .map(|node| Ok(OpenUpload { key: child(node, "Key")?, id: child(node, "UploadId")? }))
            .filter(|upload: &Result<OpenUpload>| {
                upload.as_ref().map_or(true, |u| u.key.starts_with(prefix))
            })
            .collect()
    }

    async fn s3(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let call = format!("S3 {method} {path}");
        self.send("s3", method, path, &[], body).await?.body_of(&call)
    }
}

fn object_path(bucket: &str, key: &str) -> String {
    let key: Vec<String> = key.split('/').map(encode).collect();
    format!("/{bucket}/{}", key.join("/"))
}

fn text_of(body: Bytes) -> Result<String> {
    Ok(String::from_utf8(body.into())?)
}

/// All elements of a local name, in document order.
pub(super) fn elements<'d>(
    document: &'d Document<'_>,
    name: &'d str,
) -> impl Iterator<Item = Node<'d, 'd>> {
    document.descendants().filter(move |node| node.tag_name().name() == name)
}

/// The text of a child element.
pub(super) fn child(node: Node<'_, '_>, name: &str) -> Result<String> {
    node.children()
        .find(|inner| inner.tag_name().name() == name)
        .map(|inner| inner.text().unwrap_or_default().to_owned())
        .ok_or_else(|| anyhow!("no {name} in <{}>", node.tag_name().name()))
}
