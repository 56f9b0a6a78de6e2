//! DynamoDB: tables as targets, their content, and their control plane.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::list_tables::{ListTablesError, ListTablesOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Error as Refusal, Output};
use bytes::Bytes;

use crate::config::short_requests;

mod control;
mod exchange;
mod table;
mod tables;

pub use self::control::Control;
pub use self::table::Table;
pub use self::tables::Tables;

use self::exchange::{Carrier, Exchange, Reply};

/// How often a request for a table's content is sent, throttling apart.
const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What DynamoDB says when a table or an account has no capacity left just now.
const THROTTLING: [&str; 3] =
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];

type Failure = SdkError<ListTablesError, HttpResponse>;

/// A client for the content of tables. Whoever uses it paces its requests by what is throttled:
/// the adaptive retries that other services get would hold back the whole client a second time.
fn for_content(config: &SdkConfig) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_mins(3))
        .build();
    Client::from_conf(Builder::from(config).retry_config(retries).timeout_config(timeouts).build())
}

/// A client for the control plane.
fn for_control(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).timeout_config(short_requests()).build())
}

/// Calls an operation on a table's content. Throttling is [`Reply::GivenUp`].
async fn ask(client: &Client, operation: &str, body: Bytes) -> Result<Option<Reply>, Failure> {
    send(client, exchange(operation, body).giving_up_on(&THROTTLING)).await
}

/// Calls an operation of the control plane. Throttling is waited out.
async fn call(client: &Client, operation: &str, body: Bytes) -> Result<Option<Reply>, Failure> {
    send(client, exchange(operation, body)).await
}

fn exchange(operation: &str, body: Bytes) -> Exchange {
    let carrier = Carrier {
        output: || Output::erase(ListTablesOutput::builder().build()),
        refusal: |refusal| Refusal::erase(ListTablesError::generic(refusal)),
    };
    Exchange::new(format!("DynamoDB_20120810.{operation}"), body, carrier)
}

async fn send(client: &Client, exchange: Exchange) -> Result<Option<Reply>, Failure> {
    client.list_tables().customize().interceptor(exchange.clone()).send().await?;
    Ok(exchange.reply().await)
}
