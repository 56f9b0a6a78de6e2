//! Starts the next run of every target, or of one.
//!
//! Starting is idempotent: the same target, tags and start make the same execution name. A
//! scan may so be repeated, overlap with another, and meet a target twice.

use std::cmp;

use chrono::{DateTime, Duration, Utc};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;

use crate::error::{Error, ErrorClass, Result};
use crate::event::ScanRequest;
use crate::execution::{self, ExecutionInput};
use crate::hash::TagHash;
use crate::ports::{Executions, Resource, Start, TargetSource};
use crate::tags::{self, Kind, TagPrefix};

/// How many executions are started at a time. With one page of the listing this bounds the
/// memory of a scan, however many targets there are.
pub const CONCURRENCY: usize = 16;

/// The most entries that each list of a [`ScanReport`] holds. The counts are always whole.
pub const LISTED: usize = 100;

/// A run that is further away is not started yet: an execution lives for a year at most, its
/// wait and its dump together. A later scan finds it near enough.
const HORIZON: Duration = Duration::days(360);

/// How many failures the error of a scan names.
const NAMED: usize = 3;

/// What became of one resource.
#[derive(Debug)]
pub enum Outcome {
    /// It is no target, or does not exist.
    NotTarget,
    /// Its next run was started as an execution that now waits.
    Started {
        /// When the dump starts.
        when: DateTime<Utc>,
    },
    /// Its next run had been started before.
    AlreadyThere {
        /// When the dump starts.
        when: DateTime<Utc>,
    },
    /// Its next run is too far away to wait for in an execution.
    Later {
        /// When the dump starts.
        when: DateTime<Utc>,
    },
    /// Its tags cannot be accepted, for these reasons.
    Rejected(Vec<String>),
    /// Its next run could not be started.
    Failed(Error),
}

impl Outcome {
    fn note(&self) -> &'static str {
        match self {
            Self::Started { .. } | Self::AlreadyThere { .. } => "The next run is scheduled.",
            Self::Later { .. } => {
                "The next run is almost a year away or more; a later scan schedules it."
            }
            Self::Rejected(_) => {
                "There is no next run: the tags were changed, and cannot be accepted."
            }
            Self::NotTarget => "There is no next run: the target's schedule is gone.",
            Self::Failed(_) => "The next run could not be scheduled.",
        }
    }
}

/// Is told of each outcome as it comes, for the log.
pub trait Observer: Sync {
    /// `resource` is the ARN; the name where only that is known; `None` where a page of the
    /// listing failed.
    fn outcome(&self, resource: Option<&str>, outcome: &Outcome);
}

/// What a scan did. Its JSON form is the scanner's result.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanReport {
    /// Runs started.
    pub started: u64,
    /// Runs that had been started before.
    pub already_there: u64,
    /// Targets whose next run is too far away to be started yet.
    pub later: u64,
    /// Targets whose tags cannot be accepted.
    pub rejected: u64,
    /// Targets whose run could not be started, and pages that could not be listed.
    pub failed: u64,
    /// Resources that are no targets.
    pub not_targets: u64,
    /// The first rejected targets.
    pub rejections: Vec<Rejection>,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// In words, what became of the one target that was asked for. The state machine shows
    /// it. Missing after a scan of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// A target whose tags cannot be accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The target.
    pub resource_arn: String,
    /// Everything that is wrong with its tags.
    pub reasons: Vec<String>,
}

/// Something that failed for another reason than the target's tags.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The target; missing where a page of the listing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    /// What happened, what to do and whether a retry helps.
    pub error: String,
    /// The error's class.
    #[serde(skip)]
    pub class: ErrorClass,
}

impl ScanReport {
    /// The report of a scan of which nothing failed; otherwise an error that counts the
    /// failures and names the first. Its class says that a retry helps when one of them gains.
    pub fn into_result(self) -> Result<Self> {
        if self.failed == 0 {
            return Ok(self);
        }
        let mut classes = self.failures.iter().map(|failure| failure.class);
        let first = classes.next().unwrap_or(ErrorClass::Internal);
        let class = std::iter::once(first).chain(classes).find(|class| class.is_retried());
        let named: Vec<_> = self.failures.iter().take(NAMED).map(Failure::to_string).collect();
        let more = if self.failed > NAMED as u64 { " …" } else { "" };
        Err(Error::new(
            class.unwrap_or(first),
            format!(
                "{} of {} targets could not be scheduled; all were tried: {}{more}",
                self.failed,
                self.failed + self.started + self.already_there + self.later + self.rejected,
                named.join(" | ").trim_end_matches('.')
            ),
            "See the log lines \"target failed\" for all of them; \
             the next scan tries them again",
        ))
    }

    fn add(&mut self, resource: Option<String>, outcome: Outcome) {
        match outcome {
            Outcome::NotTarget => self.not_targets += 1,
            Outcome::Started { .. } => self.started += 1,
            Outcome::AlreadyThere { .. } => self.already_there += 1,
            Outcome::Later { .. } => self.later += 1,
            Outcome::Rejected(reasons) => {
                self.rejected += 1;
                let resource_arn = resource.unwrap_or_default();
                push_capped(&mut self.rejections, Rejection { resource_arn, reasons });
            }
            Outcome::Failed(error) => {
                self.failed += 1;
                let (class, error) = (error.class(), error.to_string());
                let failure = Failure { resource_arn: resource, error, class };
                push_capped(&mut self.failures, failure);
            }
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let resource = self.resource_arn.as_deref().unwrap_or("the list of targets");
        write!(f, "{resource}: {}", self.error)
    }
}

fn push_capped<T>(list: &mut Vec<T>, item: T) {
    if list.len() < LISTED {
        list.push(item);
    }
}

/// A scan at one moment.
#[derive(Debug)]
pub struct Scan<'a, S, E, O> {
    /// Where resources are found.
    pub source: &'a S,
    /// Where runs are started.
    pub executions: &'a E,
    /// Who is told of each outcome.
    pub observer: &'a O,
    /// The prefix of the tags.
    pub prefix: &'a TagPrefix,
    /// The moment after which the next start is sought.
    pub now: DateTime<Utc>,
}

impl<S: TargetSource, E: Executions, O: Observer> Scan<'_, S, E, O> {
    /// Does what is requested. Every resource is tried whatever becomes of the others; when
    /// a page of the listing fails, those listed before are still tried.
    pub async fn run(&self, request: &ScanRequest) -> ScanReport {
        match request {
            ScanRequest::All => self.all().await,
            ScanRequest::One { id, after } => self.one(id, *after).await,
            ScanRequest::Ignored { .. } => ScanReport::default(),
        }
    }

    async fn all(&self) -> ScanReport {
        let mut outcomes = std::pin::pin!(
            self.listing()
                .map(|found| async move {
                    match found {
                        Ok(resource) => {
                            let outcome = self.schedule(&resource, self.now).await;
                            (Some(resource.arn), outcome)
                        }
                        Err(error) => (None, Outcome::Failed(error)),
                    }
                })
                .buffer_unordered(CONCURRENCY)
        );
        let mut report = ScanReport::default();
        while let Some((resource, outcome)) = outcomes.next().await {
            self.observer.outcome(resource.as_deref(), &outcome);
            report.add(resource, outcome);
        }
        report
    }

    /// All resources, and what could not be listed, of all places side by side: however long one
    /// of them does not answer, the others are not kept waiting.
    fn listing(&self) -> impl Stream<Item = Result<Resource>> {
        let starts = self.source.starts();
        stream::select_all(starts.into_iter().map(|start| Box::pin(self.place(start))))
    }

    /// The resources of one place, a page at a time. The next page is asked for when the last
    /// resource of the one before has been taken. Ends after a page that is an error.
    fn place(&self, start: Option<String>) -> impl Stream<Item = Result<Resource>> {
        let key = self.prefix.schedule_key();
        stream::unfold(Some(start), move |token: Option<Option<String>>| {
            let key = key.clone();
            async move {
                match self.source.page(&key, token?).await {
                    Ok(page) => {
                        let found: Vec<_> = page.resources.into_iter().map(Ok).collect();
                        Some((found, page.next.map(Some)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        })
        .flat_map(stream::iter)
    }

    async fn one(&self, id: &str, after: Option<DateTime<Utc>>) -> ScanReport {
        let after = after.map_or(self.now, |after| cmp::max(after, self.now));
        let (resource, outcome) = match self.source.find(id).await {
            Ok(Some(resource)) => {
                let outcome = self.schedule(&resource, after).await;
                (resource.arn, outcome)
            }
            Ok(None) => (id.to_owned(), Outcome::NotTarget),
            Err(error) => (id.to_owned(), Outcome::Failed(error)),
        };
        self.observer.outcome(Some(&resource), &outcome);
        let mut report = ScanReport { note: Some(outcome.note()), ..ScanReport::default() };
        report.add(Some(resource), outcome);
        report
    }

    /// Starts the first run of `resource` strictly after `after`.
    async fn schedule(&self, resource: &Resource, after: DateTime<Utc>) -> Outcome {
        let Some(kind) = Kind::of(&resource.arn) else {
            return Outcome::Rejected(vec![
                "it is neither a secret nor a table nor a database".to_owned(),
            ]);
        };
        let spec = match tags::parse(self.prefix, kind, &resource.tags) {
            None => return Outcome::NotTarget,
            Some(Err(errors)) => {
                return Outcome::Rejected(errors.iter().map(ToString::to_string).collect());
            }
            Some(Ok(spec)) => spec,
        };
        let Some(when) = spec.schedule.next_after(after, spec.timezone) else {
            return Outcome::Rejected(vec![format!(
                "tag {} with value {:?} has no start after {after}",
                self.prefix.schedule_key(),
                spec.schedule.as_str()
            )]);
        };
        if when - self.now > HORIZON {
            return Outcome::Later { when };
        }
        let hash = TagHash::of(self.prefix, &resource.tags);
        let name = execution::name(&resource.arn, &hash, when);
        let verify = spec.verification_of(when);
        let input = ExecutionInput::new(&resource.arn, hash, when, spec.size, verify);
        match self.executions.start(&name, &input).await {
            Ok(Start::Started) => Outcome::Started { when },
            Ok(Start::AlreadyThere) => Outcome::AlreadyThere { when },
            Err(error) => Outcome::Failed(error),
        }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
