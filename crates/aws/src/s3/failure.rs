//! What S3's refusals mean.

use std::error::Error as StdError;

use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{has_no_credentials, in_words};

const RETRY: &str = "S3 did not take it after several attempts: start the run again";
const READ_RETRY: &str = "S3 did not give it after several attempts: start again";
const REPLACED: &str = "Somebody wrote another object there meanwhile: start again";
const REMOVED: &str = "A backup is whole only with all its objects: look who removed it";
/// What to do about an object that has fewer bytes than its backup says.
pub(super) const SHORTER: &str =
    "A backup is whole only with all its bytes: look who replaced the object";
const ARCHIVED: &str = "The object is in an archive class of S3: let S3 restore it first";
const KMS: &str = "The KMS key cannot be used: it has to exist, be enabled and in this region";
const OURS: &str = "Report this: it is a fault of AutoDump";

/// S3's error code, or nothing when there was no answer.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

/// What S3 says when it is worth trying again, even in an answer that begins with "200 OK":
/// a completion's status is sent before its outcome is known.
const PASSING: [&str; 4] = ["InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"];

/// Whether this code says that it is worth trying again.
pub(super) fn is_passing(code: &str) -> bool {
    PASSING.contains(&code)
}

/// Whether the request may have taken effect although it failed.
pub(super) fn is_unclear<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ServiceError(answer) => {
            answer.raw().status().is_server_error() || is_passing(code(error))
        }
        SdkError::DispatchFailure(_) => !nobody(error),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        _ => false,
    }
}

/// Whether the upload is not there any more.
pub(super) fn gone<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    code(error) == "NoSuchUpload"
}

/// The error that a failed request to write stands for: `what` did not happen, where and why.
pub(super) fn failure<E>(
    what: &str,
    location: &ObjectLocation,
    error: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let (class, hint) = meaning(&error, &location.bucket);
    told(what, location, error, class, hint)
}

/// The error that a failed request to read stands for. What a backup lacks is of class
/// verification; a bucket that does not answer is, as for writing, of class destination.
pub(super) fn read_failure<E>(
    what: &str,
    location: &ObjectLocation,
    error: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let bucket = &location.bucket;
    let (class, hint) = match code(&error) {
        "NoSuchKey" => (ErrorClass::Verification, REMOVED.to_owned()),
        "InvalidRange" => (ErrorClass::Verification, SHORTER.to_owned()),
        "PreconditionFailed" => (ErrorClass::Verification, REPLACED.to_owned()),
        "InvalidObjectState" => (ErrorClass::Configuration, ARCHIVED.to_owned()),
        "AccessDenied" | "AllAccessDisabled" => (
            ErrorClass::Credentials,
            format!(
                "The role may not read there, or nothing is there and it may not list the bucket: \
                 look at its policy, that of bucket {bucket}, and that of the bucket's key"
            ),
        ),
        "NoSuchBucket" | "InvalidBucketName" => (
            ErrorClass::Configuration,
            format!("There is no bucket {bucket}: correct the address of the backup"),
        ),
        _ => match meaning(&error, bucket) {
            (ErrorClass::Destination, hint) if hint == RETRY => {
                (ErrorClass::Destination, READ_RETRY.to_owned())
            }
            meaning => meaning,
        },
    };
    told(what, location, error, class, hint)
}

fn told<E>(
    what: &str,
    location: &ObjectLocation,
    error: SdkError<E, HttpResponse>,
    class: ErrorClass,
    hint: String,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let why = match &error {
        SdkError::ServiceError(answer) if answer.err().code().is_some() => {
            let code = answer.err().code().unwrap_or_default();
            let message = answer.err().message().unwrap_or("no message").trim_end_matches('.');
            format!("{code} (HTTP {}): {message}", answer.raw().status())
        }
        other => in_words(other),
    };
    let what = format!("s3://{}/{}: {what}: {why}", location.bucket, location.key);
    Error::new(class, what, hint).caused_by(error)
}

fn meaning<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
    bucket: &str,
) -> (ErrorClass, String) {
    match code(error) {
        "" if nobody(error) => unsigned(error),
        "AccessDenied" | "AllAccessDisabled" => (
            ErrorClass::Credentials,
            format!(
                "The dumper may not write there: if a secret names bucket {bucket}, list it in \
                 the construct's additionalBuckets, and look at the bucket's policy and its key's"
            ),
        ),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "RequestTimeTooSkewed" => {
            (ErrorClass::Credentials, "Look at the credentials and the clock of the job".to_owned())
        }
        "NoSuchBucket" | "InvalidBucketName" => (
            ErrorClass::Configuration,
            format!("There is no bucket {bucket}: correct bucketname in the secret"),
        ),
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => (
            ErrorClass::Configuration,
            format!("Bucket {bucket} is in another region: use one in the region of AutoDump"),
        ),
        code if code.starts_with("KMS.") => (ErrorClass::Configuration, KMS.to_owned()),
        "InvalidRequest" | "InvalidArgument" | "MalformedXML" | "EntityTooSmall"
        | "EntityTooLarge" | "InvalidPartOrder" | "NotImplemented" => {
            (ErrorClass::Internal, OURS.to_owned())
        }
        _ => (ErrorClass::Destination, RETRY.to_owned()),
    }
}

/// What it means that a request could not be signed.
fn unsigned<E>(error: &SdkError<E, HttpResponse>) -> (ErrorClass, String) {
    if has_no_credentials(error) {
        let hint = "No AWS credentials were found: the job needs a role";
        return (ErrorClass::Credentials, hint.to_owned());
    }
    let hint = "The AWS credentials could not be fetched: start it again";
    (ErrorClass::Destination, hint.to_owned())
}

/// Whether the SDK could not even sign. It reports that as a failed dispatch for another
/// reason than the connection; a connection that broke is "other" too, but has a kind.
fn nobody<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    failure.is_other() && failure.as_connector_error().is_some_and(|why| why.as_other().is_none())
}
