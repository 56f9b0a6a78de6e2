//! Where a backup is, as it is written on the command line.

use autodump_aws::s3::Options;
use autodump_core::layout;
use autodump_core::ports::ObjectLocation;

/// Reads `s3://bucket/…/manifest.json`. The error is what clap shows.
pub(crate) fn manifest(text: &str) -> Result<ObjectLocation, String> {
    let hint = "name the backup's manifest: s3://BUCKET/…/manifest.json";
    let rest = text.strip_prefix("s3://").ok_or(hint)?;
    let (bucket, key) = rest.split_once('/').ok_or(hint)?;
    if bucket.is_empty() || key.rsplit('/').next() != Some(layout::MANIFEST) {
        return Err(hint.to_owned());
    }
    Ok(ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// How S3 is addressed: servers other than AWS want buckets in the path.
pub(crate) fn options() -> Options {
    let other = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
    let path_style = other.iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    Options { path_style, ..Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_in_s3_is_one() {
        let at = manifest("s3://b/postgres/x/manifest.json").unwrap();
        assert_eq!((at.bucket.as_str(), at.key.as_str()), ("b", "postgres/x/manifest.json"));
        for text in ["", "b/manifest.json", "s3://b", "s3:///manifest.json", "s3://b/x/toc.dat"] {
            assert!(manifest(text).unwrap_err().contains("manifest.json"), "{text}");
        }
    }
}
