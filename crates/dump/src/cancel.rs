//! Ends a run: its execution, its jobs, its uploads, and what it has written so far.

use std::collections::BTreeSet;
use std::time::Duration;

use autodump_core::ports::{ObjectReader, ObjectWriter, Unfinishing};
use autodump_core::runs::{RunJobs, RunStatus, Runs};
use autodump_core::{Error, ErrorClass, Result, layout};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::run_of::{Machine, RunOf};

/// How long jobs are waited for: they get a minute to end by themselves before they are killed.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(2);
const REASON: &str = "cancelled with autodump cancel";
/// What follows the execution's name in those of its jobs, as the state machine gives them.
const JOBS: [&str; 4] = ["", "-read", "-verify", "-replica"];

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
}

impl<R, J, S> Cancel<'_, R, J, S>
where
    R: Runs,
    J: RunJobs,
    S: ObjectReader + ObjectWriter + Unfinishing,
{
    /// Stops the execution with this ARN, ends its jobs, and waits until they have ended. What a
    /// run of a table has written is then removed, unless it has a manifest and so is a backup.
    /// It may be called again, also for an execution that has ended.
    pub async fn run(&self, execution_arn: &str) -> Result<Cancelled> {
        let run = self.runs.run(execution_arn).await?;
        let definition = self.runs.definition(execution_arn).await?;
        let of = RunOf::read(&run)?;
        let machine = Machine::read(&definition, execution_arn)?;
        let mut done = Cancelled::default();
        if run.status == RunStatus::Running {
            self.runs.stop(execution_arn, REASON).await?;
            done.stopped = true;
        }
        done.jobs = self.end_jobs(&machine.queues, &run.name).await?;
        // A dumper of a database aborts its uploads itself when it is told to end.
        if let Some(directory) = &of.directory {
            let bucket = match &self.bucket {
                Some(bucket) => bucket.clone(),
                None => machine.bucket(self.jobs).await?,
            };
            self.clean(&bucket, directory, &mut done).await?;
        }
        Ok(done)
    }

    /// Ends all jobs of the run and waits for them. Gives the names of those that had not ended.
    async fn end_jobs(&self, queues: &BTreeSet<String>, name: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut ids = Vec::new();
        for queue in queues {
            for job in self.jobs.named(queue, name).await? {
                // An execution that somebody named may be the beginning of another's name.
                let rest = job.name.strip_prefix(name);
                if !job.ended && rest.is_some_and(|rest| JOBS.contains(&rest)) {
                    self.jobs.terminate(&job.id, REASON).await?;
                    names.push(job.name);
                    ids.push(job.id);
                }
            }
        }
        let start = Instant::now();
        while !ids.is_empty() {
            let ended = self.jobs.described(&ids).await?;
            let alive: Vec<_> = ended.into_iter().filter(|job| !job.ended).collect();
            ids = alive.iter().map(|job| job.id.clone()).collect();
            if ids.is_empty() {
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
        let listed = self.store.list(bucket, directory).await?;
        let manifest = format!("{directory}{}", layout::MANIFEST);
        if listed.iter().any(|object| object.key == manifest) {
            done.backup = Some(format!("s3://{bucket}/{manifest}"));
            return Ok(());
        }
        for upload in self.store.unfinished(bucket, directory).await? {
            self.store.abandon(bucket, &upload).await?;
            done.uploads += 1;
        }
        let keys: Vec<_> = listed.into_iter().map(|object| object.key).collect();
        self.store.remove(bucket, &keys).await?;
        done.objects = keys.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
#[path = "cancel_tests.rs"]
mod tests;
