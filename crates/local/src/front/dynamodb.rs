//! DynamoDB's requests and their faults, in its own words.

use anyhow::Result;
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::Front;
use super::faults::Fault;
use super::s3::S3Request;
use crate::http::{self, Body, full, read};

/// The operations that rules can name.
const OPERATIONS: [&str; 19] = [
    "BatchWriteItem",
    "CreateTable",
    "DeleteTable",
    "DescribeContinuousBackups",
    "DescribeExport",
    "DescribeImport",
    "DescribeTable",
    "DescribeTimeToLive",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListTagsOfResource",
    "PutItem",
    "PutResourcePolicy",
    "Scan",
    "TagResource",
    "UpdateContinuousBackups",
    "UpdateTable",
    "UpdateTimeToLive",
];
/// As much of a body is looked at and remembered: enough for a table's name, a segment and a key.
const REMEMBERED: usize = 4096;

impl Front {
    /// Passes a request on to moto, unless it is to fail.
    pub(super) async fn dynamodb(
        &self,
        operation: &str,
        parts: Parts,
        body: Bytes,
    ) -> Result<Response<Body>> {
        let known = OPERATIONS.into_iter().find(|known| *known == operation);
        let beginning = &body[..body.len().min(REMEMBERED)];
        let seen = S3Request {
            operation: known.unwrap_or("Other"),
            bucket: String::new(),
            key: String::from_utf8_lossy(beginning).into_owned(),
        };
        let fault = self.faults.decide(&seen);
        if let Some((_, Fault::HalfDone)) = fault {
            return self.half_done(parts, &body).await;
        }
        self.faulty(fault, Request::from_parts(parts, full(body)), refusal).await
    }

    /// Does the first half of a `BatchWriteItem`, and answers the rest as unprocessed.
    async fn half_done(&self, parts: Parts, body: &[u8]) -> Result<Response<Body>> {
        let mut input: Value = serde_json::from_slice(body)?;
        let left = take_half(&mut input);
        let mut answer = json!({});
        if input["RequestItems"].as_object().is_some_and(|items| !items.is_empty()) {
            let mut request = Request::from_parts(parts, full(input.to_string()));
            request.headers_mut().remove("content-length");
            let response = self.moto.forward(request).await?;
            if !response.status().is_success() {
                return Ok(response);
            }
            answer = serde_json::from_slice(&read(response.into_body()).await?)?;
        }
        answer["UnprocessedItems"] = Value::Object(left);
        Ok(with_checksum(StatusCode::OK, &answer))
    }
}

/// Takes the second half of each table's requests out of a `BatchWriteItem`, the larger one.
fn take_half(input: &mut Value) -> Map<String, Value> {
    let mut left = Map::new();
    if let Some(tables) = input["RequestItems"].as_object_mut() {
        for (table, requests) in tables.iter_mut() {
            if let Some(requests) = requests.as_array_mut() {
                let rest = requests.split_off(requests.len() / 2);
                left.insert(table.clone(), Value::Array(rest));
            }
        }
        tables.retain(|_, requests| requests.as_array().is_some_and(|some| !some.is_empty()));
    }
    left
}

/// The answer of a fault that refuses.
fn refusal(fault: Fault) -> Option<Response<Body>> {
    let (status, code, message) = match fault {
        Fault::SlowDown => (
            StatusCode::BAD_REQUEST,
            "ProvisionedThroughputExceededException",
            "The table's capacity is used up for now",
        ),
        Fault::InternalError => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal server error")
        }
        Fault::AccessDenied => {
            (StatusCode::BAD_REQUEST, "AccessDeniedException", "denied on request")
        }
        _ => return None,
    };
    let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
    let body = json!({"__type": kind, "message": message});
    Some(with_checksum(status, &body))
}

/// A response with the checksum that DynamoDB sends with every answer.
fn with_checksum(status: StatusCode, body: &Value) -> Response<Body> {
    let text = body.to_string();
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, text.as_bytes());
    let mut response = http::json(status, body);
    let headers = response.headers_mut();
    headers.insert("x-amz-crc32", crc.into());
    let kind = hyper::header::HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(hyper::header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fault, refusal, take_half};
    use crate::http::read;

    #[test]
    fn half_of_a_batch_is_left() {
        let mut input = json!({"RequestItems": {"a": [1, 2, 3], "b": [4]}});
        let left = take_half(&mut input);
        assert_eq!(input, json!({"RequestItems": {"a": [1]}}));
        assert_eq!(json!(left), json!({"a": [2, 3], "b": [4]}));
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_words_of_the_service() {
        let response = refusal(Fault::SlowDown).expect("it refuses");
        assert_eq!(response.status(), 400);
        let sent = response.headers()["x-amz-crc32"].to_str().expect("a number").to_owned();
        let body = read(response.into_body()).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        assert!(text.contains("#ProvisionedThroughputExceededException"), "{text}");
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, text.as_bytes());
        assert_eq!(sent, crc.to_string());
        assert!(refusal(Fault::Cut).is_none());
    }
}
