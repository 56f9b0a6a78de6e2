//! The Lambda function that starts the next run of every target, or of one.

use std::time::SystemTime;

use autodump_aws::executions::StateMachine;
use autodump_aws::secrets::Secrets;
use autodump_aws::tagged::Tagged;
use autodump_aws::{config, emf, source};
use autodump_core::Result;
use autodump_core::event::ScanRequest;
use autodump_core::scan::{Observer, Outcome, Scan, ScanReport};
use autodump_core::tags::TagPrefix;
use autodump_core::targets::Targets;
use autodump_handlers::{
    Ended, NAME, STATE_MACHINE_ARN, log_as_json, setting, sources, tag_prefix,
};
use chrono::{DateTime, SecondsFormat, Utc};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;

struct Scanner {
    targets: Targets<Secrets, Tagged>,
    state_machine: StateMachine,
    prefix: TagPrefix,
    name: String,
}

impl Scanner {
    fn from_environment() -> Result<Self, Ended> {
        let (prefix, name, arn) = (tag_prefix()?, setting(NAME)?, setting(STATE_MACHINE_ARN)?);
        let (config, sources) = (config::of_function(), sources()?);
        let targets = source::targets(&config, sources);
        Ok(Self { targets, state_machine: StateMachine::new(&config, arn), prefix, name })
    }

    async fn handle(&self, event: Value) -> Result<ScanReport, Ended> {
        let request = ScanRequest::parse(&self.prefix, &event)?;
        if let ScanRequest::Ignored { reason } = &request {
            tracing::info!(reason, "event ignored");
            return Ok(ScanReport::default());
        }
        let now = DateTime::<Utc>::from(SystemTime::now());
        let report = self.scan(now).run(&request).await;
        self.note(&report, now);
        Ok(report.into_result()?)
    }

    fn scan(&self, now: DateTime<Utc>) -> Scan<'_, Targets<Secrets, Tagged>, StateMachine, Log> {
        let Self { targets, state_machine, prefix, .. } = self;
        Scan { source: targets, executions: state_machine, observer: &Log, prefix, now }
    }

    fn note(&self, report: &ScanReport, now: DateTime<Utc>) {
        tracing::info!(
            started = report.started,
            alreadyThere = report.already_there,
            later = report.later,
            rejected = report.rejected,
            failed = report.failed,
            notTargets = report.not_targets,
            "scanned"
        );
        emf::print(emf::scanned(&self.name, report, now));
    }
}

/// A line for each outcome that somebody may look for. Runs that were there before are the
/// usual case of each scan, and are only counted.
struct Log;

impl Observer for Log {
    fn outcome(&self, resource: Option<&str>, outcome: &Outcome) {
        match outcome {
            Outcome::Started { when } => {
                tracing::info!(resourceArn = resource, when = rfc3339(*when), "run started");
            }
            Outcome::AlreadyThere { when } => {
                tracing::debug!(resourceArn = resource, when = rfc3339(*when), "run was there");
            }
            Outcome::Later { when } => {
                tracing::info!(resourceArn = resource, when = rfc3339(*when), "run is a year away");
            }
            Outcome::Rejected(reasons) => {
                let reasons = reasons.join("; ");
                tracing::warn!(resourceArn = resource, reasons, "target rejected");
            }
            Outcome::Failed(error) => {
                tracing::error!(resourceArn = resource, %error, "target failed");
            }
            Outcome::NotTarget => tracing::debug!(resourceArn = resource, "no target"),
        }
    }
}

fn rfc3339(when: DateTime<Utc>) -> String {
    when.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log_as_json();
    let scanner = Scanner::from_environment()?;
    run(service_fn(|event: LambdaEvent<Value>| scanner.handle(event.payload))).await
}
