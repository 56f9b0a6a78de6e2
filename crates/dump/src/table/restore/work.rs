//! A restore from its plan to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use autodump_core::table::calls;
use autodump_core::table::ports::{Called, TableReader, TableService, TableWriter};
use autodump_core::{Error, ErrorClass, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::adapt::Adapted;
use super::control::{self, Outcome, PATIENCE, SETTLING};
use super::item::Reader;
use super::known::Taker;
use super::mirror::Mirror;
use super::pace::Pace;
use super::plan::{self, Planned};
use super::state::{Reached, State};
use super::steps::{Service, Step, after_import};
use super::watch::{Event, Phase};
use super::write::Shared;
use super::{Method, Restore, Restored, damaged, import, load};
use crate::restore::SharedReader;

pub(super) struct Work<'a, R, S, W, T> {
    restore: &'a Restore<R, S, W, T>,
    state: &'a Arc<State>,
    warnings: Vec<String>,
}

impl<'a, R, S, W, T> Work<'a, R, S, W, T>
where
    R: SharedReader,
    S: TableService,
    W: TableWriter + 'static,
    T: TableReader + 'static,
{
    pub(super) const fn new(restore: &'a Restore<R, S, W, T>, state: &'a Arc<State>) -> Self {
        Self { restore, state, warnings: Vec::new() }
    }

    pub(super) async fn run(mut self) -> Result<Restored> {
        let Restore { reader, service, target, backup, options, .. } = self.restore;
        options.check()?;
        let planned = plan::make(reader, service, target, backup, options).await?;
        self.note(&Event::Planned(&planned.plan));
        if options.dry_run {
            return Ok(self.restored(planned, true));
        }
        match &planned.adapted {
            Some(adapted) => self.make(&planned, adapted).await?,
            None => self.add(&planned).await?,
        }
        Ok(self.restored(planned, false))
    }

    /// An error where the table has not taken as many items as the backup has.
    fn complete_items(&self, planned: &Planned) -> Result<()> {
        let (items, expected) = (self.state.items(), planned.plan.items);
        if items == expected {
            return Ok(());
        }
        Err(damaged(format!("{items} items were restored, not {expected}")))
    }

    /// Makes the table, with its items and all of its definition.
    async fn make(&mut self, planned: &Planned, adapted: &Adapted) -> Result<()> {
        let Restore { service, target, .. } = self.restore;
        let name = &target.name;
        let mut steps = Vec::new();
        if planned.imports && self.import(adapted).await? {
            steps.extend(after_import(&adapted.create, target));
        } else {
            self.phase(Phase::Create);
            self.create(adapted).await?;
            self.state.reached(Reached::Filling(name.clone()));
            control::active(service, name).await?;
            let settled = Instant::now() + SETTLING;
            self.write(&self.shared(planned, Some(settled)), None).await?;
        }
        // Its own tags have it backed up: never what is not whole.
        self.complete_items(planned)?;
        self.phase(Phase::Definition);
        self.state.reached(Reached::Completing(name.clone()));
        steps.extend(adapted.steps.iter().cloned());
        self.complete(&steps).await
    }

    async fn import(&mut self, adapted: &Adapted) -> Result<bool> {
        let Restore { service, target, backup, options, watcher, .. } = self.restore;
        self.phase(Phase::Import);
        let create = &adapted.create;
        let state = self.state;
        if import::run(service, backup, create, target, state, watcher.as_ref()).await? {
            return Ok(true);
        }
        if options.method == Method::Import {
            let code = "UnknownOperationException";
            return Err(calls::refusal("ImportTable", &target.name, code, "it is not known"));
        }
        self.warn("The service that was asked knows no imports: the items are written".to_owned());
        Ok(false)
    }

    async fn create(&self, adapted: &Adapted) -> Result<()> {
        let Restore { service, target, .. } = self.restore;
        self.state.reached(Reached::Made(target.name.clone()));
        let input = Value::Object(adapted.create.clone());
        let called = service.dynamodb("CreateTable", input).await?;
        if matches!(called, Called::Refused { .. }) {
            self.state.nothing_done();
        }
        calls::answer("CreateTable", &target.name, called).map(drop)
    }

    /// Writes items into a table that was there.
    async fn add(&self, planned: &Planned) -> Result<()> {
        let Restore { service, target, .. } = self.restore;
        let (items, has_items) = (planned.plan.items, planned.has_items);
        let taker = planned.plan.mirrors.then(|| Taker::new(items).map(Arc::new)).transpose()?;
        control::active(service, &target.name).await?;
        self.state.reached(Reached::Adding { table: target.name.clone(), has_items });
        let shared = self.shared(planned, None);
        self.write(&shared, taker.as_ref()).await?;
        // Whoever does not know all keys must not delete the others.
        self.complete_items(planned)?;
        let Some(taker) = taker else { return Ok(()) };
        self.mirror(shared, taker, items).await
    }

    /// `settled` is that of [`Shared`].
    fn shared(&self, planned: &Planned, settled: Option<Instant>) -> Arc<Shared<W>> {
        let Restore { writer, options, watcher, .. } = self.restore;
        Arc::new(Shared {
            writer: Arc::clone(writer),
            pace: Pace::new(options.units_per_second),
            state: Arc::clone(self.state),
            watcher: Arc::clone(watcher),
            fit: planned.fit.clone(),
            settled,
        })
    }

    async fn write(&self, shared: &Arc<Shared<W>>, taker: Option<&Arc<Taker>>) -> Result<()> {
        let Restore { reader, backup, options, .. } = self.restore;
        self.phase(Phase::Items);
        load::all(reader, backup, options.workers, Arc::clone(shared), taker).await
    }

    /// Deletes the table's items whose keys were not taken.
    async fn mirror(&self, shared: Arc<Shared<W>>, taker: Arc<Taker>, items: u64) -> Result<()> {
        let Restore { target, scanner, backup, options, .. } = self.restore;
        self.phase(Phase::Mirror);
        self.state.reached(Reached::Mirroring(target.name.clone()));
        let known = tokio::task::spawn_blocking(move || taker.known()).await.map_err(|error| {
            let what = format!("sorting the backup's keys ended with a panic: {error}");
            Error::new(ErrorClass::Internal, what, "Report this: it is a fault of AutoDump")
        })?;
        if known.items() != items {
            let what = format!("of {items} items {} keys are known", known.items());
            let hint = "Report this: it is a fault of AutoDump";
            return Err(Error::new(ErrorClass::Internal, what, hint));
        }
        let keys = Reader::new(backup.definition.keys()?);
        let mirror = Mirror { scanner: Arc::clone(scanner), shared, items: keys, known };
        mirror.run(options.workers).await
    }

    /// Takes every step, also after one that fails: what can be set is set.
    async fn complete(&mut self, steps: &[Step]) -> Result<()> {
        let Restore { service, target, .. } = self.restore;
        let mut failed: Vec<(&str, Error)> = Vec::new();
        let (mut patience, mut settled) = (PATIENCE, Instant::now() + SETTLING);
        for step in steps {
            if step.service == Service::DynamoDb
                && let Err(error) = control::active_within(service, &target.name, patience).await
            {
                // A table that did not become active is not waited for as long again.
                if error.class() == ErrorClass::Destination {
                    patience = Duration::ZERO;
                }
                failed.push((&step.what, error));
                continue;
            }
            match control::apply(service, &target.name, step, settled).await {
                Ok(Outcome::Done) if step.operation == "TagResource" => {
                    settled = Instant::now() + SETTLING;
                }
                Ok(Outcome::Done) => {}
                Ok(Outcome::Unknown) => self.warn(format!(
                    "Not set, since the service does not know {}: {}",
                    step.operation, step.what
                )),
                Err(error) => failed.push((&step.what, error)),
            }
        }
        if let Err(error) = control::active_within(service, &target.name, patience).await {
            failed.push(("the last change", error));
        }
        not_set(&failed)
    }

    fn restored(self, planned: Planned, dry_run: bool) -> Restored {
        Restored {
            plan: planned.plan,
            dry_run,
            items: self.state.items(),
            deleted: self.state.deleted.load(Ordering::Relaxed),
            bytes: self.state.bytes.load(Ordering::Relaxed),
            throttled: self.state.throttled.load(Ordering::Relaxed),
            warnings: self.warnings,
        }
    }

    fn phase(&self, phase: Phase) {
        self.note(&Event::Phase(phase));
    }

    fn warn(&mut self, what: String) {
        self.note(&Event::Warning(&what));
        self.warnings.push(what);
    }

    fn note(&self, event: &Event<'_>) {
        self.restore.watcher.note(event);
    }
}

/// One error for all parts of the definition that were not set.
fn not_set(failed: &[(&str, Error)]) -> Result<()> {
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let told: Vec<_> =
        failed.iter().map(|(what, error)| format!("{what} ({})", error.what())).collect();
    let what = format!("not all of the definition was set: {}", told.join("; "));
    Err(Error::new(first.class(), what, first.hint().to_owned()))
}
