//! How RDS answers.

use chrono::{DateTime, SecondsFormat, Utc};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::http::{Body, full};

const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// A request that RDS refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    /// With 404 where the code says that something is not there, else with 400.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let status =
            if code.contains("NotFound") { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        Self { status, code, message: message.into() }
    }

    /// One that is the service's own fault.
    pub(crate) fn internal() -> Self {
        let message = "An internal error has occurred. Please try your query again.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalFailure", message }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let error = [
            element("Type", if self.status.is_server_error() { "Receiver" } else { "Sender" }),
            element("Code", self.code),
            element("Message", &self.message),
        ];
        let error = inside("Error", &error.concat());
        let text = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}{}</ErrorResponse>", id());
        of_xml(self.status, text)
    }
}

/// The answer of an operation, of these elements.
pub(crate) fn answer(action: &str, elements: &str) -> Response<Body> {
    let result = inside(&format!("{action}Result"), elements);
    let about = inside("ResponseMetadata", &id());
    let text =
        format!("<{action}Response xmlns=\"{NAMESPACE}\">{result}{about}</{action}Response>");
    of_xml(StatusCode::OK, text)
}

/// An element with a text.
pub(super) fn element(name: &str, text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    inside(name, &escaped)
}

/// An element with a text, or nothing.
pub(super) fn optional(name: &str, text: Option<&str>) -> String {
    text.map(|text| element(name, text)).unwrap_or_default()
}

/// An element with a moment, or nothing.
pub(super) fn moment(name: &str, at: Option<DateTime<Utc>>) -> String {
    let text = at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    optional(name, text.as_deref())
}

/// An element with others in it.
pub(super) fn inside(name: &str, elements: &str) -> String {
    format!("<{name}>{elements}</{name}>")
}

fn id() -> String {
    element("RequestId", &uuid::Uuid::new_v4().to_string())
}

fn of_xml(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::{Refusal, answer, element};
    use crate::http::read;

    #[tokio::test]
    async fn answers_and_refusals_are_in_the_words_of_the_service() {
        let text = |body: bytes::Bytes| String::from_utf8(body.to_vec()).expect("text");
        let good = answer("CreateX", &element("Name", "a<b&c"));
        assert_eq!(good.status(), 200);
        let good = text(read(good.into_body()).await.expect("a body"));
        assert!(
            good.contains("<CreateXResult><Name>a&lt;b&amp;c</Name></CreateXResult>"),
            "{good}"
        );
        let bad = Refusal::new("ExportTaskNotFound", "none").response();
        assert_eq!(bad.status(), 404);
        let bad = text(read(bad.into_body()).await.expect("a body"));
        assert!(bad.contains("<Code>ExportTaskNotFound</Code><Message>none</Message>"), "{bad}");
        assert_eq!(Refusal::internal().response().status(), 500);
    }
}
