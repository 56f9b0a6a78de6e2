//! The plan of a run: made once, and all that the later steps know.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::options::Origin;
use crate::hash::TagHash;

/// The version of [`Plan`].
pub const VERSION: u32 = 1;

/// Version 1 of the plan. Readers reject a version they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Always [`VERSION`].
    pub version: u32,
    /// The ARN of the instance or cluster.
    pub resource_arn: String,
    /// The hash of the tags that the plan was made from.
    pub tag_hash: TagHash,
    /// When the run was to start, by the schedule.
    pub scheduled_for: DateTime<Utc>,
    /// The execution of the state machine.
    pub execution_arn: String,
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// The engine of the database.
    pub engine: String,
    /// The engine's version.
    pub engine_version: String,
    /// Whether the snapshot is made for the run.
    pub origin: Origin,
    /// The identifier of the snapshot.
    pub snapshot: String,
    /// Its ARN.
    pub snapshot_arn: String,
    /// The identifier of the export task.
    pub export_task: String,
    /// What is exported; all where it is empty.
    pub export_only: Vec<String>,
    /// How many snapshots are kept.
    pub keep: u32,
}

impl Plan {
    /// Whether the snapshot is made for the run, and so may be deleted with it.
    #[must_use]
    pub fn makes(&self) -> bool {
        self.origin == Origin::Create
    }
}
