//! What the operations do.

use super::{Asked, Kept, MemorySnapshots, RESTS, RdsCall, State, export, injected, refused};
use crate::error::Result;
use crate::snapshot::arn::{DatabaseArn, Form, is_identifier};
use crate::snapshot::export::MOST_EXPORTS;
use crate::snapshot::names::{LONGEST_SNAPSHOT, LONGEST_TASK};
use crate::snapshot::ports::{
    Database, Deleted, ExportRequest, ExportTask, Made, Maker, Quota, Snapshot, SnapshotService,
    Stage, Started,
};

impl MemorySnapshots {
    fn call<T>(&self, call: RdsCall, serve: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        match state.meet(call) {
            None => serve(&mut state),
            Some((class, takes_effect)) => {
                if takes_effect {
                    serve(&mut state)?;
                }
                Err(injected(call, class))
            }
        }
    }
}

impl SnapshotService for MemorySnapshots {
    async fn database(&self, arn: &DatabaseArn) -> Result<Option<Database>> {
        self.call(RdsCall::Database, |state| Ok(state.databases.get(&arn.to_string()).cloned()))
    }

    async fn snapshot(&self, form: Form, name: &str) -> Result<Option<Snapshot>> {
        self.call(RdsCall::Snapshot, |state| {
            let now = state.now;
            let mut all = state.snapshots.iter_mut();
            let found = all.find(|kept| kept.form == form && kept.snapshot.name == name);
            Ok(found.map(|kept| {
                let seen = kept.snapshot.clone();
                if kept.polls > 0 {
                    kept.polls -= 1;
                    if kept.polls == 0 {
                        "available".clone_into(&mut kept.snapshot.status);
                        kept.snapshot.created = Some(now);
                    }
                }
                seen
            }))
        })
    }

    async fn snapshots(&self, of: &DatabaseArn, maker: Maker) -> Result<Vec<Snapshot>> {
        self.call(RdsCall::Snapshots, |state| {
            let of_it =
                |kept: &&Kept| kept.form == of.form && kept.of == of.name && kept.maker == maker;
            Ok(state.snapshots.iter().filter(of_it).map(|kept| kept.snapshot.clone()).collect())
        })
    }

    async fn create(
        &self,
        of: &DatabaseArn,
        name: &str,
        tags: &[(String, String)],
    ) -> Result<Made> {
        self.call(RdsCall::Create, |state| state.create(of, name, tags))
    }

    async fn delete(&self, form: Form, name: &str) -> Result<Deleted> {
        self.call(RdsCall::Delete, |state| state.delete(form, name))
    }

    async fn quota(&self, form: Form) -> Result<Quota> {
        self.call(RdsCall::Quota, |state| Ok(state.quota_of(form)))
    }

    async fn export_task(&self, name: &str) -> Result<Option<ExportTask>> {
        self.call(RdsCall::ExportTask, |state| {
            let now = state.now;
            let found = state.exports.iter_mut().find(|task| task.task.name == name);
            Ok(found.map(|task| {
                let seen = task.task.clone();
                task.pass(now);
                seen
            }))
        })
    }

    async fn running_exports(&self) -> Result<Vec<ExportTask>> {
        self.call(RdsCall::RunningExports, |state| Ok(state.running().cloned().collect()))
    }

    async fn start_export(&self, request: &ExportRequest) -> Result<Started> {
        let mut state = self.state();
        let crowd = std::mem::take(&mut state.crowd);
        state.occupy(crowd);
        drop(state);
        self.call(RdsCall::StartExport, |state| state.start(request))
    }

    async fn cancel_export(&self, name: &str) -> Result<()> {
        self.call(RdsCall::CancelExport, |state| {
            let found = state.exports.iter_mut().find(|task| task.task.name == name);
            if let Some(task) = found
                && matches!(task.task.stage, Stage::Starting | Stage::InProgress)
            {
                task.task.stage = Stage::Canceling;
                task.polls = 1;
            }
            Ok(())
        })
    }
}

impl Asked {
    /// Whether it has ended, and its snapshot is not to be exported again yet.
    fn is_just_after(&self, source_arn: &str) -> bool {
        self.rests > 0 && self.task.source_arn == source_arn
    }

    /// Somebody looked: some time has passed.
    fn pass(&mut self, now: chrono::DateTime<chrono::Utc>) {
        if self.polls == 0 || self.polls == u32::MAX {
            return;
        }
        self.polls -= 1;
        let task = &mut self.task;
        match task.stage {
            Stage::Canceling => task.stage = Stage::Canceled,
            Stage::Starting if self.polls > 0 => task.stage = Stage::InProgress,
            Stage::Starting | Stage::InProgress if self.polls == 0 => task.stage = Stage::Complete,
            _ => {}
        }
        task.progress = match task.stage {
            Stage::Complete => 100,
            Stage::InProgress => 50,
            _ => task.progress,
        };
        if task.stage == Stage::Complete {
            task.ended = Some(now);
        }
    }
}

impl State {
    fn create(&mut self, of: &DatabaseArn, name: &str, tags: &[(String, String)]) -> Result<Made> {
        if !is_identifier(name, LONGEST_SNAPSHOT) {
            return Err(refused(format!("{name} is no identifier of a snapshot")));
        }
        let Some(database) = self.databases.get(&of.to_string()) else {
            return Err(refused(format!("there is no {of}")));
        };
        if database.cluster.is_some() {
            return Err(refused(format!("{of} is of a cluster")));
        }
        if self.snapshots.iter().any(|kept| kept.form == of.form && kept.snapshot.name == name) {
            return Ok(Made::AlreadyThere);
        }
        if !matches!(database.status.as_str(), "available" | "storage-optimization") {
            return Ok(Made::Busy(format!("it is {}", database.status)));
        }
        let Quota { used, most } = self.quota_of(of.form);
        if used >= most {
            return Ok(Made::QuotaFull(format!("{used} of {most}")));
        }
        let mut snapshot = Self::snapshot_of(of, name, tags);
        if self.polls == 0 {
            "available".clone_into(&mut snapshot.status);
            snapshot.created = Some(self.now);
        }
        let (form, maker, polls) = (of.form, Maker::Manual, self.polls);
        self.snapshots.push(Kept { form, of: of.name.clone(), maker, snapshot, polls });
        Ok(Made::Begun)
    }

    fn delete(&mut self, form: Form, name: &str) -> Result<Deleted> {
        let place =
            self.snapshots.iter().position(|kept| kept.form == form && kept.snapshot.name == name);
        let Some(place) = place else { return Ok(Deleted::Gone) };
        let Kept { maker, snapshot, .. } = &self.snapshots[place];
        if *maker == Maker::Automated {
            return Err(refused(format!("{name} is automated")));
        }
        if snapshot.status == "creating" {
            return Ok(Deleted::InUse(format!("it is {}", snapshot.status)));
        }
        if self.lingers {
            "deleting".clone_into(&mut self.snapshots[place].snapshot.status);
        } else {
            self.snapshots.remove(place);
        }
        Ok(Deleted::Gone)
    }

    fn start(&mut self, request: &ExportRequest) -> Result<Started> {
        let ExportRequest { name, source_arn, kms_key, .. } = request;
        if !is_identifier(name, LONGEST_TASK) || request.prefix.ends_with('/') {
            return Err(refused(format!("{name} is no task, or its prefix ends with a slash")));
        }
        if self.exports.iter().any(|task| task.task.name == *name) {
            return Ok(Started::AlreadyThere);
        }
        if self.running().count() >= MOST_EXPORTS {
            return Ok(Started::Full("five run already".to_owned()));
        }
        let Some(kept) = self.snapshots.iter().find(|kept| kept.snapshot.arn == *source_arn) else {
            return Err(refused(format!("there is no {source_arn}")));
        };
        let same = self.running().any(|task| task.source_arn == *source_arn);
        if kept.snapshot.status != "available" || same {
            return Ok(Started::Busy(format!("it is {}", kept.snapshot.status)));
        }
        // As RDS, it wants some time between two exports of one snapshot.
        if let Some(just) = self.exports.iter_mut().find(|one| one.is_just_after(source_arn)) {
            just.rests -= 1;
            return Ok(Started::Busy("it was exported just now".to_owned()));
        }
        let mut task = export::begun(name, source_arn, kms_key);
        task.snapshot_time = kept.snapshot.created;
        task.started = Some(self.now);
        let polls = self.polls.max(1);
        let request = Some(request.clone());
        self.exports.push(Asked { task, request, polls, rests: RESTS });
        Ok(Started::Begun)
    }
}
