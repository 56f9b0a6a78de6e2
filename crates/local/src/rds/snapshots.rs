//! Snapshots of instances and clusters.

use autodump_core::snapshot::arn::{Form, is_identifier};

use super::databases::Names;
use super::state::{Place, Snapshot};
use super::tags::listed;
use super::xml::{element, inside, moment, optional};
use super::{Query, Rds, Refusal};

/// What an allocated volume has, whatever is in it.
const GIBIBYTES: &str = "20";

impl Rds {
    /// Begins to make a snapshot.
    pub(super) fn create_snapshot(&self, place: &Place, query: &Query) -> Result<String, Refusal> {
        let names = Names::of(query);
        let name = query.need(&names.snapshot_identifier())?.to_ascii_lowercase();
        let of = place.database(names.form, query.need(&names.database_identifier())?);
        if !is_identifier(&name, 255) {
            let message = format!("Invalid snapshot identifier: {name}");
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let mut state = self.state();
        let database = state.database(&of)?.clone();
        if state.snapshot(place, names.form, &name).is_some() {
            return Err(already_there(names.form, &name));
        }
        if database.cluster.is_some() || database.status != "available" {
            return Err(unavailable(&names, &of.name));
        }
        if state.manual(place, names.form) >= state.quota {
            let message = "Cannot create more than the allowed number of manual snapshots.";
            return Err(Refusal::new("SnapshotQuotaExceeded", message));
        }
        if names.form == Form::Instance {
            state.database(&of)?.status = "backing-up";
        }
        let snapshot = Snapshot {
            of: of.clone(),
            name: name.clone(),
            automated: false,
            status: "creating",
            created: None,
            engine: database.engine,
            version: database.version,
            tags: query.tags(),
        };
        let answer = inside(names.snapshot, &shown(&names, &snapshot));
        state.snapshots.push(snapshot);
        drop(state);
        self.make(place, &of, &name);
        Ok(answer)
    }

    /// One by its name, or those of a database or of the account and region.
    pub(super) fn describe_snapshots(
        &self,
        place: &Place,
        query: &Query,
    ) -> Result<String, Refusal> {
        let names = Names::of(query);
        let mut state = self.state();
        let found = if let Some(name) = query.get(&names.snapshot_identifier()) {
            let found = state.snapshot(place, names.form, name);
            let found = found.ok_or_else(|| missing(names.form, name))?.clone();
            if found.automated && query.get("SnapshotType") != Some("automated") {
                let message = "SnapshotType is needed for the identifier of an automated snapshot";
                return Err(Refusal::new("InvalidParameterCombination", message));
            }
            vec![found]
        } else {
            let of = query.get(&names.database_identifier()).map(str::to_ascii_lowercase);
            let kind = query.get("SnapshotType");
            let fits = |one: &&Snapshot| {
                Place::of(&one.of) == *place
                    && one.of.form == names.form
                    && of.as_ref().is_none_or(|of| one.of.name == *of)
                    && kind.is_none_or(|kind| kind == kind_of(one))
            };
            state.snapshots.iter().filter(fits).cloned().collect()
        };
        let (page, marker) = query.page(&found)?;
        let all: String =
            page.iter().map(|one| inside(names.snapshot, &shown(&names, one))).collect();
        let list = inside(&format!("{}s", names.snapshot), &all);
        Ok(optional("Marker", marker.as_deref()) + &list)
    }

    /// Deletes a manual snapshot, also while it is exported.
    pub(super) fn delete_snapshot(&self, place: &Place, query: &Query) -> Result<String, Refusal> {
        let names = Names::of(query);
        let name = query.need(&names.snapshot_identifier())?;
        let mut state = self.state();
        let found = state.snapshot(place, names.form, name);
        let mut found = found.ok_or_else(|| missing(names.form, name))?.clone();
        if found.automated || matches!(found.status, "creating" | "deleting") {
            let code = match names.form {
                Form::Instance => "InvalidDBSnapshotState",
                Form::Cluster => "InvalidDBClusterSnapshotStateFault",
            };
            let message = format!("The snapshot {name} is not in a deletable state.");
            return Err(Refusal::new(code, message));
        }
        let pause = state.script(&found.of).deleting;
        if let Some(kept) = state.snapshot(place, names.form, name) {
            kept.status = "deleting";
        }
        drop(state);
        self.remove(&found.arn(), pause);
        found.status = "deleted";
        Ok(inside(names.snapshot, &shown(&names, &found)))
    }

    /// How many manual snapshots there are, and may be.
    pub(super) fn describe_quotas(&self, place: &Place) -> String {
        let state = self.state();
        let quota = |name: &str, form| {
            let figures = [
                element("AccountQuotaName", name),
                element("Used", &state.manual(place, form).to_string()),
                element("Max", &state.quota.to_string()),
            ];
            inside("AccountQuota", &figures.concat())
        };
        let all = quota("ManualSnapshots", Form::Instance)
            + &quota("ManualClusterSnapshots", Form::Cluster);
        inside("AccountQuotas", &all)
    }
}

/// The error of a snapshot that is not there.
pub(super) fn missing(form: Form, name: &str) -> Refusal {
    let code = match form {
        Form::Instance => "DBSnapshotNotFound",
        Form::Cluster => "DBClusterSnapshotNotFoundFault",
    };
    Refusal::new(code, format!("{} not found: {name}", Names::by(form).snapshot))
}

fn already_there(form: Form, name: &str) -> Refusal {
    let code = match form {
        Form::Instance => "DBSnapshotAlreadyExists",
        Form::Cluster => "DBClusterSnapshotAlreadyExistsFault",
    };
    Refusal::new(code, format!("Cannot create the snapshot because {name} already exists."))
}

fn unavailable(names: &Names, database: &str) -> Refusal {
    let code = match names.form {
        Form::Instance => "InvalidDBInstanceState",
        Form::Cluster => "InvalidDBClusterStateFault",
    };
    let message = format!(
        "Cannot create a snapshot because the database {database} is not currently in the \
         available state."
    );
    Refusal::new(code, message)
}

const fn kind_of(snapshot: &Snapshot) -> &'static str {
    if snapshot.automated { "automated" } else { "manual" }
}

fn shown(names: &Names, snapshot: &Snapshot) -> String {
    [
        element(&names.snapshot_identifier(), &snapshot.name),
        element(&format!("{}Arn", names.snapshot), &snapshot.arn()),
        element(&names.database_identifier(), &snapshot.of.name),
        element("Status", snapshot.status),
        element("SnapshotType", kind_of(snapshot)),
        moment("SnapshotCreateTime", snapshot.created),
        element("Engine", &snapshot.engine),
        element("EngineVersion", &snapshot.version),
        element("AllocatedStorage", GIBIBYTES),
        listed(&snapshot.tags),
    ]
    .concat()
}
