//! A small client of the services that the local cloud serves. It signs nothing, because nothing
//! here checks it.

mod accounts;
mod cloudformation;
mod executions;
mod rds;
mod s3;
mod secrets;

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub use executions::{Execution, HistoryEvent};
pub use s3::{ObjectInfo, OpenUpload};

use crate::REGION;
use crate::http::{Upstream, full, read};

/// What may stand in a path segment or a query value as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes one path segment or query value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, &PLAIN).to_string()
}

/// A client of one endpoint. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Api {
    upstream: Upstream,
    region: String,
    access_key: String,
}

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, or an error that names the call when the service refused it.
    pub(crate) fn body_of(self, call: &str) -> Result<Bytes> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        bail!("{call} answered {}: {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Api {
    /// A client of the local cloud whose front door listens at this address.
    #[must_use]
    pub fn new(address: std::net::SocketAddr) -> Self {
        Self::over(Upstream::new(address))
    }

    pub(crate) fn over(upstream: Upstream) -> Self {
        Self { upstream, region: REGION.to_owned(), access_key: "local".to_owned() }
    }

    /// Sends one request in the name of `service` and reads the whole response.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, \
             SignedHeaders=host, Signature=none",
            self.access_key, self.region
        );
        let host = format!("localhost:{}", self.upstream.address().port());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("authorization", scope);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.upstream.send(request.body(full(body))?).await?;
        let (parts, body) = response.into_parts();
        let body = read(body).await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Calls an operation of a service that takes JSON and names the operation in a header, such as
    /// `secretsmanager.CreateSecret`, `AWSStepFunctions.StartExecution` or `AWSEvents.ListRules`.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value> {
        let prefix = operation.split('.').next().unwrap_or_default();
        let (service, kind) = match prefix {
            "secretsmanager" => ("secretsmanager", "application/x-amz-json-1.1"),
            "AWSStepFunctions" => ("states", "application/x-amz-json-1.0"),
            "AWSEvents" => ("events", "application/x-amz-json-1.1"),
            "DynamoDB_20120810" => ("dynamodb", "application/x-amz-json-1.0"),
            "ResourceGroupsTaggingAPI_20170126" => ("tagging", "application/x-amz-json-1.1"),
            "AnyScaleFrontendService" => ("application-autoscaling", "application/x-amz-json-1.1"),
            "TrentService" => ("kms", "application/x-amz-json-1.1"),
            "AmazonSSM" => ("ssm", "application/x-amz-json-1.1"),
            _ => bail!("{operation} is of no service that this client knows"),
        };
        let headers = [("x-amz-target", operation), ("content-type", kind)];
        let answer = self.send(service, Method::POST, "/", &headers, input.to_string()).await?;
        parse(operation, answer)
    }

    /// Calls an operation of a service with a REST interface that answers JSON.
    pub async fn rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        input: Option<&Value>,
    ) -> Result<Value> {
        let headers = [("content-type", "application/json")];
        let body = input.map_or_else(String::new, Value::to_string);
        let call = format!("{service} {method} {path}");
        let answer = self.send(service, method, path, &headers, body).await?;
        parse(&call, answer)
    }
}

fn parse(call: &str, answer: Answer) -> Result<Value> {
    let body = answer.body_of(call)?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| anyhow!("{call} answered no JSON: {error}"))
}

/// The string at a key, or an error that says what lacks it.
pub(crate) fn text_at<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value[key].as_str().ok_or_else(|| anyhow!("no text at {key:?} in {value}"))
}

/// The items of a list at a key; none when the key is absent.
pub(crate) fn list_at<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
