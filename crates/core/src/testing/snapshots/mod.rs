//! RDS in memory, as strict as the service: for the tests of whoever makes snapshots.

pub mod contract;
mod export;
mod serve;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

pub use self::export::{ExportedTable, write_export};
use crate::error::{Error, ErrorClass};
use crate::snapshot::arn::{DatabaseArn, Form};
use crate::snapshot::ports::{Database, ExportRequest, ExportTask, Maker, Quota, Snapshot, Stage};

/// How often something says that it is on its way before it is there.
const POLLS: u32 = 2;
/// How often another export of a snapshot is refused just after one.
const RESTS: u32 = 1;

/// The operations that may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RdsCall {
    /// An instance or cluster is described.
    Database,
    /// A snapshot is described.
    Snapshot,
    /// The snapshots of a database are listed.
    Snapshots,
    /// A snapshot is asked for.
    Create,
    /// A snapshot is deleted.
    Delete,
    /// The quota is looked at.
    Quota,
    /// An export task is described.
    ExportTask,
    /// The running export tasks are listed.
    RunningExports,
    /// An export is asked for.
    StartExport,
    /// An export is cancelled.
    CancelExport,
}

/// RDS of an account and region. Clones share everything.
#[derive(Debug, Clone)]
pub struct MemorySnapshots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: DateTime<Utc>,
    polls: u32,
    quota: u64,
    lingers: bool,
    crowd: usize,
    databases: BTreeMap<String, Database>,
    snapshots: Vec<Kept>,
    exports: Vec<Asked>,
    faults: Vec<Fault>,
    calls: Vec<RdsCall>,
}

#[derive(Debug)]
struct Kept {
    form: Form,
    of: String,
    maker: Maker,
    snapshot: Snapshot,
    polls: u32,
}

#[derive(Debug)]
struct Asked {
    task: ExportTask,
    request: Option<ExportRequest>,
    polls: u32,
    /// How often another export of the same snapshot is refused after this one.
    rests: u32,
}

#[derive(Debug)]
struct Fault {
    call: RdsCall,
    nth: u32,
    class: ErrorClass,
    takes_effect: bool,
}

impl MemorySnapshots {
    /// A region in which nothing is, at this time, with room for a hundred snapshots of each form.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            polls: POLLS,
            quota: 100,
            lingers: false,
            crowd: 0,
            databases: BTreeMap::new(),
            snapshots: Vec::new(),
            exports: Vec::new(),
            faults: Vec::new(),
            calls: Vec::new(),
        })))
    }

    /// An available database of PostgreSQL, or of this cluster.
    pub fn add(&self, arn: &DatabaseArn, cluster: Option<&str>) {
        let engine = match arn.form {
            Form::Instance if cluster.is_none() => "postgres",
            Form::Instance | Form::Cluster => "aurora-postgresql",
        };
        self.put(
            arn,
            Database {
                status: "available".to_owned(),
                engine: engine.to_owned(),
                engine_version: "15.4".to_owned(),
                cluster: cluster.map(str::to_owned),
            },
        );
    }

    /// A database as it is described, or in the place of one.
    pub fn put(&self, arn: &DatabaseArn, database: Database) {
        self.state().databases.insert(arn.to_string(), database);
    }

    /// A snapshot that is available, made now.
    pub fn add_snapshot(
        &self,
        of: &DatabaseArn,
        maker: Maker,
        name: &str,
        tags: &[(String, String)],
    ) {
        let mut state = self.state();
        let created = Some(state.now);
        let snapshot = State::snapshot_of(of, name, tags);
        let snapshot = Snapshot { status: "available".to_owned(), created, ..snapshot };
        let of = of.clone();
        state.snapshots.push(Kept { form: of.form, of: of.name, maker, snapshot, polls: 0 });
    }

    /// Export tasks of somebody else's that run, and do not end.
    pub fn occupy(&self, exports: usize) {
        self.state().occupy(exports);
    }

    /// As [`occupy`](Self::occupy), at the moment when an export is started next.
    pub fn crowd(&self, exports: usize) {
        self.state().crowd = exports;
    }

    /// Ends all that [`occupy`](Self::occupy) made.
    pub fn vacate(&self) {
        self.state().exports.retain(|task| task.request.is_some());
    }

    /// How many manual snapshots of a form the account may have.
    pub fn limit(&self, quota: u64) {
        self.state().quota = quota;
    }

    /// From now on what is made needs this many looks until it is there.
    pub fn slow(&self, polls: u32) {
        self.state().polls = polls;
    }

    /// From now on a snapshot that is deleted stays for good, as one that is being deleted.
    pub fn linger(&self) {
        self.state().lingers = true;
    }

    /// What is being deleted is gone.
    pub fn sweep(&self) {
        self.state().snapshots.retain(|kept| kept.snapshot.status != "deleting");
    }

    /// It is this time now.
    pub fn at(&self, now: DateTime<Utc>) {
        self.state().now = now;
    }

    /// A snapshot gets this status, and keeps it.
    pub fn turn(&self, snapshot: &str, status: &str) {
        for kept in &mut self.state().snapshots {
            if kept.snapshot.name == snapshot {
                kept.polls = 0;
                status.clone_into(&mut kept.snapshot.status);
            }
        }
    }

    /// A snapshot disappears.
    pub fn lose(&self, snapshot: &str) {
        self.state().snapshots.retain(|kept| kept.snapshot.name != snapshot);
    }

    /// An export task gets this stage, and keeps it.
    pub fn end(&self, task: &str, stage: Stage, failure: Option<&str>, warning: Option<&str>) {
        let mut rds = self.state();
        let now = rds.now;
        for found in &mut rds.exports {
            if found.task.name == task {
                found.polls = 0;
                found.task.stage = stage;
                found.task.failure = failure.map(str::to_owned);
                found.task.warning = warning.map(str::to_owned);
                found.task.ended = Some(now);
            }
        }
    }

    /// The `nth` call of an operation from now on fails without effect, such as one that is
    /// throttled for too long.
    pub fn fail(&self, call: RdsCall, nth: u32, class: ErrorClass) {
        self.state().faults.push(Fault { call, nth, class, takes_effect: false });
    }

    /// The `nth` call of an operation from now on takes effect, and its answer is lost.
    pub fn lose_answer(&self, call: RdsCall, nth: u32) {
        let class = ErrorClass::Source;
        self.state().faults.push(Fault { call, nth, class, takes_effect: true });
    }

    /// The names of all snapshots, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.state().snapshots.iter().map(|kept| kept.snapshot.name.clone()).collect();
        names.sort();
        names
    }

    /// The requests of all export tasks, in their order.
    #[must_use]
    pub fn exports(&self) -> Vec<ExportRequest> {
        self.state().exports.iter().filter_map(|task| task.request.clone()).collect()
    }

    /// The stage of an export task.
    #[must_use]
    pub fn stage(&self, task: &str) -> Option<Stage> {
        self.state().exports.iter().find(|one| one.task.name == task).map(|one| one.task.stage)
    }

    /// How often an operation was called.
    #[must_use]
    pub fn count(&self, call: RdsCall) -> usize {
        self.state().calls.iter().filter(|one| **one == call).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn injected(call: RdsCall, class: ErrorClass) -> Error {
    Error::new(class, format!("fault injected into {call:?}"), "This is the RDS of a test")
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, what, "This is the RDS of a test")
}

impl State {
    /// Counts a call, and says what is to go wrong with it.
    fn meet(&mut self, call: RdsCall) -> Option<(ErrorClass, bool)> {
        self.calls.push(call);
        let mut met = None;
        for fault in self.faults.iter_mut().filter(|fault| fault.call == call && fault.nth > 0) {
            fault.nth -= 1;
            if fault.nth == 0 {
                met = Some((fault.class, fault.takes_effect));
            }
        }
        met
    }

    fn occupy(&mut self, exports: usize) {
        for number in 0..exports {
            let name = format!("other-{number}");
            let task = export::begun(&name, &format!("arn:other:{number}"), "arn:key");
            self.exports.push(Asked { task, request: None, polls: u32::MAX, rests: 0 });
        }
    }

    fn snapshot_of(of: &DatabaseArn, name: &str, tags: &[(String, String)]) -> Snapshot {
        Snapshot {
            arn: of.snapshot(name),
            name: name.to_owned(),
            status: "creating".to_owned(),
            created: None,
            engine: "postgres".to_owned(),
            engine_version: "15.4".to_owned(),
            size_gib: Some(20),
            tags: tags.iter().cloned().collect(),
        }
    }

    fn running(&self) -> impl Iterator<Item = &ExportTask> {
        let tasks = self.exports.iter().map(|task| &task.task);
        tasks.filter(|task| {
            matches!(task.stage, Stage::Starting | Stage::InProgress | Stage::Canceling)
        })
    }

    fn quota_of(&self, form: Form) -> Quota {
        let manual = |kept: &&Kept| kept.form == form && kept.maker == Maker::Manual;
        let used = self.snapshots.iter().filter(manual).count() as u64;
        Quota { used, most: self.quota }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
