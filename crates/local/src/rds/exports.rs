//! Exports of snapshots.

use autodump_core::snapshot::arn::{DatabaseArn, Form, is_identifier};
use chrono::Utc;
use serde_json::json;

use super::snapshots::missing;
use super::state::{MOST_EXPORTS, Place, State, Task};
use super::xml::{element, inside, moment, optional};
use super::{Query, Rds, Refusal};
use crate::ACCOUNT;

impl Rds {
    /// Begins an export.
    pub(super) async fn start_export(
        &self,
        place: &Place,
        query: &Query,
    ) -> Result<String, Refusal> {
        let asked = Task {
            name: query.need("ExportTaskIdentifier")?.to_owned(),
            // Corrected when the snapshot is found.
            of: place.database(Form::Instance, "none"),
            source_arn: query.need("SourceArn")?.to_owned(),
            only: query.list("ExportOnly.member"),
            bucket: query.need("S3BucketName")?.to_owned(),
            prefix: query.get("S3Prefix").unwrap_or_default().to_owned(),
            role: query.need("IamRoleArn")?.to_owned(),
            key: query.need("KmsKeyId")?.to_owned(),
            status: "STARTING",
            percent: 0,
            failure: None,
            warning: None,
            snapshot_time: None,
            started: Utc::now(),
            ended: None,
        };
        check_words(place, &asked)?;
        self.check_bucket(&asked.bucket).await?;
        self.check_key(place, &asked.key).await?;
        let mut state = self.state();
        let task = state.accept(place, asked)?;
        let answer = shown(&task);
        let name = task.name.clone();
        state.tasks.push(task);
        state.most_running = state.most_running.max(state.under_way(place));
        drop(state);
        self.run_export(place, &name);
        Ok(answer)
    }

    /// One by its name, or those of the account and region, perhaps of some states.
    pub(super) fn describe_exports(&self, place: &Place, query: &Query) -> Result<String, Refusal> {
        let mut state = self.state();
        let found: Vec<_> = if let Some(name) = query.get("ExportTaskIdentifier") {
            vec![state.task(place, name).ok_or_else(|| unknown(name))?.clone()]
        } else {
            let statuses = query.filter("status");
            let source = query.get("SourceArn");
            let fits = |one: &&Task| {
                let status = one.status.to_ascii_lowercase();
                let wanted = |all: &Vec<String>| {
                    all.iter().any(|wanted| wanted.to_ascii_lowercase() == status)
                };
                Place::of(&one.of) == *place
                    && statuses.as_ref().is_none_or(wanted)
                    && source.is_none_or(|source| one.source_arn == source)
            };
            state.tasks.iter().filter(fits).cloned().collect()
        };
        let (page, marker) = query.page(&found)?;
        let all: String = page.iter().map(|one| inside("ExportTask", &shown(one))).collect();
        Ok(optional("Marker", marker.as_deref()) + &inside("ExportTasks", &all))
    }

    /// Begins to end an export that runs.
    pub(super) fn cancel_export(&self, place: &Place, query: &Query) -> Result<String, Refusal> {
        let name = query.need("ExportTaskIdentifier")?;
        let mut state = self.state();
        let task = state.task(place, name).ok_or_else(|| unknown(name))?;
        if !task.runs() {
            let message = format!("Cannot cancel the export task {name} that is {}", task.status);
            return Err(Refusal::new("InvalidExportTaskStateFault", message));
        }
        task.status = "CANCELING";
        let answer = shown(task);
        drop(state);
        self.end_cancelled(place, name);
        Ok(answer)
    }

    async fn check_bucket(&self, bucket: &str) -> Result<(), Refusal> {
        if self.moto.open_uploads(bucket, "").await.is_err() {
            let message = format!("The S3 bucket {bucket} doesn't exist");
            return Err(Refusal::new("InvalidS3BucketFault", message));
        }
        Ok(())
    }

    async fn check_key(&self, place: &Place, key: &str) -> Result<(), Refusal> {
        let here = self.moto.in_region(&place.region);
        let role = format!("arn:aws:iam::{}:role/key", place.account);
        let unseen = |_| Refusal::new("KMSKeyNotAccessibleFault", "The KMS cannot be asked");
        let here = if place.account == ACCOUNT {
            here
        } else {
            here.assume(&role).await.map_err(unseen)?
        };
        match here.call("TrentService.DescribeKey", &json!({"KeyId": key})).await {
            Ok(found) if found["KeyMetadata"]["KeyState"] == "Enabled" => Ok(()),
            _ => {
                let message = format!("The KMS key {key} does not exist, or is not enabled");
                Err(Refusal::new("KMSKeyNotAccessibleFault", message))
            }
        }
    }
}

impl State {
    /// The task, if nothing of what is there is in its way.
    fn accept(&mut self, place: &Place, asked: Task) -> Result<Task, Refusal> {
        let Task { name, source_arn, .. } = &asked;
        if self.task(place, name).is_some() {
            let message = format!("The export task {name} already exists");
            return Err(Refusal::new("ExportTaskAlreadyExists", message));
        }
        if self.under_way(place) >= MOST_EXPORTS {
            let message = format!("{MOST_EXPORTS} export tasks are running already");
            return Err(Refusal::new("ExportTaskLimitExceeded", message));
        }
        let same = self.is_exported(source_arn);
        let found = self.snapshots.iter().find(|one| one.arn() == *source_arn);
        let snapshot = found.filter(|one| Place::of(&one.of) == *place).ok_or_else(|| {
            let cluster = source_arn.contains(":cluster-snapshot:");
            missing(if cluster { Form::Cluster } else { Form::Instance }, source_arn)
        })?;
        if same || snapshot.status != "available" {
            let message = format!("The snapshot {source_arn} is {} or exported", snapshot.status);
            return Err(Refusal::new("InvalidExportSourceState", message));
        }
        let script = self.script(&snapshot.of);
        if !script.tables.iter().any(|table| table.is_among(&asked.only)) {
            let message = format!("The export has nothing of {}", asked.only.join(", "));
            return Err(Refusal::new("InvalidExportOnly", message));
        }
        Ok(Task { of: snapshot.of.clone(), snapshot_time: snapshot.created, ..asked })
    }
}

fn check_words(place: &Place, asked: &Task) -> Result<(), Refusal> {
    let wrong = |message: String| Err(Refusal::new("InvalidParameterValue", message));
    if !is_identifier(&asked.name, 60) {
        return wrong(format!("Invalid export task identifier: {}", asked.name));
    }
    if asked.prefix.ends_with('/') || asked.prefix.starts_with('/') {
        return wrong(format!("The S3 prefix {} begins or ends with a slash", asked.prefix));
    }
    let role = format!("arn:aws:iam::{}:role/", place.account);
    if !asked.role.starts_with(&role) {
        let message = format!("The IAM role {} is not of the account", asked.role);
        return Err(Refusal::new("IamRoleNotFound", message));
    }
    Ok(())
}

fn unknown(name: &str) -> Refusal {
    Refusal::new("ExportTaskNotFound", format!("The export task {name} doesn't exist"))
}

/// The kind of the source, as RDS calls it.
const fn source_type(of: &DatabaseArn) -> &'static str {
    match of.form {
        Form::Instance => "SNAPSHOT",
        Form::Cluster => "CLUSTER",
    }
}

fn shown(task: &Task) -> String {
    let only: String = task.only.iter().map(|name| element("member", name)).collect();
    [
        element("ExportTaskIdentifier", &task.name),
        element("SourceArn", &task.source_arn),
        inside("ExportOnly", &only),
        moment("SnapshotTime", task.snapshot_time),
        moment("TaskStartTime", Some(task.started)),
        moment("TaskEndTime", task.ended),
        element("S3Bucket", &task.bucket),
        element("S3Prefix", &task.prefix),
        element("IamRoleArn", &task.role),
        element("KmsKeyId", &task.key),
        element("Status", task.status),
        element("PercentProgress", &task.percent.to_string()),
        element("TotalExtractedDataInGB", "0"),
        optional("FailureCause", task.failure.as_deref()),
        optional("WarningMessage", task.warning.as_deref()),
        element("SourceType", source_type(&task.of)),
    ]
    .concat()
}
