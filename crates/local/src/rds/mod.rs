//! A scripted stand-in for RDS: databases, snapshots of them, and exports of these to S3. What
//! takes time on AWS takes a scripted time here, and what an export writes is of our own making, in
//! RDS's layout.
//!
//! It is as strict as RDS's documentation says: states, error codes, quotas. RDS documents that an
//! account runs five exports at once, and that a snapshot is not exported again just after an export,
//! but no codes for that; here they are `ExportTaskLimitExceeded` and `InvalidExportSourceState`.

mod databases;
mod exports;
mod passing;
mod query;
mod script;
mod snapshots;
mod state;
mod table;
mod tags;
mod write;
mod xml;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use hyper::Response;
use tokio::task::JoinSet;

pub use script::Script;
pub use table::{Cell, Table};

pub(crate) use query::Query;
pub(crate) use state::Place;
pub(crate) use xml::Refusal;

use crate::api::Api;
use crate::http::Body;
use autodump_core::snapshot::arn::DatabaseArn;
use state::{Snapshot, State};

/// The operations that rules of faults can name.
pub(crate) const OPERATIONS: [&str; 17] = [
    "AddTagsToResource",
    "CancelExportTask",
    "CreateDBCluster",
    "CreateDBClusterSnapshot",
    "CreateDBInstance",
    "CreateDBSnapshot",
    "DeleteDBClusterSnapshot",
    "DeleteDBSnapshot",
    "DescribeAccountAttributes",
    "DescribeDBClusterSnapshots",
    "DescribeDBClusters",
    "DescribeDBInstances",
    "DescribeDBSnapshots",
    "DescribeExportTasks",
    "ListTagsForResource",
    "RemoveTagsFromResource",
    "StartExportTask",
];

/// RDS of all accounts and regions. Clones share everything.
#[derive(Clone, Debug)]
pub struct Rds {
    state: Arc<Mutex<State>>,
    /// What goes on by itself: snapshots that are being made, and exports.
    passing: Arc<Mutex<JoinSet<()>>>,
    /// The accounts of access keys.
    accounts: Arc<Mutex<BTreeMap<String, String>>>,
    /// Where exports are written to, so that the bucket's events are published.
    front: Api,
    moto: Api,
}

/// A snapshot, as a test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotView {
    /// Its identifier.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether RDS made it by itself.
    pub automated: bool,
    /// Such as `available`.
    pub status: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An export task, as a test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportView {
    /// Its identifier.
    pub name: String,
    /// The snapshot that it exports.
    pub source_arn: String,
    /// Such as `IN_PROGRESS`.
    pub status: String,
    /// How far it is, in percent.
    pub percent: usize,
    /// What is exported of the database; all when empty.
    pub only: Vec<String>,
    /// The bucket that it writes into.
    pub bucket: String,
    /// What its keys begin with, without a slash behind it.
    pub prefix: String,
    /// The key that it is encrypted with.
    pub key: String,
}

/// What an operation answers, and the resource whose tags it changed.
pub(crate) struct Answered {
    pub(crate) outcome: Result<String, Refusal>,
    pub(crate) tagged: Option<TagChange>,
}

/// A resource, and the keys of its tags that were changed.
#[derive(Debug)]
pub(crate) struct TagChange {
    pub(crate) arn: String,
    pub(crate) keys: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Answered {
    /// The response of an operation.
    pub(crate) fn response(&self, action: &str) -> Response<Body> {
        match &self.outcome {
            Ok(elements) => xml::answer(action, elements),
            Err(refusal) => refusal.response(),
        }
    }
}

impl Rds {
    pub(crate) fn new(front: Api, moto: Api) -> Self {
        let (state, passing, accounts) = (Arc::default(), Arc::default(), Arc::default());
        Self { state, passing, accounts, front, moto }
    }

    /// The account that an access key is of.
    pub(crate) async fn account_of(&self, key: &str) -> anyhow::Result<String> {
        let known = |all: &BTreeMap<String, String>| all.get(key).cloned();
        if let Some(account) = known(&self.accounts.lock().unwrap_or_else(PoisonError::into_inner))
        {
            return Ok(account);
        }
        let account = self.moto.account_of(key).await?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(key.to_owned(), account.clone());
        Ok(account)
    }

    /// How things go with the database of this name from now on, whatever account it is of.
    pub fn script(&self, database: &str, script: Script) {
        self.state().scripts.insert(database.to_owned(), script);
    }

    /// Changes the script of a database; what is under way goes by the new one.
    pub fn change(&self, database: &str, change: impl FnOnce(&mut Script)) {
        change(self.state().scripts.entry(database.to_owned()).or_default());
    }

    /// How many manual snapshots of each form an account has room for in a region.
    pub fn limit(&self, quota: usize) {
        self.state().quota = quota;
    }

    /// How many manual snapshots there are, of both forms and all accounts.
    #[must_use]
    pub fn manual_snapshots(&self) -> usize {
        self.state().snapshots.iter().filter(|one| !one.automated).count()
    }

    /// The most exports that ever ran at once in one account.
    #[must_use]
    pub fn most_running(&self) -> usize {
        self.state().most_running
    }

    /// A snapshot of a database that RDS made by itself at this moment: `rds:<name>-…`. Returns its
    /// ARN.
    pub fn add_automated(
        &self,
        of: &DatabaseArn,
        created: DateTime<Utc>,
    ) -> anyhow::Result<String> {
        let mut state = self.state();
        let database = state.database(of).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
        let (engine, version) = (database.engine.clone(), database.version.clone());
        let name = format!("rds:{}-{}", of.name, created.format("%Y-%m-%d-%H-%M"));
        let snapshot = Snapshot {
            of: of.clone(),
            name,
            automated: true,
            status: "available",
            created: Some(created),
            engine,
            version,
            tags: BTreeMap::new(),
        };
        let arn = snapshot.arn();
        state.snapshots.push(snapshot);
        Ok(arn)
    }

    /// The snapshots of a database, in the order they were asked for.
    #[must_use]
    pub fn snapshots(&self, of: &DatabaseArn) -> Vec<SnapshotView> {
        let state = self.state();
        let of_it = state.snapshots.iter().filter(|one| one.of == *of);
        of_it
            .map(|one| SnapshotView {
                name: one.name.clone(),
                arn: one.arn(),
                automated: one.automated,
                status: one.status.to_owned(),
                tags: one.tags.clone(),
            })
            .collect()
    }

    /// The export tasks of a database, in the order they were asked for.
    #[must_use]
    pub fn exports(&self, of: &DatabaseArn) -> Vec<ExportView> {
        let state = self.state();
        let of_it = state.tasks.iter().filter(|one| one.of == *of);
        of_it
            .map(|one| ExportView {
                name: one.name.clone(),
                source_arn: one.source_arn.clone(),
                status: one.status.to_owned(),
                percent: one.percent,
                only: one.only.clone(),
                bucket: one.bucket.clone(),
                prefix: one.prefix.clone(),
                key: one.key.clone(),
            })
            .collect()
    }

    /// Does what is asked for in the name of an account, in a region.
    pub(crate) async fn answer(&self, place: &Place, query: &Query) -> Answered {
        let outcome = match query.action() {
            "CreateDBInstance" | "CreateDBCluster" => self.create_database(place, query),
            "DescribeDBInstances" | "DescribeDBClusters" => self.describe_databases(place, query),
            "CreateDBSnapshot" | "CreateDBClusterSnapshot" => self.create_snapshot(place, query),
            "DescribeDBSnapshots" | "DescribeDBClusterSnapshots" => {
                self.describe_snapshots(place, query)
            }
            "DeleteDBSnapshot" | "DeleteDBClusterSnapshot" => self.delete_snapshot(place, query),
            "DescribeAccountAttributes" => Ok(self.describe_quotas(place)),
            "AddTagsToResource" | "RemoveTagsFromResource" => return self.change_tags(query),
            "ListTagsForResource" => self.list_tags(query),
            "StartExportTask" => self.start_export(place, query).await,
            "DescribeExportTasks" => self.describe_exports(place, query),
            "CancelExportTask" => self.cancel_export(place, query),
            other => {
                let message = format!("The local cloud's RDS does not know the action {other}");
                Err(Refusal::new("InvalidAction", message))
            }
        };
        let tagged = outcome.is_ok().then(|| self.created_with_tags(place, query)).flatten();
        Answered { outcome, tagged }
    }

    /// Ends all that goes on.
    pub(crate) fn stop(&self) {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
