//! The control plane of tables: DynamoDB's, and that of their auto scaling.

use std::error::Error as StdError;

use autodump_core::table::ports::{Called, TableService};
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_sdk_applicationautoscaling as scaling;
use aws_sdk_applicationautoscaling::operation::describe_scalable_targets::{
    DescribeScalableTargetsError, DescribeScalableTargetsOutput,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::interceptors::context::{Error as Refusal, Output};
use bytes::Bytes;
use serde_json::Value;

use super::exchange::{Carrier, Exchange, Reply};
use super::{call, for_control};
use crate::config::short_requests;
use crate::failure::{Cause, cause, failure};

/// The control plane of the tables of one account and region.
#[derive(Debug, Clone)]
pub struct Control {
    client: Client,
    scaling: scaling::Client,
}

impl Control {
    /// Clients of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let scaling = scaling::config::Builder::from(config);
        let scaling = scaling.timeout_config(short_requests()).build();
        Self { client: for_control(config), scaling: scaling::Client::from_conf(scaling) }
    }

    async fn scale(
        &self,
        operation: &str,
        body: Bytes,
    ) -> Result<Option<Reply>, SdkError<DescribeScalableTargetsError, HttpResponse>> {
        let target = format!("AnyScaleFrontendService.{operation}");
        let exchange = Exchange::new(
            target,
            body,
            Carrier {
                output: || Output::erase(DescribeScalableTargetsOutput::builder().build()),
                refusal: |refusal| Refusal::erase(DescribeScalableTargetsError::generic(refusal)),
            },
        );
        let carrier = self.scaling.describe_scalable_targets();
        let carrier = carrier.service_namespace(scaling::types::ServiceNamespace::Dynamodb);
        carrier.customize().interceptor(exchange.clone()).send().await?;
        Ok(exchange.reply().await)
    }
}

impl TableService for Control {
    async fn dynamodb(&self, operation: &str, input: Value) -> Result<Called> {
        let sent = call(&self.client, operation, input.to_string().into()).await;
        called("dynamodb", operation, &input, sent)
    }

    async fn auto_scaling(&self, operation: &str, input: Value) -> Result<Called> {
        let sent = self.scale(operation, input.to_string().into()).await;
        called("application-autoscaling", operation, &input, sent)
    }
}

/// What the service says: a refusal of the request is an answer, too.
pub(super) fn called<E>(
    service: &str,
    operation: &str,
    input: &Value,
    sent: Result<Option<Reply>, SdkError<E, HttpResponse>>,
) -> Result<Called>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let what = format!("{service}:{operation}{}", on(input));
    let error = match sent {
        Ok(Some(Reply::Body(body))) => return read(&what, &body),
        Ok(_) => return Err(unreadable(&what, "it was lost on its way through the SDK")),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(refusal) if cause(&error) == Cause::Rejected => Ok(Called::Refused {
            code: refusal.code().unwrap_or_default().to_owned(),
            message: refusal.message().unwrap_or_default().to_owned(),
        }),
        _ => {
            let refused = format!("Let the role do {service}:{operation} there");
            Err(failure(&what, error, &refused, "Look at what stands between here and AWS"))
        }
    }
}

/// What the call was about, where its input names a resource.
fn on(input: &Value) -> String {
    ["TableName", "TableArn", "ResourceArn", "ResourceId", "ImportArn", "ExportArn"]
        .iter()
        .find_map(|key| input[key].as_str())
        .map_or_else(String::new, |name| format!(" on {name}"))
}

fn read(what: &str, body: &Bytes) -> Result<Called> {
    // Some operations answer nothing at all.
    if body.is_empty() {
        return Ok(Called::Answered(Value::Object(serde_json::Map::default())));
    }
    let answer = serde_json::from_slice(body);
    answer.map(Called::Answered).map_err(|error| unreadable(what, &error.to_string()))
}

fn unreadable(what: &str, why: &str) -> Error {
    Error::new(
        ErrorClass::Source,
        format!("{what}: the answer cannot be read: {why}"),
        "Look at what stands between here and AWS, and start it again",
    )
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
