//! The request form of an earlier tool, which copied tables between regions: `autodump run
//! --request`.

use serde::Deserialize;

use super::arn::is_name;
use crate::error::{Error, ErrorClass, Result};

/// The most segments there are.
const MOST_SEGMENTS: u32 = super::choose::MOST_SEGMENTS;
/// The longest prefix: the keys below it have room for the rest, and S3's keys have 1024 bytes.
const LONGEST_PREFIX: usize = 512;

/// What is asked for: `contract/table-request.json`. Every field is required, and no other is
/// known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// Which way.
    pub action: Action,
    /// Of a backup: into how many segments the table is divided, 1 to 10,000. Of a restore: how
    /// many workers write; it need not be what the backup had.
    pub total_segments: u32,
    /// The table's region.
    pub table_region: String,
    /// The table's name.
    pub table_name: String,
    /// The bucket's region.
    pub bucket_region: String,
    /// The bucket.
    pub bucket_name: String,
    /// Below which the backup lies: without a slash at its beginning and its end.
    pub bucket_prefix: String,
}

/// Which way a table is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// From the table into the bucket.
    Backup,
    /// From the bucket into the table.
    Restore,
}

impl Request {
    /// Reads a request, or says everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let request: Self = serde_json::from_str(text)
            .map_err(|error| wrong(&format!("is not as it should be: {error}")))?;
        let faults = request.faults();
        if faults.is_empty() { Ok(request) } else { Err(wrong(&faults.join("; "))) }
    }

    /// Where the backup lies, with a slash at its end.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}/", self.bucket_prefix)
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |good: bool, field: &str, value: &str, allowed: &str| {
            if !good {
                faults.push(format!("has {field} {value:?}, which is none: {allowed}"));
            }
        };
        let segments = self.total_segments;
        check(
            (1..=MOST_SEGMENTS).contains(&segments),
            "total-segments",
            &segments.to_string(),
            "allowed are 1 to 10000",
        );
        for (field, region) in
            [("table-region", &self.table_region), ("bucket-region", &self.bucket_region)]
        {
            check(is_region(region), field, region, "a region is such as eu-central-1");
        }
        let allowed = "it has 3 to 255 letters, digits and _ . -";
        check(is_name(&self.table_name), "table-name", &self.table_name, allowed);
        let allowed = "it has 3 to 63 small letters, digits and . -";
        check(is_bucket(&self.bucket_name), "bucket-name", &self.bucket_name, allowed);
        let allowed = "it has 1 to 512 letters, digits and ! - _ . * ' ( ) / =, and its parts between \
                       slashes are not empty";
        check(is_prefix(&self.bucket_prefix), "bucket-prefix", &self.bucket_prefix, allowed);
        faults
    }
}

fn is_region(text: &str) -> bool {
    let small = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('-').count() >= 3
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(small))
}

fn is_bucket(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(&c);
    (3..=63).contains(&text.len()) && text.bytes().all(legal)
}

/// The characters that S3 calls safe, and `=`, which is usual in prefixes.
fn is_prefix(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"!-_.*'()/=".contains(&c);
    (1..=LONGEST_PREFIX).contains(&text.len())
        && text.bytes().all(legal)
        && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn wrong(what: &str) -> Error {
    Error::new(
        ErrorClass::Configuration,
        format!("the request {what}"),
        "Write {\"action\": \"backup\" or \"restore\", \"total-segments\": 8, \"table-region\": \"…\", \
         \"table-name\": \"…\", \"bucket-region\": \"…\", \"bucket-name\": \"…\", \
         \"bucket-prefix\": \"…\"}",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../../contract/table-request.json")).unwrap()
    }

    #[test]
    fn the_golden_request_is_read() {
        let request = Request::parse(&golden().to_string()).unwrap();
        assert_eq!((request.action, request.total_segments), (Action::Backup, 16));
        assert_eq!(request.directory(), "orders/2026-11-22/");
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        for (field, value, says) in [
            ("action", json!("copy"), "copy"),
            ("total-segments", json!(0), "total-segments \"0\""),
            ("total-segments", json!(10_001), "10001"),
            ("total-segments", json!("16"), "invalid type"),
            ("total-segments", json!(-1), "-1"),
            ("table-region", json!("Frankfurt"), "table-region \"Frankfurt\""),
            ("bucket-region", json!(""), "bucket-region \"\""),
            ("table-name", json!("a"), "table-name \"a\""),
            ("table-name", json!("a/b"), "table-name"),
            ("bucket-name", json!("My_Bucket"), "bucket-name"),
            ("bucket-prefix", json!(""), "bucket-prefix"),
            ("bucket-prefix", json!("/a"), "bucket-prefix"),
            ("bucket-prefix", json!("a//b"), "bucket-prefix"),
            ("bucket-prefix", json!("a/../b"), "bucket-prefix"),
            ("bucket-prefix", json!("a/"), "bucket-prefix"),
            ("bucket-prefix", json!("a b"), "bucket-prefix"),
            ("overwrite", json!(true), "overwrite"),
        ] {
            let mut request = golden();
            request[field] = value;
            let error = Request::parse(&request.to_string()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{field}: {error}");
        }
        for (field, _) in golden().as_object().unwrap() {
            let mut request = golden();
            request.as_object_mut().unwrap().remove(field);
            let error = Request::parse(&request.to_string()).unwrap_err();
            assert!(error.what().contains(field), "{field}: {error}");
        }
        let mut request = golden();
        request["table-name"] = json!("a");
        request["bucket-prefix"] = json!("/");
        let error = Request::parse(&request.to_string()).unwrap_err();
        assert!(error.what().contains("table-name") && error.what().contains("bucket-prefix"));
    }
}
