//! What goes on by itself: snapshots become available, exports get on and end.

use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

use autodump_core::snapshot::arn::DatabaseArn;
use chrono::Utc;
use tokio::time::sleep;

use super::Rds;
use super::state::{Place, Task};

/// In how many steps an export gets on.
const STEPS: usize = 10;
/// How often an export that is held looks whether it may go on.
const POLL: Duration = Duration::from_millis(50);

impl Rds {
    /// Makes a snapshot in its time.
    pub(super) fn make(&self, place: &Place, of: &DatabaseArn, name: &str) {
        let (rds, place, of, name) = (self.clone(), place.clone(), of.clone(), name.to_owned());
        self.let_pass(async move {
            let script = rds.state().script(&of);
            sleep(script.making).await;
            let mut state = rds.state();
            if let Ok(database) = state.database(&of) {
                database.status = "available";
            }
            if let Some(snapshot) = state.snapshot(&place, of.form, &name) {
                snapshot.status = if script.making_fails { "failed" } else { "available" };
                snapshot.created = Some(Utc::now());
            }
        });
    }

    /// Removes a snapshot after a pause; at once where there is none.
    pub(super) fn remove(&self, arn: &str, pause: Duration) {
        if pause.is_zero() {
            self.state().snapshots.retain(|one| one.arn() != arn);
            return;
        }
        let (rds, arn) = (self.clone(), arn.to_owned());
        self.let_pass(async move {
            sleep(pause).await;
            rds.state().snapshots.retain(|one| one.arn() != arn);
        });
    }

    /// Runs an export to its end.
    pub(super) fn run_export(&self, place: &Place, name: &str) {
        let (rds, place, name) = (self.clone(), place.clone(), name.to_owned());
        self.let_pass(async move {
            let Some(script) = rds.with_running(&place, &name, |_| ()) else { return };
            sleep(script.starting).await;
            if rds.with_running(&place, &name, |task| task.status = "IN_PROGRESS").is_none() {
                return;
            }
            for step in 1..=STEPS {
                sleep(script.exporting / u32::try_from(STEPS).unwrap_or(1)).await;
                // The last step is the writing.
                let percent = step * 100 / (STEPS + 1);
                if rds.with_running(&place, &name, |task| task.percent = percent).is_none() {
                    return;
                }
            }
            rds.end_export(&place, &name).await;
        });
    }

    /// Lets a cancelled export come to its end.
    pub(super) fn end_cancelled(&self, place: &Place, name: &str) {
        let (rds, place, name) = (self.clone(), place.clone(), name.to_owned());
        self.let_pass(async move {
            let pause = {
                let mut state = rds.state();
                let Some(task) = state.task(&place, &name) else { return };
                let of = task.of.clone();
                state.script(&of).canceling
            };
            sleep(pause).await;
            if let Some(task) = rds.state().task(&place, &name) {
                task.status = "CANCELED";
                task.ended = Some(Utc::now());
            }
        });
    }

    /// Writes, once nobody holds it.
    async fn end_export(&self, place: &Place, name: &str) {
        let (script, task) = loop {
            let mut task = None;
            let Some(script) = self.with_running(place, name, |found| task = Some(found.clone()))
            else {
                return;
            };
            match task {
                Some(task) if !script.held => break (script, task),
                _ => sleep(POLL).await,
            }
        };
        let outcome = match script.failure.clone() {
            Some(cause) => Err(cause),
            None => self.write(place, &task, &script).await.map_err(|error| format!("{error:#}")),
        };
        // It may have been cancelled meanwhile: nothing is said of it then.
        self.with_running(place, name, |task| {
            task.warning = script.warning;
            task.ended = Some(Utc::now());
            match outcome {
                Ok(()) => (task.status, task.percent) = ("COMPLETE", 100),
                Err(cause) => (task.status, task.failure) = ("FAILED", Some(cause)),
            }
        });
    }

    /// Whether a task still runs.
    pub(super) fn still_runs(&self, place: &Place, name: &str) -> bool {
        self.with_running(place, name, |_| ()).is_some()
    }

    /// Does something with a task that still runs; gives the script of its database.
    fn with_running(
        &self,
        place: &Place,
        name: &str,
        with: impl FnOnce(&mut Task),
    ) -> Option<super::Script> {
        let mut state = self.state();
        let task = state.task(place, name).filter(|task| task.runs())?;
        with(task);
        let of = task.of.clone();
        Some(state.script(&of))
    }

    fn let_pass(&self, passing: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(passing);
    }
}
