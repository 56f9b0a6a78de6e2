//! RDS: databases as targets, their snapshots, and the exports of these.

use autodump_core::Result;
use autodump_core::snapshot::arn::{DatabaseArn, Form};
use autodump_core::snapshot::ports::{
    Database, Deleted, ExportRequest, ExportTask, Made, Maker, Quota, Snapshot, SnapshotService,
    Started,
};
use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::config::Builder;
use aws_sdk_rds::config::http::HttpResponse;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::Tag;
use chrono::Utc;

use crate::config::short_requests;
use crate::failure::{Cause, cause, failure};

mod clusters;
mod databases;
mod exports;
mod instances;

pub use self::databases::Databases;

const REFUSED: &str =
    "Let the role that asks do it in RDS; the snapshots' names begin with autodump-";
const REJECTED: &str = "Correct what RDS names";

/// The largest page that RDS gives.
const PAGE: i32 = 100;
/// How many manual snapshots of a form an account has where RDS does not tell.
const USUAL_QUOTA: u64 = 100;

/// The snapshots and exports of one account and region.
#[derive(Debug, Clone)]
pub struct Rds {
    client: Client,
}

impl Rds {
    /// A client of its own, with short timeouts.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: client(config) }
    }

    async fn all_manual(&self, form: Form) -> Result<u64> {
        let all = match form {
            Form::Instance => instances::snapshots(&self.client, None, Maker::Manual).await?,
            Form::Cluster => clusters::snapshots(&self.client, None, Maker::Manual).await?,
        };
        Ok(all.len() as u64)
    }
}

fn client(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).timeout_config(short_requests()).build())
}

impl SnapshotService for Rds {
    async fn database(&self, arn: &DatabaseArn) -> Result<Option<Database>> {
        let found = databases::described(&self.client, arn).await?;
        Ok(found.map(|found| found.database))
    }

    async fn snapshot(&self, form: Form, name: &str) -> Result<Option<Snapshot>> {
        match form {
            Form::Instance => instances::snapshot(&self.client, name).await,
            Form::Cluster => clusters::snapshot(&self.client, name).await,
        }
    }

    async fn snapshots(&self, of: &DatabaseArn, maker: Maker) -> Result<Vec<Snapshot>> {
        match of.form {
            Form::Instance => instances::snapshots(&self.client, Some(&of.name), maker).await,
            Form::Cluster => clusters::snapshots(&self.client, Some(&of.name), maker).await,
        }
    }

    async fn create(
        &self,
        of: &DatabaseArn,
        name: &str,
        tags: &[(String, String)],
    ) -> Result<Made> {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = tags.collect();
        match of.form {
            Form::Instance => instances::create(&self.client, &of.name, name, tags).await,
            Form::Cluster => clusters::create(&self.client, &of.name, name, tags).await,
        }
    }

    async fn delete(&self, form: Form, name: &str) -> Result<Deleted> {
        match form {
            Form::Instance => instances::delete(&self.client, name).await,
            Form::Cluster => clusters::delete(&self.client, name).await,
        }
    }

    async fn quota(&self, form: Form) -> Result<Quota> {
        let answer = self.client.describe_account_attributes().send().await.map_err(|error| {
            failure("cannot look at the account's quotas of RDS", error, REFUSED, REJECTED)
        })?;
        let name = match form {
            Form::Instance => "ManualSnapshots",
            Form::Cluster => "ManualClusterSnapshots",
        };
        let quotas = answer.account_quotas.unwrap_or_default();
        let quota = quotas.into_iter().find(|one| one.account_quota_name() == Some(name));
        let told = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let (used, most) = quota.map_or((None, None), |quota| (told(quota.used), told(quota.max)));
        let used = match used {
            Some(used) => used,
            None => self.all_manual(form).await?,
        };
        Ok(Quota { used, most: most.unwrap_or(USUAL_QUOTA) })
    }

    async fn export_task(&self, name: &str) -> Result<Option<ExportTask>> {
        exports::described(&self.client, name).await
    }

    async fn running_exports(&self) -> Result<Vec<ExportTask>> {
        exports::running(&self.client).await
    }

    async fn start_export(&self, request: &ExportRequest) -> Result<Started> {
        exports::start(&self.client, request).await
    }

    async fn cancel_export(&self, name: &str) -> Result<()> {
        exports::cancel(&self.client, name).await
    }
}

/// What RDS says of a request that it understood and refuses: its code, and its words.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<(&str, String)> {
    if cause(error) != Cause::Rejected {
        return None;
    }
    let service = error.as_service_error()?;
    let message = service.message().unwrap_or_default().trim_end_matches('.').to_owned();
    Some((service.code()?, message))
}

/// Whether RDS says that there is no such thing.
fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    refusal(error).is_some_and(|(code, _)| code.contains("NotFound"))
}

/// What a refused request for a snapshot comes to; `None` where it is an error. The codes of
/// clusters end in "Fault", those of instances do not.
fn made<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Made> {
    match refusal(error)? {
        (code, _) if code.contains("SnapshotAlreadyExists") => Some(Made::AlreadyThere),
        (code, why) if code.starts_with("SnapshotQuotaExceeded") => Some(Made::QuotaFull(why)),
        (code, why) if is_wrong_state(code) => Some(Made::Busy(why)),
        _ => None,
    }
}

/// What a refused request to delete a snapshot comes to; `None` where it is an error.
fn deleted<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Deleted> {
    match refusal(error)? {
        (code, _) if code.contains("NotFound") => Some(Deleted::Gone),
        (code, why) if is_wrong_state(code) => Some(Deleted::InUse(why)),
        _ => None,
    }
}

/// Such as `InvalidDBSnapshotState`.
fn is_wrong_state(code: &str) -> bool {
    code.starts_with("Invalid") && code.trim_end_matches("Fault").ends_with("State")
}

const fn snapshot_type(maker: Maker) -> &'static str {
    match maker {
        Maker::Manual => "manual",
        Maker::Automated => "automated",
    }
}

/// RDS wants the type beside the name of a snapshot that it made by itself.
fn type_of(name: &str) -> Option<String> {
    name.starts_with("rds:").then(|| snapshot_type(Maker::Automated).to_owned())
}

fn tags(tags: Option<Vec<Tag>>) -> std::collections::BTreeMap<String, String> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

fn moment(at: Option<DateTime>) -> Option<chrono::DateTime<Utc>> {
    let at = at?;
    chrono::DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

fn gibibytes(size: Option<i32>) -> Option<u64> {
    size.and_then(|size| u64::try_from(size).ok())
}

/// The next page's marker; `None` after the last.
fn next(marker: Option<String>) -> Option<String> {
    marker.filter(|marker| !marker.is_empty())
}

#[cfg(test)]
#[path = "rds/tests.rs"]
mod tests;
