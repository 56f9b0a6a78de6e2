//! Small objects: put in one request, and removed by the thousand.

use std::time::Duration;

use autodump_core::ports::{ObjectLocation, ObjectWriter, Put};
use autodump_core::{Error, ErrorClass, Result};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ServerSideEncryption};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};

use super::failure::{code, failure, is_passing};
use super::{S3Store, base64, unusable};

/// What S3 takes in one request.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;
/// The most keys that one request removes.
const BATCH: usize = 1000;
/// How often a put that met another one is sent, and keys that S3 could not remove just now.
/// All else is tried again by the SDK.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl ObjectWriter for S3Store {
    async fn put(&self, location: &ObjectLocation, content_type: &str, body: Bytes) -> Result<Put> {
        if body.len() as u64 > LARGEST {
            return Err(too_large(location, body.len()));
        }
        let crc = base64(checksum(CrcAlgorithm::Crc64Nvme, &body));
        let (mut left, mut pause) = (ATTEMPTS, FIRST_PAUSE);
        loop {
            left -= 1;
            match self.put_once(location, content_type, &body, &crc).await? {
                Once::Put(put) => return Ok(put),
                Once::Conflict(error) if left == 0 => return Err(error),
                Once::Conflict(_) => {
                    tracing::debug!(key = location.key, "a conflict: putting again");
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        for batch in keys.chunks(BATCH) {
            self.remove_batch(bucket, batch).await?;
        }
        Ok(())
    }
}

/// What one put came to.
enum Once {
    Put(Put),
    /// Another put of this key was on its way: what became of it nobody knows yet.
    Conflict(Error),
}

impl S3Store {
    async fn put_once(
        &self,
        location: &ObjectLocation,
        content_type: &str,
        body: &Bytes,
        crc: &str,
    ) -> Result<Once> {
        let key = self.kms_key(&location.bucket);
        let answer = self
            .client
            .put_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .content_type(content_type)
            .checksum_crc64_nvme(crc)
            .if_none_match("*")
            .set_server_side_encryption(key.is_some().then_some(ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(key)
            .body(body.clone().into())
            .customize()
            // As for parts: the checksum protects the body.
            .disable_payload_signing()
            .send()
            .await;
        match answer {
            Ok(answer)
                if answer.checksum_crc64_nvme.as_ref().is_some_and(|stored| stored != crc) =>
            {
                Err(unusable("stored an object with another checksum", location))
            }
            Ok(_) => Ok(Once::Put(Put::Written)),
            Err(error) => match code(&error) {
                "PreconditionFailed" => Ok(Once::Put(Put::AlreadyThere)),
                "ConditionalRequestConflict" | "OperationAborted" => {
                    Ok(Once::Conflict(failure("an object was not put", location, error)))
                }
                _ => Err(failure("an object was not put", location, error)),
            },
        }
    }

    /// Removes at most [`BATCH`] keys. S3 answers "200 OK" whatever became of each of them.
    async fn remove_batch(&self, bucket: &str, keys: &[String]) -> Result<()> {
        let mut keys = keys.to_vec();
        let (mut left, mut pause) = (ATTEMPTS, FIRST_PAUSE);
        loop {
            left -= 1;
            let failures = self.remove_once(bucket, &keys).await?;
            let stays = failures.iter().find(|failure| !is_passing(&failure.code));
            match stays.or(failures.first()) {
                None => return Ok(()),
                Some(failure) if left == 0 || stays.is_some() => {
                    return Err(failure.error(bucket, failures.len()));
                }
                Some(failure) => {
                    tracing::debug!(key = failure.key, code = failure.code, "removing again");
                }
            }
            keys = failures.into_iter().map(|failure| failure.key).collect();
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn remove_once(&self, bucket: &str, keys: &[String]) -> Result<Vec<NotRemoved>> {
        let first = keys.first().cloned().unwrap_or_default();
        let location = ObjectLocation { bucket: bucket.to_owned(), key: first };
        let malformed = |error: aws_sdk_s3::error::BuildError| {
            unusable("cannot be asked to remove", &location).caused_by(error)
        };
        let mut delete = Delete::builder().quiet(true);
        for key in keys {
            delete =
                delete.objects(ObjectIdentifier::builder().key(key).build().map_err(malformed)?);
        }
        let delete = delete.build().map_err(malformed)?;
        let answer = self.client.delete_objects().bucket(bucket).delete(delete).send().await;
        let answer = answer.map_err(|error| {
            failure("this object and others were not removed", &location, error)
        })?;
        let failures = answer.errors.unwrap_or_default().into_iter();
        let failures = failures.map(|failed| NotRemoved {
            key: failed.key.unwrap_or_default(),
            code: failed.code.unwrap_or_default(),
            message: failed.message.unwrap_or_default(),
        });
        Ok(failures.filter(|failed| failed.code != "NoSuchKey").collect())
    }
}

/// A key that S3 did not remove, and why.
struct NotRemoved {
    key: String,
    code: String,
    message: String,
}

impl NotRemoved {
    /// The error of this key, one of `count`.
    fn error(&self, bucket: &str, count: usize) -> Error {
        let Self { key, code, message } = self;
        let (class, hint) = match code.as_str() {
            "AccessDenied" => (
                ErrorClass::Credentials,
                "The role may not delete there: look at its policy and the bucket's",
            ),
            _ => (
                ErrorClass::Destination,
                "S3 did not remove it after several attempts: start it again",
            ),
        };
        let others = if count > 1 { format!(", as {} others", count - 1) } else { String::new() };
        let message = message.trim_end_matches('.');
        Error::new(
            class,
            format!("s3://{bucket}/{key}: was not removed{others}: {code}: {message}"),
            hint,
        )
    }
}

fn too_large(location: &ObjectLocation, bytes: usize) -> Error {
    let ObjectLocation { bucket, key } = location;
    Error::new(
        ErrorClass::Internal,
        format!("s3://{bucket}/{key}: an object of {bytes} bytes cannot be put in one request"),
        "Report this: it is a fault of AutoDump",
    )
}
