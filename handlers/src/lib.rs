//! What AutoDump's Lambda functions share: settings, logging, and how an error ends an
//! invocation.

use std::{env, fmt};

use autodump_aws::s3::{KmsKey, Options};
use autodump_core::source::{self, Source};
use autodump_core::tags::TagPrefix;
use autodump_core::{Error, ErrorClass, Result};
use lambda_runtime::Diagnostic;
use tracing::level_filters::LevelFilter;

/// The name of this deployment, for the metrics.
pub const NAME: &str = "AUTODUMP_NAME";
/// The bucket of the backups.
pub const BUCKET: &str = "AUTODUMP_BUCKET";
/// The account of this bucket, where it is not that of the deployment.
pub const BUCKET_OWNER: &str = "AUTODUMP_BUCKET_OWNER";
/// The KMS key that goes with this bucket; it need not be set.
pub const KMS_KEY_ARN: &str = "AUTODUMP_KMS_KEY_ARN";
/// The role that RDS takes to write exports into this bucket.
pub const EXPORT_ROLE_ARN: &str = "AUTODUMP_EXPORT_ROLE_ARN";
/// The KMS key that exports are encrypted with.
pub const EXPORT_KEY_ARN: &str = "AUTODUMP_EXPORT_KEY_ARN";
/// How many vCPUs all jobs that run at once have together.
pub const MAX_VCPUS: &str = "AUTODUMP_MAX_VCPUS";
/// After how many seconds an attempt of a dump is ended.
pub const DUMP_TIMEOUT: &str = "AUTODUMP_DUMP_TIMEOUT";
/// The state machine that the scanner starts.
pub const STATE_MACHINE_ARN: &str = "AUTODUMP_STATE_MACHINE_ARN";
/// What AutoDump's tags begin with.
pub const TAG_PREFIX: &str = "AUTODUMP_TAG_PREFIX";
/// How many bytes of Parquet a table may have that the function itself converts.
pub const CSV_FUNCTION_BYTES: &str = "AUTODUMP_CSV_FUNCTION_BYTES";

/// Logs to standard output, a JSON object a line, at the level that Lambda's own setting
/// `AWS_LAMBDA_LOG_LEVEL` asks for, else from INFO.
pub fn log_as_json() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
}

/// A setting that has to be there.
pub fn setting(name: &str) -> Result<String> {
    optional(name).ok_or_else(|| {
        Error::new(
            ErrorClass::Configuration,
            format!("the environment variable {name} is not set"),
            "The construct sets it: deploy again",
        )
    })
}

/// A setting that has to be there, and to be a number of at least 1.
pub fn number(name: &str) -> Result<u32> {
    let text = setting(name)?;
    text.trim().parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Error::new(
            ErrorClass::Configuration,
            format!("the environment variable {name} is {text:?}, not a number of at least 1"),
            "The construct sets it: deploy again",
        )
    })
}

/// A setting that has to be there, and to be a number of bytes.
pub fn bytes(name: &str) -> Result<u64> {
    let text = setting(name)?;
    text.trim().parse().map_err(|_| {
        Error::new(
            ErrorClass::Configuration,
            format!("the environment variable {name} is {text:?}, not a number of bytes"),
            "The construct sets it: deploy again",
        )
    })
}

/// A setting that need not be there.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// How the bucket of the backups is written to and read.
#[must_use]
pub fn store_options(bucket: &str) -> Options {
    let kms_key =
        optional(KMS_KEY_ARN).map(|key_arn| KmsKey { bucket: bucket.to_owned(), key_arn });
    Options { kms_key, path_style: path_style() }
}

/// Whether buckets are addressed by path: other servers than AWS have no names for them.
#[must_use]
pub fn path_style() -> bool {
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].into_iter().any(is_set)
}

fn is_set(name: &str) -> bool {
    optional(name).is_some()
}

/// The prefix of the tags, as set.
pub fn tag_prefix() -> Result<TagPrefix> {
    TagPrefix::new(&setting(TAG_PREFIX)?)
}

/// The regions and accounts whose tables and databases are targets, too: none where none are set.
pub fn sources() -> Result<Vec<Source>> {
    optional(source::VARIABLE).map_or_else(|| Ok(Vec::new()), |text| source::parse(&text))
}

/// An error that ends an invocation. Lambda shows it as `AutoDump.<Class>`, such as
/// `AutoDump.Credentials`, with the error's text.
pub struct Ended(Error);

/// The text: both the runtime and a `main` that ends early log an error in its debug form.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Ended {}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Ended> for Diagnostic {
    fn from(Ended(error): Ended) -> Self {
        Self {
            error_type: format!("AutoDump.{:?}", error.class()),
            error_message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `contract/environment.json` is also read by the construct, which sets these.
    #[test]
    fn the_settings_are_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../contract/environment.json")).unwrap();
        assert_eq!(golden["scanner"], serde_json::json!([NAME, TAG_PREFIX, STATE_MACHINE_ARN]));
        assert_eq!(golden["hash"], serde_json::json!([TAG_PREFIX]));
        assert_eq!(
            golden["planner"],
            serde_json::json!([BUCKET, TAG_PREFIX, MAX_VCPUS, DUMP_TIMEOUT])
        );
        assert_eq!(
            golden["snapshots"],
            serde_json::json!([NAME, BUCKET, TAG_PREFIX, EXPORT_ROLE_ARN, EXPORT_KEY_ARN])
        );
        let optional = &golden["optional"];
        for function in ["scanner", "hash"] {
            assert_eq!(optional[function], serde_json::json!([source::VARIABLE]));
        }
        assert_eq!(
            optional["planner"],
            serde_json::json!([BUCKET_OWNER, KMS_KEY_ARN, source::VARIABLE])
        );
        assert_eq!(optional["snapshots"], serde_json::json!([KMS_KEY_ARN, source::VARIABLE]));
    }

    #[test]
    fn a_missing_setting_is_named() {
        let error = setting("AUTODUMP_NOT_SET_IN_ANY_TEST").unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.what().contains("AUTODUMP_NOT_SET_IN_ANY_TEST"), "{error}");
    }

    #[test]
    fn sources_need_not_be_set() {
        assert_eq!(sources().unwrap(), []);
    }

    #[test]
    fn an_error_is_shown_with_its_class() {
        let error = Error::new(ErrorClass::Credentials, "no entry", "Knock");
        let ended = Ended::from(error);
        assert_eq!(format!("{ended:?}"), "no entry. Knock. A retry does not help.");
        let shown = Diagnostic::from(ended);
        assert_eq!(shown.error_type, "AutoDump.Credentials");
        assert_eq!(shown.error_message, "no entry. Knock. A retry does not help.");
    }
}
