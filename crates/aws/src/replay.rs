//! Answers from a script, and what was asked, for the tests of the adapters. Everything but
//! the connection is as [`crate::config::load`] makes it; retries wait a millisecond.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sfn::config::Credentials;
use aws_sdk_sfn::config::http::{HttpRequest, HttpResponse};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use serde_json::{Value, json};

use crate::config::loader;

/// One answer of a service.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self::text(&body.to_string())
    }

    /// A success with this body, whatever it is.
    pub(crate) fn text(body: &str) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_owned() }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"__type": code, "message": message}).to_string();
        Self { status, ..Self::text(&body) }
    }

    /// A refusal that is not of the service's form.
    pub(crate) fn unreadable(status: u16, body: &str) -> Self {
        Self { status, ..Self::text(body) }
    }

    pub(crate) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    fn into_event(self) -> ReplayEvent {
        let status = self.status.try_into().unwrap();
        let mut response = HttpResponse::new(status, self.body.into());
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        ReplayEvent::new(HttpRequest::empty(), response)
    }
}

/// What was sent.
#[derive(Debug)]
pub(crate) struct Sent(StaticReplayClient);

impl Sent {
    pub(crate) fn requests(&self) -> impl Iterator<Item = &HttpRequest> {
        self.0.actual_requests()
    }

    /// The bodies of all requests, each of which has to be of `target`.
    pub(crate) fn bodies(&self, target: &str) -> Vec<Value> {
        self.requests()
            .map(|request| {
                assert_eq!(request.headers().get("x-amz-target"), Some(target));
                serde_json::from_slice(request.body().bytes().unwrap()).unwrap()
            })
            .collect()
    }
}

/// A configuration whose requests get these answers in turn, and no more.
pub(crate) async fn replay(answers: Vec<Answer>) -> (SdkConfig, Sent) {
    let client = StaticReplayClient::new(answers.into_iter().map(Answer::into_event).collect());
    let loader = loader()
        .http_client(client.clone())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"));
    let config = loader.load().await;
    let retries: &RetryConfig = config.retry_config().unwrap();
    let retries = retries
        .clone()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(2));
    (config.into_builder().retry_config(retries).build(), Sent(client))
}
