//! Publishing an object, with the care that lost answers need.
//!
//! S3 may publish and its answer be lost. The SDK's own retries would then report the second
//! answer ("already there") as the outcome, so completions are retried here instead.

use std::sync::atomic::Ordering;
use std::time::Duration;

use autodump_core::ports::Completion;
use autodump_core::{Error, ErrorClass, Result};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::types::{ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::failure::{code, failure, is_unclear};
use super::{S3Upload, base64, unusable, unusable_number};

const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// S3 may need minutes to put ten thousand parts together.
const COMPLETION: Duration = Duration::from_mins(10);

type Failure = SdkError<CompleteMultipartUploadError, HttpResponse>;

/// What an attempt means.
enum Verdict {
    Done,
    Again(Error),
    Failed(Error),
}

/// Publishes the object, comparing length and checksum.
///
/// When the fate of an earlier attempt of this upload is unknown and the object is now said
/// to be there already, that was us: keys are unique per job attempt. When the *upload* is
/// said to be gone, that is an error all the same: without a right to read, AutoDump cannot
/// tell a published object from a removed upload, and a missing backup is worse than a
/// second one.
pub(super) async fn complete(upload: &S3Upload, completion: Completion) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let answer = send(upload, &completion).await?;
        match judge(upload, completion.only_if_absent, answer) {
            Verdict::Done => return Ok(()),
            Verdict::Again(error) if attempt < ATTEMPTS => {
                tracing::warn!(key = upload.location.key, what = error.what(), "completing again");
            }
            Verdict::Again(error) | Verdict::Failed(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

async fn send(
    upload: &S3Upload,
    completion: &Completion,
) -> Result<Result<CompleteMultipartUploadOutput, Failure>> {
    let size = i64::try_from(completion.bytes)
        .map_err(|_| unusable("cannot hold so large an object", &upload.location))?;
    let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(COMPLETION)
            .build(),
    );
    let answer = upload
        .client
        .complete_multipart_upload()
        .bucket(&upload.location.bucket)
        .key(&upload.location.key)
        .upload_id(&upload.id)
        .multipart_upload(parts(completion)?)
        .checksum_crc64_nvme(base64(completion.crc64nvme))
        .checksum_type(ChecksumType::FullObject)
        .mpu_object_size(size)
        .set_if_none_match(completion.only_if_absent.then(|| "*".to_owned()))
        .customize()
        .config_override(once)
        .send()
        .await;
    Ok(answer)
}

fn parts(completion: &Completion) -> Result<CompletedMultipartUpload> {
    let mut upload = CompletedMultipartUpload::builder();
    for part in &completion.parts {
        let number = i32::try_from(part.number).map_err(|_| unusable_number(part.number))?;
        let part = CompletedPart::builder()
            .part_number(number)
            .e_tag(&part.etag)
            .checksum_crc64_nvme(base64(part.crc64nvme));
        upload = upload.parts(part.build());
    }
    Ok(upload.build())
}

fn judge(
    upload: &S3Upload,
    only_if_absent: bool,
    answer: Result<CompleteMultipartUploadOutput, Failure>,
) -> Verdict {
    let location = &upload.location;
    let error = match answer {
        Ok(output) if output.e_tag.as_ref().is_some_and(|etag| !etag.is_empty()) => {
            return Verdict::Done;
        }
        Ok(_) => {
            upload.perhaps_complete.store(true, Ordering::Relaxed);
            return Verdict::Again(unusable("completed an object without an ETag", location));
        }
        Err(error) => error,
    };
    match code(&error) {
        "PreconditionFailed" if only_if_absent && upload.has_unknown_fate() => {
            tracing::info!(key = location.key, "an earlier attempt had published it");
            Verdict::Done
        }
        "PreconditionFailed" => Verdict::Failed(Error::new(
            ErrorClass::Destination,
            format!(
                "s3://{}/{} is already there; it was not replaced",
                location.bucket, location.key
            ),
            "Look who else writes there: names are unique per attempt of a job",
        )),
        "ConditionalRequestConflict" | "OperationAborted" => Verdict::Again(failed(upload, error)),
        _ if is_unclear(&error) => {
            upload.perhaps_complete.store(true, Ordering::Relaxed);
            Verdict::Again(failed(upload, error))
        }
        _ => Verdict::Failed(failed(upload, error)),
    }
}

fn failed(upload: &S3Upload, error: Failure) -> Error {
    let what = if upload.has_unknown_fate() {
        "an object was perhaps published and perhaps not"
    } else {
        "an object was not published"
    };
    failure(what, &upload.location, error)
}
