//! One call whose bodies pass through as they are.
//!
//! A table's content and description are taken from the service and given to it as text, so
//! that nothing which the SDK does not know is lost, and no time is spent on reading values.
//! The SDK still does all the rest: an operation of it is sent as usual, and only its target,
//! its body and the reading of its answer are replaced.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::ConfigBag;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output, OutputOrError};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::error::ErrorMetadata;
use bytes::Bytes;
use serde_json::Value;

/// The CRC-32 of an answer's body, as DynamoDB sends it: a decimal number.
const CRC_HEADER: &str = "x-amz-crc32";

/// What the service said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The body of a success.
    Body(Bytes),
    /// One of the refusals that [`Exchange::giving_up_on`] names.
    GivenUp,
}

/// What is sent in place of the operation that carries it, and what came back.
#[derive(Clone)]
pub(super) struct Exchange {
    target: String,
    body: Bytes,
    carrier: Carrier,
    gives_up_on: &'static [&'static str],
    answer: Arc<Mutex<Option<Answer>>>,
}

/// The operation of the SDK that carries an exchange: what it is to be given for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier {
    pub(super) output: fn() -> Output,
    pub(super) refusal: fn(ErrorMetadata) -> Error,
}

/// An answer as the SDK leaves it.
enum Answer {
    Body(SdkBody),
    GivenUp,
}

impl Exchange {
    /// A call of `target`, such as `DynamoDB_20120810.Scan`.
    pub(super) fn new(target: String, body: Bytes, carrier: Carrier) -> Self {
        Self { target, body, carrier, gives_up_on: &[], answer: Arc::default() }
    }

    /// Does not leave refusals with these codes to the SDK, which would try again.
    pub(super) fn giving_up_on(mut self, codes: &'static [&'static str]) -> Self {
        self.gives_up_on = codes;
        self
    }

    /// The answer, after the operation has succeeded.
    pub(super) async fn reply(&self) -> Option<Reply> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match answer? {
            Answer::GivenUp => Some(Reply::GivenUp),
            // It is in memory already, in one piece.
            Answer::Body(body) => {
                Some(Reply::Body(ByteStream::new(body).collect().await.ok()?.into_bytes()))
            }
        }
    }

    fn keep(&self, answer: Answer) -> Output {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        (self.carrier.output)()
    }
}

/// Without bodies: they hold what is in the table.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reading = SharedResponseDeserializer::new(Reading(self.clone()));
        config.interceptor_state().store_put(reading);
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let length = self.body.len().to_string();
        request.headers_mut().try_insert("x-amz-target", self.target.clone())?;
        request.headers_mut().try_insert("content-length", length)?;
        *request.body_mut() = SdkBody::from(self.body.clone());
        Ok(())
    }
}

/// Reads an answer: of a success nothing, of a refusal its code and message.
#[derive(Debug)]
struct Reading(Exchange);

impl DeserializeResponse for Reading {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _config: &ConfigBag,
    ) -> OutputOrError {
        let Self(exchange) = self;
        if response.status().is_success() {
            let body = intact(response).map_err(OrchestratorError::response)?;
            return Ok(exchange.keep(Answer::Body(body)));
        }
        let refusal = refusal(response);
        if refusal.code().is_some_and(|code| exchange.gives_up_on.contains(&code)) {
            return Ok(exchange.keep(Answer::GivenUp));
        }
        Err(OrchestratorError::operation((exchange.carrier.refusal)(refusal)))
    }
}

/// Code and message of a refusal, as far as it has them: what stands between here and AWS says
/// no in other ways.
fn refusal(response: &HttpResponse) -> ErrorMetadata {
    let body: Value = response
        .body()
        .bytes()
        .and_then(|body| serde_json::from_slice(body).ok())
        .unwrap_or_default();
    let text = |key: &str| body[key].as_str();
    let mut refusal = ErrorMetadata::builder();
    let code = text("__type").or_else(|| text("code"));
    if let Some(code) = code.or_else(|| response.headers().get("x-amzn-errortype")) {
        // Such as com.amazonaws.dynamodb.v20120810#ResourceNotFoundException:http://…
        let code = code.split_once(':').map_or(code, |(code, _)| code);
        refusal = refusal.code(code.rsplit_once('#').map_or(code, |(_, code)| code));
    }
    if let Some(message) = text("message").or_else(|| text("Message")) {
        refusal = refusal.message(message);
    }
    refusal.build()
}

/// The body, if it is what its CRC says. An answer that was damaged on its way is one that the
/// SDK tries again.
fn intact(response: &HttpResponse) -> Result<SdkBody, BoxError> {
    let body = response.body();
    let bytes = body.bytes().ok_or("the answer was not read whole")?;
    if let Some(announced) = response.headers().get(CRC_HEADER) {
        // crc-fast would bring all its tables into the functions, 700 KB of them.
        let crc = crc32fast::hash(bytes);
        if announced.trim().parse() != Ok(crc) {
            return Err(format!("the answer has CRC-32 {crc}, and not {announced}").into());
        }
    }
    body.try_clone().ok_or_else(|| "the answer was not read whole".into())
}
