//! Executions of the state machine, in Step Functions.

use std::time::{Duration, SystemTime};

use autodump_core::error::{Error, ErrorClass, Result};
use autodump_core::execution::ExecutionInput;
use autodump_core::ports::{Executions, Start};
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::start_execution::StartExecutionError as Refusal;
use aws_sdk_sfn::primitives::DateTime;

use crate::config::short_requests;
use crate::failure::failure;

/// By how much an execution has to be older than our request to count as another's. It
/// covers clocks that differ.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);

/// Starts executions of one state machine.
#[derive(Debug, Clone)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// The state machine with this ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: impl Into<String>) -> Self {
        let config =
            aws_sdk_sfn::config::Builder::from(config).timeout_config(short_requests()).build();
        Self { client: Client::from_conf(config), arn: arn.into() }
    }
}

impl Executions for StateMachine {
    /// Step Functions reports a name that is taken in two ways. An execution that has ended,
    /// or has another input, is `ExecutionAlreadyExists`. One that runs with the same input,
    /// which is the usual case here, is answered like a new one; only its start date is
    /// older. Where it is older by less than five seconds the two cannot be told apart, and
    /// `Started` is reported; at most one execution exists in any case.
    async fn start(&self, name: &str, input: &ExecutionInput) -> Result<Start> {
        let text = serde_json::to_string(input).map_err(|error| {
            let what = format!("the input of execution {name} cannot be written: {error}");
            Error::new(ErrorClass::Internal, what, "Report this")
        })?;
        let asked = SystemTime::now();
        let request =
            self.client.start_execution().state_machine_arn(&self.arn).name(name).input(text);
        match request.send().await {
            Ok(answer) if is_older(answer.start_date(), asked) => Ok(Start::AlreadyThere),
            Ok(_) => Ok(Start::Started),
            Err(error) if is_taken(error.as_service_error()) => {
                // A running execution with this input is answered like a new one: this one has
                // ended already, or was planned by an earlier version.
                tracing::warn!(
                    execution = name,
                    "the run was started before, and has ended (somebody stopped it, or it failed) \
                     or waits with the input of an earlier version"
                );
                Ok(Start::AlreadyThere)
            }
            Err(error) => Err(failure(
                &format!("cannot start execution {name} of {}", self.arn),
                error,
                "Let the scanner's role do states:StartExecution on this state machine",
                "Check AUTODUMP_STATE_MACHINE_ARN and the quotas of Step Functions",
            )),
        }
    }
}

fn is_taken(refusal: Option<&Refusal>) -> bool {
    matches!(refusal, Some(Refusal::ExecutionAlreadyExists(_)))
}

fn is_older(started: &DateTime, asked: SystemTime) -> bool {
    SystemTime::try_from(*started).is_ok_and(|started| started + CLOCKS_DIFFER_BY < asked)
}

#[cfg(test)]
mod tests {
    use autodump_core::hash::TagHash;
    use autodump_core::tags::Size;
    use autodump_core::verification::Level;
    use aws_credential_types::Credentials;
    use aws_credential_types::credential_fn::provide_credentials_fn;
    use aws_credential_types::provider::error::CredentialsError;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::loader;
    use crate::replay::{Answer, replay};

    const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:AutoDump";
    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";

    fn input() -> ExecutionInput {
        let when = "2026-11-22T08:00:00Z".parse().unwrap();
        ExecutionInput::new(ARN, TagHash::from("v1:00".to_owned()), when, Size::Small, Level::None)
    }

    fn started(seconds_ago: u64) -> Answer {
        let at = SystemTime::now() - Duration::from_secs(seconds_ago);
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        Answer::ok(&json!({"executionArn": "arn:x", "startDate": at}))
    }

    async fn start(answers: Vec<Answer>) -> (Result<Start>, Vec<Value>) {
        let (config, sent) = replay(answers).await;
        let outcome = StateMachine::new(&config, MACHINE).start("run-1", &input()).await;
        (outcome, sent.bodies("AWSStepFunctions.StartExecution"))
    }

    #[tokio::test]
    async fn starts_with_name_and_input() {
        let (outcome, sent) = start(vec![started(0)]).await;
        assert_eq!(outcome.unwrap(), Start::Started);
        let golden: Value =
            serde_json::from_str(include_str!("../../../contract/execution-input.json")).unwrap();
        let mut expected = golden["input"].clone();
        expected["tagHash"] = "v1:00".into();
        let text = sent[0]["input"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
        assert_eq!(
            (&sent[0]["name"], &sent[0]["stateMachineArn"]),
            (&json!("run-1"), &json!(MACHINE))
        );
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_a_success() {
        let taken = Answer::error(400, "ExecutionAlreadyExists", "Execution Already Exists: 'x'");
        let (outcome, sent) = start(vec![taken]).await;
        assert_eq!((outcome.unwrap(), sent.len()), (Start::AlreadyThere, 1));
        let (outcome, _) = start(vec![started(60)]).await;
        assert_eq!(outcome.unwrap(), Start::AlreadyThere, "it runs since a minute");
    }

    #[tokio::test]
    async fn throttling_is_retried_until_it_is_over() {
        let throttled = || Answer::error(400, "ThrottlingException", "Rate exceeded");
        let mut answers: Vec<_> = std::iter::repeat_with(throttled).take(4).collect();
        answers.push(Answer::error(503, "ServiceUnavailable", "later"));
        answers.push(started(0));
        let (outcome, sent) = start(answers).await;
        assert_eq!((outcome.unwrap(), sent.len()), (Start::Started, 6));
    }

    #[tokio::test]
    async fn throttling_without_end_is_an_error_that_a_retry_helps() {
        let throttled = || Answer::error(400, "ThrottlingException", "Rate exceeded");
        let (outcome, sent) = start(std::iter::repeat_with(throttled).take(30).collect()).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.class(), sent.len()), (ErrorClass::Source, 10));
        let text = error.to_string();
        assert!(text.starts_with("cannot start execution run-1 of arn:aws:states:"), "{text}");
        assert!(text.contains("ThrottlingException: Rate exceeded"), "{text}");
    }

    #[tokio::test]
    async fn other_refusals_are_errors_and_are_not_retried() {
        for (code, class) in [
            ("AccessDeniedException", ErrorClass::Credentials),
            ("UnrecognizedClientException", ErrorClass::Credentials),
            ("StateMachineDoesNotExist", ErrorClass::Configuration),
            ("InvalidName", ErrorClass::Configuration),
            ("ExecutionLimitExceeded", ErrorClass::Configuration),
        ] {
            let (outcome, sent) = start(vec![Answer::error(400, code, "No.")]).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.class(), sent.len()), (class, 1), "{code}");
            assert!(error.to_string().contains(&format!("{code}: No. ")), "{error}");
        }
    }

    async fn start_without(config: aws_config::ConfigLoader) -> Error {
        let config = config.region(aws_config::Region::from_static("eu-central-1")).load().await;
        let retries = aws_config::retry::RetryConfig::disabled();
        let config = config.into_builder().retry_config(retries).build();
        StateMachine::new(&config, MACHINE).start("run-1", &input()).await.unwrap_err()
    }

    #[tokio::test]
    async fn without_an_answer_a_retry_helps() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let key = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let config = loader().endpoint_url(format!("http://{nobody}")).credentials_provider(key);
        let error = start_without(config).await;
        assert_eq!(error.class(), ErrorClass::Source, "{error}");
        assert!(error.to_string().contains("onnection refused"), "{error}");
    }

    #[tokio::test]
    async fn without_credentials_it_does_not() {
        let none = provide_credentials_fn(|| async {
            Err(CredentialsError::not_loaded("there are none"))
        });
        let error = start_without(loader().credentials_provider(none)).await;
        assert_eq!(error.class(), ErrorClass::Credentials, "{error}");
        assert!(error.to_string().contains("there are none"), "{error}");
    }
}
