//! From what the SDK reports to AutoDump's errors.

use std::error::Error as StdError;
use std::fmt::Debug;

use autodump_core::{Error, ErrorClass};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};

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
    /// The service did not answer, or not in full, or asked to be left alone, after all retries.
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
            } else if is_garbled(answer.raw())
                || answer.raw().status().is_server_error()
                || is_throttling(code)
            {
                Cause::Unavailable
            } else {
                Cause::Rejected
            }
        }
        SdkError::DispatchFailure(_) if has_no_credentials(error) || may_not_assume(error) => {
            Cause::Refused
        }
        SdkError::ConstructionFailure(_) => Cause::Rejected,
        _ => Cause::Unavailable,
    }
}

/// Whether there are no credentials at all, rather than a source of them that did not answer.
pub(crate) fn has_no_credentials<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    let Some(why) = failure.as_connector_error() else { return false };
    chain(why).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            )
        )
    })
}

/// Whether the role that gives the credentials may not be assumed.
fn may_not_assume<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    let Some(why) = failure.as_connector_error() else { return false };
    let refused = |error: &(dyn StdError + 'static)| {
        let provider = matches!(error.downcast_ref(), Some(CredentialsError::ProviderError(_)));
        let why = in_words(error);
        provider && REFUSALS.iter().any(|refusal| why.contains(refusal))
    };
    chain(why).any(refused)
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source())
}

/// An error and its causes in words. Never their `Debug` form: that of the SDK's errors holds
/// the whole answer.
pub(crate) fn in_words(error: &(dyn StdError + 'static)) -> String {
    let words: Vec<_> = chain(error).map(ToString::to_string).collect();
    words.join(": ").trim_end_matches('.').to_owned()
}

const GARBLED: &str = "the answer was cut off or is not understood";

/// Whether an answer that the SDK made an error of was a success: it could not be read then.
fn is_garbled(answer: &HttpResponse) -> bool {
    answer.status().is_success()
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
    let why = match &error {
        SdkError::ServiceError(answer) if is_garbled(answer.raw()) => GARBLED.to_owned(),
        SdkError::ServiceError(answer) => refusal(answer.err()),
        other => in_words(other),
    };
    classified(&format!("{what}: {why}"), &error, refused_hint, rejected_hint).caused_by(error)
}

/// The error of a request whose answer holds a secret: nothing of an answer that was not
/// understood is in it, nor is the SDK's error kept.
pub(crate) fn discreet_failure<E>(
    what: &str,
    error: &SdkError<E, HttpResponse>,
    refused_hint: &str,
    rejected_hint: &str,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + Debug + 'static,
{
    let why = match error {
        SdkError::ServiceError(answer) if is_garbled(answer.raw()) => GARBLED.to_owned(),
        SdkError::ServiceError(answer) => refusal(answer.err()),
        SdkError::ResponseError(_) => GARBLED.to_owned(),
        other => in_words(other),
    };
    classified(&format!("{what}: {why}"), error, refused_hint, rejected_hint)
}

fn refusal(error: &impl ProvideErrorMetadata) -> String {
    let code = error.code().unwrap_or("an error without a code");
    let message = error.message().unwrap_or("without a message");
    format!("{code}: {}", message.trim_end_matches('.'))
}

fn classified<E: ProvideErrorMetadata>(
    what: &str,
    error: &SdkError<E, HttpResponse>,
    refused_hint: &str,
    rejected_hint: &str,
) -> Error {
    let (class, hint) = match cause(error) {
        Cause::Unavailable => {
            (ErrorClass::Source, "AWS did not answer after several attempts: look at its quotas")
        }
        Cause::Refused => (ErrorClass::Credentials, refused_hint),
        Cause::Rejected => (ErrorClass::Configuration, rejected_hint),
    };
    Error::new(class, what, hint)
}
