//! A database, and runs of it, for the tests of the steps.

use std::future::ready;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::arn::DatabaseArn;
use super::names;
use super::options::{Origin, SnapshotOptions};
use super::planner::Planned;
use super::run::{Run, Snapshots};
use crate::error::Result;
use crate::hash::TagHash;
use crate::tags::TagPrefix;
use crate::testing::snapshots::{ExportedTable, write_export};
use crate::testing::{MemorySnapshots, MemoryStore};

pub(super) const BUCKET: &str = "backups";
pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/AutoDumpExport";
pub(super) const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1f2e3d4c";

pub(super) struct World {
    pub(super) rds: MemorySnapshots,
    pub(super) store: MemoryStore,
    pub(super) target: DatabaseArn,
    prefix: TagPrefix,
}

pub(super) fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../contract/snapshots.json")).unwrap()
}

/// The n-th run of a day.
pub(super) fn run_of(target: &DatabaseArn, number: u32) -> Run {
    let name = format!("execution:AutoDump:{}-20261122T080000Z-{number:020}", target.name);
    Run {
        resource_arn: target.to_string(),
        start: "2026-11-22T08:00:00Z".parse().unwrap(),
        execution_arn: format!("arn:aws:states:eu-central-1:111122223333:{name}"),
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::of("arn:aws:rds:eu-central-1:111122223333:db:orders")
    }

    pub(super) fn of(arn: &str) -> Self {
        let target: DatabaseArn = arn.parse().unwrap();
        let rds = MemorySnapshots::new(Self::now());
        rds.add(&target, None);
        Self { rds, store: MemoryStore::default(), target, prefix: TagPrefix::default() }
    }

    pub(super) fn now() -> DateTime<Utc> {
        "2026-11-22T08:00:41Z".parse().unwrap()
    }

    pub(super) fn run(&self, number: u32) -> Run {
        run_of(&self.target, number)
    }

    pub(super) fn snapshots(&self) -> Snapshots<'_, MemorySnapshots, MemoryStore> {
        self.with(&self.store)
    }

    pub(super) fn with<'a, S>(&'a self, store: &'a S) -> Snapshots<'a, MemorySnapshots, S> {
        Snapshots {
            service: &self.rds,
            store,
            bucket: BUCKET,
            prefix: &self.prefix,
            export_role: ROLE,
            export_key: KEY,
        }
    }

    pub(super) async fn plan(&self, run: &Run, wanted: &SnapshotOptions) -> Result<Planned> {
        let hash = TagHash::from("v1:00".to_owned());
        let wanted = ready(Ok((wanted.clone(), hash)));
        self.snapshots().plan(run, wanted, Self::now()).await
    }

    pub(super) async fn planned(&self, run: &Run) {
        self.plan(run, &SnapshotOptions::default()).await.unwrap();
    }

    /// A run whose snapshot is available.
    pub(super) async fn made(&self, run: &Run) -> String {
        self.planned(run).await;
        self.snapshots().make(run).await.unwrap();
        while self.snapshots().look(run).await.unwrap().status != "available" {}
        names::snapshot(&self.target, &run.execution_arn)
    }

    /// A run whose export has ended well, with these tables in the bucket. Gives the task.
    pub(super) async fn exported(&self, run: &Run, tables: &[ExportedTable]) -> String {
        self.made(run).await;
        self.snapshots().export(run).await.unwrap();
        while self.snapshots().follow(run).await.unwrap().status != "complete" {}
        let request = self.rds.exports().pop().unwrap();
        write_export(&self.store, BUCKET, &request.prefix, &request.name, tables);
        request.name
    }

    /// A run whose backup is there. Gives the name of its snapshot.
    pub(super) async fn finished(&self, run: &Run) -> String {
        self.exported(run, &[ExportedTable::whole("shop.public.orders", &[1])]).await;
        self.snapshots().finish(run, "0.1.0").await.unwrap();
        names::snapshot(&self.target, &run.execution_arn)
    }

    /// So many days later.
    pub(super) fn after(&self, days: i64) -> DateTime<Utc> {
        let now = Self::now() + Duration::days(days);
        self.rds.at(now);
        now
    }
}

/// What a database with automated backups asks for.
pub(super) fn automated() -> SnapshotOptions {
    SnapshotOptions { origin: Origin::Automated, ..SnapshotOptions::default() }
}
