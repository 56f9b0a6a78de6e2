//! The end of a run: all is there, and the manifest says so.

use autodump_core::compression::{Algorithm, Compression};
use autodump_core::manifest::{Engine, Job, Target};
use autodump_core::ports::{ObjectLocation, ObjectWriter, Put};
use autodump_core::table::arn::TableArn;
use autodump_core::table::definition::Definition;
use autodump_core::table::layout as below;
use autodump_core::table::manifest::{
    Consistency, ENGINE, Method, MethodKind, Rows, SERVER_VERSION, TableManifest, TableObject,
};
use autodump_core::table::plan::{self, Plan, Scan};
use autodump_core::tags::Format;
use autodump_core::{Error, ErrorClass, Result, layout};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::by_hand::{Data, by_hand};
use super::exported::Exported;
use super::summary::Summary;

/// What the files of an export are compressed with.
const OF_EXPORTS: &str = "gzip";

/// Who ends the run, and where.
#[derive(Debug, Clone)]
pub struct Finish<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The run's directory, with a slash at its end.
    pub directory: &'a str,
    /// Its plan.
    pub plan: &'a Plan,
    /// The job that ends it.
    pub job: Job,
    /// AutoDump's own version.
    pub autodump_version: String,
}

/// The data of a run.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// What all ranges came to.
    Scanned(&'a Summary),
    /// What DynamoDB exported.
    Exported(&'a Exported),
}

impl Finish<'_> {
    /// Puts the table's definition, the input for a restore by hand, and then the manifest. If a
    /// manifest is there already, an earlier attempt came to its end: that is a success, and
    /// nothing is changed.
    pub async fn run<S: ObjectWriter>(
        &self,
        store: &S,
        found: Found<'_>,
        now: DateTime<Utc>,
    ) -> Result<TableManifest> {
        let definition = Definition::from_value(self.plan.definition.clone())?;
        let table = self.table()?;
        let prefix = self.data_prefix(found);
        let compression = self.compression(found)?;
        let data = Data {
            bucket: self.bucket,
            directory: self.directory,
            prefix: prefix.as_deref(),
            compression,
        };
        let by_hand = by_hand(&definition, &table, data)?;
        let manifest = self.manifest(&table, found, by_hand.commands, now);
        self.put(store, below::DEFINITION, &definition).await?;
        self.put(store, by_hand.name, &by_hand.content).await?;
        if self.put(store, layout::MANIFEST, &manifest).await? == Put::AlreadyThere {
            tracing::info!("the manifest was there: an earlier attempt came to its end");
        }
        Ok(manifest)
    }

    fn table(&self) -> Result<TableArn> {
        self.plan.resource_arn.parse().map_err(|reason| {
            let what = format!("the plan's target {} {reason}", self.plan.resource_arn);
            Error::new(ErrorClass::Configuration, what, "Start another run")
        })
    }

    /// What the keys of the data begin with.
    fn data_prefix(&self, found: Found<'_>) -> Option<String> {
        match found {
            Found::Scanned(summary) => {
                let any = !summary.objects.is_empty();
                any.then(|| format!("{}{}", self.directory, below::DATA))
            }
            // Beside the directory with the files are the export's own manifests.
            Found::Exported(exported) => {
                let (directory, _) = exported.objects.first()?.key.rsplit_once('/')?;
                Some(format!("{directory}/"))
            }
        }
    }

    fn compression(&self, found: Found<'_>) -> Result<Algorithm> {
        match (&self.plan.method, found) {
            (plan::Method::Scan(scan), Found::Scanned(_)) => {
                let read: Result<Compression, String> = scan.compression.parse();
                read.map(Compression::algorithm).map_err(|why| {
                    let what = format!("the plan's compression {:?} {why}", scan.compression);
                    Error::new(ErrorClass::Configuration, what, "Start another run")
                })
            }
            (plan::Method::Export(_), Found::Exported(_)) => Ok(Algorithm::Gzip),
            _ => Err(Error::new(
                ErrorClass::Internal,
                "the data are not those of the plan's method",
                "Report this: it is a fault of AutoDump",
            )),
        }
    }

    fn manifest(
        &self,
        table: &TableArn,
        found: Found<'_>,
        restore: Vec<String>,
        now: DateTime<Utc>,
    ) -> TableManifest {
        let plan = self.plan;
        let (began, ended) = match found {
            Found::Scanned(_) => (plan.planned_at, now),
            Found::Exported(exported) => (exported.time, exported.time),
        };
        let items = match found {
            Found::Scanned(summary) => summary.items,
            Found::Exported(exported) => exported.items,
        };
        let method = self.method(found);
        let client = match method.kind {
            MethodKind::Scan => format!("autodump {}", self.autodump_version),
            MethodKind::Export => "ExportTableToPointInTime".to_owned(),
        };
        TableManifest {
            version: 1,
            target: Target { arn: plan.resource_arn.clone(), name: table.name.clone() },
            engine: Engine {
                name: ENGINE.to_owned(),
                server_version: SERVER_VERSION.to_owned(),
                client,
            },
            database: table.name.clone(),
            format: Format::Native,
            consistency: consistency(&plan.method),
            method,
            scheduled_for: plan.scheduled_for,
            started_at: began,
            finished_at: ended,
            tag_hash: plan.tag_hash.clone(),
            execution_arn: plan.execution_arn.clone(),
            job: self.job.clone(),
            autodump_version: self.autodump_version.clone(),
            verify: plan.verify,
            items,
            definition: format!("{}{}", self.directory, below::DEFINITION),
            objects: objects(found),
            tables: vec![Rows { schema: String::new(), name: table.name.clone(), rows: items }],
            restore,
        }
    }

    fn method(&self, found: Found<'_>) -> Method {
        match (found, &self.plan.method) {
            (Found::Exported(exported), _) => Method {
                kind: MethodKind::Export,
                guarantee: Method::guarantee(MethodKind::Export).to_owned(),
                segments: None,
                jobs: None,
                compression: OF_EXPORTS.to_owned(),
                export_arn: Some(exported.arn.clone()),
            },
            (Found::Scanned(summary), plan) => {
                let scan: Option<&Scan> = match plan {
                    plan::Method::Scan(scan) => Some(scan),
                    plan::Method::Export(_) => None,
                };
                Method {
                    kind: MethodKind::Scan,
                    guarantee: Method::guarantee(MethodKind::Scan).to_owned(),
                    segments: u32::try_from(summary.segments.len()).ok(),
                    jobs: scan.map(|scan| scan.ranges),
                    compression: scan.map_or_else(String::new, |scan| scan.compression.clone()),
                    export_arn: None,
                }
            }
        }
    }

    async fn put<S: ObjectWriter>(
        &self,
        store: &S,
        name: &str,
        content: &impl Serialize,
    ) -> Result<Put> {
        let mut text = serde_json::to_vec_pretty(content).map_err(|error| {
            let what = format!("{name} cannot be written: {error}");
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        })?;
        text.push(b'\n');
        let key = format!("{}{name}", self.directory);
        let location = ObjectLocation { bucket: self.bucket.to_owned(), key };
        store.put(&location, "application/json", Bytes::from(text)).await
    }
}

const fn consistency(method: &plan::Method) -> Consistency {
    match method {
        plan::Method::Export(_) => Consistency::PointInTime,
        plan::Method::Scan(Scan { consistent: true, .. }) => Consistency::Strong,
        plan::Method::Scan(_) => Consistency::Eventual,
    }
}

fn objects(found: Found<'_>) -> Vec<TableObject> {
    match found {
        Found::Exported(exported) => exported.objects.clone(),
        Found::Scanned(summary) => summary
            .objects
            .iter()
            .map(|held| TableObject {
                bucket: held.object.bucket.clone(),
                key: held.object.key.clone(),
                bytes: held.object.bytes,
                items: held.items,
                sha256: Some(held.object.sha256.clone()),
                crc64nvme: Some(held.object.crc64nvme.clone()),
                md5: None,
            })
            .collect(),
    }
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
