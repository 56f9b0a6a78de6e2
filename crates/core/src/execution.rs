//! One run of one target: its input and its name.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hash::TagHash;
use crate::layout;
use crate::tags::Size;
use crate::verification::Level;

/// What the state machine is started with. The same run always has the same input, byte
/// for byte: `contract/execution-input.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecutionInput {
    /// The target.
    pub resource_arn: String,
    /// The hash of its tags when the run was planned.
    pub tag_hash: TagHash,
    /// When the dump starts: UTC, whole seconds, with `Z`.
    pub when: String,
    /// The Fargate job's resources, as Batch wants them.
    pub job: JobResources,
    /// How far the backup is verified once it is made. Executions that were started by a
    /// version before this field do not have it.
    #[serde(default)]
    pub verify: Level,
}

/// vCPUs and MiB as Batch's `ResourceRequirements` take them: as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobResources {
    /// Number of vCPUs.
    pub vcpu: String,
    /// Memory in MiB.
    pub memory: String,
}

impl ExecutionInput {
    /// The input of the run of `resource_arn` at `when`.
    #[must_use]
    pub fn new(
        resource_arn: &str,
        tag_hash: TagHash,
        when: DateTime<Utc>,
        size: Size,
        verify: Level,
    ) -> Self {
        Self {
            resource_arn: resource_arn.to_owned(),
            tag_hash,
            when: when.to_rfc3339_opts(SecondsFormat::Secs, true),
            job: JobResources {
                vcpu: size.vcpu().to_string(),
                memory: size.memory_mib().to_string(),
            },
            verify,
        }
    }
}

/// The longest readable part of an execution's name.
const READABLE: usize = 42;

/// The name of the run of `resource_arn` with these tags at `when`: a readable part, the
/// start, and 80 bits of SHA-256 over all three. At most 80 characters of `[0-9A-Za-z_-]`, a
/// letter or digit first: Step Functions, CloudWatch and Batch, whose job is named alike,
/// all take that.
#[must_use]
pub fn name(resource_arn: &str, tag_hash: &TagHash, when: DateTime<Utc>) -> String {
    let start = layout::timestamp(when);
    let mut hasher = Sha256::new();
    for text in [resource_arn, tag_hash.as_str(), &start] {
        hasher.update(format!("{}:{text},", text.len()));
    }
    let digest = hex::encode(&hasher.finalize()[..10]);
    format!("{}-{start}-{digest}", readable(resource_arn))
}

/// The part of an execution's [`name`] that is made of its target alone, from the target's ARN or
/// its name. Targets may share it.
#[must_use]
pub fn readable(target: &str) -> String {
    layout::readable(target, '-', READABLE)
}

/// The readable part of a name that [`name`] made, and the start of its run; `None` for others.
#[must_use]
pub fn parts(name: &str) -> Option<(&str, DateTime<Utc>)> {
    let (rest, digest) = name.rsplit_once('-')?;
    let (readable, start) = rest.rsplit_once('-')?;
    let is_digest = digest.len() == 20 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    let start = NaiveDateTime::parse_from_str(start, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
    is_digest.then_some((readable, start))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn input_and_name_are_the_contract() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/execution-input.json")).unwrap();
        let input: ExecutionInput = serde_json::from_value(golden["input"].clone()).unwrap();
        let when: DateTime<Utc> = input.when.parse().unwrap();
        let (arn, hash) = (&input.resource_arn, input.tag_hash.clone());
        let again = ExecutionInput::new(arn, hash, when, Size::Small, Level::None);
        assert_eq!(serde_json::to_value(&again).unwrap(), golden["input"]);
        assert_eq!(name(&input.resource_arn, &input.tag_hash, when), golden["name"]);
    }

    #[test]
    fn an_execution_of_an_earlier_version_is_not_verified() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/execution-input.json")).unwrap();
        let mut input = golden["input"].clone();
        input.as_object_mut().unwrap().remove("verify");
        let input: ExecutionInput = serde_json::from_value(input).unwrap();
        assert_eq!(input.verify, Level::None);
    }

    type Run = (String, String, i64);

    /// Few starts and hashes, and names that look alike, so that only the digest tells many
    /// runs apart.
    fn run() -> impl Strategy<Value = Run> {
        let name = prop_oneof!["\\PC{0,80}", "[/._]?(prod|staging)[/.-]app", "x{40,46}[ab]"];
        (name, "v1:[ab]", 0..3i64)
    }

    proptest! {
        #[test]
        fn names_are_legal_and_never_collide(runs in prop::collection::vec(run(), 1..40)) {
            let mut seen: HashMap<String, Run> = HashMap::new();
            for run in runs {
                let arn = format!("arn:aws:secretsmanager:eu-central-1:1:secret:{}-AbCdEf", run.0);
                let when = DateTime::from_timestamp(run.2, 0).unwrap();
                let name = name(&arn, &TagHash::from(run.1.clone()), when);
                prop_assert!(name.len() <= 80, "{} characters", name.len());
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
                prop_assert!(name.as_bytes()[0].is_ascii_alphanumeric(), "{name}");
                let readable = readable(&arn);
                prop_assert_eq!(parts(&name), Some((readable.as_str(), when)));
                if let Some(other) = seen.insert(name, run.clone()) {
                    prop_assert_eq!(other, run);
                }
            }
        }
    }

    #[test]
    fn a_name_that_somebody_else_gave_has_no_parts() {
        assert_eq!(readable("prod/app"), "prod-app");
        for name in ["", "x", "by-hand", "orders-20261122T080000Z", "orders-20261122T080000Z-0123"]
        {
            assert_eq!(parts(name), None, "{name}");
        }
    }

    #[test]
    fn what_truncation_once_made_equal_is_distinct() {
        let hash = TagHash::from("v1:00".to_owned());
        let when = "2026-11-22T08:00:00Z".parse().unwrap();
        let arn =
            |name: &str| format!("arn:aws:secretsmanager:eu-central-1:1:secret:{name}-AbCdEf");
        let names: Vec<_> = ["prod/app", "staging/app", "prod-app"]
            .map(|target| name(&arn(target), &hash, when))
            .into_iter()
            .collect();
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), 3, "{names:?}");
        assert!(name(&arn(&"x".repeat(512)), &hash, when).contains("-20261122T080000Z-"));
    }
}
