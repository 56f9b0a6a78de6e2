//! What RDS knows: databases, snapshots and export tasks of every account and region.

use std::collections::BTreeMap;

use autodump_core::snapshot::arn::{DatabaseArn, Form};
use chrono::{DateTime, Utc};

use super::script::Script;
use super::xml::Refusal;

/// How many exports run at once in an account.
pub(super) const MOST_EXPORTS: usize = 5;
/// How many manual snapshots of a form an account has in a region.
const USUAL_QUOTA: usize = 100;

/// Of which account and region something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    pub(super) fn database(&self, form: Form, name: &str) -> DatabaseArn {
        DatabaseArn {
            partition: "aws".to_owned(),
            region: self.region.clone(),
            account: self.account.clone(),
            form,
            name: name.to_ascii_lowercase(),
        }
    }

    pub(super) fn of(arn: &DatabaseArn) -> Self {
        Self { account: arn.account.clone(), region: arn.region.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) arn: DatabaseArn,
    pub(super) engine: String,
    pub(super) version: String,
    pub(super) status: &'static str,
    pub(super) cluster: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) of: DatabaseArn,
    pub(super) name: String,
    pub(super) automated: bool,
    pub(super) status: &'static str,
    pub(super) created: Option<DateTime<Utc>>,
    pub(super) engine: String,
    pub(super) version: String,
    pub(super) tags: BTreeMap<String, String>,
}

impl Snapshot {
    pub(super) fn arn(&self) -> String {
        self.of.snapshot(&self.name)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) of: DatabaseArn,
    pub(super) source_arn: String,
    pub(super) only: Vec<String>,
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) role: String,
    pub(super) key: String,
    pub(super) status: &'static str,
    pub(super) percent: usize,
    pub(super) failure: Option<String>,
    pub(super) warning: Option<String>,
    pub(super) snapshot_time: Option<DateTime<Utc>>,
    pub(super) started: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
}

impl Task {
    pub(super) fn runs(&self) -> bool {
        matches!(self.status, "STARTING" | "IN_PROGRESS")
    }

    /// Whether it runs, or is still to be cancelled.
    fn is_under_way(&self) -> bool {
        self.runs() || self.status == "CANCELING"
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) databases: Vec<Database>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) tasks: Vec<Task>,
    pub(super) quota: usize,
    pub(super) scripts: BTreeMap<String, Script>,
    /// The most exports that ever ran at once in one account.
    pub(super) most_running: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            databases: Vec::new(),
            snapshots: Vec::new(),
            tasks: Vec::new(),
            quota: USUAL_QUOTA,
            scripts: BTreeMap::new(),
            most_running: 0,
        }
    }
}

impl State {
    /// How things go with this database.
    pub(super) fn script(&self, of: &DatabaseArn) -> Script {
        self.scripts.get(&of.name).cloned().unwrap_or_default()
    }

    pub(super) fn database(&mut self, arn: &DatabaseArn) -> Result<&mut Database, Refusal> {
        self.databases.iter_mut().find(|one| one.arn == *arn).ok_or_else(|| {
            let name = &arn.name;
            match arn.form {
                Form::Instance => {
                    Refusal::new("DBInstanceNotFound", format!("DBInstance {name} not found."))
                }
                Form::Cluster => {
                    Refusal::new("DBClusterNotFoundFault", format!("DBCluster {name} not found."))
                }
            }
        })
    }

    pub(super) fn snapshot(
        &mut self,
        place: &Place,
        form: Form,
        name: &str,
    ) -> Option<&mut Snapshot> {
        self.snapshots
            .iter_mut()
            .find(|one| Place::of(&one.of) == *place && one.of.form == form && one.name == name)
    }

    pub(super) fn manual(&self, place: &Place, form: Form) -> usize {
        let counts =
            |one: &&Snapshot| Place::of(&one.of) == *place && one.of.form == form && !one.automated;
        self.snapshots.iter().filter(counts).count()
    }

    pub(super) fn task(&mut self, place: &Place, name: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|one| Place::of(&one.of) == *place && one.name == name)
    }

    /// The exports of an account that have not ended, in all regions.
    pub(super) fn under_way(&self, place: &Place) -> usize {
        let of_it = |one: &&Task| one.of.account == place.account && one.is_under_way();
        self.tasks.iter().filter(of_it).count()
    }

    /// Whether a snapshot is exported, or has been so a moment ago.
    pub(super) fn is_exported(&self, source_arn: &str) -> bool {
        let mut of_it = self.tasks.iter().filter(|one| one.source_arn == *source_arn);
        of_it.any(|one| {
            let since = |ended: DateTime<Utc>| (Utc::now() - ended).to_std().unwrap_or_default();
            let rests = |ended| since(ended) < self.script(&one.of).resting;
            one.is_under_way() || one.ended.is_some_and(rests)
        })
    }

    /// The tags of a database or a snapshot, by its ARN.
    pub(super) fn tags(&mut self, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        let databases = self.databases.iter_mut().map(|one| (one.arn.to_string(), &mut one.tags));
        let snapshots = self.snapshots.iter_mut().map(|one| (one.arn(), &mut one.tags));
        databases.chain(snapshots).find(|(known, _)| known == arn).map(|(_, tags)| tags)
    }
}
