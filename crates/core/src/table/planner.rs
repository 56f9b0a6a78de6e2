//! Decides how a table is read, once for a run, and starts its export if it is one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::arn::TableArn;
use super::choose::{Facts, Wanted, method};
use super::forecast::{Forecast, Limits};
use super::manifest::ENGINE;
use super::plan::{Export, Method, Plan};
use super::ports::{Called, TableService};
use super::{calls, layout as below, read};
use crate::error::{Error, ErrorClass, Result};
use crate::hash::TagHash;
use crate::layout;
use crate::ports::{Content, ObjectLocation, ObjectReader, ObjectWriter, Put};

const VERSION: u32 = 1;
/// The longest plan: a definition is not so large.
const LONGEST: usize = 16 << 20;

/// What the state machine asks: `contract/planner.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// To plan a run.
    Plan(PlanRequest),
    /// To look how far an export is.
    Follow(FollowRequest),
}

/// Which run is planned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// The table.
    pub resource_arn: String,
    /// The hash of its tags when the run was scheduled.
    pub tag_hash: TagHash,
    /// When the run was to start.
    pub start: DateTime<Utc>,
    /// The execution.
    pub execution_arn: String,
}

impl PlanRequest {
    /// Where the run puts everything.
    #[must_use]
    pub fn directory(&self) -> String {
        directory(&self.resource_arn, self.start, &self.execution_arn)
    }
}

/// Which export is followed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FollowRequest {
    /// The table.
    pub resource_arn: String,
    /// The export.
    pub export_arn: String,
}

/// What the state machine goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// `scan` or `export`.
    pub method: &'static str,
    /// How many jobs read the table.
    pub ranges: u32,
    /// The export that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_arn: Option<String>,
    /// The input of the restore into the replica, if there is to be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Value>,
    /// How long the scan takes at least, where its pace is limited. Nobody but the log is told.
    #[serde(skip)]
    pub forecast: Option<Forecast>,
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// `IN_PROGRESS` or `COMPLETED`.
    pub status: String,
}

/// Plans runs of the tables that one account and region has.
#[derive(Debug)]
pub struct Planner<'a, T, S> {
    /// Where the table is.
    pub tables: &'a T,
    /// Where the plan is put.
    pub store: &'a S,
    /// The bucket of the backups.
    pub bucket: &'a str,
    /// The account of that bucket, where it is not the execution's.
    pub bucket_owner: Option<&'a str>,
    /// The KMS key that exports to it are encrypted with, where one is given.
    pub kms_key: Option<&'a str>,
    /// What the deployment gives its jobs; nothing is known of one that runs by hand.
    pub limits: Option<Limits>,
}

/// Where a run of a table puts everything, with a closing slash: the same for all of its jobs.
#[must_use]
pub fn directory(resource_arn: &str, start: DateTime<Utc>, execution_arn: &str) -> String {
    layout::run_directory(ENGINE, resource_arn, start, execution_arn)
}

/// The plan of the run in this directory. One that is not there, or is not understood, is an error of class
/// [`ErrorClass::Verification`].
pub async fn read_plan<S: ObjectReader>(store: &S, bucket: &str, directory: &str) -> Result<Plan> {
    let key = format!("{directory}{}", below::PLAN);
    let location = ObjectLocation { bucket: bucket.to_owned(), key };
    let uri = format!("s3://{bucket}/{}", location.key);
    let mut content = store.get(&location, None).await?;
    let mut text = Vec::new();
    while let Some(bytes) = content.next().await? {
        text.extend_from_slice(&bytes);
        if text.len() > LONGEST {
            return Err(odd(format!("the plan {uri} has more than {LONGEST} bytes")));
        }
    }
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| odd(format!("the plan {uri} is no JSON: {error}")))?;
    if value["version"] != VERSION {
        return Err(odd(format!("the plan {uri} has version {}, not {VERSION}", value["version"])));
    }
    serde_json::from_value(value)
        .map_err(|error| odd(format!("the plan {uri} is not understood: {error}")))
}

fn odd(what: String) -> Error {
    Error::new(ErrorClass::Verification, what, "Start another run, and find out what changed it")
}

impl<T: TableService, S: ObjectReader + ObjectWriter> Planner<'_, T, S> {
    /// Plans the run, or finds the plan that was made before in its directory: the first one
    /// holds, whatever becomes of the table and its tags. An export is started, or found.
    ///
    /// A scan that cannot come to its end within the limits is an error of class
    /// [`ErrorClass::Configuration`], and no plan is put.
    pub async fn plan(
        &self,
        request: &PlanRequest,
        directory: &str,
        wanted: &Wanted,
        now: DateTime<Utc>,
    ) -> Result<Planned> {
        let arn: TableArn = request.resource_arn.parse().map_err(|reason| {
            let what = format!("the target {} {reason}", request.resource_arn);
            Error::new(ErrorClass::Configuration, what, "Start the run of a table")
        })?;
        let plan = self.made(request, &arn, wanted, now).await?;
        if let (Method::Scan(scan), Some(limits)) = (&plan.method, self.limits) {
            limits.check(scan, &plan.resource_arn)?;
        }
        let plan = self.kept(directory, plan).await?;
        let replica = plan.replica.as_ref().map(|to| self.replica(to, directory));
        match &plan.method {
            Method::Scan(scan) => {
                let (ranges, forecast) = (scan.ranges, Forecast::of(scan));
                Ok(Planned { method: "scan", ranges, export_arn: None, replica, forecast })
            }
            Method::Export(export) => {
                let arn = self.export(&plan, export, directory).await?;
                let (export_arn, forecast) = (Some(arn), None);
                Ok(Planned { method: "export", ranges: 1, export_arn, replica, forecast })
            }
        }
    }

    /// What the job that restores is told, `contract/restore-input.json`: the replica becomes as
    /// the backup is, whatever was in it.
    fn replica(&self, to: &str, directory: &str) -> Value {
        json!({
            "manifest": format!("s3://{}/{directory}{}", self.bucket, layout::MANIFEST),
            "to": to,
            "options": {"intoExisting": true, "mirror": true},
        })
    }

    async fn made(
        &self,
        request: &PlanRequest,
        arn: &TableArn,
        wanted: &Wanted,
        now: DateTime<Utc>,
    ) -> Result<Plan> {
        let name = arn.name.as_str();
        let replica = replica_name(wanted, arn, &request.execution_arn)?;
        let asked = json!({"TableName": name});
        let described = self.tables.dynamodb("DescribeTable", asked.clone()).await?;
        let described = calls::answer("DescribeTable", name, described)?;
        check_status(name, &described)?;
        let backups = self.tables.dynamodb("DescribeContinuousBackups", asked).await?;
        let backups = calls::answer("DescribeContinuousBackups", name, backups)?;
        let facts = Facts::of(&described, &backups);
        let definition = read::read(self.tables, name).await?;
        let definition = serde_json::to_value(&definition).map_err(|error| {
            let what = format!("the definition of {name} cannot be written: {error}");
            Error::new(ErrorClass::Internal, what, "Report this")
        })?;
        Ok(Plan {
            version: VERSION,
            resource_arn: request.resource_arn.clone(),
            table_id: table_id(&described),
            tag_hash: request.tag_hash.clone(),
            scheduled_for: request.start,
            execution_arn: request.execution_arn.clone(),
            planned_at: now,
            verify: wanted.verify,
            replica,
            method: method(wanted, &facts, self.limits, &token(&request.execution_arn))?,
            definition,
        })
    }

    /// Puts the plan, unless one is there.
    async fn kept(&self, directory: &str, plan: Plan) -> Result<Plan> {
        let text = serde_json::to_vec(&plan).map_err(|error| {
            let what = format!("the plan cannot be written: {error}");
            Error::new(ErrorClass::Internal, what, "Report this")
        })?;
        let key = format!("{directory}{}", below::PLAN);
        let location = ObjectLocation { bucket: self.bucket.to_owned(), key };
        match self.store.put(&location, "application/json", text.into()).await? {
            Put::Written => Ok(plan),
            Put::AlreadyThere => read_plan(self.store, self.bucket, directory).await,
        }
    }

    /// A second request with the token gives the export of the first one.
    async fn export(&self, plan: &Plan, export: &Export, directory: &str) -> Result<String> {
        const OPERATION: &str = "ExportTableToPointInTime";
        let mut input = json!({
            "TableArn": plan.resource_arn,
            "S3Bucket": self.bucket,
            "S3Prefix": format!("{directory}{}", below::EXPORT),
            "ClientToken": export.client_token,
            "ExportFormat": "DYNAMODB_JSON",
        });
        if let Some(owner) = self.bucket_owner.or_else(|| plan.execution_arn.split(':').nth(4)) {
            input["S3BucketOwner"] = owner.into();
        }
        if let Some(key) = self.kms_key {
            input["S3SseAlgorithm"] = "KMS".into();
            input["S3SseKmsKeyId"] = key.into();
        }
        let called = self.tables.dynamodb(OPERATION, input).await?;
        let answer = match called {
            Called::Refused { code, message } if code == "ExportConflictException" => {
                let what = format!("{OPERATION} of {} was refused: {message}", plan.resource_arn);
                return Err(Error::new(ErrorClass::Source, what, "Wait for the other export"));
            }
            called => calls::answer(OPERATION, &plan.resource_arn, called)?,
        };
        exported(&answer, "ExportArn", &plan.resource_arn)
    }

    /// How far an export is. One that failed is an error of class [`ErrorClass::Engine`].
    pub async fn follow(&self, request: &FollowRequest) -> Result<Followed> {
        const OPERATION: &str = "DescribeExport";
        let arn = &request.export_arn;
        let called = self.tables.dynamodb(OPERATION, json!({"ExportArn": arn})).await?;
        let answer = calls::answer(OPERATION, arn, called)?;
        let status = exported(&answer, "ExportStatus", arn)?;
        if status == "FAILED" {
            let said = |name| exported(&answer, name, arn).unwrap_or_else(|_| "nothing".to_owned());
            let (code, message) = (said("FailureCode"), said("FailureMessage"));
            return Err(Error::new(
                ErrorClass::Engine,
                format!("the export {arn} failed: {code}: {message}"),
                "Correct what it names; the next run makes a new export",
            ));
        }
        Ok(Followed { status })
    }
}

/// The replica is in the account and region of the execution.
fn replica_name(wanted: &Wanted, arn: &TableArn, execution_arn: &str) -> Result<Option<String>> {
    let Some(replica) = &wanted.replica else { return Ok(None) };
    let mut parts = execution_arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    replica.name(arn, account, region).map(Some).map_err(|what| {
        let hint = "Give the tag replicate the name of another table";
        Error::new(ErrorClass::Configuration, what, hint)
    })
}

/// The request's token: the same for each request of one execution.
fn token(execution_arn: &str) -> String {
    hex::encode(&Sha256::digest(execution_arn)[..16])
}

/// The id in an answer of `DescribeTable`.
#[must_use]
pub fn table_id(described: &Value) -> Option<String> {
    described["Table"]["TableId"].as_str().map(str::to_owned)
}

fn check_status(name: &str, described: &Value) -> Result<()> {
    let status = described["Table"]["TableStatus"].as_str().unwrap_or_default();
    if matches!(status, "ACTIVE" | "UPDATING") {
        return Ok(());
    }
    let class = if status == "CREATING" { ErrorClass::Source } else { ErrorClass::Configuration };
    Err(Error::new(
        class,
        format!("the table {name} cannot be read: its status is {status:?}"),
        "Make it ACTIVE, or remove the schedule tag",
    ))
}

fn exported(answer: &Value, field: &str, of: &str) -> Result<String> {
    answer["ExportDescription"][field].as_str().map(str::to_owned).ok_or_else(|| {
        let what = format!("DynamoDB described the export of {of} without {field}");
        Error::new(ErrorClass::Source, what, "Look at the export in the console")
    })
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
