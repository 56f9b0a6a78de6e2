//! S3 as the store of backups.
//!
//! Every part and every object carries its CRC64-NVME, so that S3 itself refuses what was
//! damaged on the way, and an object appears only if its length and checksum are those of
//! the stream that was dumped. The dumper's role may read and delete only the state of a run
//! that it makes (`docs/adr/0006-tables-by-segments.md`), never a backup.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autodump_core::ports::{Completion, ObjectLocation, ObjectStore, PartReceipt, Upload};
use autodump_core::{Error, ErrorClass, Result};
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, ServerSideEncryption};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

mod complete;
mod failure;
mod read;
mod unfinished;
mod write;

pub use self::read::S3Content;

use self::failure::{failure, gone};

/// How often create, part and abort requests are sent before they count as failed.
const ATTEMPTS: u32 = 6;
/// The longest that one request may take: a part of 64 MiB over a poor line. A request whose
/// bytes stop flowing is given up long before, by the SDK's protection of stalled streams.
const REQUEST: Duration = Duration::from_mins(4);

/// How a store is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Encrypt what is written to this bucket with this KMS key. All else is encrypted as its
    /// bucket says.
    pub kms_key: Option<KmsKey>,
    /// Address buckets by path. Servers other than AWS often need it.
    pub path_style: bool,
}

/// A KMS key and the bucket it is for.
#[derive(Debug, Clone)]
pub struct KmsKey {
    /// The bucket's name.
    pub bucket: String,
    /// The key's ARN.
    pub key_arn: String,
}

/// The store.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    options: Options,
}

impl S3Store {
    /// A store that uses these settings of the process.
    #[must_use]
    pub fn new(config: &SdkConfig, options: Options) -> Self {
        // Adaptive retries, which the other services get, hold back the whole client when
        // one request is throttled: wrong where parts have to keep up with a database.
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(250));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(REQUEST)
            .build();
        let config = Builder::from(config)
            .force_path_style(options.path_style)
            .retry_config(retries)
            .timeout_config(timeouts)
            // Whoever reads compares with the manifest.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self { client: Client::from_conf(config), options }
    }

    fn kms_key(&self, bucket: &str) -> Option<String> {
        let key = self.options.kms_key.as_ref().filter(|key| key.bucket == bucket)?;
        Some(key.key_arn.clone())
    }
}

impl ObjectStore for S3Store {
    type Upload = S3Upload;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<S3Upload> {
        let key = self.kms_key(&location.bucket);
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&location.bucket)
            .key(&location.key)
            .content_type(content_type)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .set_server_side_encryption(key.is_some().then_some(ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(key)
            .send()
            .await
            .map_err(|error| failure("an upload cannot be begun", location, error))?;
        let id = created.upload_id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| unusable("began an upload without an id", location))?;
        Ok(S3Upload {
            client: self.client.clone(),
            location: location.clone(),
            id,
            perhaps_complete: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
        })
    }
}

/// A multipart upload to S3. When it is neither completed nor aborted, its parts stay, unseen
/// and paid for, until a lifecycle rule of the bucket removes them.
#[derive(Debug)]
pub struct S3Upload {
    client: Client,
    location: ObjectLocation,
    id: String,
    /// A completion was sent whose fate is unknown.
    perhaps_complete: AtomicBool,
    /// An abort was confirmed; what servers say to another one differs.
    aborted: AtomicBool,
}

impl S3Upload {
    fn has_unknown_fate(&self) -> bool {
        self.perhaps_complete.load(Ordering::Relaxed)
    }

    /// An upload that is gone while nobody knows what became of its completion is not one
    /// that was aborted.
    fn log_end(&self, perhaps_complete: bool) {
        let (bucket, key) = (&self.location.bucket, &self.location.key);
        if perhaps_complete {
            tracing::warn!(bucket, key, "upload gone: completed or removed");
        } else {
            tracing::info!(bucket, key, "upload aborted");
        }
    }
}

impl Upload for S3Upload {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        let bytes = body.len() as u64;
        let checksum = base64(crc64nvme);
        let part_number = i32::try_from(number).map_err(|_| unusable_number(number))?;
        let answer = self
            .client
            .upload_part()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .upload_id(&self.id)
            .part_number(part_number)
            .checksum_crc64_nvme(&checksum)
            .body(body.into())
            .customize()
            // The checksum protects the body: hashing it again for the signature would
            // only cost time.
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| {
                failure(&format!("part {number} was not accepted"), &self.location, error)
            })?;
        if answer.checksum_crc64_nvme.is_some_and(|stored| stored != checksum) {
            return Err(unusable("stored a part with another checksum", &self.location));
        }
        let etag = answer.e_tag.filter(|etag| !etag.is_empty());
        let etag =
            etag.ok_or_else(|| unusable("accepted a part without an ETag", &self.location))?;
        Ok(PartReceipt { number, bytes, etag, crc64nvme })
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        complete::complete(self, completion).await
    }

    async fn abort(&self) -> Result<()> {
        if self.aborted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .upload_id(&self.id)
            .send()
            .await;
        match answer {
            Err(error) if !gone(&error) => {
                Err(failure("an upload cannot be aborted", &self.location, error))
            }
            answer => {
                self.aborted.store(true, Ordering::Relaxed);
                self.log_end(answer.is_err() && self.has_unknown_fate());
                Ok(())
            }
        }
    }
}

/// A checksum as S3 writes it.
fn base64(crc64nvme: u64) -> String {
    BASE64_STANDARD.encode(crc64nvme.to_be_bytes())
}

fn unusable(what: &str, location: &ObjectLocation) -> Error {
    Error::new(
        ErrorClass::Destination,
        format!("the store {what}: s3://{}/{}", location.bucket, location.key),
        "Start the run again, and look at what stands between the dumper and S3",
    )
}

fn unusable_number(number: u32) -> Error {
    let what = format!("{number} is no part number");
    Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
}
