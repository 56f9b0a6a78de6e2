//! Ends a run: its execution, its jobs, its uploads, and what it has written so far.

use std::collections::BTreeSet;
use std::time::Duration;

use autodump_core::pages::exists;
use autodump_core::ports::{ObjectReader, ObjectWriter, Unfinishing};
use autodump_core::runs::{Run, RunJob, RunJobs, RunStatus, Runs};
use autodump_core::table::layout as below;
use autodump_core::{Error, ErrorClass, Result, layout};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::run_of::{Machine, Of, RunOf};
use crate::sweep::sweep;

/// How long jobs are waited for: they get a minute to end by themselves before they are killed.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(2);
const REASON: &str = "cancelled with autodump cancel";
/// What follows the execution's name in those of its jobs, as the state machine gives them.
const JOBS: [&str; 4] = ["", "-read", "-verify", "-replica"];

/// How long a planner may go on after its execution was stopped: the timeout of its function, in
/// `cdk/functions.ts`.
const PLANNING: TimeDelta = TimeDelta::minutes(15);

/// How long it takes until what a stopped run has made in RDS is undone: a call that still runs has
/// to end first (`cdk/undo-state-machine.ts`).
const UNDOING_MINUTES: u64 = 20;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// Whether the execution ran, and was stopped.
    pub stopped: bool,
    /// Names of the jobs that ran or waited, and were ended.
    pub jobs: Vec<String>,
    /// How many uploads were aborted.
    pub uploads: u64,
    /// How many objects of an unfinished backup were removed.
    pub objects: u64,
    /// The manifest of the backup, if it was complete before the run was cancelled: it stays.
    pub backup: Option<String>,
    /// The run may have been at its planning, which nobody can stop: it may still write a plan, or
    /// begin an export. After so many minutes it has ended, and cancelling again removes that.
    pub again_in_minutes: Option<u64>,
    /// What the run of a database has made in RDS is undone by AutoDump itself: in about so many
    /// minutes, or when RDS lets go of a snapshot that it is still making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_in_minutes: Option<u64>,
}

/// What an execution is, and who reaches it.
#[derive(Debug)]
pub struct Cancel<'a, R, J, S> {
    /// Step Functions.
    pub runs: &'a R,
    /// Batch.
    pub jobs: &'a J,
    /// S3.
    pub store: &'a S,
    /// Where the run writes to; else the bucket that its job definition names.
    pub bucket: Option<String>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl<R, J, S> Cancel<'_, R, J, S>
where
    R: Runs,
    J: RunJobs,
    S: ObjectReader + ObjectWriter + Unfinishing,
{
    /// Stops the execution with this ARN, ends its jobs, and waits until they have ended. What a
    /// run of a table has written is then removed, unless it has a manifest and so is a backup.
    /// What the run of a database has made in RDS is not waited for: it is undone later, and what
    /// was exported stays. It may be called again, also for an execution that has ended.
    ///
    /// All that is read is read once before anything is done, so that a right to read that is
    /// missing is an error of class [`ErrorClass::Credentials`], and the run goes on as it was.
    pub async fn run(&self, execution_arn: &str) -> Result<Cancelled> {
        let run = self.runs.run(execution_arn).await?;
        let definition = self.runs.definition(execution_arn).await?;
        let of = RunOf::read(&run)?;
        let machine = Machine::read(&definition, execution_arn)?;
        let before = self.jobs_of(&machine.queues, &run.name).await?;
        let mut alive = self.described(&before).await?;
        // A dumper of a database aborts its uploads itself when it is told to end.
        let bucket = match (&of.of, &self.bucket) {
            (Of::Secret, _) => None,
            (_, Some(bucket)) => Some(bucket.clone()),
            (_, None) => Some(machine.bucket(self.jobs).await?),
        };
        if let Some(bucket) = &bucket {
            self.readable(bucket, &of.of).await?;
        }
        let mut done = Cancelled::default();
        if run.status == RunStatus::Running {
            self.runs.stop(execution_arn, REASON).await?;
            done.stopped = true;
        }
        // One may have been begun meanwhile. Step Functions may end the others by itself.
        let mut jobs = self.jobs_of(&machine.queues, &run.name).await?;
        let was_planned = !jobs.is_empty();
        jobs.retain(|job| !job.ended && alive.iter().all(|known| known.id != job.id));
        alive.extend(jobs);
        done.jobs = self.end_jobs(alive).await?;
        if let Some(bucket) = &bucket {
            self.left(bucket, &of, &run, was_planned, &mut done).await?;
        }
        Ok(done)
    }

    /// Reads what is read later, to no other end.
    async fn readable(&self, bucket: &str, of: &Of) -> Result<()> {
        match of {
            Of::Secret => {}
            Of::Table(directory) => {
                self.store.page(bucket, directory, None).await?;
                self.store.unfinished(bucket, directory).await?;
            }
            Of::Database(run) => {
                self.store.page(bucket, &run.directory(), None).await?;
            }
        }
        Ok(())
    }

    /// Sees to what a run that has ended left.
    async fn left(
        &self,
        bucket: &str,
        of: &RunOf,
        run: &Run,
        was_planned: bool,
        done: &mut Cancelled,
    ) -> Result<()> {
        match &of.of {
            Of::Secret => {}
            Of::Table(directory) => {
                let plan = format!("{directory}{}", below::PLAN);
                if !was_planned && !exists(self.store, bucket, &plan).await? {
                    done.again_in_minutes = self.planning(run, of.start);
                }
                self.clean(bucket, directory, done).await?;
            }
            Of::Database(snapshot) => {
                let manifest = format!("{}{}", snapshot.directory(), layout::MANIFEST);
                if exists(self.store, bucket, &manifest).await? {
                    done.backup = Some(format!("s3://{bucket}/{manifest}"));
                } else if done.stopped && of.start <= self.now {
                    done.undone_in_minutes = Some(UNDOING_MINUTES);
                }
            }
        }
        Ok(())
    }

    /// How many minutes the planning of a run may still take that has neither a plan nor a job.
    fn planning(&self, run: &Run, start: DateTime<Utc>) -> Option<u64> {
        let since = match run.status {
            RunStatus::Running => self.now,
            RunStatus::Aborted | RunStatus::TimedOut => run.ended?,
            // The planner had answered.
            RunStatus::Succeeded | RunStatus::Failed => return None,
        };
        let left = (since + PLANNING - self.now).num_seconds();
        let left = u64::try_from(left).ok().filter(|left| start <= since && *left > 0)?;
        Some(left.div_ceil(60))
    }

    /// The jobs of the run, ended or not.
    async fn jobs_of(&self, queues: &BTreeSet<String>, name: &str) -> Result<Vec<RunJob>> {
        let mut jobs = Vec::new();
        for queue in queues {
            jobs.extend(self.jobs.named(queue, name).await?);
        }
        // An execution that somebody named may be the beginning of another's name.
        jobs.retain(|job| job.name.strip_prefix(name).is_some_and(|rest| JOBS.contains(&rest)));
        Ok(jobs)
    }

    /// Those of these jobs that have not ended, as they are now.
    async fn described(&self, jobs: &[RunJob]) -> Result<Vec<RunJob>> {
        let ids: Vec<_> = jobs.iter().filter(|job| !job.ended).map(|job| job.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut jobs = self.jobs.described(&ids).await?;
        jobs.retain(|job| !job.ended);
        Ok(jobs)
    }

    /// Ends these jobs, waits for them, and gives their names.
    async fn end_jobs(&self, mut alive: Vec<RunJob>) -> Result<Vec<String>> {
        let names = alive.iter().map(|job| job.name.clone()).collect();
        for job in &alive {
            self.jobs.terminate(&job.id, REASON).await?;
        }
        let start = Instant::now();
        while !alive.is_empty() {
            alive = self.described(&alive).await?;
            if alive.is_empty() {
                break;
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::new(
                    ErrorClass::Source,
                    format!(
                        "the job {} has not ended after {} minutes",
                        alive[0].name,
                        PATIENCE.as_secs() / 60
                    ),
                    "It was told to. Look at it in Batch, and cancel again when it has ended: what it has written is still there",
                ));
            }
            sleep(PAUSE).await;
        }
        Ok(names)
    }

    /// Aborts the uploads below a run's directory, and removes what is there, unless it is a
    /// backup.
    async fn clean(&self, bucket: &str, directory: &str, done: &mut Cancelled) -> Result<()> {
        let manifest = format!("{directory}{}", layout::MANIFEST);
        if exists(self.store, bucket, &manifest).await? {
            done.backup = Some(format!("s3://{bucket}/{manifest}"));
            return Ok(());
        }
        for upload in self.store.unfinished(bucket, directory).await? {
            self.store.abandon(bucket, &upload).await?;
            done.uploads += 1;
        }
        done.objects = sweep(self.store, bucket, directory, |_| true).await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "cancel_tests.rs"]
mod tests;
