//! From what the SDK reports to AutoDump's errors.

use std::error::Error as StdError;
use std::fmt::Debug;

use autodump_core::{Error, ErrorClass};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

const REFUSALS: [&str; 9] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "UnrecognizedClient",
    "NotAuthorized",
];

/// Why a request did not succeed, as far as it decides what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The service did not answer, or asked to be left alone, after all retries.
    Unavailable,
    /// The service refused who we are, or we have no credentials.
    Refused,
    /// Anything else: the service says that the request is wrong.
    Rejected,
}

/// Sorts an error that the SDK gave up on.
pub(crate) fn cause<E>(error: &SdkError<E, HttpResponse>) -> Cause
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            if REFUSALS.iter().any(|refusal| code.contains(refusal)) {
                Cause::Refused
            } else if answer.raw().status().is_server_error() || is_throttling(code) {
                Cause::Unavailable
            } else {
                Cause::Rejected
            }
        }
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(|error| has_no_credentials(error)) =>
        {
            Cause::Refused
        }
        SdkError::ConstructionFailure(_) => Cause::Rejected,
        _ => Cause::Unavailable,
    }
}

/// Whether there are no credentials at all, rather than a source of them that did not answer.
fn has_no_credentials(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source()).any(
        |error| {
            matches!(
                error.downcast_ref(),
                Some(
                    CredentialsError::CredentialsNotLoaded(_)
                        | CredentialsError::InvalidConfiguration(_)
                )
            )
        },
    )
}

fn is_throttling(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "RequestTimeout"]
        .iter()
        .any(|word| code.contains(word))
}

/// The error of a request: `what` could not be done, why, and the hint for its cause. Where
/// the service did not answer it is of the class `source`, since waiting helps.
pub(crate) fn failure<E>(
    what: &str,
    error: SdkError<E, HttpResponse>,
    refused_hint: &str,
    rejected_hint: &str,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + Debug + 'static,
{
    let (class, hint) = match cause(&error) {
        Cause::Unavailable => {
            (ErrorClass::Source, "AWS did not answer after several attempts: look at its quotas")
        }
        Cause::Refused => (ErrorClass::Credentials, refused_hint),
        Cause::Rejected => (ErrorClass::Configuration, rejected_hint),
    };
    let why = match &error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without a code");
            let message = answer.err().message().unwrap_or("without a message");
            format!("{code}: {}", message.trim_end_matches('.'))
        }
        other => DisplayErrorContext(other).to_string().trim_end_matches('.').to_owned(),
    };
    Error::new(class, format!("{what}: {why}"), hint).caused_by(error)
}
