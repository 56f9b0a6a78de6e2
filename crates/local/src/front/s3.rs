//! Which S3 operation a request is, and on which key.

use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

/// An S3 request, named as in S3's API reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Request {
    pub(crate) operation: &'static str,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// The operations that make an object.
pub(crate) const MAKES_OBJECTS: [&str; 3] = ["CompleteMultipartUpload", "CopyObject", "PutObject"];

/// The service in whose name a request is signed; none for unsigned ones.
pub(crate) fn service_of(parts: &Parts) -> Option<String> {
    scope_of(parts)?.split('/').nth(3).map(str::to_owned)
}

/// What a request is signed with: key, day, region, service and more, with slashes between.
pub(crate) fn scope_of(parts: &Parts) -> Option<String> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if let Some((_, rest)) = header.and_then(|text| text.split_once("Credential=")) {
        return rest.split(',').next().map(str::to_owned);
    }
    let query = parts.uri.query()?;
    let found = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
    Some(percent_decode_str(found).decode_utf8_lossy().into_owned())
}

/// Reads an S3 request, whether the bucket stands in the path or in the host.
pub(crate) fn classify(parts: &Parts) -> S3Request {
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
    let path = path.trim_start_matches('/');
    let (bucket, key) = match bucket_in_host(parts) {
        Some(bucket) => (bucket, path.to_owned()),
        None => match path.split_once('/') {
            Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
            None => (path.to_owned(), String::new()),
        },
    };
    let operation = operation(parts, !key.is_empty());
    S3Request { operation, bucket, key }
}

fn bucket_in_host(parts: &Parts) -> Option<String> {
    let host = parts.headers.get("host")?.to_str().ok()?;
    let bucket = host.split(':').next()?.strip_suffix(".localhost")?;
    Some(bucket.strip_suffix(".s3").unwrap_or(bucket).to_owned())
}

fn operation(parts: &Parts, has_key: bool) -> &'static str {
    let query = parts.uri.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let copies = parts.headers.contains_key("x-amz-copy-source");
    match (parts.method.as_str(), has_key) {
        ("PUT", true) if has("uploadId") => "UploadPart",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) if !has("tagging") && !has("acl") => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::{classify, service_of};

    fn request(method: &str, uri: &str, host: &str) -> hyper::http::request::Parts {
        let request = Request::builder().method(method).uri(uri).header("host", host).body(());
        request.expect("a valid request").into_parts().0
    }

    #[test]
    fn operations_are_told_apart() {
        for (method, uri, operation) in [
            ("PUT", "/b/k?partNumber=2&uploadId=x", "UploadPart"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("POST", "/b/k?uploads=", "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=x", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=x", "AbortMultipartUpload"),
            ("PUT", "/b/k", "PutObject"),
            ("GET", "/b/k", "GetObject"),
            ("GET", "/b?list-type=2", "ListObjectsV2"),
            ("GET", "/b?uploads", "ListMultipartUploads"),
            ("PUT", "/b", "Other"),
        ] {
            let found = classify(&request(method, uri, "localhost:1"));
            assert_eq!(found.operation, operation, "{method} {uri}");
            assert_eq!(found.bucket, "b");
        }
    }

    #[test]
    fn keys_are_decoded_and_buckets_found_in_the_host() {
        let in_path = classify(&request("PUT", "/b/a%20b/c.dump", "127.0.0.1:1"));
        assert_eq!((in_path.bucket.as_str(), in_path.key.as_str()), ("b", "a b/c.dump"));
        let in_host = classify(&request("PUT", "/a/c.dump", "b.localhost:1"));
        assert_eq!((in_host.bucket.as_str(), in_host.key.as_str()), ("b", "a/c.dump"));
    }

    #[test]
    fn the_service_is_read_from_header_or_query() {
        let signed = Request::builder()
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, X=y",
            )
            .body(())
            .expect("a valid request");
        assert_eq!(service_of(&signed.into_parts().0).as_deref(), Some("s3"));
        let uri = "/b/k?X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3%2Faws4_request";
        assert_eq!(service_of(&request("GET", uri, "h")).as_deref(), Some("s3"));
        assert_eq!(service_of(&request("GET", "/", "h")), None);
    }
}
