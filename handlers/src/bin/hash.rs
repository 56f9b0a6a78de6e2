//! The Lambda function that tells the state machine whether a planned run is still wanted.

use autodump_aws::secrets::Secrets;
use autodump_aws::tagged::Tagged;
use autodump_aws::{config, source};
use autodump_core::check::{CheckRequest, Verdict, check};
use autodump_core::tags::TagPrefix;
use autodump_core::targets::Targets;
use autodump_core::{Error, ErrorClass, Result};
use autodump_handlers::{Ended, log_as_json, sources, tag_prefix};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;

struct Check {
    targets: Targets<Secrets, Tagged>,
    prefix: TagPrefix,
}

impl Check {
    fn from_environment() -> Result<Self, Ended> {
        let (prefix, sources) = (tag_prefix()?, sources()?);
        Ok(Self { prefix, targets: source::targets(&config::of_function(), sources) })
    }

    async fn handle(&self, event: Value) -> Result<Verdict, Ended> {
        let request = request(event)?;
        let verdict = check(&self.targets, &self.prefix, &request).await?;
        tracing::info!(
            resourceArn = request.resource_arn,
            execute = verdict.execute,
            reason = verdict.reason,
            "checked"
        );
        Ok(verdict)
    }
}

fn request(event: Value) -> Result<CheckRequest> {
    serde_json::from_value(event).map_err(|error| {
        Error::new(
            ErrorClass::Configuration,
            format!("the event is not that of the state machine: {error}"),
            "Send {\"resourceArn\": \"…\", \"tagHash\": \"v1:…\"}",
        )
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log_as_json();
    let check = Check::from_environment()?;
    run(service_fn(|event: LambdaEvent<Value>| check.handle(event.payload))).await
}
