//! Looks how far a run's snapshot is.

use serde::Serialize;

use super::ports::{Snapshot, SnapshotService};
use super::run::{Run, Snapshots};
use crate::error::{Error, ErrorClass, Result};
use crate::ports::{ObjectReader, ObjectWriter};

pub(super) const CREATING: &str = "creating";
pub(super) const WAITING: &str = "waiting";
const AVAILABLE: &str = "available";

/// What else RDS calls a snapshot that becomes available by itself.
const ON_THE_WAY: [&str; 5] = [CREATING, "pending", "copying", "modifying", "backing-up"];

/// How far a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// `creating` or `available`; and `waiting` where it could not be asked for yet.
    pub status: &'static str,
    /// Why it has to wait, in the words of RDS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Looked {
    pub(super) const fn is(status: &'static str) -> Self {
        Self { status, reason: None }
    }

    /// A snapshot that will never be available is an error of class [`ErrorClass::Engine`].
    pub(super) fn at(snapshot: &Snapshot) -> Result<Self> {
        let status = snapshot.status.as_str();
        if status == AVAILABLE {
            return Ok(Self::is(AVAILABLE));
        }
        if ON_THE_WAY.contains(&status) {
            return Ok(Self::is(CREATING));
        }
        Err(Error::new(
            ErrorClass::Engine,
            format!("the snapshot {} cannot be exported: its status is {status:?}", snapshot.arn),
            "Look at its events and its database's in RDS; the next run makes another",
        ))
    }
}

impl<R: SnapshotService, S: ObjectReader + ObjectWriter> Snapshots<'_, R, S> {
    /// How far the snapshot is. One that failed, or is gone, is an error of class
    /// [`ErrorClass::Engine`].
    pub async fn look(&self, run: &Run) -> Result<Looked> {
        let (target, plan) = (run.target()?, self.plan_of(run).await?);
        match self.service.snapshot(target.form, &plan.snapshot).await? {
            Some(snapshot) => Looked::at(&snapshot),
            None => Err(Error::new(
                ErrorClass::Engine,
                format!("the snapshot {} is not there any more", plan.snapshot_arn),
                "Find out who deleted it; the next run makes another",
            )),
        }
    }
}
