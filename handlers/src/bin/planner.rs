//! The Lambda function that decides how a table is read, and starts and follows its export.

use std::time::{Duration, SystemTime};

use autodump_aws::config::SdkConfig;
use autodump_aws::dynamodb::Control;
use autodump_aws::s3::S3Store;
use autodump_aws::secrets::Secrets;
use autodump_aws::tagged::Tagged;
use autodump_aws::{config, source};
use autodump_core::hash::TagHash;
use autodump_core::ports::TargetSource;
use autodump_core::source::Source;
use autodump_core::table::choose::Wanted;
use autodump_core::table::forecast::{Limits, hours};
use autodump_core::table::planner::{PlanRequest, Planned, Planner, Request};
use autodump_core::tags::{self, Kind, Options, TagPrefix};
use autodump_core::targets::Targets;
use autodump_core::{Error, ErrorClass, Result};
use autodump_handlers::{
    BUCKET, BUCKET_OWNER, DUMP_TIMEOUT, Ended, KMS_KEY_ARN, MAX_VCPUS, log_as_json, number,
    optional, setting, sources, store_options, tag_prefix,
};
use chrono::{DateTime, Utc};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;

struct Plans {
    config: SdkConfig,
    sources: Vec<Source>,
    targets: Targets<Secrets, Tagged>,
    store: S3Store,
    bucket: String,
    bucket_owner: Option<String>,
    kms_key: Option<String>,
    prefix: TagPrefix,
    limits: Limits,
}

impl Plans {
    fn from_environment() -> Result<Self, Ended> {
        let (prefix, bucket, sources) = (tag_prefix()?, setting(BUCKET)?, sources()?);
        let time = Duration::from_secs(number(DUMP_TIMEOUT)?.into());
        let limits = Limits { vcpus: number(MAX_VCPUS)?, time };
        let config = config::of_function();
        Ok(Self {
            targets: source::targets(&config, sources.clone()),
            store: S3Store::new(&config, store_options(&bucket)),
            bucket_owner: optional(BUCKET_OWNER),
            kms_key: optional(KMS_KEY_ARN),
            config,
            sources,
            bucket,
            prefix,
            limits,
        })
    }

    async fn handle(&self, event: Value) -> Result<Value, Ended> {
        let answer = match request(event)? {
            Request::Plan(request) => serde_json::to_value(self.plan(request).await?),
            Request::Follow(request) => {
                let tables = self.tables(&request.resource_arn)?;
                let followed = self.planner(&tables).follow(&request).await?;
                tracing::info!(exportArn = request.export_arn, status = followed.status, "looked");
                serde_json::to_value(followed)
            }
        };
        Ok(answer.map_err(|error| {
            let what = format!("the answer cannot be written: {error}");
            Error::new(ErrorClass::Internal, what, "Report this")
        })?)
    }

    async fn plan(&self, request: PlanRequest) -> Result<Planned> {
        let (wanted, tag_hash) = self.wanted(&request).await?;
        if tag_hash != request.tag_hash {
            tracing::warn!(
                planned = request.tag_hash.as_str(),
                now = tag_hash.as_str(),
                "the tags changed after they were checked; planning with the tags as they are now"
            );
        }
        let request = PlanRequest { tag_hash, ..request };
        let tables = self.tables(&request.resource_arn)?;
        let now = DateTime::<Utc>::from(SystemTime::now());
        let directory = request.directory();
        let planned = self.planner(&tables).plan(&request, &directory, &wanted, now).await?;
        tracing::info!(
            resourceArn = request.resource_arn,
            directory,
            method = planned.method,
            ranges = planned.ranges,
            exportArn = planned.export_arn,
            "planned"
        );
        self.warn(&request.resource_arn, &planned);
        Ok(planned)
    }

    /// Says so if the scan is so slow that its jobs may not come to their end in time.
    fn warn(&self, table: &str, planned: &Planned) {
        let Some(forecast) = planned.forecast.filter(|one| self.limits.is_tight(one)) else {
            return;
        };
        tracing::warn!(
            resourceArn = table,
            hoursOfJob = hours(forecast.job),
            hoursInAll = hours(forecast.all),
            hoursOfDumpTimeout = hours(self.limits.time),
            "at the pace that max-read-percent allows, each job needs more than half of its time"
        );
    }

    /// What the table's tags ask for as they are now, and their hash.
    async fn wanted(&self, request: &PlanRequest) -> Result<(Wanted, TagHash)> {
        let arn = &request.resource_arn;
        let wrong = |what: String, hint: &str| Error::new(ErrorClass::Configuration, what, hint);
        let Some(resource) = self.targets.find(arn).await? else {
            return Err(wrong(format!("the table {arn} is not there any more"), "Restore it"));
        };
        let spec = match tags::parse(&self.prefix, Kind::Table, &resource.tags) {
            Some(Ok(spec)) => spec,
            Some(Err(reasons)) => {
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                return Err(wrong(reasons.join("; "), "Correct the table's tags"));
            }
            None => {
                let key = self.prefix.schedule_key();
                let what = format!("the table {arn} has no tag {key} any more");
                return Err(wrong(what, "Tag it again"));
            }
        };
        let verify = spec.verification_of(request.start);
        let Options::Table(options) = spec.options else {
            return Err(wrong(format!("{arn} is no table"), "Plan the runs of tables alone"));
        };
        let tag_hash = TagHash::of(&self.prefix, &resource.tags);
        Ok((Wanted::of(options, spec.size, verify), tag_hash))
    }

    fn tables(&self, arn: &str) -> Result<Control> {
        Ok(Control::new(&source::config_for(&self.config, &self.sources, arn)?))
    }

    fn planner<'a>(&'a self, tables: &'a Control) -> Planner<'a, Control, S3Store> {
        let Self { store, bucket, .. } = self;
        Planner {
            tables,
            store,
            bucket,
            bucket_owner: self.bucket_owner.as_deref(),
            kms_key: self.kms_key.as_deref(),
            limits: Some(self.limits),
        }
    }
}

fn request(event: Value) -> Result<Request> {
    serde_json::from_value(event).map_err(|error| {
        Error::new(
            ErrorClass::Configuration,
            format!("the event is not that of the state machine: {error}"),
            "Send {\"action\": \"plan\", …} or {\"action\": \"follow\", …}",
        )
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log_as_json();
    let plans = Plans::from_environment()?;
    run(service_fn(|event: LambdaEvent<Value>| Box::pin(plans.handle(event.payload)))).await
}
