//! Array jobs: one submission, many children, and what the parent tells of them.

use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::job::Job;

/// The sizes that Batch takes.
const SIZES: std::ops::RangeInclusive<u64> = 2..=10_000;
/// How many children of one array run at the same time.
const AT_ONCE: usize = 2;
/// Every status that Batch counts, in the order that jobs go through them.
const STATUSES: [&str; 7] =
    ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"];
const CHILD_FAILED: &str = "Array Child Job failed";

/// What a job has to do with an array.
#[derive(Debug)]
pub(super) enum Place {
    /// Nothing.
    Alone,
    /// It is the array: it runs nothing itself.
    Parent(Vec<Arc<Job>>),
    /// It is one of the array's jobs.
    Child {
        index: u32,
        size: u32,
        /// What the children wait for.
        gate: Arc<Semaphore>,
    },
}

impl Place {
    /// The places of an array's children.
    pub(super) fn children(size: u32) -> impl Iterator<Item = Self> {
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        (0..size).map(move |index| Self::Child { index, size, gate: Arc::clone(&gate) })
    }

    /// `arrayProperties` in the words of `DescribeJobs` and `ListJobs`; none for a job alone.
    pub(super) fn describe(&self) -> Option<Value> {
        match self {
            Self::Alone => None,
            Self::Child { index, .. } => Some(json!({"index": index})),
            Self::Parent(children) => {
                let mut counts = STATUSES.map(|status| (status, 0_u32));
                for child in children {
                    let status = child.state().status;
                    if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == status)
                    {
                        *count += 1;
                    }
                }
                let summary: Value =
                    counts.into_iter().map(|(status, count)| (status, json!(count))).collect();
                Some(json!({"size": children.len(), "statusSummary": summary}))
            }
        }
    }

    /// The variables that Batch sets for a child.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Child { index, size, .. } => vec![
                ("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string()),
                ("AWS_BATCH_JOB_ARRAY_SIZE", size.to_string()),
            ],
            Self::Alone | Self::Parent(_) => Vec::new(),
        }
    }
}

/// The size that a submission asks for; none when it asks for no array. One that Batch would
/// refuse is an error.
pub(super) fn size(submission: &Value) -> Result<Option<u32>> {
    let wanted = &submission["arrayProperties"]["size"];
    if wanted.is_null() {
        return Ok(None);
    }
    match wanted.as_u64().filter(|size| SIZES.contains(size)) {
        Some(size) => Ok(Some(u32::try_from(size)?)),
        None => bail!("arrayProperties.size is {wanted}; Batch allows 2 to 10000"),
    }
}

/// Ends a parent whose children have all ended, as they did: one that failed fails it.
pub(super) fn finish(parent: &Job, children: &[Arc<Job>]) {
    let terminated = parent.stop.borrow().clone();
    let failed = children.iter().any(|child| child.state().status == "FAILED");
    match (terminated, failed) {
        (Some(reason), true) => parent.finish("FAILED", Some(reason)),
        (None, true) => parent.finish("FAILED", Some(CHILD_FAILED.to_owned())),
        (_, false) => parent.finish("SUCCEEDED", None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::size;

    #[test]
    fn sizes_that_batch_lacks_are_refused() {
        let of = |properties: serde_json::Value| size(&json!({"arrayProperties": properties}));
        assert_eq!(of(json!({"size": 2})).expect("the least"), Some(2));
        assert_eq!(of(json!({"size": 10_000})).expect("the most"), Some(10_000));
        assert_eq!(of(json!({})).expect("no array"), None);
        assert_eq!(size(&json!({})).expect("no array"), None);
        for bad in [json!(0), json!(1), json!(10_001), json!("2"), json!(-1)] {
            assert!(of(json!({"size": bad})).is_err(), "{bad}");
        }
    }
}
