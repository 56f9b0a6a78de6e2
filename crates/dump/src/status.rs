//! The newest runs of a state machine, and how far they are.

use std::cmp::Reverse;

use autodump_core::pages::exists;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::runs::{Run, RunJobs, RunStatus, Runs};
use autodump_core::snapshot::ports::SnapshotService;
use autodump_core::snapshot::progress::Progress as DatabaseProgress;
use autodump_core::{Result, execution, layout};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::object::uri;
use crate::run_of::{Machine, Of, RunOf};
use crate::table::progress::{Progress, progress};

/// How many pages of each status that ends a run are listed at most: 20,000 executions.
const PAGES: usize = 20;
/// How many executions are looked at at once.
const AT_ONCE: usize = 8;
const ENDED: [RunStatus; 4] =
    [RunStatus::Succeeded, RunStatus::Failed, RunStatus::TimedOut, RunStatus::Aborted];

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The ARN of the state machine.
    pub state_machine: String,
    /// The ARN or the name of a secret, table or database; else all.
    pub target: Option<String>,
    /// The most runs that have not ended, and the most that have.
    pub limit: usize,
    /// Each segment of a table, too.
    pub segments: bool,
}

/// A run as it is now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    /// The execution's name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How far it is.
    pub status: RunStatus,
    /// The ARN of its target; `None` where the execution is none of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When the backup starts, or started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// Whether that is still to come, and is waited for.
    pub waits: bool,
    /// When the execution began, to wait at first.
    pub began_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The manifest of the backup of a table or a database of RDS, once it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// How far the run of a table is that has no manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// How far the run of a database of RDS is that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseProgress>,
    /// Why it is not known how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Those under way, those that wait, soonest first, and those that have ended, the last first.
    pub runs: Vec<RunState>,
    /// Where there are fewer than were asked for, and older executions that were not looked at: how
    /// many that have ended were.
    pub older_after: Option<usize>,
}

/// The executions of one status, listed as far as they are needed.
#[derive(Debug)]
struct Listing {
    status: RunStatus,
    /// The most pages.
    most: usize,
    pages: usize,
    seen: usize,
    next: Option<String>,
    ended: bool,
}

impl Listing {
    const fn of(status: RunStatus, most: usize) -> Self {
        Self { status, most, pages: 0, seen: 0, next: None, ended: false }
    }
}

/// Who is asked.
#[derive(Debug)]
pub struct Status<'a, R, J, S, D> {
    runs: &'a R,
    jobs: &'a J,
    store: &'a S,
    databases: &'a D,
    now: DateTime<Utc>,
    bucket: OnceCell<String>,
}

impl<'a, R: Runs, J: RunJobs, S: ObjectReader, D: SnapshotService> Status<'a, R, J, S, D> {
    /// Asks Step Functions, Batch, S3 and RDS, at `now`. The bucket of the backups is the one that the
    /// state machine's job definition names, unless it is given.
    pub fn new(
        runs: &'a R,
        jobs: &'a J,
        store: &'a S,
        databases: &'a D,
        bucket: Option<String>,
        now: DateTime<Utc>,
    ) -> Self {
        let bucket = bucket.map(OnceCell::from).unwrap_or_default();
        Self { runs, jobs, store, databases, now, bucket }
    }

    /// The runs that were asked for. Of those that have not ended, all are listed: one under way
    /// began long before those that wait. Of those that have, as many as it takes, the last begun
    /// first, and the newest 20,000 executions of each status at most.
    ///
    /// That it cannot be found out how far a run is makes no error: the run says so.
    pub async fn run(&self, asked: &Asked) -> Result<Seen> {
        let mut running = Listing::of(RunStatus::Running, usize::MAX);
        let mut running = self.more(asked, &mut running, usize::MAX).await?;
        running.sort_by_key(|run| self.waits_until(run));
        let mut runs = self.described(running, asked, asked.limit).await?;
        runs.sort_by_key(|run| if run.waits { run.starts_at } else { None });
        let (ended, older_after) = self.ended(asked).await?;
        runs.extend(ended);
        Ok(Seen { runs, older_after })
    }

    /// Those that have ended, and [`Seen::older_after`].
    async fn ended(&self, asked: &Asked) -> Result<(Vec<RunState>, Option<usize>)> {
        let mut listings = ENDED.map(|status| Listing::of(status, PAGES));
        let mut ended = Vec::new();
        while ended.len() < asked.limit {
            let missing = asked.limit - ended.len();
            let mut listed = Vec::new();
            for listing in &mut listings {
                listed.extend(self.more(asked, listing, missing).await?);
            }
            if listed.is_empty() {
                break;
            }
            listed.sort_by_key(|run| Reverse(run.ended));
            ended.extend(self.described(listed, asked, missing).await?);
        }
        ended.sort_by_key(|run| Reverse(run.ended_at));
        let cut = ended.len() < asked.limit && listings.iter().any(|listing| !listing.ended);
        let seen = listings.iter().map(|listing| listing.seen).sum();
        Ok((ended, cut.then_some(seen)))
    }

    /// Lists on until `wanted` executions more are there that may be of the target by their names.
    async fn more(&self, asked: &Asked, listing: &mut Listing, wanted: usize) -> Result<Vec<Run>> {
        let readable = asked.target.as_deref().map(execution::readable);
        let may_be = |run: &Run| match (&readable, execution::parts(&run.name)) {
            (Some(wanted), Some((found, _))) => found == wanted,
            _ => true,
        };
        let mut found = Vec::new();
        while found.len() < wanted && !listing.ended && listing.pages < listing.most {
            let next = listing.next.take();
            let page = self.runs.page(&asked.state_machine, listing.status, next).await?;
            listing.pages += 1;
            listing.seen += page.runs.len();
            listing.ended = page.next.is_none();
            listing.next = page.next;
            found.extend(page.runs.into_iter().filter(may_be));
        }
        Ok(found)
    }

    /// Until when it waits by its name; `None` where it does not wait, or may not.
    fn waits_until(&self, run: &Run) -> Option<DateTime<Utc>> {
        execution::parts(&run.name).map(|(_, start)| start).filter(|start| *start > self.now)
    }

    /// The first `most` of these that are asked for. A listing has no inputs, so each is looked at.
    async fn described(
        &self,
        listed: Vec<Run>,
        asked: &Asked,
        most: usize,
    ) -> Result<Vec<RunState>> {
        let each = listed.iter().map(|run| self.runs.run(&run.arn));
        let mut each = stream::iter(each).buffered(AT_ONCE);
        let mut wanted = Vec::new();
        while wanted.len() < most
            && let Some(run) = each.try_next().await?
        {
            if is_of(&run, asked.target.as_deref()) {
                wanted.push(run);
            }
        }
        let each = wanted.into_iter().map(|run| self.looked_at(run, asked.segments));
        Ok(stream::iter(each).buffered(AT_ONCE).collect().await)
    }

    async fn looked_at(&self, run: Run, segments: bool) -> RunState {
        let of = RunOf::read(&run).ok();
        let starts_at = of.as_ref().map(|of| of.start);
        let running = run.status == RunStatus::Running;
        let mut state = RunState {
            waits: running && starts_at.is_some_and(|start| start > self.now),
            target: run.input.as_ref().map(|input| input.resource_arn.clone()),
            starts_at,
            name: run.name,
            arn: run.arn,
            status: run.status,
            began_at: run.started,
            ended_at: run.ended,
            cause: run.cause,
            backup: None,
            progress: None,
            database: None,
            problem: None,
        };
        if let Some(of) = of.map(|of| of.of).filter(|_| !state.waits)
            && let Err(error) = self.follow(&mut state, &of, segments).await
        {
            state.problem = Some(error.to_string());
        }
        state
    }

    /// Looks at what a run has written; and one of a database of RDS, at what is there.
    async fn follow(&self, state: &mut RunState, of: &Of, segments: bool) -> Result<()> {
        let directory = match of {
            Of::Secret => return Ok(()),
            Of::Table(directory) => directory.clone(),
            Of::Database(run) => run.directory(),
        };
        let bucket = self.bucket_of(&state.arn).await?;
        let key = format!("{directory}{}", layout::MANIFEST);
        if exists(self.store, bucket, &key).await? {
            let bucket = bucket.to_owned();
            state.backup = Some(uri(&ObjectLocation { bucket, key }));
            return Ok(());
        }
        if let Of::Database(run) = of {
            // Of one that has ended, what is there is being undone.
            if state.status == RunStatus::Running {
                state.database = DatabaseProgress::of(self.databases, run).await?;
            }
            return Ok(());
        }
        let until = state.ended_at.unwrap_or(self.now);
        state.progress = progress(self.store, bucket, &directory, until, segments).await?;
        Ok(())
    }

    async fn bucket_of(&self, execution: &str) -> Result<&str> {
        let ask = || async {
            let definition = self.runs.definition(execution).await?;
            Machine::read(&definition, execution)?.bucket(self.jobs).await
        };
        self.bucket.get_or_try_init(ask).await.map(String::as_str)
    }
}

/// Whether a run is of this target, by ARN or name.
fn is_of(run: &Run, target: Option<&str>) -> bool {
    let Some(target) = target else { return true };
    let arn = run.input.as_ref().map(|input| input.resource_arn.as_str());
    arn.is_some_and(|arn| arn == target || layout::resource_name(arn) == target)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
