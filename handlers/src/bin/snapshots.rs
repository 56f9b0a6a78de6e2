//! The Lambda function that takes the steps of a backup by snapshot, one each time it is called.

use std::time::SystemTime;

use autodump_aws::config::SdkConfig;
use autodump_aws::rds::Rds;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_aws::tagged::Tagged;
use autodump_aws::{config, emf, source};
use autodump_core::hash::TagHash;
use autodump_core::ports::TargetSource;
use autodump_core::snapshot::finish::Finished;
use autodump_core::snapshot::options::SnapshotOptions;
use autodump_core::snapshot::request::{Request, Step};
use autodump_core::snapshot::run::{Run, Snapshots};
use autodump_core::source::Source;
use autodump_core::tags::{self, Kind, Options, TagPrefix};
use autodump_core::targets::Targets;
use autodump_core::{Error, ErrorClass, Result};
use autodump_handlers::{
    BUCKET, EXPORT_KEY_ARN, EXPORT_ROLE_ARN, Ended, NAME, log_as_json, setting, sources,
    store_options, tag_prefix,
};
use chrono::{DateTime, Utc};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde::Serialize;
use serde_json::{Value, json};

struct Backups {
    name: String,
    config: SdkConfig,
    sources: Vec<Source>,
    targets: Targets<Secrets, Tagged>,
    store: S3Store,
    bucket: String,
    export_role: String,
    export_key: String,
    prefix: TagPrefix,
}

impl Backups {
    fn from_environment() -> Result<Self, Ended> {
        let (prefix, bucket, sources) = (tag_prefix()?, setting(BUCKET)?, sources()?);
        let (export_role, export_key) = (setting(EXPORT_ROLE_ARN)?, setting(EXPORT_KEY_ARN)?);
        let config = config::of_function();
        Ok(Self {
            name: setting(NAME)?,
            targets: source::targets(&config, sources.clone()),
            store: S3Store::new(&config, store_options(&bucket)),
            config,
            sources,
            bucket,
            export_role,
            export_key,
            prefix,
        })
    }

    async fn handle(&self, event: Value) -> Result<Value, Ended> {
        let answer = match Request::read(&event)? {
            Request::Plan { run, tag_hash } => self.plan(&run, tag_hash).await?,
            Request::Step(step, run) => self.step(step, &run).await?,
            Request::Ignored { reason } => {
                tracing::info!(reason, "nothing to undo");
                json!({"undone": true})
            }
        };
        Ok(answer)
    }

    async fn plan(&self, run: &Run, planned_with: TagHash) -> Result<Value> {
        let rds = self.rds(run)?;
        let snapshots = self.snapshots(&rds);
        let wanted = Box::pin(self.wanted(run, planned_with));
        let planned = snapshots.plan(run, wanted, now()).await?;
        tracing::info!(
            resourceArn = run.resource_arn,
            directory = run.directory(),
            snapshotArn = planned.snapshot_arn,
            make = planned.make,
            "planned"
        );
        answered(&planned)
    }

    async fn step(&self, step: Step, run: &Run) -> Result<Value> {
        let rds = self.rds(run)?;
        let snapshots = self.snapshots(&rds);
        let answer = match step {
            Step::Make => answered(&snapshots.make(run).await?),
            Step::Look => answered(&snapshots.look(run).await?),
            Step::Export => answered(&snapshots.export(run).await?),
            Step::Follow => answered(&snapshots.follow(run).await?),
            Step::Finish => {
                let finished = snapshots.finish(run, env!("CARGO_PKG_VERSION")).await?;
                self.tell(&finished);
                answered(&finished)
            }
            Step::Prune => answered(&snapshots.prune(run, now()).await?),
            Step::Undo => answered(&snapshots.undo(run).await?),
        }?;
        let (step, text) = (format!("{step:?}"), answer.to_string());
        tracing::info!(resourceArn = run.resource_arn, step, answer = text, "stepped");
        Ok(answer)
    }

    /// Counts what RDS left out. Called again after a lost answer, it counts it again.
    fn tell(&self, finished: &Finished) {
        let Finished { manifest, skipped, warnings } = finished;
        if !warnings.is_empty() {
            tracing::warn!(manifest, ?warnings, "the backup is complete, with warnings");
        }
        let skipped = u64::try_from(*skipped).unwrap_or(u64::MAX);
        emf::print(emf::exported(&self.name, skipped, now()));
    }

    /// What the database's tags ask for as they are now, and their hash.
    async fn wanted(&self, run: &Run, planned_with: TagHash) -> Result<(SnapshotOptions, TagHash)> {
        let arn = &run.resource_arn;
        let wrong = |what: String, hint: &str| Error::new(ErrorClass::Configuration, what, hint);
        let Some(resource) = self.targets.find(arn).await? else {
            return Err(wrong(format!("the database {arn} is not there any more"), "Restore it"));
        };
        let spec = match tags::parse(&self.prefix, Kind::Database, &resource.tags) {
            Some(Ok(spec)) => spec,
            Some(Err(reasons)) => {
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                return Err(wrong(reasons.join("; "), "Correct the database's tags"));
            }
            None => {
                let key = self.prefix.schedule_key();
                let what = format!("the database {arn} has no tag {key} any more");
                return Err(wrong(what, "Tag it again"));
            }
        };
        let Options::Snapshots(options) = spec.options else {
            return Err(wrong(format!("{arn} is no database"), "Plan the runs of databases alone"));
        };
        let tag_hash = TagHash::of(&self.prefix, &resource.tags);
        if tag_hash != planned_with {
            tracing::warn!(
                planned = planned_with.as_str(),
                now = tag_hash.as_str(),
                "the tags changed after they were checked; planning with the tags as they are now"
            );
        }
        Ok((options, tag_hash))
    }

    /// RDS where the run's target is.
    fn rds(&self, run: &Run) -> Result<Rds> {
        Ok(Rds::new(&source::config_for(&self.config, &self.sources, &run.resource_arn)?))
    }

    fn snapshots<'a>(&'a self, rds: &'a Rds) -> Snapshots<'a, Rds, S3Store> {
        Snapshots {
            service: rds,
            store: &self.store,
            bucket: &self.bucket,
            prefix: &self.prefix,
            export_role: &self.export_role,
            export_key: &self.export_key,
        }
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn answered(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(|error| {
        let what = format!("the answer cannot be written: {error}");
        Error::new(ErrorClass::Internal, what, "Report this")
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log_as_json();
    let backups = Backups::from_environment()?;
    run(service_fn(|event: LambdaEvent<Value>| Box::pin(backups.handle(event.payload)))).await
}
